//! A frozen state is written down on another thread, and what is read back is the state or an error.

use quartet_broker::{
    Boot, Broker, Command, Connect, ConnectionId, Error, FilterRequest, Frozen, LogIndex, NodeId, NodeUp,
    Number, Origin, Parts, Principal, SessionSlot, Settings, Subscribe, Thaw, Timestamp,
};
use quartet_packet::{PacketId, QoS, SubscriptionOptions, TopicFilter, Utf8String, Version};

const A: Origin = Origin { node: NodeId(1), boot: Boot(1) };

fn connect(broker: &mut Broker, serial: u64, client: &str) {
    let connection = ConnectionId { node: A.node, boot: A.boot, serial };
    broker.admit(A, Number(serial));
    let connect = Command::Connect(Connect {
        connection,
        read_at: broker.index(),
        client_id: Utf8String::try_from(client).expect("a client id"),
        principal: Principal(Utf8String::default()),
        version: Version::V5,
        clean_start: false,
        session_expiry: 60,
        receive_maximum: 10,
    });
    broker.apply(connect, &mut Vec::new());
}

fn state() -> Broker {
    let mut broker = Broker::new(9, Settings::default());
    broker.begin_entry(LogIndex(1), Timestamp(5));
    broker.apply(Command::NodeUp(NodeUp { origin: A }), &mut Vec::new());
    connect(&mut broker, 1, "one");
    connect(&mut broker, 2, "two");
    let options = SubscriptionOptions::new(QoS::AtLeastOnce);
    let filter = TopicFilter::try_from("a/+/#").expect("a filter");
    let subscribe = Command::Subscribe(Subscribe {
        connection: ConnectionId { node: A.node, boot: A.boot, serial: 1 },
        session: SessionSlot(0),
        packet_id: PacketId::MIN,
        subscription_identifier: None,
        filters: vec![FilterRequest::Admit(filter, options)],
    });
    broker.apply(subscribe, &mut Vec::new());
    broker.end_entry(&mut Vec::new());
    broker
}

fn parts() -> Parts {
    state().freeze().parts()
}

#[test]
fn it_stays_as_it_was_while_the_state_goes_on() {
    fn can_go_elsewhere<T: Send + Sync + 'static>(_: &T) {}
    let mut broker = state();
    let frozen = broker.freeze();
    can_go_elsewhere(&frozen);
    let before = broker.clone();
    broker.begin_entry(LogIndex(2), Timestamp(6));
    connect(&mut broker, 3, "two");
    connect(&mut broker, 4, "three");
    broker.end_entry(&mut Vec::new());
    assert_eq!(Broker::thaw(frozen.parts()).as_ref(), Ok(&before));
    assert_ne!(broker, before);
}

#[test]
fn what_changed_between_two_of_them() {
    let mut broker = state();
    let earlier = broker.freeze();
    let slots = |later: &Frozen| -> Vec<(u32, bool)> {
        later.changed_since(&earlier).map(|(slot, part)| (slot.0, part.is_some())).collect()
    };
    assert_eq!(slots(&broker.freeze()), []);
    broker.begin_entry(LogIndex(2), Timestamp(6));
    connect(&mut broker, 3, "two");
    connect(&mut broker, 4, "three");
    broker.end_entry(&mut Vec::new());
    assert_eq!(slots(&broker.freeze()), [(1, true), (2, true)]);
    broker.begin_entry(LogIndex(3), Timestamp(10));
    broker.apply(Command::NodeUp(NodeUp { origin: Origin { boot: Boot(2), ..A } }), &mut Vec::new());
    broker.end_entry(&mut Vec::new());
    broker.begin_entry(LogIndex(4), Timestamp(100_000));
    broker.end_entry(&mut Vec::new());
    assert_eq!(
        slots(&broker.freeze()),
        [(0, false), (1, false)],
        "expired; the third never was in the earlier one"
    );
}

#[test]
fn a_state_that_is_not_the_one_written_is_refused() {
    let mut changed = parts();
    changed.sessions[1].next_sequence += 1;
    assert!(matches!(Broker::thaw(changed), Err(Error::Digest { index: LogIndex(1), .. })));
    let mut lost = parts();
    lost.sessions.pop();
    assert!(matches!(Broker::thaw(lost), Err(Error::Digest { .. })));
    let mut rewound = parts();
    rewound.header.streams[0].1.cursor = Number(1);
    assert!(matches!(Broker::thaw(rewound), Err(Error::Digest { .. })));
}

#[test]
fn parts_that_are_no_state_are_refused() {
    let mut twice = parts();
    twice.sessions[1].slot = SessionSlot(0);
    assert_eq!(Broker::thaw(twice).err(), Some(Error::SessionTwice { slot: SessionSlot(0) }));
    let mut same_client = parts();
    same_client.sessions[1].client_id = same_client.sessions[0].client_id.clone();
    assert_eq!(Broker::thaw(same_client).err(), Some(Error::SessionTwice { slot: SessionSlot(1) }));
    let mut node = parts();
    let again = node.header.streams[0];
    node.header.streams.push(again);
    assert_eq!(Thaw::new(node.header).err(), Some(Error::NodeTwice { node: NodeId(1), boot: Boot(1) }));
    let mut shared = parts();
    shared.sessions[0].subscriptions[0].0 = TopicFilter::try_from("$share/g/t").expect("a filter");
    assert!(matches!(Broker::thaw(shared), Err(Error::SharedFilter { slot: SessionSlot(0), .. })));
}

#[test]
fn errors_say_what_and_what_to_do() {
    let error = Error::SessionTwice { slot: SessionSlot(4) };
    assert_eq!(
        error.to_string(),
        "session slot 4 comes twice or its client id has two sessions; \
         the stored state is damaged: rebuild this node from its peers"
    );
}
