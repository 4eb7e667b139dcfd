//! Inputs that MQTT libraries are known to disagree about, each with the standard's answer.
//!
//! None of them may be waited for: every row is a whole packet, or enough of one to be refused.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

mod wire;

use bytes::BytesMut;
use quartet_packet::{
    Decoder, Packet, ReasonCode, Role, Topic, TopicFilter,
    Version::{self, V3_1_1, V5},
    matches,
};
use wire::{binary, block, connect, decoder, frame, join, server_reads};

use Answer::{Accept, InvalidFilter, Refuse};
use ReasonCode::{
    MalformedPacket, PacketTooLarge, ProtocolError, TopicAliasInvalid, TopicNameInvalid,
    UnsupportedProtocolVersion,
};

#[derive(Debug, Clone, Copy)]
enum Answer {
    Accept,
    /// The packet stands, its one filter does not.
    InvalidFilter,
    Refuse(ReasonCode),
}

struct Row {
    name: &'static str,
    version: Version,
    bytes: Vec<u8>,
    answer: Answer,
}

fn row(name: &'static str, version: Version, bytes: Vec<u8>, answer: Answer) -> Row {
    Row { name, version, bytes, answer }
}

fn publish(first: u8, topic: &[u8], rest: &[u8]) -> Vec<u8> {
    frame(first, &join(&[&binary(topic), rest]))
}

/// A 5.0 PUBLISH of QoS 0 to `t` with these properties and this payload.
fn publish_v5(properties: &[u8], payload: &[u8]) -> Vec<u8> {
    publish(0x30, b"t", &join(&[&block(properties), payload]))
}

fn publish_rows() -> Vec<Row> {
    let bad = Refuse(MalformedPacket);
    let zero_id = publish(0x32, b"t", &[0, 0]);
    let long_topic = frame(0x30, &[0x7F, 0xFF, b'a']);
    let long_block = frame(0x30, &[0, 1, b't', 9, 1]);
    let huge_block = frame(0x30, &[0, 0, 0xFF, 0xFF, 0xFF, 0x7F]);
    let wildcard_response = publish_v5(&join(&[&[0x08], &binary(b"a/+")]), b"");
    let not_utf8 = publish_v5(&[0x01, 1], &[0xC3, 0x28]);
    let five_digits = vec![0x30, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F];
    vec![
        row("sanity", V3_1_1, publish(0x30, b"t", b"x"), Accept),
        row("sanity", V5, publish_v5(&[], b"x"), Accept),
        row("dup on qos 0", V3_1_1, publish(0x38, b"t", b""), bad),
        row("empty topic", V3_1_1, publish(0x30, b"", b"x"), Refuse(TopicNameInvalid)),
        row("topic with +", V3_1_1, publish(0x30, b"a/+", b"x"), Refuse(TopicNameInvalid)),
        row("topic with #", V5, publish(0x30, b"a/#", &[0]), Refuse(TopicNameInvalid)),
        row("topic with u+0000", V3_1_1, publish(0x30, b"a\0b", b""), bad),
        row("topic not utf-8", V3_1_1, publish(0x30, &[0xC3, 0x28], b""), bad),
        row("topic with surrogate", V5, publish(0x30, &[0xED, 0xA0, 0x80], &[0]), bad),
        row("packet id 0", V3_1_1, zero_id, Refuse(ProtocolError)),
        row("qos 3", V3_1_1, publish(0x36, b"t", &[0, 1]), bad),
        row("topic longer than frame", V3_1_1, long_topic, bad),
        row("properties longer than frame", V5, long_block, bad),
        row("256 MB of properties in 6 bytes", V5, huge_block, bad),
        row("subscription id from client", V5, publish_v5(&[0x0B, 1], b""), Refuse(ProtocolError)),
        row("topic alias 0", V5, publish_v5(&[0x23, 0, 0], b""), Refuse(TopicAliasInvalid)),
        row("wildcard response topic", V5, wildcard_response, Refuse(ProtocolError)),
        row("message expiry 0", V5, publish_v5(&[0x02, 0, 0, 0, 0], b""), Accept),
        row("payload format 1 over bad utf-8", V5, not_utf8, Accept),
        row("property twice", V5, publish_v5(&[1, 0, 1, 0], b""), Refuse(ProtocolError)),
        row("overlong remaining length", V3_1_1, vec![0xC0, 0x80, 0x80, 0x00], bad),
        row("remaining length of 5 bytes", V3_1_1, five_digits, bad),
        row("1 byte topic length", V3_1_1, frame(0x30, &[0]), bad),
        row("empty body", V3_1_1, frame(0x30, &[]), bad),
    ]
}

fn connect_rows() -> Vec<Row> {
    let bad = Refuse(MalformedPacket);
    let wrong = Refuse(ProtocolError);
    let id = binary(b"c");
    let longest = binary(&vec![b'c'; 65_535]);
    let will_topic = join(&[&id, &binary(b"a/#"), &binary(b"w")]);
    let password = join(&[&id, &binary(b"p")]);
    let level_6 = frame(0x10, &join(&[&binary(b"MQTT"), &[6, 2, 0, 0, 0], &id]));
    let data_only = connect(5, 2, &join(&[&[0x16], &binary(b"d")]), &id);
    let trailing = join(&[&id, b"x"]);
    vec![
        row("will qos without will", V3_1_1, connect(4, 0x0A, &[], &id), bad),
        row("will qos without will", V5, connect(5, 0x0A, &[], &id), bad),
        row("will retain without will", V3_1_1, connect(4, 0x22, &[], &id), bad),
        row("password without user name", V3_1_1, connect(4, 0x42, &[], &password), bad),
        row("reserved flag", V3_1_1, connect(4, 0x03, &[], &id), bad),
        row("trailing bytes", V3_1_1, connect(4, 2, &[], &trailing), bad),
        row("trailing bytes", V5, connect(5, 2, &[], &trailing), bad),
        row("will topic with #", V3_1_1, connect(4, 6, &[], &will_topic), Refuse(TopicNameInvalid)),
        row("client id with u+0000", V3_1_1, connect(4, 2, &[], &binary(b"a\0")), bad),
        row("client id of 65535 bytes", V3_1_1, connect(4, 2, &[], &longest), Accept),
        row("empty id, clean", V3_1_1, connect(4, 2, &[], &binary(b"")), Accept),
        row("empty id, not clean", V3_1_1, connect(4, 0, &[], &binary(b"")), Accept),
        row("empty id, not clean", V5, connect(5, 0, &[], &binary(b"")), Accept),
        row("level 6", V5, level_6, Refuse(UnsupportedProtocolVersion)),
        row("authentication data without method", V5, data_only, wrong),
        row("receive maximum 0", V5, connect(5, 2, &[0x21, 0, 0], &id), wrong),
        row("a property of another packet", V5, connect(5, 2, &[0x23, 0, 1], &id), bad),
    ]
}

fn other_rows() -> Vec<Row> {
    let bad = Refuse(MalformedPacket);
    let wrong = Refuse(ProtocolError);
    let subscribe = |filter: &[u8], options: u8| frame(0x82, &join(&[&[0, 1], &binary(filter), &[options]]));
    let subscribe_v5 =
        |filter: &[u8], options: u8| frame(0x82, &join(&[&[0, 1, 0], &binary(filter), &[options]]));
    let trailing_pubrel = frame(0x62, &[0, 1, 0, 0, 0xFF]);
    let no_local_shared = subscribe_v5(b"$share/g/t", 0x04);
    let cut_filter = frame(0x82, &[0, 1, 0, 0, 9, b'a', 0]);
    vec![
        row("pingreq with body", V3_1_1, frame(0xC0, &[0]), bad),
        row("disconnect with body", V3_1_1, frame(0xE0, &[0]), bad),
        row("pubrel flags 0000", V3_1_1, frame(0x60, &[0, 1]), bad),
        row("subscribe flags 0000", V3_1_1, frame(0x80, &[0, 1, 0, 1, b't', 0]), bad),
        row("subscribe without filter", V3_1_1, frame(0x82, &[0, 1]), wrong),
        row("unsubscribe without filter", V3_1_1, frame(0xA2, &[0, 1]), wrong),
        row("reserved options 0xfc", V3_1_1, subscribe(b"t", 0xFC), bad),
        row("reserved options 0xc0", V5, subscribe_v5(b"t", 0xC0), bad),
        row("retain handling 3", V5, subscribe_v5(b"t", 0x30), wrong),
        row("filter a/#/b", V3_1_1, subscribe(b"a/#/b", 0), InvalidFilter),
        row("empty filter", V3_1_1, subscribe(b"", 0), InvalidFilter),
        row("no local on shared", V5, no_local_shared, wrong),
        row("puback of 2 bytes", V5, frame(0x40, &[0, 1]), Accept),
        row("puback with unknown reason", V5, frame(0x40, &[0, 1, 0x55]), bad),
        row("pubrel with trailing bytes", V5, trailing_pubrel, bad),
        row("pubrec of 3 bytes", V5, frame(0x50, &[0, 1, 0x10]), Accept),
        row("empty auth", V5, frame(0xF0, &[]), Accept),
        row("empty disconnect", V5, frame(0xE0, &[]), Accept),
        row("disconnect with reason only", V5, frame(0xE0, &[4]), Accept),
        row("type 0", V3_1_1, frame(0x00, &[]), bad),
        row("suback from client", V3_1_1, frame(0x90, &[0, 1, 0]), wrong),
        row("empty puback", V3_1_1, frame(0x40, &[]), bad),
        row("cut subscribe", V5, frame(0x82, &[0, 1]), bad),
        row("cut filter", V5, cut_filter, bad),
    ]
}

fn check(row: &Row) {
    let Row { name, version, answer, .. } = row;
    let read = server_reads(*version, &row.bytes);
    match (answer, read) {
        (Refuse(reason), Err(error)) => {
            assert_eq!(*reason, error.reason, "{name} ({version:?}): {error}");
        }
        (Accept, Ok(Some(_))) => {}
        (InvalidFilter, Ok(Some(Packet::Subscribe(subscribe)))) => {
            assert_eq!(subscribe.filters.len(), 1, "{name}");
            assert!(subscribe.filters[0].filter.is_err(), "{name}");
        }
        (_, read) => panic!("{name} ({version:?}): {answer:?} expected, {read:?} got"),
    }
}

#[test]
fn every_packet_gets_the_standards_answer() {
    let rows: Vec<Row> = publish_rows().into_iter().chain(connect_rows()).chain(other_rows()).collect();
    // With the two size limits below, and none lost.
    assert_eq!(rows.len() + 2, 67);
    rows.iter().for_each(check);
}

#[test]
fn a_packet_over_the_limit_is_refused_by_its_header() {
    let mut decoder = decoder(Role::Server, V3_1_1);
    decoder.set_maximum_packet_size(65_536);
    let mut buffer = BytesMut::from(&[0x30, 0xFF, 0xFF, 0xFF, 0x7F][..]);
    let error = decoder.decode(&mut buffer).unwrap_err();
    assert_eq!(error.reason, PacketTooLarge);
}

#[test]
fn a_stranger_announcing_256_mb_is_refused_and_costs_nothing() {
    let mut buffer = BytesMut::from(&[0x10, 0xFF, 0xFF, 0xFF, 0x7F][..]);
    let capacity = buffer.capacity();
    let error = Decoder::new(Role::Server).decode(&mut buffer).unwrap_err();
    assert_eq!((error.reason, error.connack()), (PacketTooLarge, None));
    assert_eq!(buffer.capacity(), capacity);
}

#[test]
fn a_payload_that_is_not_what_it_claims_is_told_apart() {
    let read = |payload: &[u8]| match server_reads(V5, &publish_v5(&[0x01, 1], payload)) {
        Ok(Some(Packet::Publish(publish))) => publish.payload_format_valid(),
        other => panic!("{other:?}"),
    };
    assert!(read("text".as_bytes()));
    assert!(!read(&[0xC3, 0x28]));
}

#[test]
fn what_is_behind_a_refused_packet_is_never_read() {
    let mut buffer = BytesMut::from(&join(&[&[0x36, 2, 0, 0], &frame(0xC0, &[])])[..]);
    let mut decoder = decoder(Role::Server, V5);
    let first = decoder.decode(&mut buffer).unwrap_err();
    for _ in 0..3 {
        assert_eq!(decoder.decode(&mut buffer), Err(first));
    }
}

#[test]
fn matching_does_not_cut_characters() {
    let topic = Topic::try_from("é/a").unwrap();
    for (filter, expected) in [("#", true), ("é/+", true), ("+/é", false)] {
        let filter = TopicFilter::try_from(filter).unwrap();
        assert_eq!(matches(&filter, &topic), expected, "{filter}");
    }
}
