//! CONNECT refused and accepted, and which CONNACK a refusal may still have (section 3.1).
#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

mod wire;

use bytes::BytesMut;
use quartet_packet::{
    ConnAck, DecodeError, Packet, Problem, ReasonCode,
    Version::{self, V3_1, V3_1_1, V5},
    encode,
};
use wire::{binary, connect, frame, join, server_reads};

fn named(name: &[u8], level: u8) -> Vec<u8> {
    let properties: &[u8] = if level >= 5 { &[0] } else { &[] };
    frame(0x10, &join(&[&binary(name), &[level, 2, 0, 60], properties, &binary(b"c")]))
}

fn refused(bytes: &[u8]) -> DecodeError {
    server_reads(V5, bytes).expect_err("a refusal")
}

#[test]
fn each_version_is_known_by_name_and_level() {
    for version in Version::ALL {
        let bytes = named(version.protocol_name().as_bytes(), version.level());
        match server_reads(version, &bytes) {
            Ok(Some(Packet::Connect(connect))) => assert_eq!(connect.version, version),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn an_unknown_name_is_closed_without_a_word() {
    let longest = [b'M'; 65_535];
    for name in [&b"mqtt"[..], b"MQTt", b"", b"MQIsdpX", &[0xFF, 0xFE, 0, 0], &longest] {
        let error = refused(&named(name, 4));
        assert_eq!((error.problem, error.connack()), (Problem::ProtocolName, None));
    }
}

#[test]
fn an_unknown_level_is_answered_with_return_code_1() {
    let cases = [
        (&b"MQTT"[..], 0),
        (b"MQTT", 3),
        (b"MQTT", 6),
        (b"MQTT", 127),
        (b"MQTT", 0x84),
        (b"MQTT", 255),
        (b"MQIsdp", 4),
        (b"MQIsdp", 5),
    ];
    for (name, level) in cases {
        let error = refused(&named(name, level));
        assert_eq!(error.problem, Problem::ProtocolLevel { level });
        let expected = ConnAck::new(ReasonCode::UnsupportedProtocolVersion);
        assert_eq!(error.connack(), Some((V3_1_1, expected.clone())));
        let mut bytes = BytesMut::new();
        encode(&Packet::ConnAck(expected.into()), V3_1_1, &mut bytes).unwrap();
        assert_eq!(bytes[..], [0x20, 2, 0, 1]);
    }
}

#[test]
fn only_5_0_has_words_for_a_malformed_connect() {
    for level in [4, 5] {
        let reserved = connect(level, 3, &[], &binary(b"c"));
        let cut = connect(level, 2, &[], &[0, 9, b'c']);
        for bytes in [reserved, cut] {
            let error = refused(&bytes);
            assert_eq!(error.reason, ReasonCode::MalformedPacket);
            let expected = ConnAck::new(ReasonCode::MalformedPacket);
            assert_eq!(error.connack(), (level == 5).then_some((V5, expected)));
        }
    }
}

#[test]
fn connack_may_carry_every_reason_it_is_given() {
    let will = |topic: &[u8]| join(&[&binary(b"c"), &[0], &binary(topic), &binary(b"w")]);
    let pairs = [0x26, 0, 0, 0, 0].repeat(1025);
    let cases = [
        connect(5, 6, &[], &will(b"a/+")),
        connect(5, 6, &[], &will(b"")),
        connect(5, 2, &[0x21, 0, 0], &binary(b"c")),
        connect(5, 2, &pairs, &binary(b"c")),
        connect(5, 0x1E, &[], &will(b"t")),
    ];
    let reasons = [0x90, 0x90, 0x82, 0x97, 0x81];
    for (bytes, reason) in cases.iter().zip(reasons) {
        let error = refused(bytes);
        let (version, connack) = error.connack().expect("an answer");
        assert_eq!((version, connack.reason.value()), (V5, reason));
        encode(&Packet::ConnAck(connack.into()), version, &mut BytesMut::new()).unwrap();
    }
}

#[test]
fn will_flags_must_agree() {
    for level in [4, 5] {
        for flags in [0x08, 0x10, 0x18, 0x20, 0x1C, 0x3C] {
            let error = refused(&connect(level, flags, &[], &binary(b"c")));
            assert_eq!(error.reason, ReasonCode::MalformedPacket, "{flags:#x}");
        }
        let properties: &[u8] = if level == 5 { &[0] } else { &[] };
        let will = join(&[&binary(b"c"), properties, &binary(b"t"), &binary(b"w")]);
        let missing = refused(&connect(level, 0x06, &[], &binary(b"c")));
        assert!(matches!(missing.problem, Problem::CutShort { .. }));
        let unannounced = refused(&connect(level, 0x02, &[], &will));
        assert!(matches!(unannounced.problem, Problem::TrailingBytes { .. }));
        let read = server_reads(V5, &connect(level, 0x2E, &[], &will));
        assert!(matches!(read, Ok(Some(Packet::Connect(_)))));
    }
}

#[test]
fn user_name_and_password_flags_must_agree_with_the_payload() {
    for level in [4, 5] {
        for announced in 0..4_u8 {
            for present in 0..4_u8 {
                let username = binary(b"name");
                let username = if present & 2 != 0 { &username[..] } else { &[] };
                let password = binary(b"secret");
                let password = if present & 1 != 0 { &password[..] } else { &[] };
                let payload = join(&[&binary(b"c"), username, password]);
                let read = server_reads(V5, &connect(level, announced << 6 | 2, &[], &payload));
                let alone_is_legal = level == 5 || announced != 1;
                let same_count = announced.count_ones() == present.count_ones();
                // One string where the other is announced cannot be told from it.
                assert_eq!(read.is_ok(), alone_is_legal && same_count, "{announced} {present}");
            }
        }
    }
}

#[test]
fn an_empty_identifier_is_for_the_receiver_to_judge() {
    for (level, flags) in [(4, 0), (4, 2), (5, 0), (5, 2)] {
        match server_reads(V5, &connect(level, flags, &[], &binary(b""))) {
            Ok(Some(Packet::Connect(connect))) => {
                assert!(connect.client_id.is_empty());
                assert_eq!(connect.clean_start, flags == 2);
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn secrets_are_not_shown() {
    let payload = join(&[&binary(b"c"), &binary(b"user"), &binary(b"hunter2")]);
    let packet = server_reads(V3_1_1, &connect(4, 0xC2, &[], &payload)).unwrap();
    let shown = format!("{packet:?}");
    assert!(shown.contains("user") && shown.contains("***"), "{shown}");
    let bytes = format!("{:?}", bytes::Bytes::from_static(b"hunter2"));
    assert!(!shown.contains("hunter2") && !shown.contains(&bytes), "{shown}");
}

#[test]
fn before_5_0_a_connack_says_what_it_can() {
    let said = |reason, version| {
        let mut bytes = BytesMut::new();
        let connack = Packet::ConnAck(ConnAck::new(reason).into());
        encode(&connack, version, &mut bytes).map(|()| bytes.to_vec()).ok()
    };
    for version in [V3_1, V3_1_1] {
        for (reason, code) in [
            (ReasonCode::Success, 0),
            (ReasonCode::ClientIdentifierNotValid, 2),
            (ReasonCode::ServerBusy, 3),
            (ReasonCode::BadUserNameOrPassword, 4),
            (ReasonCode::Banned, 5),
        ] {
            assert_eq!(said(reason, version), Some(vec![0x20, 2, 0, code]));
        }
        assert_eq!(said(ReasonCode::MalformedPacket, version), None);
    }
}
