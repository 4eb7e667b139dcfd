//! The model's nodes: connections that read packets into commands, with the guards of the design or without one.

use std::sync::Arc;

use bytes::Bytes;
use quartet_broker::{
    Ack, AckKind, Boot, Command, ConnectionId, LogIndex, Message, NodeId, Origin, Publish, SessionSlot,
    Verdict,
};
use quartet_packet::{PacketId, PublishProperties, QoS, ReasonCode, Topic};

use crate::model::state::{PUBLISHER, Proposed, SUBSCRIBER, State, acknowledge, connect};
use crate::model::{Bounds, Handshakes};
use crate::sin::Sin;

/// From a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Up {
    /// A message under an identifier.
    Publish(u16, u8),
    PubRel(u16),
    PubAck(u16),
    PubRec(u16),
    PubComp(u16),
}

/// How far a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Stage {
    /// CONNECT waits to be read.
    Unread,
    /// CONNECT is proposed.
    Opening,
    /// The session is its.
    Open(SessionSlot),
}

/// The client's end, as the node's system sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum End {
    /// The client is there.
    Here,
    /// It is gone, and nobody will ever say so.
    Silent,
    /// It has closed, and the close has arrived.
    Arrived,
}

/// One connection at a node.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Connection {
    pub(crate) serial: u64,
    pub(crate) publisher: bool,
    pub(crate) stage: Stage,
    pub(crate) up: Vec<Up>,
    pub(crate) end: End,
    /// For the sin of a front end that numbers by itself: the core's identifiers in the order of ours.
    pub(crate) renamed: Vec<u16>,
    /// For the sin of an early PUBREL: whose was sent.
    pub(crate) released_early: Vec<u16>,
}

impl Connection {
    /// One whose CONNECT waits.
    pub(crate) fn new(serial: u64, publisher: bool) -> Self {
        Self {
            serial,
            publisher,
            stage: Stage::Unread,
            up: Vec::new(),
            end: End::Here,
            renamed: Vec::new(),
            released_early: Vec::new(),
        }
    }

    /// Ours for the core's.
    pub(crate) fn rename(&mut self, id: u16, sin: Option<Sin>) -> u16 {
        if sin != Some(Sin::PacketIdsOfFrontEnd) {
            return id;
        }
        let at = self.renamed.iter().position(|core| *core == id).unwrap_or_else(|| {
            self.renamed.push(id);
            self.renamed.len() - 1
        });
        at as u16 + 1
    }

    fn restore(&self, id: u16, sin: Option<Sin>) -> u16 {
        match sin {
            Some(Sin::PacketIdsOfFrontEnd) => self.renamed.get(usize::from(id) - 1).copied().unwrap_or(id),
            Some(_) | None => id,
        }
    }
}

/// A node.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Node {
    pub(crate) origin: Origin,
    /// How many of the state's entries it has applied.
    pub(crate) applied: usize,
    /// The last number it gave.
    pub(crate) numbers: u64,
    pub(crate) serials: u64,
    pub(crate) connections: Vec<Connection>,
}

impl Node {
    /// In its first boot, with this many numbers given.
    pub(crate) fn new(node: u64, numbers: u64) -> Self {
        let origin = Origin { node: NodeId(node), boot: Boot(1) };
        Self { origin, applied: 0, numbers, serials: 0, connections: Vec::new() }
    }

    /// The next boot: everything else is forgotten.
    pub(crate) fn next_boot(&mut self, sin: Option<Sin>) {
        if sin != Some(Sin::BootNotDurable) {
            self.origin.boot = Boot(self.origin.boot.0 + 1);
        }
        self.numbers = 0;
        self.serials = 0;
        self.connections.clear();
    }

    /// The name of one of its connections.
    pub(crate) fn connection_id(&self, serial: u64) -> ConnectionId {
        ConnectionId { node: self.origin.node, boot: self.origin.boot, serial }
    }

    /// The connection with this serial.
    pub(crate) fn connection(&mut self, serial: u64) -> Option<&mut Connection> {
        self.connections.iter_mut().find(|connection| connection.serial == serial)
    }
}

impl State {
    /// Gives a command its number and sets it on its way.
    pub(crate) fn propose(&mut self, node: usize, command: Command) {
        let node = &mut self.nodes[node];
        node.numbers += 1;
        let proposed = Proposed { origin: node.origin, number: node.numbers, command: Arc::new(command) };
        // In one order, whoever proposed first: what is on its way is a set.
        let name = |proposed: &Proposed| (proposed.origin, proposed.number);
        let at = self.proposed.partition_point(|other| name(other) <= name(&proposed));
        self.proposed.insert(at, proposed);
    }

    /// Whether a node may read from this connection now or later: CONNECT, and what a client left behind that is gone.
    /// What a living client writes on an open connection is read at once (see [`write_up`](Self::write_up)).
    pub(crate) fn can_read(&self, node: usize, connection: &Connection) -> bool {
        match connection.stage {
            Stage::Unread => self.broker_of(node).cursor(self.nodes[node].origin).is_some(),
            Stage::Opening => false,
            Stage::Open(_) => !connection.up.is_empty(),
        }
    }

    /// A node reads one packet.
    pub(crate) fn read(&mut self, node: usize, serial: u64, model: &Handshakes) -> Option<()> {
        let id = self.nodes[node].connection_id(serial);
        let connection = self.nodes[node].connection(serial)?;
        match connection.stage {
            Stage::Unread => {
                let client = client(connection.publisher);
                let slot = self.broker_of(node).session(client).map(|session| session.slot);
                let slot = slot.filter(|_| model.sin == Some(Sin::ProposedBeforeConnAck));
                let read_at = match model.sin {
                    Some(Sin::NoReadAt) => LogIndex(u64::MAX),
                    Some(_) | None => self.last_connect(node, client),
                };
                self.propose(node, Command::Connect(connect(id, read_at, client)));
                let connection = self.nodes[node].connection(serial)?;
                connection.stage = slot.map_or(Stage::Opening, Stage::Open);
                if connection.end == End::Arrived
                    && slot.is_none()
                    && model.sin != Some(Sin::PeerCloseIgnored)
                {
                    // Its CONNACK will find nobody.
                    self.forget(node, serial, model.sin);
                }
                self.read_waiting(node, serial, model);
            }
            Stage::Opening => {}
            Stage::Open(session) => {
                let packet = connection.up.remove(0);
                self.read_packet(node, serial, session, packet, model)?;
                self.forget_if_done(node, serial, model);
            }
        }
        Some(())
    }

    /// The index that CONNECT carries: of all indexes that this node may name, those without a CONNECT of this client
    /// between them are the same to the core, and the lowest stands for them all.
    fn last_connect(&self, node: usize, client: &str) -> LogIndex {
        let frozen = self.broker_of(node).freeze();
        let session = frozen.sessions().find(|session| session.client_id == client);
        session.map_or(LogIndex(0), |session| session.last_connect)
    }

    /// A connection whose client is gone and has left nothing to read does nothing any more.
    pub(crate) fn forget_if_done(&mut self, node: usize, serial: u64, model: &Handshakes) {
        let done = |connection: &&mut Connection| {
            connection.end != End::Here
                && connection.up.is_empty()
                && matches!(connection.stage, Stage::Open(_))
        };
        if self.nodes[node].connection(serial).as_ref().is_some_and(done) {
            self.forget(node, serial, model.sin);
        }
    }

    /// What waits on a connection that has just opened, if its client is there.
    pub(crate) fn read_waiting(&mut self, node: usize, serial: u64, model: &Handshakes) {
        loop {
            let Some(connection) = self.nodes[node].connection(serial) else { return };
            match connection.stage {
                Stage::Open(session) if connection.end == End::Here && !connection.up.is_empty() => {
                    let packet = connection.up.remove(0);
                    if self.read_packet(node, serial, session, packet, model).is_none() {
                        return;
                    }
                }
                Stage::Unread | Stage::Opening | Stage::Open(_) => return,
            }
        }
    }

    fn read_packet(
        &mut self,
        node: usize,
        serial: u64,
        session: SessionSlot,
        packet: Up,
        model: &Handshakes,
    ) -> Option<()> {
        let Handshakes { bounds, sin, .. } = model;
        let id = self.nodes[node].connection_id(serial);
        let connection = self.nodes[node].connection(serial)?;
        let (kind, packet_id) = match packet {
            Up::Publish(packet_id, message) => {
                let (connection, packet_id) = (id, PacketId::new(packet_id)?);
                let message = message_of(message, bounds);
                let verdict = Verdict::Admit;
                self.propose(
                    node,
                    Command::Publish(Publish { connection, session, packet_id, message, verdict }),
                );
                if let Some(Sin::PubAckBeforeCommit | Sin::PubRecBeforeCommit) = sin {
                    self.acknowledge_publish(node, serial, packet_id.get(), model);
                }
                return Some(());
            }
            Up::PubRel(id) => (AckKind::PubRel, id),
            Up::PubAck(id) => (AckKind::PubAck, connection.restore(id, *sin)),
            Up::PubRec(id) => (AckKind::PubRec, connection.restore(id, *sin)),
            Up::PubComp(id) => (AckKind::PubComp, connection.restore(id, *sin)),
        };
        let ack = Ack { kind, packet_id: PacketId::new(packet_id)?, reason: ReasonCode::Success };
        self.propose(node, acknowledge(id, session, vec![ack]));
        match (kind, sin) {
            (AckKind::PubRel, Some(Sin::PubCompBeforeCommit)) => {
                if self.publisher.link == Some((node, serial)) {
                    let next = self.publisher.pub_comp(packet_id, bounds);
                    self.write_up(node, serial, next, model);
                }
            }
            (AckKind::PubRec, Some(Sin::PubRelBeforeCommit)) => {
                self.nodes[node].connection(serial)?.released_early.push(packet_id);
                if self.subscriber.link == Some((node, serial)) {
                    let answer = self.subscriber.pub_rel(packet_id);
                    self.write_up(node, serial, [answer], model);
                }
            }
            (
                AckKind::PubAck | AckKind::PubRec | AckKind::PubRel | AckKind::PubComp | AckKind::Discard,
                Some(_) | None,
            ) => {}
        }
        Some(())
    }

    /// PUBACK or PUBREC reaches the publisher.
    pub(crate) fn acknowledge_publish(&mut self, node: usize, serial: u64, id: u16, model: &Handshakes) {
        let bounds = &model.bounds;
        if self.publisher.link != Some((node, serial)) {
            return;
        }
        let next = match bounds.qos {
            QoS::AtMostOnce | QoS::AtLeastOnce => self.publisher.pub_ack(id, bounds),
            QoS::ExactlyOnce => self.publisher.pub_rec(id),
        };
        self.write_up(node, serial, next, model);
    }

    /// A client writes. On an open connection the node reads at once: that it may read later is the same as that what
    /// it proposes is appended later.
    pub(crate) fn write_up(
        &mut self,
        node: usize,
        serial: u64,
        packets: impl IntoIterator<Item = Up>,
        model: &Handshakes,
    ) {
        if let Some(connection) = self.nodes[node].connection(serial) {
            connection.up.extend(packets);
            self.read_waiting(node, serial, model);
        }
    }

    /// A connection is gone at its node; its client notices.
    pub(crate) fn forget(&mut self, node: usize, serial: u64, sin: Option<Sin>) {
        self.nodes[node].connections.retain(|connection| connection.serial != serial);
        let link = Some((node, serial));
        if self.publisher.link == link {
            self.publisher.link = None;
        }
        if self.subscriber.link == link {
            self.subscriber.link = None;
        }
        if sin == Some(Sin::WindowForgetsDead) {
            let id = self.nodes[node].connection_id(serial);
            self.proposed.retain(|proposed| crate::log::connection_of(&proposed.command) != Some(id));
        }
    }
}

fn client(publisher: bool) -> &'static str {
    if publisher { PUBLISHER } else { SUBSCRIBER }
}

fn message_of(number: u8, bounds: &Bounds) -> Message {
    Message {
        topic: Topic::try_from("t").expect("t is a topic"),
        qos: bounds.qos,
        retain: false,
        message_expiry: None,
        properties: PublishProperties::default(),
        payload: Bytes::from(vec![number]),
    }
}
