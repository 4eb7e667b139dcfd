//! A receiver with the Session State that MQTT 4.1 asks of a client, which outlives its connections.
//!
//! ```text
//!            PUBLISH read             answer()             PUBREL read              answer()
//!   (free) ───────────────► Read ────────────────► Recorded ──────────► Released ───────────► (free)
//!            delivered, once       PUBREC written                            PUBCOMP written
//! ```
//!
//! It takes a message on PUBLISH and keeps the packet identifier until PUBREL (Method A of 4.3.3), so a
//! PUBLISH whose identifier it holds is the same message again and must say so. What the broker may not do is
//! an error at once: another message under a held identifier, a repetition without DUP, a PUBREL that nobody
//! asked for. Whether anything was lost or came twice in the end is [`History`](crate::History)'s to say.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use tokio::time::Instant;

use crate::{AckKind, Client, Connect, DEADLINE, Event, Packet, Publish, frame};

/// A message taken by a subscriber.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Topic Name.
    pub topic: String,
    /// Application Message.
    pub payload: Vec<u8>,
    /// Granted QoS.
    pub qos: u8,
    /// Packet identifier at QoS 1 and 2.
    pub id: Option<u16>,
    /// DUP of the PUBLISH that brought it.
    pub dup: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Held {
    Read,
    Recorded,
    Released,
}

#[derive(Debug)]
struct Handshake {
    held: Held,
    qos: u8,
    topic: String,
    payload: Vec<u8>,
}

/// A subscribing client.
#[derive(Debug)]
pub struct Subscriber {
    connect: Connect,
    client: Option<Client>,
    handshakes: BTreeMap<u16, Handshake>,
    delivered: Vec<Delivery>,
    connected_before: bool,
    next_id: u16,
    /// PUBREL read since the last connect for identifiers that are not held.
    repeated_releases: Vec<u16>,
    most_unfinished: usize,
    /// Packet identifier and DUP of each PUBLISH at QoS 1 and 2 of this connection.
    publishes: Vec<(u16, bool)>,
}

impl Subscriber {
    /// A subscriber that is not connected yet.
    pub fn new(connect: Connect) -> Self {
        Self {
            connect,
            client: None,
            handshakes: BTreeMap::new(),
            delivered: Vec::new(),
            connected_before: false,
            next_id: 1,
            repeated_releases: Vec::new(),
            most_unfinished: 0,
            publishes: Vec::new(),
        }
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
        self.client.as_mut().with_context(|| format!("subscriber {name} is not connected"))
    }

    /// Takes the connection away without closing it: a half-open socket.
    pub fn detach(&mut self) -> Option<Client> {
        self.client.take()
    }

    /// What was taken so far, in order.
    pub fn delivered(&self) -> &[Delivery] {
        &self.delivered
    }

    /// Most PUBLISHes at QoS 1 and 2 that were unfinished at once.
    pub fn most_unfinished(&self) -> usize {
        self.most_unfinished
    }

    /// Packet identifier and DUP of each PUBLISH at QoS 1 and 2 of this connection, in order.
    pub fn publishes(&self) -> &[(u16, bool)] {
        &self.publishes
    }

    /// PUBRELs of this connection for identifiers that this subscriber had done with.
    pub fn repeated_releases(&self) -> &[u16] {
        &self.repeated_releases
    }

    /// Connects, and insists on the session if there was one.
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
        self.repeated_releases.clear();
        self.publishes.clear();
        Ok(())
    }

    /// Subscribes and expects exactly the QoS asked for.
    ///
    /// # Errors
    ///
    /// Another code, or no SUBACK.
    pub async fn subscribe(&mut self, filter: &str, qos: u8) -> Result<()> {
        let id = self.next_id;
        self.next_id += 1;
        let codes = self.client()?.subscribe(id, &[(filter, qos)]).await?;
        ensure!(codes == [qos], "{}: SUBACK codes {codes:02x?} for `{filter}` at QoS {qos}", self.name());
        Ok(())
    }

    /// Reads one PUBLISH or PUBREL without answering it; its packet identifier (0 at QoS 0).
    ///
    /// # Errors
    ///
    /// Nothing in time, a close, or what the broker may not do.
    pub async fn read(&mut self) -> Result<u16> {
        match self.read_within(DEADLINE).await? {
            Some(id) => Ok(id),
            None => Err(self.client()?.fault("no PUBLISH or PUBREL came in time".to_owned())),
        }
    }

    /// [`read`](Self::read), or `None` if nothing comes for `limit`.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    pub async fn read_within(&mut self, limit: Duration) -> Result<Option<u16>> {
        let packet = match self.client()?.next(limit).await? {
            Event::Packet(Packet::Disconnect { code }) => {
                let what = format!("the broker disconnects with 0x{code:02x}");
                return Err(self.client()?.lost(&what));
            }
            Event::Packet(packet) => packet,
            Event::Quiet => return Ok(None),
            Event::Closed => return Err(self.client()?.lost("the broker closed")),
        };
        let shown = packet.to_string();
        match self.judge(packet) {
            Ok(id) => Ok(Some(id)),
            Err(error) => Err(self.client()?.fault(format!("{shown} from the broker: {error:#}"))),
        }
    }

    fn judge(&mut self, packet: Packet) -> Result<u16> {
        match packet {
            Packet::Publish(publish) => self.judge_publish(publish),
            Packet::Ack { kind: AckKind::PubRel, id, .. } => {
                match self.handshakes.get_mut(&id) {
                    Some(handshake) => {
                        ensure!(handshake.held != Held::Read, "a PUBREL before our PUBREC");
                        handshake.held = Held::Released;
                    }
                    None => self.repeated_releases.push(id),
                }
                Ok(id)
            }
            _ => bail!("only PUBLISH and PUBREL are awaited"),
        }
    }

    fn judge_publish(&mut self, publish: Publish) -> Result<u16> {
        let Publish { dup, qos, topic, id, payload, .. } = publish;
        if let Some(id) = id {
            self.publishes.push((id, dup));
        }
        if let Some(handshake) = id.and_then(|id| self.handshakes.get(&id)) {
            let same = (handshake.qos, &handshake.topic, &handshake.payload) == (qos, &topic, &payload);
            ensure!(same, "another message under an identifier that is not released [MQTT-2.2.1-4]");
            ensure!(handshake.held != Held::Released, "a PUBLISH after its PUBREL [MQTT-4.3.3-6]");
            ensure!(dup, "sent again without DUP [MQTT-3.3.1-1]");
            if qos == 2 {
                return Ok(id.unwrap_or_default());
            }
        }
        if let Some(id) = id {
            let handshake =
                Handshake { held: Held::Read, qos, topic: topic.clone(), payload: payload.clone() };
            self.handshakes.insert(id, handshake);
            self.most_unfinished = self.most_unfinished.max(self.handshakes.len());
        }
        self.delivered.push(Delivery { topic, payload, qos, id, dup });
        Ok(id.unwrap_or_default())
    }

    /// Sends what is due for this packet identifier: PUBACK or PUBREC after a PUBLISH, PUBCOMP after a PUBREL.
    ///
    /// # Errors
    ///
    /// The connection is gone; the step counts as done even then, as the bytes may have left.
    pub async fn answer(&mut self, id: u16) -> Result<()> {
        if id == 0 {
            return Ok(());
        }
        let bytes = match self.handshakes.get_mut(&id) {
            Some(Handshake { qos: 1, .. }) => {
                self.handshakes.remove(&id);
                frame::puback(id)
            }
            Some(Handshake { held: Held::Released, .. }) | None => {
                self.handshakes.remove(&id);
                frame::pubcomp(id)
            }
            Some(handshake) => {
                handshake.held = Held::Recorded;
                frame::pubrec(id)
            }
        };
        self.client()?.send(&bytes).await
    }

    /// Reads one packet and answers it.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read) and [`answer`](Self::answer).
    pub async fn turn(&mut self) -> Result<()> {
        let id = self.read().await?;
        self.answer(id).await
    }

    /// Goes on until `count` messages are delivered and no handshake is open.
    ///
    /// # Errors
    ///
    /// As [`turn`](Self::turn); more than `count` messages.
    pub async fn drain(&mut self, count: usize) -> Result<()> {
        while self.delivered.len() < count || !self.handshakes.is_empty() {
            if let Err(error) = self.turn().await {
                let (have, open) = (self.delivered.len(), self.handshakes.len());
                let name = self.name();
                return Err(
                    error.context(format!("{name}: {have} of {count} messages came, {open} are open"))
                );
            }
        }
        ensure!(
            self.delivered.len() == count,
            "{}: {} messages came, not {count}",
            self.name(),
            self.delivered.len()
        );
        Ok(())
    }

    /// Goes on until a message with this payload was delivered and no handshake is open.
    ///
    /// # Errors
    ///
    /// As [`turn`](Self::turn).
    pub async fn drain_to(&mut self, payload: &[u8]) -> Result<()> {
        let mut seen = 0;
        let mut found = false;
        let until = Instant::now() + 6 * DEADLINE;
        loop {
            found |= self.delivered[seen..].iter().any(|delivery| delivery.payload == payload);
            seen = self.delivered.len();
            if found && self.handshakes.is_empty() {
                return Ok(());
            }
            ensure!(Instant::now() < until, "{}: the last message did not come", self.name());
            self.turn().await?;
        }
    }

    /// Reads and answers until nothing comes for `quiet`.
    ///
    /// # Errors
    ///
    /// As [`turn`](Self::turn).
    pub async fn drain_until_quiet(&mut self, quiet: Duration) -> Result<()> {
        while let Some(id) = self.read_within(quiet).await? {
            self.answer(id).await?;
        }
        Ok(())
    }

    /// Packet identifiers whose handshake is open.
    pub fn open_handshakes(&self) -> Vec<u16> {
        self.handshakes.keys().copied().collect()
    }
}
