//! Data representation and packet format (MQTT 5.0 sections 1.5 and 2), rule by rule over all packets.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

mod wire;

use bytes::{Bytes, BytesMut};
use quartet_packet::{
    DecodeError, Decoder, Packet, PacketType, Problem, Property, ReasonCode, Role,
    Version::{self, V3_1, V3_1_1, V5},
    encode,
};
use wire::{binary, block, client_reads, connect, decoder, decoder_for, frame, join, server_reads};

const ILL_FORMED: [&[u8]; 9] = [
    &[0x80],
    &[0xC0, 0x80],
    &[0xE0, 0x80, 0x80],
    &[0xF5, 0x80, 0x80, 0x80],
    &[b'a', 0xE2, 0x82],
    &[0xED, 0xA0, 0x80],
    &[0xED, 0xBF, 0xBF],
    &[0xF4, 0x90, 0x80, 0x80],
    &[b'a', 0, b'b'],
];

fn property(id: u8, value: &[u8]) -> Vec<u8> {
    join(&[&[id], value])
}

/// Every place of a string that a client sends: a packet around the given bytes.
fn places(text: &[u8]) -> Vec<(&'static str, Version, Vec<u8>)> {
    let s = binary(text);
    let ok = binary(b"c");
    let pair = |name: &[u8], value: &[u8]| join(&[&[0x26], name, value]);
    let will_v5 = |properties: &[u8], topic: &[u8]| {
        connect(5, 6, &[], &join(&[&ok, &block(properties), topic, &binary(b"w")]))
    };
    let publish = |properties: &[u8]| frame(0x30, &join(&[&ok, &block(properties)]));
    let connect_v5 = |properties: &[u8]| connect(5, 2, properties, &ok);
    let method = connect_v5(&property(0x15, &s));
    let puback = frame(0x40, &join(&[&[0, 1, 0], &block(&property(0x1F, &s))]));
    let disconnect = frame(0xE0, &join(&[&[0], &block(&property(0x1F, &s))]));
    let subscribe = frame(0x82, &join(&[&[0, 1], &s, &[0]]));
    let subscribe_v5 = frame(0x82, &join(&[&[0, 1, 0], &s, &[0]]));
    let unsubscribe = frame(0xA2, &join(&[&[0, 1], &s]));
    let unsubscribe_v5 = frame(0xA2, &join(&[&[0, 1, 0], &s]));
    let will = connect(4, 6, &[], &join(&[&ok, &s, &binary(b"w")]));
    vec![
        ("client identifier", V3_1_1, connect(4, 2, &[], &s)),
        ("client identifier", V5, connect(5, 2, &[], &s)),
        ("will topic", V3_1_1, will),
        ("will topic", V5, will_v5(&[], &s)),
        ("user name", V3_1_1, connect(4, 0x82, &[], &join(&[&ok, &s]))),
        ("topic name", V3_1_1, frame(0x30, &s)),
        ("topic name", V5, frame(0x30, &join(&[&s, &[0]]))),
        ("topic filter", V3_1_1, subscribe),
        ("topic filter", V5, subscribe_v5),
        ("topic filter", V3_1_1, unsubscribe),
        ("topic filter", V5, unsubscribe_v5),
        ("response topic", V5, publish(&property(0x08, &s))),
        ("content type", V5, publish(&property(0x03, &s))),
        ("user property name", V5, publish(&pair(&s, &ok))),
        ("user property value", V5, publish(&pair(&ok, &s))),
        ("user property name", V5, connect_v5(&pair(&s, &ok))),
        ("response topic", V5, will_v5(&property(0x08, &s), &ok)),
        ("content type", V5, will_v5(&property(0x03, &s), &ok)),
        ("user property value", V5, will_v5(&pair(&ok, &s), &ok)),
        ("reason string", V5, puback),
        ("reason string", V5, disconnect),
        ("authentication method", V5, method),
    ]
}

#[test]
fn ill_formed_strings_are_malformed_in_every_place() {
    for text in ILL_FORMED {
        for (place, version, bytes) in places(text) {
            let error = server_reads(version, &bytes).expect_err(place);
            assert_eq!(error.reason, ReasonCode::MalformedPacket, "{place} {text:x?}: {error}");
            let (Problem::String { field, .. } | Problem::Topic { field, .. }) = error.problem else {
                panic!("{place}: {error}");
            };
            assert_eq!(field, place);
        }
    }
}

#[test]
fn byte_order_marks_and_odd_characters_pass_unchanged() {
    let texts = ["\u{FEFF}a", "\u{1}\u{1F}\u{7F}\u{9F}", "\u{FFFE}\u{FFFF}\u{1FFFF}", "𝄞/é"];
    for text in texts {
        for (place, version, bytes) in places(text.as_bytes()) {
            let read = server_reads(version, &bytes);
            assert!(matches!(read, Ok(Some(_))), "{place}: {read:?}");
        }
        match server_reads(V3_1_1, &frame(0x30, &binary(text.as_bytes()))) {
            Ok(Some(Packet::Publish(publish))) => {
                assert_eq!(publish.topic.unwrap().as_bytes(), text.as_bytes());
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn binary_data_is_any_bytes() {
    let all: Vec<u8> = (0..=255).collect();
    let data = binary(&all);
    let correlated = join(&[&binary(b"t"), &block(&property(0x09, &data)), &all]);
    let Ok(Some(Packet::Publish(publish))) = server_reads(V5, &frame(0x30, &correlated)) else {
        panic!();
    };
    assert_eq!(publish.payload, all);
    let properties: Vec<Property> = publish.properties.iter().collect();
    assert_eq!(properties, [Property::CorrelationData(Bytes::from(all.clone()))]);
    let payload = join(&[&binary(b"c"), &binary(b"t"), &data, &binary(b"u"), &data]);
    let Ok(Some(Packet::Connect(connect))) = server_reads(V3_1_1, &connect(4, 0xC6, &[], &payload)) else {
        panic!();
    };
    assert_eq!(connect.will.unwrap().payload, all);
    assert_eq!(connect.password.unwrap(), all);
}

#[test]
fn a_fifth_length_byte_is_refused_before_it_comes() {
    for packet_type in 1..=15_u8 {
        for digits in [[0xFF; 4], [0x80; 4]] {
            let flags = if matches!(packet_type, 6 | 8 | 10) { 2 } else { 0 };
            let bytes = join(&[&[packet_type << 4 | flags], &digits]);
            for role in [Role::Server, Role::Client] {
                let read = decoder_for(&bytes, role, V5).decode(&mut BytesMut::from(&bytes[..]));
                let error = read.unwrap_err();
                let right =
                    matches!(error.problem, Problem::VariableByteInteger { .. } | Problem::WrongDirection);
                assert!(right, "{packet_type} {error}");
            }
        }
    }
}

#[test]
fn overlong_lengths_are_malformed() {
    let publish = |block: &[u8]| frame(0x30, &join(&[&binary(b"t"), block]));
    let identifier = |digits: &[u8]| {
        let properties = join(&[&[0x0B], digits]);
        frame(0x82, &join(&[&[0, 1], &block(&properties), &binary(b"t"), &[0]]))
    };
    let cases = [
        vec![0x40, 0x82, 0x80, 0x00, 0, 1],
        vec![0x40, 0x82, 0x00, 0, 1],
        publish(&[0x80, 0x00]),
        identifier(&[0x81, 0x80, 0x00]),
        identifier(&[0xFF, 0xFF, 0xFF, 0xFF, 0x01]),
    ];
    for bytes in cases {
        let error = server_reads(V5, &bytes).unwrap_err();
        assert_eq!(error.reason, ReasonCode::MalformedPacket, "{bytes:x?}");
    }
    let largest = identifier(&[0xFF, 0xFF, 0xFF, 0x7F]);
    let Ok(Some(Packet::Subscribe(subscribe))) = server_reads(V5, &largest) else { panic!() };
    assert_eq!(subscribe.subscription_identifier, Some(268_435_455));
}

#[test]
fn an_announced_length_reserves_nothing() {
    let mut decoder = decoder(Role::Server, V3_1_1);
    let mut buffer = BytesMut::from(&[0x30, 0xFF, 0xFF, 0xFF, 0x7F][..]);
    let before = buffer.capacity();
    for _ in 0..10 {
        assert_eq!(decoder.decode(&mut buffer), Ok(None));
    }
    assert_eq!((buffer.len(), buffer.capacity()), (5, before));
}

#[test]
fn packet_identifier_0_is_refused() {
    for (first, rest) in [(0x40, &[][..]), (0x62, &[]), (0x82, b"\0\x01t\0"), (0xA2, b"\0\x01t")] {
        let bytes = frame(first, &join(&[&[0, 0], rest]));
        let error = server_reads(V3_1_1, &bytes).unwrap_err();
        assert_eq!(error.problem, Problem::PacketIdZero, "{first:#x}");
    }
}

#[test]
fn only_the_prescribed_flags_pass() {
    let bodies: [(u8, u8, Vec<u8>); 13] = [
        (2, 0, vec![0, 0]),
        (4, 0, vec![0, 1]),
        (5, 0, vec![0, 1]),
        (6, 2, vec![0, 1]),
        (7, 0, vec![0, 1]),
        (8, 2, vec![0, 1, 0, 1, b't', 0]),
        (9, 0, vec![0, 1, 0]),
        (10, 2, vec![0, 1, 0, 1, b't']),
        (11, 0, vec![0, 1]),
        (12, 0, vec![]),
        (13, 0, vec![]),
        (14, 0, vec![]),
        (1, 0, connect(4, 2, &[], &binary(b"c"))[2..].to_vec()),
    ];
    for version in Version::ALL.into_iter().filter(|version| *version < V5) {
        for (packet_type, right, body) in &bodies {
            let role = if [2, 9, 11, 13].contains(packet_type) { Role::Client } else { Role::Server };
            for flags in 0..16 {
                let bytes = frame(packet_type << 4 | flags, body);
                let mut decoder = decoder_for(&bytes, role, version);
                let read = decoder.decode(&mut BytesMut::from(&bytes[..]));
                // 3.1 sets DUP on a PUBREL, SUBSCRIBE or UNSUBSCRIBE that is sent again.
                let again = version == V3_1 && *right == 2 && flags == 10;
                if flags == *right || again {
                    assert!(matches!(read, Ok(Some(_))), "{packet_type} {flags}: {read:?}");
                } else {
                    let error = read.unwrap_err();
                    assert_eq!(error.problem, Problem::FixedHeaderFlags { flags });
                    assert_eq!(error.reason, ReasonCode::MalformedPacket);
                }
            }
        }
    }
}

#[test]
fn the_other_sides_packets_are_refused() {
    for version in Version::ALL {
        for first in [0x20, 0x90, 0xB0, 0xD0] {
            let error = server_reads(version, &[first]).unwrap_err();
            assert_eq!(error.reason, ReasonCode::ProtocolError, "{first:#x}");
        }
        for first in [0x10, 0x82, 0xA2, 0xC0] {
            let error = client_reads(version, &[first]).unwrap_err();
            assert_eq!(error.reason, ReasonCode::ProtocolError, "{first:#x}");
        }
        let auth = server_reads(version, &[0xF0, 0]);
        assert_eq!(auth.is_ok(), version == V5);
        let disconnect = client_reads(version, &[0xE0, 0]);
        assert_eq!(disconnect.is_ok(), version == V5);
    }
}

#[test]
fn connect_comes_first_and_once() {
    for packet_type in 2..=15_u8 {
        let mut decoder = Decoder::new(Role::Server);
        let error = decoder.decode(&mut BytesMut::from(&[packet_type << 4][..])).unwrap_err();
        assert_eq!((error.problem, error.connack()), (Problem::FirstNotConnect, None));
    }
    let bytes = connect(5, 2, &[], &binary(b"c"));
    let mut buffer = BytesMut::from(&bytes.repeat(2)[..]);
    let mut decoder = Decoder::new(Role::Server);
    assert!(matches!(decoder.decode(&mut buffer), Ok(Some(Packet::Connect(_)))));
    let error = decoder.decode(&mut buffer).unwrap_err();
    assert_eq!((error.problem, error.connack()), (Problem::SecondConnect, None));
}

/// One plain packet of each type that can go wrong at its end.
fn samples(version: Version) -> Vec<(Role, Vec<u8>)> {
    let property_block: &[u8] = if version == V5 { &[0] } else { &[] };
    let id = [&[0, 1], property_block].concat();
    let reasons: &[u8] = if version == V5 { &[0] } else { &[] };
    let filter = join(&[&binary(b"a/b"), &[0]]);
    let level = version.level();
    let name = binary(version.protocol_name().as_bytes());
    let header = join(&[&name, &[level, 0xC2, 0, 0], property_block]);
    let payload = join(&[&binary(b"c"), &binary(b"u"), &binary(b"p")]);
    vec![
        (Role::Server, frame(0x10, &join(&[&header, &payload]))),
        (Role::Server, frame(0x82, &join(&[&id, &filter]))),
        (Role::Server, frame(0xA2, &join(&[&id, &binary(b"a/b")]))),
        (Role::Server, frame(0x40, &[0, 1])),
        (Role::Server, frame(0x50, &[0, 1])),
        (Role::Server, frame(0x62, &[0, 1])),
        (Role::Server, frame(0x70, &[0, 1])),
        (Role::Server, frame(0xC0, &[])),
        (Role::Server, frame(0xE0, &[])),
        (Role::Client, frame(0x20, &join(&[&[0, 0], property_block]))),
        (Role::Client, frame(0x90, &join(&[&id, &[0]]))),
        (Role::Client, frame(0xB0, &join(&[&id, reasons]))),
        (Role::Client, frame(0xD0, &[])),
    ]
}

fn read(role: Role, version: Version, first: u8, body: &[u8]) -> Result<Option<Packet>, DecodeError> {
    let bytes = frame(first, body);
    decoder_for(&bytes, role, version).decode(&mut BytesMut::from(&bytes[..]))
}

#[test]
fn bytes_after_the_last_field_are_malformed() {
    for version in Version::ALL {
        for (role, bytes) in samples(version) {
            let (first, body) = (bytes[0], &bytes[2..]);
            assert!(matches!(read(role, version, first, body), Ok(Some(_))), "{first:#x}");
            // 0xEE is no length, no reason code and no identifier; three of them are no field.
            let trailing = join(&[body, &[0xEE; 3]]);
            let error = read(role, version, first, &trailing).unwrap_err();
            assert_eq!(error.reason, ReasonCode::MalformedPacket, "{first:#x} {version:?}");
        }
    }
}

#[test]
fn fields_cut_short_are_refused() {
    for version in Version::ALL {
        for (role, bytes) in samples(version) {
            let (first, body) = (bytes[0], &bytes[2..]);
            for length in 0..body.len() {
                let cut = read(role, version, first, &body[..length]);
                // The user name and password of 3.1 may be missing as wholes, whatever the flags say.
                let missing = version == V3_1
                    && first == 0x10
                    && (length == body.len() - 3 || length == body.len() - 6);
                if missing {
                    assert!(matches!(cut, Ok(Some(_))), "{cut:?}");
                } else {
                    let reason = cut.unwrap_err().reason;
                    let right = matches!(reason, ReasonCode::MalformedPacket | ReasonCode::ProtocolError);
                    assert!(right, "{first:#x} {version:?} {length}: {reason:?}");
                }
            }
        }
    }
}

#[test]
fn one_byte_at_a_time_is_as_good_as_all_at_once() {
    for version in Version::ALL {
        for (role, bytes) in samples(version) {
            let whole = read(role, version, bytes[0], &bytes[2..]);
            let mut decoder = decoder_for(&bytes, role, version);
            let mut buffer = BytesMut::new();
            for (index, byte) in bytes.iter().enumerate() {
                buffer.extend_from_slice(&[*byte]);
                let read = decoder.decode(&mut buffer);
                if index + 1 < bytes.len() {
                    assert_eq!(read, Ok(None));
                } else {
                    assert_eq!(read, whole);
                }
            }
        }
    }
}

#[test]
fn a_payload_is_a_slice_of_what_was_read() {
    let bytes = frame(0x30, &join(&[&binary(b"topic"), &[7; 64]]));
    let mut buffer = BytesMut::from(&bytes[..]);
    let span = buffer.as_ptr_range();
    let Ok(Some(Packet::Publish(publish))) = decoder(Role::Server, V3_1_1).decode(&mut buffer) else {
        panic!();
    };
    let topic = publish.topic.unwrap();
    for part in [&publish.payload[..], topic.as_bytes()] {
        assert!(span.contains(&part.as_ptr()));
    }
    assert!(!span.contains(&topic.detach().as_bytes().as_ptr()));
}

#[test]
fn every_subscription_options_byte_is_judged() {
    for options in 0..=255_u8 {
        let old = frame(0x82, &join(&[&[0, 1], &binary(b"t"), &[options]]));
        assert_eq!(server_reads(V3_1_1, &old).is_ok(), options < 3, "{options:#010b}");
        let new = frame(0x82, &join(&[&[0, 1, 0], &binary(b"t"), &[options]]));
        let legal = options & 0xC0 == 0 && options & 0x03 != 3 && options & 0x30 != 0x30;
        match server_reads(V5, &new) {
            Ok(Some(packet)) if legal => {
                let mut bytes = BytesMut::new();
                encode(&packet, V5, &mut bytes).unwrap();
                assert_eq!(bytes, new);
            }
            Err(_) if !legal => {}
            other => panic!("{options:#010b}: {other:?}"),
        }
    }
}

#[test]
fn every_connack_of_two_bytes_is_judged() {
    for version in Version::ALL {
        for flags in 0..=255_u8 {
            for code in 0..=255_u8 {
                let block: &[u8] = if version == V5 { &[0] } else { &[] };
                let read = client_reads(version, &frame(0x20, &join(&[&[flags, code], block])));
                let known = match version {
                    V3_1 | V3_1_1 => code <= 5,
                    V5 => ReasonCode::from_u8(code).is_some_and(|c| c.allowed_in(PacketType::ConnAck)),
                };
                // 3.1 has no session present and reserves the flags; later an error goes with none.
                let right = version == V3_1 || flags == 0 || (flags == 1 && code == 0);
                assert_eq!(read.is_ok(), known && right, "{version:?} {flags:#x} {code:#x}");
            }
        }
    }
}

#[test]
fn an_auth_that_says_something_names_its_method() {
    let method = join(&[&[0x15], &binary(b"m")]);
    let data = join(&[&[0x16], &binary(b"d")]);
    let read = |body: &[u8]| server_reads(V5, &frame(0xF0, body)).map_err(|error| error.problem);
    for body in [vec![], vec![0, 0], join(&[&[0x18], &block(&join(&[&method, &data]))])] {
        assert!(matches!(read(&body), Ok(Some(Packet::Auth(_)))), "{body:x?}");
    }
    assert_eq!(read(&[0x18, 0]), Err(Problem::NoAuthenticationMethod));
    assert_eq!(read(&join(&[&[0], &block(&data)])), Err(Problem::NoAuthenticationMethod));
    assert!(matches!(read(&[0]), Err(Problem::CutShort { .. })));
}
