//! How many commands a second one core applies: QoS 2 messages from one publisher to one subscriber, four commands each
//! (PUBLISH, PUBREC, PUBREL, PUBCOMP), in entries of many, with nothing around the core.
//!
//! `cargo run --release -p quartet-broker --example apply_speed [messages] [window]`

use std::io::Write;
use std::time::Instant;

use bytes::Bytes;
use quartet_broker::{
    Ack, AckKind, Acknowledge, Boot, Broker, Command, Connect, ConnectionId, Effect, FilterRequest, LogIndex,
    Message, NodeId, NodeUp, Number, Origin, Outgoing, Principal, Publish, SessionSlot, Settings, Subscribe,
    Timestamp, Verdict,
};
use quartet_packet::{
    PacketId, PublishProperties, QoS, ReasonCode, SubscriptionOptions, Topic, TopicFilter, Utf8String,
    Version,
};

fn main() -> std::io::Result<()> {
    let mut arguments = std::env::args().skip(1).filter_map(|word| word.parse().ok());
    let messages: u64 = arguments.next().unwrap_or(2_000_000);
    let window: u16 =
        arguments.next().map_or(100, |window: u64| u16::try_from(window.clamp(1, 1000)).unwrap_or(1000));
    let mut driver = Driver::new();
    let publisher = driver.connect("publisher");
    let subscriber = driver.connect("subscriber");
    driver.subscribe(subscriber);
    let before = Instant::now();
    let mut commands = 0_u64;
    for _ in 0..messages / u64::from(window) {
        commands += driver.round(publisher, subscriber, window);
    }
    let seconds = before.elapsed().as_secs_f64();
    let done = messages / u64::from(window) * u64::from(window);
    let rate = |count: u64| f64::from(u32::try_from(count).unwrap_or(u32::MAX)) / seconds;
    assert_eq!(driver.broker.statistics().messages, 0, "all was finished");
    assert_eq!(driver.broker.digest(), driver.broker.recompute_digest());
    writeln!(
        std::io::stdout(),
        "{done} QoS 2 messages, window {window}: {seconds:.2} s, {:.0} messages/s, {:.0} commands/s",
        rate(done),
        rate(commands)
    )
}

struct Driver {
    broker: Broker,
    origin: Origin,
    number: u64,
    index: u64,
    effects: Vec<Effect>,
    message: Message,
}

type Client = (ConnectionId, SessionSlot);

impl Driver {
    fn new() -> Self {
        let mut driver = Self {
            broker: Broker::new(1, Settings::default()),
            origin: Origin { node: NodeId(1), boot: Boot(1) },
            number: 0,
            index: 0,
            effects: Vec::new(),
            message: Message {
                topic: Topic::try_from("building/1/room/2/temperature").expect("a topic"),
                qos: QoS::ExactlyOnce,
                retain: false,
                message_expiry: None,
                properties: PublishProperties::default(),
                payload: Bytes::from_static(&[7; 64]),
            },
        };
        let origin = driver.origin;
        driver.entry([Command::NodeUp(NodeUp { origin })], false);
        driver
    }

    /// One entry; leaves its effects to be read.
    fn entry(&mut self, commands: impl IntoIterator<Item = Command>, numbered: bool) -> u64 {
        self.effects.clear();
        self.index += 1;
        self.broker.begin_entry(LogIndex(self.index), Timestamp(self.index));
        let mut count = 0;
        for command in commands {
            if numbered {
                self.number += 1;
                self.broker.admit(self.origin, Number(self.number));
            }
            self.broker.apply(command, &mut self.effects);
            count += 1;
        }
        self.broker.end_entry(&mut self.effects);
        count
    }

    fn connect(&mut self, client: &str) -> Client {
        let connection =
            ConnectionId { node: self.origin.node, boot: self.origin.boot, serial: self.number + 1 };
        let connect = Connect {
            connection,
            read_at: LogIndex(self.index),
            client_id: Utf8String::try_from(client).expect("a client id"),
            principal: Principal(Utf8String::default()),
            version: Version::V5,
            clean_start: true,
            session_expiry: 60,
            receive_maximum: u16::MAX,
        };
        self.entry([Command::Connect(connect)], true);
        let slot = self.effects.iter().find_map(|effect| match effect {
            Effect::Send { packet: Outgoing::ConnAck { session, .. }, .. } => Some(*session),
            _ => None,
        });
        (connection, slot.expect("a CONNACK"))
    }

    fn subscribe(&mut self, (connection, session): Client) {
        let filter = TopicFilter::try_from("building/+/room/+/temperature").expect("a filter");
        let options = SubscriptionOptions::new(QoS::ExactlyOnce);
        let subscribe = Subscribe {
            connection,
            session,
            packet_id: PacketId::MIN,
            subscription_identifier: None,
            filters: vec![FilterRequest::Admit(filter, options)],
        };
        self.entry([Command::Subscribe(subscribe)], true);
    }

    /// A window full of messages from PUBLISH to PUBCOMP, one acknowledgement a command.
    fn round(&mut self, publisher: Client, subscriber: Client, window: u16) -> u64 {
        let message = self.message.clone();
        let publishes = (1..=window).filter_map(PacketId::new).map(|packet_id| {
            Command::Publish(Publish {
                connection: publisher.0,
                session: publisher.1,
                packet_id,
                message: message.clone(),
                verdict: Verdict::Admit,
            })
        });
        let mut count = self.entry(publishes, true);
        let delivered = self.effects.iter().filter_map(|effect| match effect {
            Effect::Send { packet: Outgoing::Publish { packet_id, .. }, .. } => *packet_id,
            _ => None,
        });
        let delivered: Vec<PacketId> = delivered.collect();
        let ack = |(connection, session): Client, kind, packet_id| {
            let reason = ReasonCode::Success;
            let acks = vec![Ack { kind, packet_id, reason }];
            Command::Acknowledge(Acknowledge { connection, session, acks })
        };
        let released = (1..=window).filter_map(PacketId::new);
        let released = released.map(|id| ack(publisher, AckKind::PubRel, id));
        let received = delivered.iter().map(|id| ack(subscriber, AckKind::PubRec, *id));
        count += self.entry(released.chain(received), true);
        let completed = delivered.iter().map(|id| ack(subscriber, AckKind::PubComp, *id));
        count += self.entry(completed, true);
        count
    }
}
