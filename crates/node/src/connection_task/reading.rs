//! How the task reads its socket: never without room for what the bytes may propose, and ahead of CONNACK only to see
//! whether the client is still there.

use std::io::{ErrorKind, Read};
use std::os::fd::AsFd;

use bytes::{BufMut, BytesMut};
use futures::FutureExt;
use futures::future::BoxFuture;
use quartet_connection::{Connection, Input, PIPELINED, Reading};
use quartet_replica::Room;
use tokio::io::{AsyncReadExt, Interest};
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::Task;

/// Bytes of the first read, and of every read of a client that sends little. An idle connection keeps no buffer.
pub(super) const SMALLEST_READ: usize = 4 << 10;

/// Bytes of a read that follows full ones: what a busy client is served in one turn.
const LARGEST_READ: usize = 32 << 10;

impl Task {
    /// Room for what the next bytes may propose: at once, or a wait for it.
    pub(super) fn room(&self) -> Result<Room, BoxFuture<'static, Room>> {
        let bytes = match self.connection.reading() {
            Reading::Backlog => Connection::room(self.buffer.len()),
            Reading::Open | Reading::Ahead | Reading::Held | Reading::Shut => {
                Connection::room(self.buffer.len() + self.read)
            }
        };
        let replica = self.front.replica.clone();
        if let Some(room) = replica.room(bytes).now_or_never() {
            return Ok(room);
        }
        self.front.metrics.room_waits.inc();
        Err(Box::pin(async move { replica.room(bytes).await }))
    }

    /// Reads once and gives the bytes. `true` if nothing was there.
    pub(super) fn read(&mut self, socket: &mut TcpStream, mut room: Room) {
        // Before the read: a CONNECT that was overtaken while it lay in the socket must look old (invariant 8).
        let applied = self.front.replica.applied();
        match self.read_once(socket, self.read) {
            None => {}
            Some(0) => self.input(Input::PeerClosed),
            // A CONNECT of a client that has gone on: with Clean Start it would end the session it has elsewhere.
            Some(_) if self.connection.client_id().is_none() && self.peer_has_closed(socket) => {
                self.input(Input::PeerClosed);
            }
            Some(_) => {
                let now = self.front.instant(Instant::now());
                let input = Input::Bytes { buffer: &mut self.buffer, applied };
                self.connection.handle(now, input, &mut self.outputs);
                self.carry_out(Some(&mut room));
                self.spare_memory();
            }
        }
    }

    /// Gives what was read before.
    pub(super) fn give(&mut self, mut room: Room) {
        let applied = self.front.replica.applied();
        let now = self.front.instant(Instant::now());
        let input = Input::Bytes { buffer: &mut self.buffer, applied };
        self.connection.handle(now, input, &mut self.outputs);
        self.carry_out(Some(&mut room));
        self.spare_memory();
    }

    /// How many bytes came, of at most `most`: `None` if none are there, 0 if the peer has closed or the socket failed.
    pub(super) fn read_once(&mut self, socket: &mut TcpStream, most: usize) -> Option<usize> {
        self.buffer.reserve(most);
        let mut limited = (&mut self.buffer).limit(most);
        let count = match socket.read_buf(&mut limited).now_or_never()? {
            Ok(count) => count,
            Err(error) => {
                tracing::trace!("read: {error}");
                0
            }
        };
        self.front.metrics.bytes_read.inc_by(u64::try_from(count).unwrap_or(u64::MAX));
        if count == self.read {
            self.read = (self.read * 2).min(LARGEST_READ);
        } else if count < self.read / 4 {
            self.read = (self.read / 2).max(SMALLEST_READ);
        }
        Some(count)
    }

    /// A connection at rest keeps no buffer.
    pub(super) fn spare_memory(&mut self) {
        if self.buffer.is_empty() && self.read == SMALLEST_READ {
            self.buffer = BytesMut::new();
        }
    }

    /// Reads what comes before CONNACK, to see whether the peer closes; nothing of it counts yet (invariant 8).
    pub(super) fn look_ahead(&mut self, socket: &mut TcpStream) {
        while self.buffer.len() < PIPELINED {
            match self.read_once(socket, self.read.min(PIPELINED - self.buffer.len())) {
                None => return,
                Some(0) => return self.input(Input::PeerClosed),
                Some(_) => {}
            }
        }
    }

    /// Whether the peer has closed, as the system knows it now; the runtime hears of it only when it next polls. Reads
    /// ahead like [`look_ahead`](Self::look_ahead), since the close stands behind the bytes.
    pub(super) fn peer_has_closed(&mut self, socket: &TcpStream) -> bool {
        // Behind more bytes than may be read ahead, the runtime's word has to do.
        let heard = match socket.ready(Interest::READABLE).now_or_never() {
            Some(Ok(ready)) => ready.is_read_closed(),
            Some(Err(_)) => true,
            None => false,
        };
        let Ok(second) = socket.as_fd().try_clone_to_owned() else { return heard };
        let mut second = std::net::TcpStream::from(second);
        while !heard && self.buffer.len() < PIPELINED {
            let had = self.buffer.len();
            self.buffer.resize((had + SMALLEST_READ).min(PIPELINED), 0);
            let result = second.read(self.buffer.get_mut(had..).unwrap_or_default());
            self.buffer.truncate(had + result.as_ref().map_or(0, |count| *count));
            match result {
                Ok(0) => return true,
                Ok(count) => self.front.metrics.bytes_read.inc_by(u64::try_from(count).unwrap_or(u64::MAX)),
                Err(error) => match error.kind() {
                    ErrorKind::WouldBlock => return false,
                    ErrorKind::Interrupted => continue,
                    _ => return true,
                },
            };
        }
        heard
    }

    /// Whether nothing lies unread; reads what does, if that is allowed now.
    pub(super) fn drain(&mut self, socket: &mut TcpStream) -> bool {
        if self.outgoing.is_backed_up() || self.connection.reading() != Reading::Open {
            return false;
        }
        match self.room() {
            Ok(room) => {
                self.read(socket, room);
                true
            }
            Err(_) => false,
        }
    }
}
