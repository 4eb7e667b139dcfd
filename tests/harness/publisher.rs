//! A sender with the Session State that MQTT 4.1 asks of a client, which outlives its connections.
//!
//! ```text
//!            publish()          PUBREC read          answer()           PUBCOMP read
//!   (free) ───────────► Sent ───────────────► Received ──────► Released ─────────────► (free)
//!                        │  PUBACK read (QoS 1)
//!                        └──────────────────────────────────────────────────────────► (free)
//! ```
//!
//! On a new connection with Session Present 1 it sends again, in the original order, PUBLISH with DUP 1 for
//! what is `Sent` and PUBREL for the others `[MQTT-4.4.0-1]`.

use std::collections::{BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::{AckKind, Client, Connect, DEADLINE, Event, Packet, frame};

/// Where a message's handshake stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// PUBLISH is written; nothing came back.
    Sent,
    /// PUBREC is read; PUBREL was never written.
    Received,
    /// PUBREL is written; PUBCOMP is not read.
    Released,
}

#[derive(Debug)]
struct InFlight {
    id: u16,
    step: Step,
    /// Its PUBREL has been written more than once, so that the first may have ended the handshake.
    again: bool,
    topic: String,
    payload: Vec<u8>,
    qos: u8,
}

/// A publishing client.
#[derive(Debug)]
pub struct Publisher {
    connect: Connect,
    client: Option<Client>,
    in_flight: VecDeque<InFlight>,
    in_use: BTreeSet<u16>,
    next_id: u16,
    last_id: u16,
    connected_before: bool,
    completed: u64,
}

impl Publisher {
    /// A publisher that is not connected yet.
    pub fn new(connect: Connect) -> Self {
        Self {
            connect,
            client: None,
            in_flight: VecDeque::new(),
            in_use: BTreeSet::new(),
            next_id: 1,
            last_id: u16::MAX,
            connected_before: false,
            completed: 0,
        }
    }

    /// A publisher that uses the packet identifiers 1 to `last` only.
    pub fn with_ids(connect: Connect, last: u16) -> Self {
        Self { last_id: last, ..Self::new(connect) }
    }

    /// Its Client Identifier.
    pub fn name(&self) -> &str {
        &self.connect.client_id
    }

    /// The live connection.
    ///
    /// # Errors
    ///
    /// There is none.
    pub fn client(&mut self) -> Result<&mut Client> {
        let name = &self.connect.client_id;
        self.client.as_mut().with_context(|| format!("publisher {name} is not connected"))
    }

    /// Takes the connection away without closing it: a half-open socket.
    pub fn detach(&mut self) -> Option<Client> {
        self.client.take()
    }

    /// Messages whose handshake is not finished.
    pub fn unfinished(&self) -> usize {
        self.in_flight.len()
    }

    /// Handshakes finished since the beginning.
    pub fn completed(&self) -> u64 {
        self.completed
    }

    /// Connects, insists on the session, and sends again what is unfinished.
    ///
    /// # Errors
    ///
    /// No connection in time; a session that is gone.
    pub async fn join(&mut self, address: SocketAddr) -> Result<()> {
        self.join_within(address, DEADLINE).await
    }

    /// [`join`](Self::join), giving up after `limit`.
    ///
    /// # Errors
    ///
    /// As [`join`](Self::join).
    pub async fn join_within(&mut self, address: SocketAddr, limit: Duration) -> Result<()> {
        self.client = None;
        let client = Client::connect_within(address, &self.connect, limit).await?;
        if self.connected_before && !self.connect.clean {
            ensure!(client.session_present(), "{}: session present is 0 after a reconnect", self.name());
        }
        self.client = Some(client);
        self.connected_before = true;
        self.send_again().await
    }

    async fn send_again(&mut self) -> Result<()> {
        let version = self.connect.version;
        let Some(client) = self.client.as_mut() else { bail!("not connected") };
        for message in &mut self.in_flight {
            match message.step {
                Step::Sent => {
                    let InFlight { id, topic, payload, qos, .. } = message;
                    client.send(&frame::publish(version, topic, payload, *qos, Some(*id), true)).await?;
                }
                Step::Received | Step::Released => {
                    message.again = message.step == Step::Released;
                    message.step = Step::Released;
                    client.send(&frame::pubrel(message.id)).await?;
                }
            }
        }
        Ok(())
    }

    /// Sends a new message under the next free packet identifier.
    ///
    /// # Errors
    ///
    /// No identifier is free, or the connection is gone. The message is in flight even then.
    pub async fn publish(&mut self, topic: &str, payload: impl AsRef<[u8]>, qos: u8) -> Result<u16> {
        let id = self.free_id()?;
        self.in_use.insert(id);
        self.in_flight.push_back(InFlight {
            id,
            step: Step::Sent,
            again: false,
            topic: topic.to_owned(),
            payload: payload.as_ref().to_vec(),
            qos,
        });
        let bytes = frame::publish(self.connect.version, topic, payload, qos, Some(id), false);
        self.client()?.send(&bytes).await?;
        Ok(id)
    }

    fn free_id(&mut self) -> Result<u16> {
        for _ in 0..self.last_id {
            let id = self.next_id;
            self.next_id = if id >= self.last_id { 1 } else { id + 1 };
            if !self.in_use.contains(&id) {
                return Ok(id);
            }
        }
        bail!("{}: all {} packet identifiers are in use", self.name(), self.last_id)
    }

    /// Reads one packet and moves its handshake on, without an answer; the message's packet identifier and
    /// its step, or `None` for a finished one.
    ///
    /// # Errors
    ///
    /// Anything but the next acknowledgement of an open handshake, in order.
    pub async fn read(&mut self) -> Result<(u16, Option<Step>)> {
        match self.read_within(DEADLINE).await? {
            Some(read) => Ok(read),
            None => Err(self.client()?.fault("no acknowledgement came in time".to_owned())),
        }
    }

    /// [`read`](Self::read), or `None` if nothing comes for `limit`.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    pub async fn read_within(&mut self, limit: Duration) -> Result<Option<(u16, Option<Step>)>> {
        let packet = match self.client()?.next(limit).await? {
            Event::Packet(Packet::Disconnect { code }) => {
                let what = format!("the broker disconnects with 0x{code:02x}");
                return Err(self.client()?.lost(&what));
            }
            Event::Packet(packet) => packet,
            Event::Quiet => return Ok(None),
            Event::Closed => return Err(self.client()?.lost("the broker closed")),
        };
        self.judge(&packet)
            .map(Some)
            .or_else(|error| Err(self.client()?.fault(format!("{packet} from the broker: {error:#}"))))
    }

    fn judge(&mut self, packet: &Packet) -> Result<(u16, Option<Step>)> {
        let Packet::Ack { kind, id, code } = *packet else { bail!("only acknowledgements are awaited") };
        let place =
            self.in_flight.iter().position(|message| message.id == id).context("no open handshake has it")?;
        let message = &mut self.in_flight[place];
        ensure!(code == 0 || code == 0x10 || kind == AckKind::PubComp, "refused");
        match (kind, message.qos, message.step) {
            (AckKind::PubAck, 1, Step::Sent) => self.finish_one(place)?,
            (AckKind::PubRec, 2, Step::Sent) => {
                message.step = Step::Received;
                let earlier = self.in_flight.iter().take(place);
                let first = earlier.filter(|m| m.qos == 2).all(|m| m.step != Step::Sent);
                ensure!(first, "an earlier PUBLISH has no PUBREC yet [MQTT-4.6.0-3]");
                return Ok((id, Some(Step::Received)));
            }
            // 0x92 after a PUBREL that is sent again says that the first had arrived; after the only one it
            // would say that an acknowledged message is forgotten.
            (AckKind::PubComp, 2, Step::Released) if code == 0 || message.again && code == 0x92 => {
                self.finish_one(place)?;
            }
            _ => bail!("not the answer to a message at QoS {} that is {:?}", message.qos, message.step),
        }
        Ok((id, None))
    }

    fn finish_one(&mut self, place: usize) -> Result<()> {
        let message = self.in_flight.remove(place).context("a message that was just there")?;
        let earlier_of_qos_1 = self.in_flight.iter().take(place).any(|m| m.qos == 1);
        ensure!(message.qos != 1 || !earlier_of_qos_1, "an earlier PUBLISH has no PUBACK yet [MQTT-4.6.0-2]");
        self.in_use.remove(&message.id);
        self.completed += 1;
        Ok(())
    }

    /// Sends PUBREL for a message whose PUBREC was read.
    ///
    /// # Errors
    ///
    /// The message is not at that step, or the connection is gone (the message then counts as released).
    pub async fn answer(&mut self, id: u16) -> Result<()> {
        let message = self.in_flight.iter_mut().find(|message| message.id == id);
        let message = message.with_context(|| format!("no message {id} is in flight"))?;
        ensure!(message.step == Step::Received, "message {id} is {:?}", message.step);
        message.step = Step::Released;
        self.client()?.send(&frame::pubrel(id)).await
    }

    /// Reads one packet and answers it.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read) and [`answer`](Self::answer).
    pub async fn turn(&mut self) -> Result<()> {
        if let (id, Some(Step::Received)) = self.read().await? {
            self.answer(id).await?;
        }
        Ok(())
    }

    /// Reads and answers until at most `count` messages are unfinished.
    ///
    /// # Errors
    ///
    /// As [`turn`](Self::turn).
    pub async fn finish_down_to(&mut self, count: usize) -> Result<()> {
        let owed: Vec<u16> =
            self.in_flight.iter().filter(|m| m.step == Step::Received).map(|m| m.id).collect();
        for id in owed {
            self.answer(id).await?;
        }
        while self.in_flight.len() > count {
            self.turn().await?;
        }
        Ok(())
    }
}
