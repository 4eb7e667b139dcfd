//! Fuzz targets that are also ordinary tests: a few thousand inputs here, as many as you like with
//! `cargo bolero test <name>`. What must hold for any bytes at all:
//!
//! - no panic, and nothing taken that was not received;
//! - the packets do not depend on where reads were cut;
//! - what was decoded can be encoded, and decodes to the same again.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use bolero::check;
use bytes::BytesMut;
use quartet_packet::{DecodeError, Decoder, MAX_PACKET_SIZE, Packet, Role, Version, encode, encoded_len};

const ITERATIONS: usize = 5000;

fn decoder(role: Role, version: Version) -> Decoder {
    let mut decoder = Decoder::new(role);
    decoder.set_version(version);
    decoder.set_maximum_packet_size(MAX_PACKET_SIZE);
    decoder
}

/// Everything that the bytes hold, and how it ended.
fn decode_all(decoder: &mut Decoder, buffer: &mut BytesMut) -> (Vec<Packet>, Option<DecodeError>) {
    let mut packets = Vec::new();
    loop {
        match decoder.decode(buffer) {
            Ok(Some(packet)) => packets.push(packet),
            Ok(None) => return (packets, None),
            Err(error) => return (packets, Some(error)),
        }
    }
}

/// Random bytes rarely are a packet's length: they are made the body of a packet of this first byte.
fn as_packet(first: u8, body: &[u8]) -> Vec<u8> {
    let body = &body[..body.len().min(16_000)];
    let length = u16::try_from(body.len()).unwrap();
    let [low, high] = [length & 0x7F, length >> 7].map(|digit| u8::try_from(digit).unwrap());
    let mut bytes = if high == 0 { vec![first, low] } else { vec![first, low | 0x80, high] };
    bytes.extend_from_slice(body);
    bytes
}

fn encodes_to_itself(packet: &Packet, role: Role, version: Version) {
    let mut bytes = BytesMut::new();
    encode(packet, version, &mut bytes).expect("what was decoded can be encoded");
    assert_eq!(Ok(bytes.len()), encoded_len(packet, version));
    let mut again = match packet {
        Packet::Connect(_) => Decoder::new(role),
        _ => decoder(role, version),
    };
    assert_eq!(again.decode(&mut bytes).as_ref(), Ok(&Some(packet.clone())));
}

fn decode_bodies(version: Version) {
    check!().with_iterations(ITERATIONS).with_type::<(bool, u8, Vec<u8>)>().for_each(
        |(server, first, body)| {
            let role = if *server { Role::Server } else { Role::Client };
            let bytes = as_packet(*first, body);
            let (packets, error) = decode_all(&mut decoder(role, version), &mut BytesMut::from(&bytes[..]));
            assert!(error.is_some() || packets.len() == 1, "a whole packet is never waited for");
            packets.iter().for_each(|packet| encodes_to_itself(packet, role, version));
        },
    );
}

#[test]
fn frame() {
    check!().with_iterations(ITERATIONS).for_each(|bytes: &[u8]| {
        let mut buffer = BytesMut::from(bytes);
        let mut decoder = Decoder::new(Role::Server);
        let (packets, error) = decode_all(&mut decoder, &mut buffer);
        assert!(buffer.len() <= bytes.len());
        if error.is_none() && packets.is_empty() {
            assert_eq!(buffer, bytes);
        }
    });
}

#[test]
fn connect() {
    check!().with_iterations(ITERATIONS).with_type::<(u8, u8, Vec<u8>)>().for_each(|(level, flags, rest)| {
        let header = [0, 4, b'M', b'Q', b'T', b'T', 4 + level % 2, *flags & 0xFE];
        let bytes = as_packet(0x10, &[&header[..], rest].concat());
        let mut decoder = Decoder::new(Role::Server);
        let (packets, error) = decode_all(&mut decoder, &mut BytesMut::from(&bytes[..]));
        assert!(error.is_some() || packets.len() == 1);
        for packet in packets {
            encodes_to_itself(&packet, Role::Server, decoder.version().unwrap());
        }
    });
}

#[test]
fn decode_v3() {
    decode_bodies(Version::V3_1_1);
}

#[test]
fn decode_v5() {
    decode_bodies(Version::V5);
}

#[test]
fn split() {
    check!().with_iterations(ITERATIONS).with_type::<(bool, Vec<u8>, Vec<u8>)>().for_each(
        |(v5, sizes, bytes)| {
            let version = if *v5 { Version::V5 } else { Version::V3_1_1 };
            let whole = decode_all(&mut decoder(Role::Server, version), &mut BytesMut::from(&bytes[..]));
            let mut decoder = decoder(Role::Server, version);
            let mut buffer = BytesMut::new();
            let mut rest = &bytes[..];
            let mut packets = Vec::new();
            let mut ended = None;
            for size in sizes.iter().map(|&size| usize::from(size)).chain([usize::MAX]) {
                let (chunk, more) = rest.split_at(size.min(rest.len()));
                rest = more;
                buffer.extend_from_slice(chunk);
                let (more, error) = decode_all(&mut decoder, &mut buffer);
                packets.extend(more);
                ended = ended.or(error);
            }
            assert_eq!((packets, ended), whole);
        },
    );
}
