//! Bytes come in any pieces: the same packets mean the same, and no bytes make the connection panic.

use std::num::NonZeroU16;

use bytes::{Bytes, BytesMut};
use proptest::prelude::*;
use quartet_broker::{Ack, CloseReason, Command, Message, Outgoing};
use quartet_connection::{Config, Ending, Input, Stop};
use quartet_packet::{
    Disconnect, Packet, PingReq, PubAck, PubComp, PubRec, PubRel, Publish, QoS, ReasonCode, Subscribe,
    SubscriptionOptions, SubscriptionRequest, TopicFilter, UserProperties, Version, encode,
};

use crate::pair::{Pair, client, connack, delivery, id, message, publish, text, topic};

/// What a client's bytes came to, however they were cut: acknowledgements are one list, since how many of them make
/// one command is the reader's luck.
#[derive(Debug, PartialEq)]
struct Outcome {
    commands: Vec<Command>,
    acks: Vec<Ack>,
    routed: Vec<Message>,
    written: Vec<u8>,
    ending: Option<Ending>,
}

fn script(version: Version) -> BytesMut {
    let mut aliased = Publish::new(topic("t"), Bytes::from_static(b"x"));
    if version.is_v5() {
        aliased.topic_alias = NonZeroU16::new(1);
    }
    let mut by_alias = aliased.clone();
    by_alias.qos = QoS::AtLeastOnce;
    by_alias.packet_id = Some(id(3));
    if version.is_v5() {
        by_alias.topic = None;
    }
    let request = |filter: &str| SubscriptionRequest {
        filter: TopicFilter::from_utf8(text(filter)),
        options: SubscriptionOptions::new(QoS::AtLeastOnce),
    };
    let subscribe = Subscribe {
        packet_id: id(8),
        subscription_identifier: version.is_v5().then_some(300),
        filters: vec![request("a/#"), request("#/bad"), request("$share/g/a")],
        user_properties: UserProperties::default(),
    };
    let packets = [
        Packet::Connect(client(version).into()),
        Packet::Subscribe(subscribe),
        Packet::Publish(aliased),
        publish(2, 2, "a/b"),
        Packet::Publish(by_alias),
        Packet::PingReq(PingReq),
        Packet::PubRel(PubRel::new(id(2))),
        Packet::PubAck(PubAck::new(id(20))),
        Packet::PubRec(PubRec::new(id(21))),
        Packet::PubComp(PubComp::new(id(22))),
        Packet::Disconnect(Disconnect::new(ReasonCode::Success)),
    ];
    let mut bytes = BytesMut::new();
    for packet in packets {
        encode(&packet, version, &mut bytes).expect("encodes");
    }
    bytes
}

/// Plays the pieces; CONNACK comes `late` pieces after the CONNECT was proposed.
fn play(version: Version, pieces: &[&[u8]], late: usize) -> Outcome {
    let mut pair = Pair::new(version, Config::default());
    let mut wait = None;
    for piece in pieces {
        pair.bytes(piece);
        if wait.is_none() && matches!(pair.proposed.as_slice(), [Command::Connect(_)]) {
            wait = Some(late);
        }
        wait = match wait {
            Some(0) if !pair.connection.is_connected() => {
                pair.deliver(connack(300));
                Some(0)
            }
            Some(more) => Some(more.saturating_sub(1)),
            None => None,
        };
    }
    if !pair.connection.is_connected() {
        pair.deliver(connack(300));
    }
    let acks = pair.acks();
    let commands =
        pair.proposed.into_iter().filter(|command| !matches!(command, Command::Acknowledge(_))).collect();
    Outcome { commands, acks, routed: pair.routed, written: pair.written.concat(), ending: pair.ending }
}

/// Split at every offset, byte by byte, and with CONNACK early and late: the same outcome.
#[test]
fn split_anywhere() {
    for version in [Version::V3_1_1, Version::V5] {
        let bytes = script(version);
        let whole = play(version, &[&bytes], 0);
        assert_eq!(whole.ending, Some(Ending::Disconnected(ReasonCode::Success)));
        assert_eq!((whole.commands.len(), whole.acks.len(), whole.routed.len()), (5, 4, 1));
        for offset in 0..=bytes.len() {
            let (front, back) = bytes.split_at(offset);
            for late in 0..=1 {
                assert_eq!(
                    play(version, &[front, back], late),
                    whole,
                    "split at {offset}, connack {late} late"
                );
            }
        }
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        for late in [0, 1, 40, 1000] {
            assert_eq!(play(version, &single, late), whole);
        }
    }
}

/// One thing that may happen to a connection.
#[derive(Debug, Clone)]
enum Event {
    Bytes(Vec<u8>),
    /// A piece of a sensible conversation, so that chance gets past CONNECT.
    Sensible(u8),
    ConnAck,
    PubAck(u16),
    Message(u8, u16, usize),
    Closed,
    Stop,
    PeerClosed,
    Pass(u64),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => proptest::collection::vec(any::<u8>(), 0..200).prop_map(Event::Bytes),
        8 => any::<u8>().prop_map(Event::Sensible),
        4 => Just(Event::ConnAck),
        2 => (1..50_u16).prop_map(Event::PubAck),
        2 => (0..=2_u8, 1..50_u16, 0..3000_usize).prop_map(|(qos, id, size)| Event::Message(qos, id, size)),
        1 => Just(Event::Closed),
        1 => Just(Event::Stop),
        1 => Just(Event::PeerClosed),
        2 => (0..20_000_u64).prop_map(Event::Pass),
    ]
}

fn perform(pair: &mut Pair, event: Event) {
    match event {
        Event::Bytes(bytes) => pair.bytes(&bytes),
        Event::Sensible(choice) => {
            let version = pair.version;
            let packet = match choice % 8 {
                0 | 1 => Packet::Connect(client(version).into()),
                2 => publish(0, 0, "t"),
                3 => publish(1, u16::from(choice) + 1, "t"),
                4 => publish(2, u16::from(choice) + 1, "$t"),
                5 => Packet::PubRel(PubRel::new(id(u16::from(choice) + 1))),
                6 => Packet::PubRec(PubRec::new(id(u16::from(choice) + 1))),
                _ => Packet::PingReq(PingReq),
            };
            pair.send(packet);
        }
        Event::ConnAck => pair.deliver(connack(300)),
        Event::PubAck(packet_id) => pair.deliver(Outgoing::PubAck(id(packet_id), ReasonCode::Success)),
        Event::Message(qos, packet_id, size) => {
            pair.deliver_message(
                delivery(qos, if qos == 0 { 0 } else { packet_id }),
                &message(vec![0; size]),
            );
        }
        Event::Closed => pair.input(Input::Closed(CloseReason::SessionTakenOver)),
        Event::Stop => pair.input(Input::Stop(Stop::ServerStopping)),
        Event::PeerClosed => pair.input(Input::PeerClosed),
        Event::Pass(milliseconds) => pair.pass(std::time::Duration::from_millis(milliseconds)),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    /// Arbitrary bytes and events: no panic, one Close (the pair checks it), at most one CONNECT, and one Disconnect
    /// exactly when a session was owned and the core did not take it away.
    #[test]
    fn arbitrary_events(v5: bool, events in proptest::collection::vec(event(), 0..40)) {
        let version = if v5 { Version::V5 } else { Version::V3_1_1 };
        let mut pair = Pair::new(version, Config::default());
        let mut owned = false;
        for event in events {
            let gives = matches!(event, Event::ConnAck) && pair.proposed.len() == 1 && !pair.connection.is_over();
            perform(&mut pair, event);
            owned |= gives;
        }
        let connects = pair.proposed.iter().filter(|command| matches!(command, Command::Connect(_))).count();
        prop_assert!(connects <= 1);
        let disconnects = pair.disconnects().len();
        let taken = matches!(pair.ending, Some(Ending::Closed(_)));
        if pair.connection.is_over() && owned && !taken {
            prop_assert_eq!(disconnects, 1);
            prop_assert!(matches!(pair.proposed.last(), Some(Command::Disconnect(_))));
        } else {
            prop_assert_eq!(disconnects, 0);
        }
    }
}
