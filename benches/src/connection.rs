//! A socket whose arrived packets are worked off in one go and answered in one write.

use std::io::ErrorKind;

use anyhow::{Context, Result, bail, ensure};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::frames::{self, Frame};

/// Bytes read at once.
const READ: usize = 256 * 1024;

/// A connection.
pub(crate) struct Connection {
    stream: TcpStream,
    input: Vec<u8>,
    /// What the next [`flush`](Self::flush) writes.
    pub(crate) output: Vec<u8>,
}

impl Connection {
    /// Connects and waits for the CONNACK.
    pub(crate) async fn open(address: &str, client_id: &str, clean: bool) -> Result<Self> {
        let stream = TcpStream::connect(address).await.with_context(|| format!("connecting to {address}"))?;
        stream.set_nodelay(true)?;
        let mut connection = Self { stream, input: Vec::with_capacity(READ), output: Vec::new() };
        frames::connect(&mut connection.output, client_id, clean);
        connection.flush().await?;
        let mut code = None;
        while code.is_none() {
            connection
                .work_off(|frame, _| {
                    if let Frame::ConnAck(given) = frame {
                        code = Some(given);
                    }
                })
                .await?;
        }
        ensure!(code == Some(0), "{address} refuses {client_id} with {code:?}");
        Ok(connection)
    }

    /// Subscribes and waits for the SUBACK.
    pub(crate) async fn subscribe(&mut self, topics: &[String], qos: u8) -> Result<()> {
        frames::subscribe(&mut self.output, topics, qos);
        self.flush().await?;
        let mut done = false;
        while !done {
            self.work_off(|frame, _| done |= frame == Frame::SubAck).await?;
        }
        Ok(())
    }

    /// Waits for bytes and hands each whole packet to `on_frame`, which may write answers into the second
    /// argument; the answers leave together.
    pub(crate) async fn work_off(&mut self, mut on_frame: impl FnMut(Frame<'_>, &mut Vec<u8>)) -> Result<()> {
        loop {
            self.stream.readable().await?;
            self.input.reserve(READ / 4);
            match self.stream.try_read_buf(&mut self.input) {
                Ok(0) => bail!("the broker closed a connection"),
                Ok(_) => break,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error.into()),
            }
        }
        let mut used = 0;
        while let Some((frame, length)) = frames::first(&self.input[used..]) {
            on_frame(frame, &mut self.output);
            used += length;
        }
        self.input.drain(..used);
        self.flush().await
    }

    /// Writes what is due.
    pub(crate) async fn flush(&mut self) -> Result<()> {
        if !self.output.is_empty() {
            self.stream.write_all(&self.output).await?;
            self.output.clear();
        }
        Ok(())
    }
}
