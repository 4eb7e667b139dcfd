//! The bytes of every command, written out: they are in logs on disk, so a change here is a new format version.

use core::num::NonZeroU32;

use bytes::{Bytes, BytesMut};
use proptest::prelude::*;
use quartet_broker::{
    Ack, AckKind, Acknowledge, AdvanceTime, Boot, Command, Configure, Connect, ConnectionId, Disconnect,
    FilterRequest, LogIndex, Message, NodeDown, NodeId, NodeUp, Origin, Principal, Publish, SessionSlot,
    Settings, Subscribe, Unsubscribe, Upgrade, Verdict, VoteDigest,
};
use quartet_packet::{
    PacketId, Property, PublishProperties, QoS, ReasonCode, RetainHandling, SubscriptionOptions, Topic,
    TopicFilter, Utf8String, Version,
};

use super::strategy::{ORIGIN, cluster_command, connection_command};
use super::{decode_cluster_command, decode_connection_command, encode_command};

const CONNECTION: ConnectionId = ConnectionId { node: ORIGIN.node, boot: ORIGIN.boot, serial: 300 };
const SESSION: SessionSlot = SessionSlot(5);

fn text(text: &'static str) -> Utf8String {
    Utf8String::from_bytes(Bytes::from_static(text.as_bytes())).unwrap()
}

fn id(id: u16) -> PacketId {
    PacketId::new(id).unwrap()
}

#[track_caller]
fn golden(command: Command, expected: &[u8]) {
    let mut encoded = BytesMut::new();
    encode_command(&command, &mut encoded);
    assert_eq!(&encoded[..], expected, "{command:?}");
    let bytes = encoded.freeze();
    let decoded = match super::connection_of(&command) {
        Some(_) => decode_connection_command(ORIGIN, bytes),
        None => decode_cluster_command(bytes),
    };
    assert_eq!(decoded.unwrap(), command);
}

#[test]
fn connect() {
    let connect = Connect {
        connection: CONNECTION,
        read_at: LogIndex(1000),
        client_id: text("cl"),
        principal: Principal(text("p")),
        version: Version::V5,
        clean_start: true,
        session_expiry: 60,
        receive_maximum: 65_535,
    };
    golden(Command::Connect(connect), b"\x01\xac\x02\xe8\x07\x02cl\x01p\x05\x01\x3c\xff\xff\x03");
}

#[test]
fn disconnect() {
    let disconnect =
        Disconnect { connection: CONNECTION, session: SESSION, session_expiry: Some(200), will_due: true };
    golden(Command::Disconnect(disconnect.clone()), b"\x02\xac\x02\x05\x03\xc8\x01");
    golden(
        Command::Disconnect(Disconnect { session_expiry: None, will_due: false, ..disconnect }),
        b"\x02\xac\x02\x05\x00",
    );
}

#[test]
fn publish() {
    let message = Message {
        topic: Topic::try_from("a/b").unwrap(),
        qos: QoS::ExactlyOnce,
        retain: false,
        message_expiry: None,
        properties: PublishProperties::default(),
        payload: Bytes::from_static(b"hello"),
    };
    let publish = Publish {
        connection: CONNECTION,
        session: SESSION,
        packet_id: id(0x0102),
        message: message.clone(),
        verdict: Verdict::Admit,
    };
    golden(Command::Publish(publish.clone()), b"\x03\xac\x02\x05\x01\x02\x00\x02\x03a/b\x05hello");
    let message = Message {
        retain: true,
        message_expiry: Some(9),
        properties: PublishProperties::new([Property::PayloadFormatIndicator(true)]).unwrap(),
        ..message
    };
    golden(
        Command::Publish(Publish { message, verdict: Verdict::Refuse(ReasonCode::NotAuthorized), ..publish }),
        b"\x03\xac\x02\x05\x01\x02\x87\x1e\x03a/b\x09\x02\x01\x01\x05hello",
    );
}

#[test]
fn acknowledge() {
    let ack = |kind, packet_id, reason| Ack { kind, packet_id: id(packet_id), reason };
    let many = (1..=1000).map(|packet_id| ack(AckKind::PubRec, packet_id, ReasonCode::Success)).collect();
    golden(
        Command::Acknowledge(Acknowledge { connection: CONNECTION, session: SESSION, acks: many }),
        // A thousand acknowledgements in eleven bytes.
        b"\x04\xac\x02\x05\xe8\x07\x09\x00\x01\xe7\x07",
    );
    let acks = vec![
        ack(AckKind::PubAck, 7, ReasonCode::Success),
        ack(AckKind::PubRel, 65_535, ReasonCode::Success),
        ack(AckKind::PubRel, 1, ReasonCode::Success),
        ack(AckKind::PubComp, 2, ReasonCode::PacketIdentifierNotFound),
        ack(AckKind::Discard, 3, ReasonCode::Success),
    ];
    golden(
        Command::Acknowledge(Acknowledge { connection: CONNECTION, session: SESSION, acks }),
        b"\x04\xac\x02\x05\x05\x00\x00\x07\x0a\xff\xff\x01\x13\x00\x02\x92\x04\x00\x03",
    );
}

#[test]
fn subscribe() {
    let options = SubscriptionOptions {
        qos: QoS::AtLeastOnce,
        no_local: true,
        retain_as_published: true,
        retain_handling: RetainHandling::DoNotSend,
    };
    let subscribe = Subscribe {
        connection: CONNECTION,
        session: SESSION,
        packet_id: id(9),
        subscription_identifier: NonZeroU32::new(200),
        filters: vec![
            FilterRequest::Admit(TopicFilter::try_from("a/#").unwrap(), options),
            FilterRequest::Refuse(ReasonCode::TopicFilterInvalid),
        ],
    };
    golden(Command::Subscribe(subscribe), b"\x05\xac\x02\x05\x00\x09\xc8\x01\x02\x2d\x03a/#\xff\x8f");
}

#[test]
fn unsubscribe() {
    let unsubscribe = Unsubscribe {
        connection: CONNECTION,
        session: SESSION,
        packet_id: id(9),
        filters: vec![text("a"), text("")],
    };
    golden(Command::Unsubscribe(unsubscribe), b"\x06\xac\x02\x05\x00\x09\x02\x01a\x00");
}

#[test]
fn commands_of_the_cluster() {
    let origin = Origin { node: NodeId(2), boot: Boot(130) };
    golden(Command::NodeUp(NodeUp { origin }), b"\x10\x02\x82\x01");
    golden(Command::NodeDown(NodeDown { origin }), b"\x11\x02\x82\x01");
    golden(Command::AdvanceTime(AdvanceTime), b"\x12");
    let settings = Settings {
        maximum_inflight: 1,
        maximum_queued_messages: 2,
        maximum_queued_bytes: 3,
        maximum_session_expiry: 4,
        maximum_sessions: 5,
        maximum_subscriptions: 6,
        work_per_entry: 7,
        remembered_ends: 8,
    };
    golden(Command::Configure(Configure { settings }), b"\x13\x01\x02\x03\x04\x05\x06\x07\x08");
    golden(Command::Upgrade(Upgrade { behaviour: 300 }), b"\x14\xac\x02");
    golden(
        Command::VoteDigest(VoteDigest {
            node: NodeId(1),
            index: LogIndex(128),
            digest: 0x0102_0304_0506_0708,
        }),
        b"\x15\x01\x80\x01\x01\x02\x03\x04\x05\x06\x07\x08",
    );
}

proptest! {
    #[test]
    fn any_command_comes_back(command in connection_command()) {
        let mut encoded = BytesMut::new();
        encode_command(&command, &mut encoded);
        prop_assert_eq!(decode_connection_command(ORIGIN, encoded.freeze()).unwrap(), command);
    }

    #[test]
    fn any_cluster_command_comes_back(command in cluster_command()) {
        let mut encoded = BytesMut::new();
        encode_command(&command, &mut encoded);
        prop_assert_eq!(decode_cluster_command(encoded.freeze()).unwrap(), command);
    }

    #[test]
    fn hostile_bytes_are_refused_or_are_a_command(bytes in proptest::collection::vec(any::<u8>(), 0..64), kind in 0..24_u8) {
        let mut hostile = vec![kind];
        hostile.extend(bytes);
        let hostile = Bytes::from(hostile);
        // What decodes encodes to something that decodes to the same.
        let decoded = [decode_connection_command(ORIGIN, hostile.clone()), decode_cluster_command(hostile)];
        for command in decoded.into_iter().flatten() {
            let mut encoded = BytesMut::new();
            encode_command(&command, &mut encoded);
            let again = match super::connection_of(&command) {
                Some(_) => decode_connection_command(ORIGIN, encoded.freeze()),
                None => decode_cluster_command(encoded.freeze()),
            };
            prop_assert_eq!(again.unwrap(), command);
        }
    }

    #[test]
    fn a_changed_command_never_panics(command in connection_command(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut encoded = BytesMut::new();
        encode_command(&command, &mut encoded);
        let at = at.index(encoded.len());
        encoded[at] = byte;
        let bytes = encoded.freeze();
        let cut = bytes.slice(..at);
        prop_assert!(decode_connection_command(ORIGIN, cut).is_err());
        decode_connection_command(ORIGIN, bytes).ok();
    }
}

#[test]
fn false_counts_reserve_no_memory() {
    // An acknowledge that claims 2^60 acknowledgements, a subscribe that claims 2^40 filters.
    let acknowledge = b"\x04\x01\x01\xff\xff\xff\xff\xff\xff\xff\xff\x0f";
    let subscribe = b"\x05\x01\x01\x00\x09\x00\xff\xff\xff\xff\xff\x1f";
    for hostile in [&acknowledge[..], &subscribe[..]] {
        assert!(decode_connection_command(ORIGIN, Bytes::copy_from_slice(hostile)).is_err());
    }
}
