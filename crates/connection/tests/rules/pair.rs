//! A client and a [`Connection`] in one test, with a clock moved by hand; the core is whatever the test delivers.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use quartet_broker::{
    Ack, Boot, Command, ConnectionId, LogIndex, Message, MessageHandle, NodeId, Outgoing, SessionSlot,
};
use quartet_connection::{Config, Connection, Dropped, Ending, Input, Instant, Output, PIPELINED, Reading};
use quartet_packet::{
    Connect, Decoder, Packet, PacketId, Publish, QoS, Role, Topic, Utf8String, Version, encode,
};

pub(crate) const ID: ConnectionId = ConnectionId { node: NodeId(1), boot: Boot(2), serial: 3 };
pub(crate) const SESSION: SessionSlot = SessionSlot(7);
pub(crate) const APPLIED: LogIndex = LogIndex(41);

/// Both ends, and all that came out so far.
pub(crate) struct Pair {
    pub(crate) now: Instant,
    pub(crate) connection: Connection,
    /// Sent by the client and not used up.
    pub(crate) buffer: BytesMut,
    pub(crate) version: Version,
    decoder: Decoder,
    incoming: BytesMut,
    /// What the client has read.
    pub(crate) received: Vec<Packet>,
    pub(crate) written: Vec<Bytes>,
    pub(crate) proposed: Vec<Command>,
    pub(crate) routed: Vec<Message>,
    pub(crate) dropped: Vec<Dropped>,
    pub(crate) ending: Option<Ending>,
    alarm: Option<Instant>,
}

impl Pair {
    /// A socket just accepted, and a client that will speak `version`.
    pub(crate) fn new(version: Version, config: Config) -> Self {
        let now = Instant(1_000_000);
        let mut outputs = Vec::new();
        let connection = Connection::new(ID, text("assigned-1"), config, now, &mut outputs);
        let mut decoder = Decoder::new(Role::Client);
        decoder.set_version(version);
        let mut pair = Self {
            now,
            connection,
            buffer: BytesMut::new(),
            version,
            decoder,
            incoming: BytesMut::new(),
            received: Vec::new(),
            written: Vec::new(),
            proposed: Vec::new(),
            routed: Vec::new(),
            dropped: Vec::new(),
            ending: None,
            alarm: None,
        };
        pair.take(outputs);
        pair
    }

    /// A client whose CONNECT is through: nothing of that is left in what came out.
    pub(crate) fn connected(version: Version, config: Config, connect: Connect) -> Self {
        let mut pair = Self::new(version, config);
        let expiry = connect.session_expiry.unwrap_or(if connect.clean_start || version.is_v5() {
            0
        } else {
            u32::MAX
        });
        pair.send(Packet::Connect(connect.into()));
        pair.deliver(connack(expiry));
        assert!(
            matches!(pair.received.as_slice(), [Packet::ConnAck(_)]),
            "{:?} {:?}",
            pair.received,
            pair.ending
        );
        pair.forget();
        pair
    }

    /// The usual: a named client with default limits.
    pub(crate) fn usual(version: Version) -> Self {
        Self::connected(version, Config::default(), client(version))
    }

    pub(crate) fn send(&mut self, packet: Packet) {
        let mut bytes = BytesMut::new();
        encode(&packet, self.version, &mut bytes).expect("the test's packet can be encoded");
        self.bytes(&bytes);
    }

    /// The client writes these bytes; the task reads as far as it may.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        match self.connection.reading() {
            Reading::Open => {
                self.buffer.extend_from_slice(bytes);
                self.give();
            }
            Reading::Backlog | Reading::Held => self.buffer.extend_from_slice(bytes),
            Reading::Ahead => {
                self.buffer.extend_from_slice(bytes);
                assert!(self.buffer.len() <= PIPELINED + bytes.len());
            }
            Reading::Shut => {}
        }
        self.pump();
    }

    fn give(&mut self) {
        let mut outputs = Vec::new();
        let room = Connection::room(self.buffer.len()) + Connection::overdraft();
        let input = Input::Bytes { buffer: &mut self.buffer, applied: APPLIED };
        self.connection.handle(self.now, input, &mut outputs);
        let proposed: usize = outputs.iter().map(weight).sum();
        assert!(proposed <= room, "{proposed} bytes proposed with room for {room}");
        self.take(outputs);
    }

    fn pump(&mut self) {
        while self.connection.reading() == Reading::Backlog {
            self.give();
        }
    }

    pub(crate) fn input(&mut self, input: Input<'_>) {
        let mut outputs = Vec::new();
        self.connection.handle(self.now, input, &mut outputs);
        self.take(outputs);
        self.pump();
    }

    pub(crate) fn deliver(&mut self, packet: Outgoing) {
        self.input(Input::Delivered { packet, message: None });
    }

    pub(crate) fn deliver_message(&mut self, packet: Outgoing, message: &Arc<Message>) {
        self.input(Input::Delivered { packet, message: Some(Arc::clone(message)) });
    }

    /// Time passes, and the alarm rings whenever it is due.
    pub(crate) fn pass(&mut self, time: Duration) {
        let end = self.now.plus(time);
        while let Some(alarm) = self.alarm.filter(|alarm| *alarm <= end) {
            self.now = alarm.max(self.now);
            self.alarm = None;
            self.input(Input::Timer { drained: true });
        }
        self.now = end;
    }

    /// The alarm rings now, while the task could not read.
    pub(crate) fn ring_undrained(&mut self) {
        self.now = self.alarm.take().expect("an alarm is set");
        self.input(Input::Timer { drained: false });
    }

    fn take(&mut self, outputs: Vec<Output>) {
        for output in outputs {
            match output {
                Output::Propose(command) => self.proposed.push(command),
                Output::Route { session, message } => {
                    assert_eq!(session, SESSION);
                    self.routed.push(message);
                }
                Output::Write(bytes) => {
                    assert!(self.ending.is_none(), "written after close");
                    self.incoming.extend_from_slice(&bytes);
                    self.written.push(bytes);
                }
                Output::WakeAt(alarm) => self.alarm = Some(alarm),
                Output::Dropped(dropped) => self.dropped.push(dropped),
                Output::Close(ending) => {
                    assert!(self.ending.replace(ending).is_none(), "closed twice");
                }
            }
        }
        while let Some(packet) = self.decoder.decode(&mut self.incoming).expect("what we write can be read") {
            self.received.push(packet);
        }
    }

    pub(crate) fn forget(&mut self) {
        self.received.clear();
        self.written.clear();
        self.proposed.clear();
    }

    /// All acknowledgements proposed, whatever commands they travelled in.
    pub(crate) fn acks(&self) -> Vec<Ack> {
        self.proposed
            .iter()
            .flat_map(|command| match command {
                Command::Acknowledge(acknowledge) => acknowledge.acks.clone(),
                _ => Vec::new(),
            })
            .collect()
    }

    /// The reason code of the last packet, which must be a DISCONNECT.
    pub(crate) fn disconnect_code(&self) -> Option<u8> {
        match self.received.last() {
            Some(Packet::Disconnect(disconnect)) => Some(disconnect.reason.value()),
            _ => None,
        }
    }

    /// The reason code of the last packet, which must be a CONNACK.
    pub(crate) fn connack_code(&self) -> Option<u8> {
        match self.received.last() {
            Some(Packet::ConnAck(connack)) => Some(connack.reason.value()),
            _ => None,
        }
    }

    /// Every Disconnect proposed: session expiry and whether a will is due.
    pub(crate) fn disconnects(&self) -> Vec<(Option<u32>, bool)> {
        self.proposed
            .iter()
            .filter_map(|command| match command {
                Command::Disconnect(disconnect) => {
                    assert_eq!((disconnect.connection, disconnect.session), (ID, SESSION));
                    Some((disconnect.session_expiry, disconnect.will_due))
                }
                _ => None,
            })
            .collect()
    }
}

/// About what a command takes in the log.
fn weight(output: &Output) -> usize {
    match output {
        Output::Propose(Command::Publish(publish)) => {
            let message = &publish.message;
            32 + message.topic.as_bytes().len() + message.properties.as_bytes().len() + message.payload.len()
        }
        Output::Propose(Command::Acknowledge(acknowledge)) => 16 + 4 * acknowledge.acks.len(),
        Output::Propose(_) => 64,
        Output::Route { .. }
        | Output::Write(_)
        | Output::WakeAt(_)
        | Output::Dropped(_)
        | Output::Close(_) => 0,
    }
}

pub(crate) fn text(text: &str) -> Utf8String {
    Utf8String::try_from(text).expect("the test's string is one")
}

pub(crate) fn topic(text: &str) -> Topic {
    Topic::try_from(text).expect("the test's topic is one")
}

pub(crate) fn id(value: u16) -> PacketId {
    PacketId::new(value).expect("the test's identifier is not 0")
}

/// A named client that keeps its session.
pub(crate) fn client(version: Version) -> Connect {
    let mut connect = Connect::new(version, text("c"));
    connect.clean_start = false;
    connect.session_expiry = version.is_v5().then_some(300);
    connect
}

pub(crate) fn connack(session_expiry: u32) -> Outgoing {
    Outgoing::ConnAck { session: SESSION, session_present: false, session_expiry, unreleased: 0 }
}

pub(crate) fn publish(qos: u8, packet_id: u16, to: &str) -> Packet {
    let mut publish = Publish::new(topic(to), Bytes::from_static(b"hello"));
    publish.qos = QoS::from_u8(qos).expect("the test's qos is one");
    publish.packet_id = PacketId::new(packet_id);
    Packet::Publish(publish)
}

pub(crate) fn message(payload: Vec<u8>) -> Arc<Message> {
    Arc::new(Message {
        topic: topic("a/b"),
        qos: QoS::ExactlyOnce,
        retain: false,
        message_expiry: None,
        properties: quartet_packet::PublishProperties::default(),
        payload: payload.into(),
    })
}

pub(crate) fn delivery(qos: u8, packet_id: u16) -> Outgoing {
    Outgoing::Publish {
        handle: MessageHandle(1),
        packet_id: PacketId::new(packet_id),
        qos: QoS::from_u8(qos).expect("the test's qos is one"),
        dup: false,
        retain: false,
        message_expiry: None,
        subscription_identifiers: Vec::new(),
    }
}
