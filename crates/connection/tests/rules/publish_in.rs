//! Messages from the client: what becomes a command, what is answered, what ends the connection
//! (MQTT 5.0 sections 3.3 to 3.7, 4.3, 4.9).

use std::num::NonZeroU16;

use bytes::Bytes;
use quartet_broker::{Ack, AckKind, Command, Outgoing, Verdict};
use quartet_connection::{Config, Dropped, Ending, Error, Reading};
use quartet_packet::{Packet, PubAck, PubComp, PubRec, PubRel, QoS, ReasonCode, Version};

use crate::pair::{ID, Pair, SESSION, client, id, publish, topic};

const BOTH: [Version; 2] = [Version::V3_1_1, Version::V5];

fn small_window(receive_maximum: u16) -> Config {
    Config { receive_maximum: NonZeroU16::new(receive_maximum).expect("not 0"), ..Config::default() }
}

/// Invariant 1: PUBLISH at QoS 1 and 2 is proposed; its answer is what the core delivers, when it does.
#[test]
fn qos_1_and_2_are_answered_by_the_core() {
    for version in BOTH {
        let mut pair = Pair::usual(version);
        pair.send(publish(1, 5, "a/b"));
        pair.send(publish(2, 6, "a/b"));
        let [Command::Publish(one), Command::Publish(two)] = pair.proposed.as_slice() else {
            panic!("{:?}", pair.proposed)
        };
        assert_eq!(
            (one.connection, one.session, one.packet_id, one.verdict),
            (ID, SESSION, id(5), Verdict::Admit)
        );
        assert_eq!((one.message.topic.as_str(), one.message.qos), ("a/b", QoS::AtLeastOnce));
        assert_eq!((&one.message.payload[..], two.message.qos), (&b"hello"[..], QoS::ExactlyOnce));
        assert!(pair.received.is_empty());

        pair.deliver(Outgoing::PubAck(id(5), ReasonCode::Success));
        pair.deliver(Outgoing::PubRec(id(6), ReasonCode::NoMatchingSubscribers));
        let code = if version.is_v5() { ReasonCode::NoMatchingSubscribers } else { ReasonCode::Success };
        let expected = [Packet::PubAck(PubAck::new(id(5))), Packet::PubRec(PubRec::with_reason(id(6), code))];
        assert_eq!(pair.received, expected);
    }
}

/// The four acknowledgements of one read are one command, in their order; a PUBLISH between them parts it.
#[test]
fn acknowledgements_travel_together() {
    let mut pair = Pair::usual(Version::V5);
    let ack = |kind, packet_id, reason| Ack { kind, packet_id: id(packet_id), reason };
    let mut bytes = bytes::BytesMut::new();
    for packet in [
        Packet::PubAck(PubAck::new(id(1))),
        Packet::PubRec(PubRec::with_reason(id(2), ReasonCode::QuotaExceeded)),
        Packet::PubRel(PubRel::new(id(3))),
        Packet::PubComp(PubComp::with_reason(id(4), ReasonCode::PacketIdentifierNotFound)),
        publish(1, 9, "t"),
        Packet::PubRel(PubRel::new(id(5))),
    ] {
        quartet_packet::encode(&packet, Version::V5, &mut bytes).expect("encodes");
    }
    pair.bytes(&bytes);
    let [Command::Acknowledge(first), Command::Publish(_), Command::Acknowledge(second)] = &pair.proposed[..]
    else {
        panic!("{:?}", pair.proposed)
    };
    assert_eq!((first.connection, first.session), (ID, SESSION));
    let expected = [
        ack(AckKind::PubAck, 1, ReasonCode::Success),
        ack(AckKind::PubRec, 2, ReasonCode::QuotaExceeded),
        ack(AckKind::PubRel, 3, ReasonCode::Success),
        ack(AckKind::PubComp, 4, ReasonCode::PacketIdentifierNotFound),
    ];
    assert_eq!(first.acks, expected);
    assert_eq!(second.acks, [ack(AckKind::PubRel, 5, ReasonCode::Success)]);
    assert!(pair.received.is_empty(), "invariant 1: no answer before its commit");
}

/// Invariant 2: PUBREL follows the client's PUBREC only when the core says so; reason codes are for 5.0.
#[test]
fn pubrel_and_pubcomp_come_from_the_core() {
    for version in BOTH {
        let mut pair = Pair::usual(version);
        pair.send(Packet::PubRec(PubRec::new(id(2))));
        assert!(pair.received.is_empty());
        pair.deliver(Outgoing::PubRel(id(2), ReasonCode::PacketIdentifierNotFound));
        pair.deliver(Outgoing::PubComp(id(3), ReasonCode::PacketIdentifierNotFound));
        let code = if version.is_v5() { ReasonCode::PacketIdentifierNotFound } else { ReasonCode::Success };
        let expected = [
            Packet::PubRel(PubRel::with_reason(id(2), code)),
            Packet::PubComp(PubComp::with_reason(id(3), code)),
        ];
        assert_eq!(pair.received, expected);
        let size = if version.is_v5() { 10 } else { 8 };
        assert_eq!(pair.written.concat().len(), size);
    }
}

/// QoS 0 never enters the log, and does not pin the read buffer.
#[test]
fn qos_0_is_routed() {
    let mut pair = Pair::usual(Version::V5);
    pair.send(publish(0, 0, "a/b"));
    assert!(pair.proposed.is_empty());
    assert_eq!(pair.routed.len(), 1);
    assert_eq!((pair.routed[0].topic.as_str(), &pair.routed[0].payload[..]), ("a/b", &b"hello"[..]));
}

/// [MQTT-3.2.2-14]: RETAIN is not available, at any QoS.
#[test]
fn retain_closes() {
    for version in BOTH {
        for qos in 0..=2 {
            let mut pair = Pair::usual(version);
            let Packet::Publish(mut retained) = publish(qos, u16::from(qos), "t") else { unreachable!() };
            retained.retain = true;
            pair.send(Packet::Publish(retained));
            assert_eq!(pair.ending, Some(Ending::Broken(Error::Retain)));
            assert_eq!(pair.disconnect_code(), version.is_v5().then_some(0x9A));
            assert_eq!(pair.disconnects(), [(None, true)]);
            assert_eq!((pair.proposed.len(), pair.routed.len()), (1, 0));
        }
    }
}

/// Topics that begin with `$` are not for clients: refused by verdict where there is a code, else by closing
/// [MQTT3-3.3.5-2]; at QoS 0 dropped.
#[test]
fn dollar_topics() {
    for version in BOTH {
        let mut pair = Pair::usual(version);
        pair.send(publish(0, 0, "$SYS/x"));
        assert_eq!(
            (&pair.dropped[..], pair.routed.len(), pair.ending),
            (&[Dropped::DollarTopic][..], 0, None)
        );
    }
    for qos in 1..=2 {
        let mut pair = Pair::usual(Version::V5);
        pair.send(publish(qos, 1, "$SYS/x"));
        let [Command::Publish(command)] = pair.proposed.as_slice() else { panic!("{:?}", pair.proposed) };
        assert_eq!(command.verdict, Verdict::Refuse(ReasonCode::TopicNameInvalid));

        let mut pair = Pair::usual(Version::V3_1_1);
        pair.send(publish(qos, 1, "$SYS/x"));
        assert_eq!(pair.ending, Some(Ending::Broken(Error::DollarTopic)));
        assert!(matches!(pair.proposed.as_slice(), [Command::Disconnect(_)]));
    }
}

/// [MQTT3-3.3.5-2]: a refusal by the core has no code in 3.1.1, so it closes; in 5.0 the connection stays open.
#[test]
fn refusal_by_the_core() {
    for version in BOTH {
        let mut pair = Pair::usual(version);
        pair.send(publish(1, 1, "t"));
        pair.deliver(Outgoing::PubAck(id(1), ReasonCode::QuotaExceeded));
        if version.is_v5() {
            assert_eq!(
                pair.received,
                [Packet::PubAck(PubAck::with_reason(id(1), ReasonCode::QuotaExceeded))]
            );
            assert_eq!(pair.ending, None);
        } else {
            assert!(pair.received.is_empty());
            assert_eq!(pair.ending, Some(Ending::Broken(Error::Refused(ReasonCode::QuotaExceeded))));
        }
    }
}

/// [MQTT-3.3.4-7]: one more unfinished QoS 2 message than allowed closes with 0x93; QoS 1 counts until its PUBACK.
#[test]
fn receive_maximum() {
    for qos in [1, 2] {
        let mut pair = Pair::connected(Version::V5, small_window(3), client(Version::V5));
        for packet_id in 1..=3 {
            pair.send(publish(qos, packet_id, "t"));
        }
        assert_eq!(pair.ending, None);
        pair.send(publish(qos, 4, "t"));
        assert_eq!(pair.ending, Some(Ending::Broken(Error::ReceiveMaximum(3))));
        assert_eq!(pair.disconnect_code(), Some(0x93));
        assert_eq!(pair.proposed.len(), 4, "three messages and the end");
    }
}

/// A place is free again at PUBACK, at PUBREL, and at a PUBREC that refuses [MQTT-4.3.3-9]; a PUBLISH sent again
/// takes none [MQTT-4.3.3-10].
#[test]
fn receive_maximum_frees() {
    let mut pair = Pair::connected(Version::V5, small_window(3), client(Version::V5));
    pair.send(publish(1, 1, "t"));
    pair.send(publish(2, 2, "t"));
    pair.send(publish(2, 3, "t"));
    pair.send(publish(2, 3, "t"));
    assert_eq!(pair.ending, None);
    pair.deliver(Outgoing::PubAck(id(1), ReasonCode::Success));
    pair.send(publish(2, 4, "t"));
    assert_eq!(pair.ending, None);
    pair.send(Packet::PubRel(PubRel::new(id(2))));
    pair.send(publish(2, 5, "t"));
    assert_eq!(pair.ending, None);
    pair.deliver(Outgoing::PubRec(id(3), ReasonCode::QuotaExceeded));
    pair.send(publish(2, 6, "t"));
    assert_eq!(pair.ending, None);
    pair.send(publish(2, 7, "t"));
    assert_eq!(pair.disconnect_code(), Some(0x93));
}

fn resumed(held: u16) -> Pair {
    let mut pair = Pair::new(Version::V5, small_window(3));
    pair.send(Packet::Connect(client(Version::V5).into()));
    let session_present = true;
    pair.deliver(Outgoing::ConnAck {
        session: SESSION,
        session_present,
        session_expiry: 300,
        unreleased: held,
    });
    pair.forget();
    pair
}

/// Identifiers held from before count; publishing them again or releasing them is no new message.
#[test]
fn receive_maximum_after_resume() {
    let mut pair = resumed(2);
    pair.send(publish(2, 10, "t"));
    assert_eq!(pair.ending, None);
    pair.send(publish(2, 11, "t"));
    assert_eq!(pair.disconnect_code(), Some(0x93));

    let mut pair = resumed(3);
    for packet_id in 1..=3 {
        let Packet::Publish(mut again) = publish(2, packet_id, "t") else { unreachable!() };
        again.dup = true;
        pair.send(Packet::Publish(again));
    }
    assert_eq!(pair.ending, None);
    pair.send(Packet::PubRel(PubRel::new(id(1))));
    pair.send(publish(2, 4, "t"));
    assert_eq!(pair.ending, None);

    let mut pair = resumed(3);
    pair.send(Packet::PubRel(PubRel::new(id(1))));
    pair.send(publish(2, 1, "t"));
    assert_eq!(pair.ending, None);
}

/// Invariant 13: 3.1.1 has no Receive Maximum, so reading stops while too many answers are owed, and goes on with
/// what lies in the buffer once some are given.
#[test]
fn answers_owed_are_bounded() {
    let config = small_window(1);
    let mut pair = Pair::connected(Version::V3_1_1, config, client(Version::V3_1_1));
    let limit = 1 + 1024;
    for packet_id in 1..=3000 {
        pair.send(publish(1, packet_id, "t"));
    }
    assert_eq!(pair.connection.reading(), Reading::Held);
    assert_eq!(pair.proposed.len(), limit);
    for packet_id in 1..=3000 {
        pair.deliver(Outgoing::PubAck(id(packet_id), ReasonCode::Success));
        assert!(pair.proposed.len() <= limit + usize::from(packet_id));
    }
    assert_eq!((pair.proposed.len(), pair.buffer.len()), (3000, 0));
    assert_eq!(pair.connection.reading(), Reading::Open);
    let order: Vec<_> = pair.proposed.iter().map(packet_id_of).collect();
    assert!(order.is_sorted());
}

fn packet_id_of(command: &Command) -> u16 {
    match command {
        Command::Publish(publish) => publish.packet_id.get(),
        other => panic!("{other:?}"),
    }
}

fn topic_of(command: &Command) -> String {
    match command {
        Command::Publish(publish) => publish.message.topic.to_string(),
        other => panic!("{other:?}"),
    }
}

fn aliased(name: Option<&str>, alias: u16, qos: u8, packet_id: u16) -> Packet {
    let Packet::Publish(mut aliased) = publish(qos, packet_id, "t") else { unreachable!() };
    aliased.topic = name.map(topic);
    aliased.topic_alias = NonZeroU16::new(alias);
    Packet::Publish(aliased)
}

/// [MQTT-3.3.2-12]: every alias up to the maximum can be set, used and set anew, at every QoS.
#[test]
fn topic_alias() {
    let mut pair = Pair::usual(Version::V5);
    let maximum = Config::default().topic_alias_maximum;
    for alias in 1..=maximum {
        pair.send(aliased(Some(&format!("t/{alias}")), alias, 0, 0));
    }
    for alias in (1..=maximum).rev() {
        pair.send(aliased(None, alias, 1, alias));
    }
    pair.send(aliased(Some("new"), 1, 2, 100));
    pair.send(aliased(None, 1, 2, 101));
    let topics: Vec<_> = pair.proposed.iter().map(topic_of).collect();
    let mut expected: Vec<_> = (1..=maximum).rev().map(|alias| format!("t/{alias}")).collect();
    expected.extend(["new".to_string(), "new".to_string()]);
    assert_eq!(topics, expected);
}

/// [MQTT-3.3.2-8], [MQTT-3.3.2-9], [MQTT-3.3.2-7]: alias 0, too high, none at all, not set on this connection.
#[test]
fn bad_topic_alias() {
    let none = Config { topic_alias_maximum: 0, ..Config::default() };
    for (config, packet, code) in [
        (Config::default(), aliased(Some("t"), 17, 0, 0), 0x94),
        (none, aliased(Some("t"), 1, 0, 0), 0x94),
        (Config::default(), aliased(None, 2, 1, 1), 0x82),
    ] {
        let mut pair = Pair::connected(Version::V5, config, client(Version::V5));
        pair.send(packet);
        assert_eq!(pair.disconnect_code(), Some(code));
        assert_eq!(pair.disconnects(), [(None, true)]);
    }
    let mut pair = Pair::usual(Version::V5);
    pair.bytes(b"\x30\x07\x00\x01t\x03\x23\x00\x00");
    assert_eq!(pair.disconnect_code(), Some(0x94));
}

/// An alias set by a message that is refused is set all the same.
#[test]
fn alias_of_a_refused_message() {
    let mut pair = Pair::usual(Version::V5);
    pair.send(aliased(Some("$SYS/x"), 1, 1, 1));
    pair.send(aliased(None, 1, 1, 2));
    let refused = pair.proposed.iter().all(|command| {
        matches!(command, Command::Publish(publish) if publish.message.topic.as_str() == "$SYS/x"
            && publish.verdict == Verdict::Refuse(ReasonCode::TopicNameInvalid))
    });
    assert!(refused && pair.proposed.len() == 2);
}

/// A thousand small packets that stand for long topics are taken in turns, each within the room it was given
/// (the pair checks it); nothing is lost or changes order.
#[test]
fn long_topics_behind_aliases_are_taken_in_turns() {
    let config = small_window(1000);
    let mut pair = Pair::connected(Version::V5, config, client(Version::V5));
    pair.send(aliased(Some(&"x".repeat(60_000)), 1, 0, 0));
    let mut bytes = bytes::BytesMut::new();
    for packet_id in 1..=500 {
        quartet_packet::encode(&aliased(None, 1, 1, packet_id), Version::V5, &mut bytes).expect("encodes");
    }
    pair.bytes(&bytes);
    assert_eq!(pair.proposed.len(), 500);
    assert!(pair.buffer.is_empty());
}

/// [MQTT-3.3.2-17], [MQTT-3.3.2-18]: what is the application's goes through unaltered and in order.
#[test]
fn properties_are_carried() {
    let mut pair = Pair::usual(Version::V5);
    let Packet::Publish(mut sent) = publish(1, 1, "t") else { unreachable!() };
    sent.dup = true;
    sent.message_expiry = Some(9);
    sent.properties = quartet_packet::PublishProperties::new([
        quartet_packet::Property::UserProperty(crate::pair::text("a"), crate::pair::text("1")),
        quartet_packet::Property::CorrelationData(Bytes::from_static(&[0, 255])),
        quartet_packet::Property::UserProperty(crate::pair::text("a"), crate::pair::text("1")),
    ])
    .expect("valid properties");
    let properties = sent.properties.clone();
    pair.send(Packet::Publish(sent));
    let [Command::Publish(command)] = pair.proposed.as_slice() else { panic!("{:?}", pair.proposed) };
    assert_eq!(command.message.properties, properties);
    assert_eq!(command.message.message_expiry, Some(9));
}
