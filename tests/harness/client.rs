//! One network connection to a broker, byte for byte.

use std::collections::VecDeque;
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail, ensure};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use crate::{AckKind, Connect, Packet, Publish, Version, decode, frame};

/// How long any single awaited packet may take. Generous: a failover on a loaded machine lies within it.
pub const DEADLINE: Duration = Duration::from_secs(20);

/// How long nothing must come for "silence"; a fence proves the rest.
pub const QUIET: Duration = Duration::from_millis(200);

/// Lines of a connection's transcript that are kept for the error message.
const TRANSCRIPT: usize = 40;

/// How long one try to connect may take where there are others to go to: a failover lies within it.
const ONE_TRY: Duration = Duration::from_secs(4);

/// How long a usual client comes again after a close without a word.
const COMES_AGAIN: Duration = Duration::from_secs(2);

/// Bytes asked of the network at once.
const READ: usize = 16 * 1024;

/// What a wait on a connection ended with.
#[derive(Debug, PartialEq, Eq)]
pub enum Event {
    /// A packet came.
    Packet(Packet),
    /// The broker closed the connection, or the network did.
    Closed,
    /// Nothing came in time.
    Quiet,
}

/// The broker closed a connection that was in use, or the network did: the one failure that a client which
/// moves between nodes expects. Found in an error's chain by [`is_lost`].
#[derive(Debug)]
struct ConnectionLost;

impl fmt::Display for ConnectionLost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the connection is lost")
    }
}

impl std::error::Error for ConnectionLost {}

/// Whether an error only says that a connection is lost, so that a client may go elsewhere.
pub fn is_lost(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| cause.is::<ConnectionLost>())
}

/// A connection. Dropping it closes with FIN; [`reset`](Self::reset) closes with RST.
#[derive(Debug)]
pub struct Client {
    name: String,
    version: Version,
    stream: TcpStream,
    buffer: Vec<u8>,
    /// Packets that were read while waiting for another kind.
    set_aside: VecDeque<Packet>,
    transcript: VecDeque<String>,
    session_present: bool,
    connack: Option<Packet>,
}

impl Client {
    /// Opens the TCP connection and sends nothing.
    ///
    /// # Errors
    ///
    /// What the network says.
    pub async fn open(address: SocketAddr, version: Version, name: impl Into<String>) -> Result<Self> {
        let name = name.into();
        let stream = tokio::time::timeout(DEADLINE, TcpStream::connect(address))
            .await
            .with_context(|| format!("{name}: no TCP connection to {address} in time"))?
            .map_err(|error| {
                anyhow::Error::new(ConnectionLost)
                    .context(format!("{name}: connecting to {address}: {error}"))
            })?;
        stream.set_nodelay(true)?;
        Ok(Self {
            name,
            version,
            stream,
            buffer: Vec::new(),
            set_aside: VecDeque::new(),
            transcript: VecDeque::new(),
            session_present: false,
            connack: None,
        })
    }

    /// Connects and expects to be accepted; comes again a few times if the node closes the socket without a word,
    /// as a node may that has not yet heard of this client's last connection elsewhere.
    ///
    /// # Errors
    ///
    /// A refusal, a close, or no CONNACK in time.
    pub async fn connect(address: SocketAddr, connect: &Connect) -> Result<Self> {
        Self::connect_within(address, connect, COMES_AGAIN).await
    }

    /// One CONNECT, which is accepted or not.
    ///
    /// # Errors
    ///
    /// A refusal, a close, or no CONNACK in time.
    pub async fn connect_once(address: SocketAddr, connect: &Connect) -> Result<Self> {
        let mut client = Self::open(address, connect.version, &connect.client_id).await?;
        client.send(&connect.bytes()).await?;
        match client.receive().await.context("in place of CONNACK")? {
            accepted @ Packet::ConnAck { session_present, code: 0, .. } => {
                client.session_present = session_present;
                client.connack = Some(accepted);
                Ok(client)
            }
            // Unavailable (3.1.1: 3, 5.0: 0x88), busy (0x89), too often (0x9F): another node, or a moment later.
            Packet::ConnAck { code: code @ (0x03 | 0x88 | 0x89 | 0x9f), .. } => {
                Err(client.lost(&format!("refused for now with 0x{code:02x}")))
            }
            other => Err(client.fault(format!("expected to be accepted, got {other}"))),
        }
    }

    /// Connects again and again while the node closes the socket or refuses because it has no leader yet; tries
    /// once at least. Any other refusal is an error at once.
    ///
    /// # Errors
    ///
    /// The last refusal when `limit` has passed.
    pub async fn connect_within(address: SocketAddr, connect: &Connect, limit: Duration) -> Result<Self> {
        let what = format!("{} is accepted at {address}", connect.client_id);
        crate::eventually(&what, limit, || async {
            // A node that stands still takes the TCP connection and says nothing.
            let once = tokio::time::timeout(limit.max(ONE_TRY), Self::connect_once(address, connect));
            let lost = |_| anyhow::Error::new(ConnectionLost).context(format!("{address} does not answer"));
            match once.await.map_err(lost)? {
                Ok(client) => Ok(Some(Ok(client))),
                Err(error) if is_lost(&error) => Err(error),
                Err(error) => Ok(Some(Err(error))),
            }
        })
        .await?
    }

    /// Session Present of the CONNACK.
    pub fn session_present(&self) -> bool {
        self.session_present
    }

    /// The CONNACK, if [`connect`](Self::connect) read it.
    pub fn connack(&self) -> Option<&Packet> {
        self.connack.as_ref()
    }

    /// The version spoken.
    pub fn version(&self) -> Version {
        self.version
    }

    /// Writes bytes as they are.
    ///
    /// # Errors
    ///
    /// A connection that was closed, with the transcript.
    pub async fn send(&mut self, bytes: &[u8]) -> Result<()> {
        let shown = &bytes[..bytes.len().min(40)];
        self.note(format!("sent {} bytes {shown:02x?}", bytes.len()));
        match tokio::time::timeout(DEADLINE, self.stream.write_all(bytes)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(self.lost(&format!("sending: {error}"))),
            Err(_) => Err(self.fault("the broker does not take our bytes".to_owned())),
        }
    }

    /// Writes bytes and does not mind a connection that is closed already (or while writing).
    pub async fn send_regardless(&mut self, bytes: &[u8]) {
        if let Err(error) = self.send(bytes).await {
            self.note(format!("not sent: {error:#}"));
        }
    }

    /// The next packet, or what happened instead within `limit`.
    ///
    /// # Errors
    ///
    /// A packet that the standard does not allow.
    pub async fn next(&mut self, limit: Duration) -> Result<Event> {
        if let Some(packet) = self.set_aside.pop_front() {
            return Ok(Event::Packet(packet));
        }
        self.next_new(limit).await
    }

    async fn next_new(&mut self, limit: Duration) -> Result<Event> {
        let until = Instant::now() + limit;
        loop {
            match decode(self.version, &mut self.buffer) {
                Ok(Some(packet)) => {
                    self.note(format!("got {packet}"));
                    return Ok(Event::Packet(packet));
                }
                Ok(None) => {}
                Err(error) => return Err(error.context(self.story())),
            }
            self.buffer.reserve(READ);
            match timeout_at(until, self.stream.read_buf(&mut self.buffer)).await {
                Ok(Ok(0)) => {
                    self.note("closed by the broker".to_owned());
                    return Ok(Event::Closed);
                }
                Ok(Ok(_)) => {}
                Ok(Err(error)) => {
                    self.note(format!("closed: {error}"));
                    return Ok(Event::Closed);
                }
                Err(_) => return Ok(Event::Quiet),
            }
        }
    }

    /// The next packet, within [`DEADLINE`].
    ///
    /// # Errors
    ///
    /// A close or nothing in time.
    pub async fn receive(&mut self) -> Result<Packet> {
        match self.next(DEADLINE).await? {
            Event::Packet(packet) => Ok(packet),
            Event::Closed => Err(self.lost("the broker closed while a packet was awaited")),
            Event::Quiet => Err(self.fault("no packet came in time".to_owned())),
        }
    }

    /// The first packet that `wanted` accepts; the others are kept for later in their order.
    ///
    /// # Errors
    ///
    /// A close or nothing in time.
    pub async fn receive_where(&mut self, what: &str, wanted: impl Fn(&Packet) -> bool) -> Result<Packet> {
        if let Some(place) = self.set_aside.iter().position(&wanted) {
            return self.set_aside.remove(place).ok_or_else(|| anyhow!("a packet that was just there"));
        }
        let until = Instant::now() + DEADLINE;
        loop {
            match self.next_new(until.saturating_duration_since(Instant::now())).await? {
                Event::Packet(packet) if wanted(&packet) => return Ok(packet),
                Event::Packet(packet) => self.set_aside.push_back(packet),
                Event::Closed => {
                    return Err(self.lost(&format!("the broker closed while {what} was awaited")));
                }
                Event::Quiet => return Err(self.fault(format!("{what} did not come in time"))),
            }
        }
    }

    /// The next PUBLISH; other kinds are kept for later.
    ///
    /// # Errors
    ///
    /// As [`receive_where`](Self::receive_where).
    pub async fn receive_publish(&mut self) -> Result<Publish> {
        match self.receive_where("a PUBLISH", |packet| matches!(packet, Packet::Publish(_))).await? {
            Packet::Publish(publish) => Ok(publish),
            other => bail!("asked for a PUBLISH, got {other}"),
        }
    }

    /// The acknowledgement of this kind and packet identifier; its reason code.
    ///
    /// # Errors
    ///
    /// As [`receive_where`](Self::receive_where).
    pub async fn receive_ack(&mut self, kind: AckKind, id: u16) -> Result<u8> {
        let wanted =
            |packet: &Packet| matches!(packet, Packet::Ack { kind: k, id: i, .. } if (*k, *i) == (kind, id));
        match self.receive_where(&format!("{kind} {id}"), wanted).await? {
            Packet::Ack { code, .. } => Ok(code),
            other => bail!("asked for {kind} {id}, got {other}"),
        }
    }

    /// Sends SUBSCRIBE and waits for its SUBACK; the codes.
    ///
    /// # Errors
    ///
    /// As [`receive_where`](Self::receive_where).
    pub async fn subscribe(&mut self, id: u16, filters: &[(&str, u8)]) -> Result<Vec<u8>> {
        self.send(&frame::subscribe(self.version, id, filters)).await?;
        self.receive_suback(id).await
    }

    /// The SUBACK with this packet identifier; its codes.
    ///
    /// # Errors
    ///
    /// As [`receive_where`](Self::receive_where).
    pub async fn receive_suback(&mut self, wanted: u16) -> Result<Vec<u8>> {
        let is = |packet: &Packet| matches!(packet, Packet::SubAck { id, .. } if *id == wanted);
        match self.receive_where(&format!("SUBACK {wanted}"), is).await? {
            Packet::SubAck { codes, .. } => Ok(codes),
            other => bail!("asked for SUBACK {wanted}, got {other}"),
        }
    }

    /// Sends UNSUBSCRIBE and waits for its UNSUBACK; the codes (none before 5.0).
    ///
    /// # Errors
    ///
    /// As [`receive_where`](Self::receive_where).
    pub async fn unsubscribe(&mut self, wanted: u16, filters: &[&str]) -> Result<Vec<u8>> {
        self.send(&frame::unsubscribe(self.version, wanted, filters)).await?;
        let is = |packet: &Packet| matches!(packet, Packet::UnsubAck { id, .. } if *id == wanted);
        match self.receive_where(&format!("UNSUBACK {wanted}"), is).await? {
            Packet::UnsubAck { codes, .. } => Ok(codes),
            other => bail!("asked for UNSUBACK {wanted}, got {other}"),
        }
    }

    /// Publishes at QoS 0, 1 or 2 and goes through the whole handshake.
    ///
    /// # Errors
    ///
    /// A refusal (a reason code of 0x80 or more), or an answer that does not come.
    pub async fn publish(&mut self, topic: &str, payload: impl AsRef<[u8]>, qos: u8, id: u16) -> Result<()> {
        let with_id = (qos > 0).then_some(id);
        self.send(&frame::publish(self.version, topic, payload, qos, with_id, false)).await?;
        if qos == 1 {
            let code = self.receive_ack(AckKind::PubAck, id).await?;
            ensure!(code < 0x80, "{}: PUBLISH {id} refused with 0x{code:02x}", self.name);
        }
        if qos == 2 {
            let code = self.receive_ack(AckKind::PubRec, id).await?;
            ensure!(code < 0x80, "{}: PUBLISH {id} refused with 0x{code:02x}", self.name);
            self.send(&frame::pubrel(id)).await?;
            let code = self.receive_ack(AckKind::PubComp, id).await?;
            ensure!(code == 0, "{}: PUBREL {id} answered with 0x{code:02x}", self.name);
        }
        Ok(())
    }

    /// PINGREQ and its PINGRESP. It proves that this connection's own bytes are worked off, no more.
    ///
    /// # Errors
    ///
    /// As [`receive_where`](Self::receive_where).
    pub async fn ping(&mut self) -> Result<()> {
        self.send(&frame::pingreq()).await?;
        self.receive_where("PINGRESP", |packet| *packet == Packet::PingResp).await.map(drop)
    }

    /// Nothing comes for [`QUIET`], and the connection still answers a PINGREQ.
    ///
    /// # Errors
    ///
    /// Whatever came.
    pub async fn silence(&mut self) -> Result<()> {
        match self.next(QUIET).await? {
            Event::Quiet => {}
            other => return Err(self.fault(format!("expected silence, got {other:?}"))),
        }
        self.ping().await?;
        match self.set_aside.front() {
            None => Ok(()),
            Some(packet) => Err(self.fault(format!("expected silence, got {packet}"))),
        }
    }

    /// The broker closes this connection within `limit`; the reason code of its DISCONNECT (or of the CONNACK
    /// that refuses), if it sent one. Other packets on the way to the close are no fault here.
    ///
    /// # Errors
    ///
    /// A connection that stays open.
    pub async fn closed_within(&mut self, limit: Duration) -> Result<Option<u8>> {
        let until = Instant::now() + limit;
        let mut reason = None;
        loop {
            match self.next(until.saturating_duration_since(Instant::now())).await? {
                Event::Closed => return Ok(reason),
                Event::Packet(Packet::Disconnect { code } | Packet::ConnAck { code, .. }) if code != 0 => {
                    reason = Some(code);
                }
                Event::Packet(_) => {}
                Event::Quiet => return Err(self.fault("expected the broker to close".to_owned())),
            }
        }
    }

    /// [`closed_within`](Self::closed_within) two seconds, and the machine's slowness.
    ///
    /// # Errors
    ///
    /// A connection that stays open.
    pub async fn closed(&mut self) -> Result<Option<u8>> {
        self.closed_within(Duration::from_secs(5)).await
    }

    /// Closes with RST.
    ///
    /// # Errors
    ///
    /// What the network says.
    pub fn reset(self) -> Result<()> {
        self.stream.set_zero_linger()?;
        Ok(())
    }

    /// An error with the story of this connection.
    pub fn fault(&self, what: String) -> anyhow::Error {
        anyhow!("{what}\n{}", self.story())
    }

    /// The error of a connection that is lost, with its story.
    pub(crate) fn lost(&self, what: &str) -> anyhow::Error {
        anyhow::Error::new(ConnectionLost).context(format!("{what}\n{}", self.story()))
    }

    fn story(&self) -> String {
        let lines: Vec<&str> = self.transcript.iter().map(String::as_str).collect();
        format!("  connection of `{}` ({}):\n    {}", self.name, self.version, lines.join("\n    "))
    }

    fn note(&mut self, line: String) {
        if self.transcript.len() == TRANSCRIPT {
            self.transcript.pop_front();
        }
        self.transcript.push_back(line);
    }
}
