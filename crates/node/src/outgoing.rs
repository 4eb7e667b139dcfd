//! Bytes due to one client: one vectored write takes as much as the socket does.

use std::collections::VecDeque;
use std::io::{ErrorKind, IoSlice};

use bytes::{Buf, Bytes, BytesMut};
use tokio::net::TcpStream;

/// Bytes beyond which nothing more is made for this client until some are taken: neither is its socket read, nor its
/// mailbox. One read's worth of answers and a few ordinary messages; what waits beyond waits in the mailbox, bounded.
const BACKED_UP: usize = 256 << 10;

/// Pieces of one write. The system takes up to 1024; more than this gains nothing.
const PIECES: usize = 64;

/// Pieces below this size are copied behind the last one, so that a hundred acknowledgements are one piece.
const SMALL: usize = 512;

/// A piece that small ones are copied into grows up to this size.
const GATHERED: usize = 8 << 10;

/// What is to be written, in order.
#[derive(Debug, Default)]
pub(crate) struct Outgoing {
    pieces: VecDeque<Piece>,
    bytes: usize,
}

#[derive(Debug)]
enum Piece {
    Shared(Bytes),
    Gathered(BytesMut),
}

impl Piece {
    fn as_slice(&self) -> &[u8] {
        match self {
            Self::Shared(bytes) => bytes,
            Self::Gathered(bytes) => bytes,
        }
    }

    fn advance(&mut self, count: usize) {
        match self {
            Self::Shared(bytes) => bytes.advance(count),
            Self::Gathered(bytes) => bytes.advance(count),
        }
    }
}

/// What a write came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Written {
    /// So many bytes, and nothing is left.
    All(usize),
    /// So many bytes; the socket takes no more now.
    Some(usize),
}

impl Outgoing {
    /// Adds bytes.
    pub(crate) fn push(&mut self, bytes: Bytes) {
        self.bytes += bytes.len();
        if bytes.len() >= SMALL {
            self.pieces.push_back(Piece::Shared(bytes));
            return;
        }
        match self.pieces.back_mut() {
            Some(Piece::Gathered(gathered)) if gathered.len() < GATHERED => {
                gathered.extend_from_slice(&bytes)
            }
            _ => self.pieces.push_back(Piece::Gathered(BytesMut::from(&bytes[..]))),
        }
    }

    /// Whether there is nothing to write.
    pub(crate) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Whether nothing more should be made for this client now.
    pub(crate) fn is_backed_up(&self) -> bool {
        self.bytes >= BACKED_UP
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        self.pieces.clear();
        self.bytes = 0;
    }

    /// Writes until all is written or the socket takes no more.
    ///
    /// # Errors
    /// The socket's.
    pub(crate) fn write(&mut self, socket: &TcpStream) -> std::io::Result<Written> {
        let mut written = 0;
        while !self.pieces.is_empty() {
            let mut slices = [IoSlice::new(&[]); PIECES];
            for (slice, piece) in slices.iter_mut().zip(&self.pieces) {
                *slice = IoSlice::new(piece.as_slice());
            }
            let count = self.pieces.len().min(PIECES);
            match socket.try_write_vectored(slices.get(..count).unwrap_or_default()) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(count) => {
                    written += count;
                    self.advance(count);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Written::Some(written)),
                Err(error) => return Err(error),
            }
        }
        Ok(Written::All(written))
    }

    fn advance(&mut self, mut count: usize) {
        self.bytes -= count;
        while let Some(piece) = self.pieces.front_mut() {
            let length = piece.as_slice().len();
            if count < length {
                piece.advance(count);
                return;
            }
            count -= length;
            self.pieces.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;

    use super::*;

    fn flat(outgoing: &Outgoing) -> Vec<u8> {
        outgoing.pieces.iter().flat_map(|piece| piece.as_slice().to_vec()).collect()
    }

    #[test]
    fn small_pieces_are_gathered_and_order_stays() {
        let mut outgoing = Outgoing::default();
        let large = Bytes::from(vec![9; SMALL]);
        for _ in 0..100 {
            outgoing.push(Bytes::from_static(b"ab"));
        }
        outgoing.push(large.clone());
        outgoing.push(Bytes::from_static(b"c"));
        assert_eq!(outgoing.pieces.len(), 3);
        let mut expected = b"ab".repeat(100);
        expected.extend_from_slice(&large);
        expected.push(b'c');
        assert_eq!(flat(&outgoing), expected);
        for step in [1, 198, 2, 500, 12, 0] {
            outgoing.advance(step);
            expected.drain(..step);
            assert_eq!(flat(&outgoing), expected);
            assert_eq!(outgoing.bytes, expected.len());
        }
    }

    #[tokio::test]
    async fn a_peer_that_does_not_read_backs_it_up() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("loopback");
        let address = listener.local_addr().expect("bound");
        let (client, accepted) = tokio::join!(TcpStream::connect(address), listener.accept());
        let (mut client, (server, _)) = (client.expect("connects"), accepted.expect("accepts"));
        let mut outgoing = Outgoing::default();
        let chunk = Bytes::from(vec![7; 1 << 20]);
        let mut total = 0;
        loop {
            outgoing.push(chunk.clone());
            total += chunk.len();
            server.writable().await.expect("open");
            if let Written::Some(_) = outgoing.write(&server).expect("open") {
                break;
            }
        }
        assert!(!outgoing.is_empty());
        let reading = tokio::spawn(async move {
            let mut read = vec![0; total];
            client.read_exact(&mut read).await.map(|_| read.iter().all(|byte| *byte == 7))
        });
        while !outgoing.is_empty() {
            server.writable().await.expect("open");
            outgoing.write(&server).expect("open");
        }
        assert!(reading.await.expect("no panic").expect("all bytes come"));
    }
}
