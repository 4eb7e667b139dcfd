//! Property blocks of MQTT 5.0 (section 2.2.2): every property in every packet, once, twice, cut and
//! with values it may not have.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

mod wire;

use bytes::BytesMut;
use quartet_packet::{DecodeError, Packet, Problem, ReasonCode, Role, Version::V5};
use wire::{binary, block, decoder_for, frame, join, variable_byte_integer};

fn property(id: u8, value: &[u8]) -> Vec<u8> {
    join(&[&[id], value])
}

/// Packets of 5.0 with a property block: what stands before it and after it.
struct Carrier {
    name: &'static str,
    role: Role,
    first: u8,
    before: Vec<u8>,
    after: Vec<u8>,
}

fn carriers() -> Vec<Carrier> {
    let carrier = |name, role, first, before: &[u8], after: &[u8]| Carrier {
        name,
        role,
        first,
        before: before.to_vec(),
        after: after.to_vec(),
    };
    let client_id = binary(b"c");
    let connect = |flags: u8| join(&[&binary(b"MQTT"), &[5, flags, 0, 60]]);
    let will_before = join(&[&connect(6), &[0], &client_id]);
    let will_after = join(&[&binary(b"t"), &binary(b"w")]);
    let filter = join(&[&binary(b"t"), &[0]]);
    let (server, client) = (Role::Server, Role::Client);
    vec![
        carrier("connect", server, 0x10, &connect(2), &client_id),
        carrier("will", server, 0x10, &will_before, &will_after),
        carrier("connack", client, 0x20, &[0, 0], &[]),
        carrier("publish to server", server, 0x30, &binary(b"t"), b"x"),
        carrier("publish to client", client, 0x30, &binary(b"t"), b"x"),
        carrier("puback", server, 0x40, &[0, 1, 0], &[]),
        carrier("pubrec", client, 0x50, &[0, 1, 0], &[]),
        carrier("pubrel", server, 0x62, &[0, 1, 0], &[]),
        carrier("pubcomp", client, 0x70, &[0, 1, 0], &[]),
        carrier("subscribe", server, 0x82, &[0, 1], &filter),
        carrier("suback", client, 0x90, &[0, 1], &[0]),
        carrier("unsubscribe", server, 0xA2, &[0, 1], &binary(b"t")),
        carrier("unsuback", client, 0xB0, &[0, 1], &[0]),
        carrier("disconnect to server", server, 0xE0, &[4], &[]),
        carrier("disconnect to client", client, 0xE0, &[0x8B], &[]),
        carrier("auth", server, 0xF0, &[0x18], &[]),
    ]
}

impl Carrier {
    fn read(&self, block: &[u8]) -> Result<Option<Packet>, DecodeError> {
        let bytes = frame(self.first, &join(&[&self.before, block, &self.after]));
        decoder_for(&bytes, self.role, V5).decode(&mut BytesMut::from(&bytes[..]))
    }

    /// AUTH and Authentication Data need a method beside them.
    fn read_with(&self, id: u8, properties: &[u8]) -> Result<Option<Packet>, DecodeError> {
        let needs_method =
            (self.name == "auth" && id != 0x15) || (id == 0x16 && matches!(self.name, "connect" | "connack"));
        let method = if needs_method { property(0x15, &binary(b"m")) } else { Vec::new() };
        self.read(&block(&join(&[&method, properties])))
    }
}

const PUBLISH: [&str; 3] = ["publish to server", "publish to client", "will"];
const ACKS: [&str; 6] = ["puback", "pubrec", "pubrel", "pubcomp", "suback", "unsuback"];

/// Section 2.2.2.2: the 27 properties, a good value of each, and who may carry it.
fn table() -> Vec<(u8, Vec<u8>, Vec<&'static str>)> {
    let text = binary(b"t");
    let everyone: Vec<&str> = carriers().iter().map(|carrier| carrier.name).collect();
    let with = |some: &[&'static str], more: &[&'static str]| [some, more].concat();
    let both = vec!["connect", "connack"];
    let authentication = vec!["connect", "connack", "auth"];
    let explained = with(&ACKS, &["connack", "disconnect to server", "disconnect to client", "auth"]);
    let references = vec!["connack", "disconnect to server", "disconnect to client"];
    let expiring = vec!["connect", "connack", "disconnect to server"];
    let numbered = vec!["publish to client", "subscribe"];
    let published = vec!["publish to server", "publish to client"];
    let connack = vec!["connack"];
    vec![
        (0x01, vec![1], PUBLISH.to_vec()),
        (0x02, vec![0, 0, 0, 9], PUBLISH.to_vec()),
        (0x03, text.clone(), PUBLISH.to_vec()),
        (0x08, text.clone(), PUBLISH.to_vec()),
        (0x09, text.clone(), PUBLISH.to_vec()),
        (0x0B, vec![7], numbered),
        (0x11, vec![0, 0, 0, 9], expiring),
        (0x12, text.clone(), connack.clone()),
        (0x13, vec![0, 9], connack.clone()),
        (0x15, text.clone(), authentication.clone()),
        (0x16, text.clone(), authentication),
        (0x17, vec![1], vec!["connect"]),
        (0x18, vec![0, 0, 0, 9], vec!["will"]),
        (0x19, vec![1], vec!["connect"]),
        (0x1A, text.clone(), connack.clone()),
        (0x1C, text.clone(), references),
        (0x1F, text.clone(), explained),
        (0x21, vec![0, 9], both.clone()),
        (0x22, vec![0, 9], both.clone()),
        (0x23, vec![0, 9], published),
        (0x24, vec![1], connack.clone()),
        (0x25, vec![1], connack.clone()),
        (0x26, join(&[&text, &text]), everyone),
        (0x27, vec![0, 0, 0, 9], both),
        (0x28, vec![1], connack.clone()),
        (0x29, vec![1], connack.clone()),
        (0x2A, vec![1], connack),
    ]
}

#[test]
fn each_property_is_read_where_it_may_be_and_nowhere_else() {
    let table = table();
    assert_eq!(table.len(), 27);
    for (id, value, allowed) in table {
        for carrier in carriers() {
            let read = carrier.read_with(id, &property(id, &value));
            let name = carrier.name;
            if allowed.contains(&name) {
                assert!(matches!(read, Ok(Some(_))), "{id:#x} in {name}: {read:?}");
                continue;
            }
            let reason = read.expect_err(name).reason;
            let right = matches!(reason, ReasonCode::MalformedPacket | ReasonCode::ProtocolError);
            assert!(right, "{id:#x} in {name}: {reason:?}");
        }
    }
}

#[test]
fn each_property_but_two_comes_once() {
    for (id, value, allowed) in table() {
        for carrier in carriers().iter().filter(|carrier| allowed.contains(&carrier.name)) {
            let twice = property(id, &value).repeat(2);
            let read = carrier.read_with(id, &twice);
            if id == 0x26 || (id == 0x0B && carrier.name == "publish to client") {
                assert!(matches!(read, Ok(Some(_))), "{id:#x} in {}", carrier.name);
            } else {
                let reason = read.expect_err(carrier.name).reason;
                assert_eq!(reason, ReasonCode::ProtocolError, "{id:#x} in {}", carrier.name);
            }
        }
    }
}

#[test]
fn unknown_properties_are_malformed() {
    for carrier in carriers() {
        for id in [&[0x00, 0][..], &[0x04, 0], &[0x7F, 0], &[0x80, 0x01, 0], &[0xFF, 0xFF, 0x01]] {
            let error = carrier.read(&block(id)).expect_err(carrier.name);
            assert_eq!(error.reason, ReasonCode::MalformedPacket, "{id:?} in {}", carrier.name);
        }
    }
}

#[test]
fn property_lengths_must_fit() {
    for carrier in carriers() {
        let pair = join(&[&[0x26], &binary(b"name"), &binary(b"value")]);
        for length in 1..pair.len() {
            let read = carrier.read(&join(&[&variable_byte_integer(length), &pair]));
            let error = read.expect_err(carrier.name);
            assert_eq!(error.reason, ReasonCode::MalformedPacket, "{length} in {}", carrier.name);
        }
        let longer = carrier.read(&join(&[&[0x7F], &pair])).expect_err(carrier.name);
        assert_eq!(longer.reason, ReasonCode::MalformedPacket, "{}", carrier.name);
    }
}

#[test]
fn yes_and_no_are_the_only_answers() {
    for id in [0x01_u8, 0x17, 0x19, 0x24, 0x25, 0x28, 0x29, 0x2A] {
        for carrier in carriers() {
            let good = carrier.read_with(id, &property(id, &[0]));
            if good.is_err() {
                continue;
            }
            for value in [2, 255] {
                let error = carrier.read_with(id, &property(id, &[value])).unwrap_err();
                assert_eq!(error.problem, Problem::PropertyValue { property: id });
                assert_eq!(error.reason, ReasonCode::ProtocolError);
            }
        }
    }
}

#[test]
fn zero_is_refused_where_it_is_forbidden() {
    let zero = |name: &str, bytes: &[u8]| {
        let carriers = carriers();
        let carrier = carriers.iter().find(|carrier| carrier.name == name).unwrap();
        carrier.read(&block(bytes)).unwrap_err().reason
    };
    for name in ["connect", "connack"] {
        assert_eq!(zero(name, &[0x21, 0, 0]), ReasonCode::ProtocolError);
        assert_eq!(zero(name, &[0x27, 0, 0, 0, 0]), ReasonCode::ProtocolError);
    }
    assert_eq!(zero("subscribe", &[0x0B, 0]), ReasonCode::ProtocolError);
    assert_eq!(zero("publish to client", &[0x0B, 0]), ReasonCode::ProtocolError);
}
