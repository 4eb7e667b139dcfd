//! One connection to a broker: bytes to packets and back, and CONNECT.

use std::time::Duration;

use bytes::BytesMut;
use quartet_packet::{ConnAck, Connect, Decoder, Disconnect, Packet, ReasonCode, Role, encode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use super::{Error, Options};

/// How long the broker may take to accept and to answer CONNECT, which it commits first; an election fits twice.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long the broker may take to answer PINGREQ before the connection counts as lost.
const PING_TIMEOUT: Duration = Duration::from_secs(10);

/// Largest packet taken from a broker, in bytes: what this client is willing to hold.
const LARGEST_PACKET: usize = 64 << 20;

/// An open connection.
#[derive(Debug)]
pub(crate) struct Link {
    stream: TcpStream,
    options: Options,
    decoder: Decoder,
    input: BytesMut,
    output: BytesMut,
    keep_alive: Duration,
    last_sent: Instant,
    /// Since when a PINGRESP is awaited.
    pinged: Option<Instant>,
}

/// Why there is no connection (any more).
#[derive(Debug)]
pub(crate) enum Broken {
    /// Trying again may help: the network, a node that stopped, a broker that is busy.
    Lost(String),
    /// Nobody is there at all: worth a retry only if somebody was there before.
    Nobody(std::io::Error),
    /// Trying again does not help.
    Final(Error),
}

impl Link {
    /// Connects. `clean_start` and `session_expiry` (seconds; 5.0 only) as in CONNECT.
    pub(crate) async fn open(
        options: &Options,
        clean_start: bool,
        session_expiry: u32,
    ) -> Result<(Self, ConnAck), Broken> {
        let target = (options.host.as_str(), options.port);
        let stream = match timeout(CONNECT_TIMEOUT, TcpStream::connect(target)).await {
            Err(_) => return Err(Broken::Lost("no connection in time".to_owned())),
            Ok(Err(error)) => return Err(Broken::Nobody(error)),
            Ok(Ok(stream)) => stream,
        };
        // Handshakes are small packets that wait for each other; a socket that cannot be told so still works.
        let _delayed = stream.set_nodelay(true);
        let mut decoder = Decoder::new(Role::Client);
        decoder.set_version(options.version);
        decoder.set_maximum_packet_size(LARGEST_PACKET);
        let mut link = Self {
            stream,
            options: options.clone(),
            decoder,
            input: BytesMut::new(),
            output: BytesMut::new(),
            keep_alive: options.keep_alive,
            last_sent: Instant::now(),
            pinged: None,
        };
        let mut connect = Connect::new(options.version, options.client_id.clone());
        connect.clean_start = clean_start;
        connect.keep_alive = u16::try_from(options.keep_alive.as_secs()).unwrap_or(u16::MAX);
        if options.version.is_v5() {
            connect.session_expiry = (session_expiry > 0).then_some(session_expiry);
        }
        link.send(&[Packet::Connect(Box::new(connect))]).await?;
        match timeout(CONNECT_TIMEOUT, link.receive()).await {
            Err(_) => Err(Broken::Lost("no CONNACK in time".to_owned())),
            Ok(Err(broken)) => Err(broken),
            Ok(Ok(Packet::ConnAck(connack))) => link.accepted(*connack),
            Ok(Ok(other)) => Err(link.protocol(format!("{} before CONNACK", other.packet_type().name()))),
        }
    }

    fn accepted(mut self, connack: ConnAck) -> Result<(Self, ConnAck), Broken> {
        match connack.reason {
            ReasonCode::Success => {}
            // A node that has no leader yet, or too much to do: another one, or a moment later, will do.
            ReasonCode::ServerUnavailable | ReasonCode::ServerBusy | ReasonCode::ServerShuttingDown => {
                return Err(Broken::Lost(said(connack.reason, connack.reason_string.as_deref())));
            }
            reason => {
                let reason = said(reason, connack.reason_string.as_deref());
                return Err(Broken::Final(Error::Refused { address: self.options.address(), reason }));
            }
        }
        if let Some(seconds) = connack.server_keep_alive {
            self.keep_alive = Duration::from_secs(seconds.into());
        }
        Ok((self, connack))
    }

    /// The next packet but PINGRESP. May be dropped while it waits; nothing is lost.
    pub(crate) async fn receive(&mut self) -> Result<Packet, Broken> {
        loop {
            match self.decoder.decode(&mut self.input) {
                Err(error) => return Err(self.protocol(error.to_string())),
                Ok(Some(Packet::PingResp(_))) => self.pinged = None,
                Ok(Some(Packet::Disconnect(disconnect))) => {
                    let reason = said(disconnect.reason, disconnect.reason_string.as_deref());
                    return Err(match disconnect.reason {
                        ReasonCode::SessionTakenOver | ReasonCode::NotAuthorized | ReasonCode::Banned => {
                            let address = self.options.address();
                            Broken::Final(Error::Refused { address, reason })
                        }
                        _ => Broken::Lost(format!("the broker ended the connection: {reason}")),
                    });
                }
                Ok(Some(packet)) => return Ok(packet),
                Ok(None) => match self.stream.read_buf(&mut self.input).await {
                    Ok(0) => return Err(Broken::Lost("the broker closed the connection".to_owned())),
                    Ok(_) => {}
                    Err(error) => return Err(Broken::Lost(error.to_string())),
                },
            }
        }
    }

    /// Sends packets in one write.
    pub(crate) async fn send(&mut self, packets: &[Packet]) -> Result<(), Broken> {
        for packet in packets {
            if let Err(error) = encode(packet, self.options.version, &mut self.output) {
                return Err(self.protocol(format!("it cannot be said: {error}")));
            }
        }
        let output = self.output.split();
        if output.is_empty() {
            return Ok(());
        }
        self.last_sent = Instant::now();
        self.stream.write_all(&output).await.map_err(|error| Broken::Lost(error.to_string()))
    }

    /// When `keep_alive` is next due; far away if it is off.
    pub(crate) fn wake_at(&self) -> Instant {
        match self.pinged {
            Some(since) => since + PING_TIMEOUT,
            None if self.keep_alive.is_zero() => Instant::now() + Duration::from_secs(86_400),
            // Three quarters: the rest is for the way.
            None => self.last_sent + self.keep_alive * 3 / 4,
        }
    }

    /// Says that we are here, or notices that the broker is not.
    pub(crate) async fn keep_alive(&mut self) -> Result<(), Broken> {
        if self.wake_at() > Instant::now() {
            return Ok(());
        }
        if self.pinged.is_some() {
            return Err(Broken::Lost("no PINGRESP in time".to_owned()));
        }
        self.pinged = Some(Instant::now());
        self.send(&[Packet::PingReq(quartet_packet::PingReq)]).await
    }

    /// Ends the connection in order; `end_session` ends the session with it (5.0 only).
    pub(crate) async fn close(mut self, end_session: bool) {
        let mut disconnect = Disconnect::new(ReasonCode::Success);
        if end_session && self.options.version.is_v5() {
            disconnect.session_expiry = Some(0);
        }
        // The connection ends either way.
        let _sent = self.send(&[Packet::Disconnect(disconnect)]).await;
        let _ended = self.stream.shutdown().await;
    }

    fn protocol(&self, what: String) -> Broken {
        Broken::Final(Error::Protocol { address: self.options.address(), what })
    }
}

/// A reason code, with the broker's own words if it has any.
pub(crate) fn said(reason: ReasonCode, words: Option<&str>) -> String {
    match words {
        Some(words) => format!("{reason:?} (0x{:02X}): {words}", reason.value()),
        None => format!("{reason:?} (0x{:02X})", reason.value()),
    }
}
