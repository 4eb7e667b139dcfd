//! Much at once: no entry does more than a bounded step of it, and all of it comes to its end.

use bytes::Bytes;
use quartet_broker::{
    Ack, AckKind, Acknowledge, AdvanceTime, Boot, Broker, Command, Configure, Connect, ConnectionId,
    Disconnect, Effect, FilterRequest, LogIndex, Message, NodeDown, NodeId, NodeUp, Origin, Outgoing,
    Principal, Publish, SessionSlot, Settings, Subscribe, Timestamp, Verdict, invariants,
};
use quartet_packet::{
    PacketId, PublishProperties, QoS, ReasonCode, SubscriptionOptions, Topic, TopicFilter, Utf8String,
    Version,
};

const WORK: u32 = 64;
const A: Origin = Origin { node: NodeId(1), boot: Boot(1) };
const B: Origin = Origin { node: NodeId(2), boot: Boot(1) };

/// Effects of one unit of work: a session detached and found empty, or a thing let go of and the route to it.
const EFFECTS_OF_A_UNIT: usize = 2;

struct Cluster {
    broker: Broker,
    index: u64,
    time: u64,
}

type Client = (ConnectionId, SessionSlot);

impl Cluster {
    fn new() -> Self {
        let settings = Settings { work_per_entry: WORK, ..Settings::default() };
        let mut cluster = Self { broker: Broker::new(3, settings), index: 0, time: 0 };
        for origin in [A, B] {
            cluster.entry(Some(Command::NodeUp(NodeUp { origin })));
        }
        cluster
    }

    fn entry(&mut self, command: Option<Command>) -> Vec<Effect> {
        let mut effects = Vec::new();
        self.index += 1;
        self.broker.begin_entry(LogIndex(self.index), Timestamp(self.time));
        self.broker.apply(command.unwrap_or(Command::AdvanceTime(AdvanceTime)), &mut effects);
        self.broker.end_entry(&mut effects);
        effects
    }

    /// Empty entries until nothing is left over; none of them does much. How many it took.
    fn settle(&mut self) -> usize {
        let mut entries = 0;
        while self.broker.has_work() {
            let effects = self.entry(None).len();
            let most = usize::try_from(WORK).expect("small") * EFFECTS_OF_A_UNIT;
            assert!(effects <= most, "{effects} effects of one entry");
            entries += 1;
            assert!(entries < 100_000, "left-over work never ends");
        }
        invariants::check_all(&self.broker).expect("every invariant");
        entries
    }

    fn connect(&mut self, origin: Origin, serial: u64, client: &str, expiry: u32) -> (Client, Vec<Effect>) {
        let Origin { node, boot } = origin;
        let connection = ConnectionId { node, boot, serial };
        let effects = self.entry(Some(Command::Connect(Connect {
            connection,
            read_at: LogIndex(self.index),
            client_id: Utf8String::try_from(client).expect("a client id"),
            principal: Principal(Utf8String::default()),
            version: Version::V5,
            clean_start: false,
            session_expiry: expiry,
            receive_maximum: u16::MAX,
        })));
        let slot = effects.iter().find_map(|effect| match effect {
            Effect::Send { packet: Outgoing::ConnAck { session, .. }, .. } => Some(*session),
            _ => None,
        });
        ((connection, slot.expect("a CONNACK")), effects)
    }

    fn subscribe(&mut self, (connection, session): Client, filters: impl Iterator<Item = String>) {
        let options = SubscriptionOptions::new(QoS::ExactlyOnce);
        let request = |filter: String| {
            FilterRequest::Admit(TopicFilter::try_from(filter.as_str()).expect("a filter"), options)
        };
        self.entry(Some(Command::Subscribe(Subscribe {
            connection,
            session,
            packet_id: PacketId::MIN,
            subscription_identifier: None,
            filters: filters.map(request).collect(),
        })));
    }

    fn publish(&mut self, (connection, session): Client, topic: &str, payload: u64) -> Vec<Effect> {
        self.entry(Some(Command::Publish(Publish {
            connection,
            session,
            packet_id: PacketId::MIN,
            message: Message {
                topic: Topic::try_from(topic).expect("a topic"),
                qos: QoS::AtLeastOnce,
                retain: false,
                message_expiry: None,
                properties: PublishProperties::default(),
                payload: Bytes::from(payload.to_string()),
            },
            verdict: Verdict::Admit,
        })))
    }
}

#[test]
fn the_end_of_a_node_with_many_connections() {
    let mut cluster = Cluster::new();
    for serial in 1..=2_000 {
        let expiry = if serial % 2 == 0 { 0 } else { 60 };
        let (client, _) = cluster.connect(A, serial, &format!("client {serial}"), expiry);
        cluster.subscribe(client, ["t".into(), format!("own/{serial}")].into_iter());
    }
    let (publisher, _) = cluster.connect(B, 1, "publisher", 60);
    cluster.entry(Some(Command::NodeDown(NodeDown { origin: A })));
    let before = cluster.broker.statistics();
    assert!(before.connected > 1_800, "one entry is not all: {before:?}");
    let sent = cluster.publish(publisher, "t", 1);
    let to_a = |effect: &&Effect| matches!(effect, Effect::Send { to, .. } if to.origin() == A);
    assert_eq!(sent.iter().filter(to_a).count(), 0, "nothing is sent to an ended boot");
    assert!(cluster.settle() > 20);
    let after = cluster.broker.statistics();
    assert_eq!((after.sessions, after.connected, after.ending), (1_001, 1, 0));
    assert_eq!(after.subscriptions, 2_000, "two of each kept session");
    assert_eq!(after.queued_messages, 1_000, "the kept ones have what was published meanwhile");
    cluster.time += 61_000;
    assert!(cluster.broker.next_deadline().is_some_and(|at| at.0 <= cluster.time));
    cluster.entry(None);
    assert!(cluster.settle() > 20, "mass expiry");
    let end = cluster.broker.statistics();
    assert_eq!((end.sessions, end.subscriptions, end.messages), (1, 0, 0));
}

#[test]
fn the_end_of_a_session_that_holds_much() {
    let mut cluster = Cluster::new();
    let (subscriber, _) = cluster.connect(A, 1, "subscriber", 60);
    cluster.subscribe(subscriber, (0..4_000).map(|number| format!("own/{number}")));
    cluster.subscribe(subscriber, ["t".into()].into_iter());
    let (publisher, _) = cluster.connect(B, 1, "publisher", 60);
    for payload in 0..3_000 {
        cluster.publish(publisher, "t", payload);
    }
    let (connection, session) = subscriber;
    let session_expiry = Some(0);
    let disconnect = Disconnect { connection, session, session_expiry, will_due: false };
    cluster.entry(Some(Command::Disconnect(disconnect)));
    assert!(cluster.broker.session("subscriber").is_none(), "over at once");
    let matched = cluster.publish(publisher, "t", 0);
    let nobody = Outgoing::PubAck(PacketId::MIN, ReasonCode::NoMatchingSubscribers);
    assert!(matched.iter().any(|effect| matches!(effect, Effect::Send { packet, .. } if *packet == nobody)));
    assert!(cluster.settle() > 100, "7,001 things, at most twice 64 an entry");
    let statistics = cluster.broker.statistics();
    assert_eq!((statistics.subscriptions, statistics.messages, statistics.ending), (0, 0, 0));
}

#[test]
fn a_subscriber_that_is_owed_20_000_messages_drains_in_order() {
    let mut cluster = Cluster::new();
    let (first, _) = cluster.connect(A, 1, "subscriber", 600);
    cluster.subscribe(first, ["t".into()].into_iter());
    cluster.entry(Some(Command::NodeDown(NodeDown { origin: A })));
    let (publisher, _) = cluster.connect(B, 1, "publisher", 60);
    for payload in 0..20_000 {
        cluster.publish(publisher, "t", payload);
    }
    let window = usize::from(cluster.broker.settings().maximum_inflight);
    let (subscriber, mut effects) = cluster.connect(B, 2, "subscriber", 600);
    let mut handles = Vec::new();
    loop {
        let mut acks = Vec::new();
        for effect in &effects {
            if let Effect::Send { packet: Outgoing::Publish { handle, packet_id, .. }, .. } = effect {
                handles.push(*handle);
                let (kind, reason) = (AckKind::PubAck, ReasonCode::Success);
                acks.extend(packet_id.map(|packet_id| Ack { kind, packet_id, reason }));
            }
        }
        assert!(acks.len() <= window, "{} at once", acks.len());
        if acks.is_empty() {
            break;
        }
        let (connection, session) = subscriber;
        effects = cluster.entry(Some(Command::Acknowledge(Acknowledge { connection, session, acks })));
    }
    assert_eq!(handles.len(), 20_000);
    assert!(handles.is_sorted());
    assert_eq!(cluster.broker.statistics().messages, 0);
}

#[test]
fn a_lowered_limit_of_memory_is_reached_in_steps() {
    let mut cluster = Cluster::new();
    for serial in 1..=1_000 {
        let ((connection, session), _) = cluster.connect(A, serial, &format!("client {serial}"), 0);
        let disconnect = Disconnect { connection, session, session_expiry: None, will_due: false };
        cluster.entry(Some(Command::Disconnect(disconnect)));
    }
    assert_eq!(cluster.broker.statistics().remembered_ends, 1_000);
    let settings = Settings { remembered_ends: 10, ..cluster.broker.settings().clone() };
    cluster.entry(Some(Command::Configure(Configure { settings })));
    assert_eq!(cluster.broker.statistics().remembered_ends, 1_000 - u64::from(WORK));
    cluster.settle();
    assert_eq!(cluster.broker.statistics().remembered_ends, 10);
}
