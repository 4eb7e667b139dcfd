//! Packets byte by byte, as a peer might send them, and the decoder that reads them.
#![allow(dead_code, reason = "each test file uses its own part")]

use bytes::BytesMut;
use quartet_packet::{DecodeError, Decoder, MAX_PACKET_SIZE, Packet, Role, Version};

/// First byte, shortest Remaining Length, body.
pub(crate) fn frame(first: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    bytes.extend(variable_byte_integer(body.len()));
    bytes.extend_from_slice(body);
    bytes
}

pub(crate) fn variable_byte_integer(mut value: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = u8::try_from(value & 0x7F).unwrap();
        value >>= 7;
        if value == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}

/// Two bytes of length and the bytes.
pub(crate) fn binary(bytes: &[u8]) -> Vec<u8> {
    let mut out = u16::try_from(bytes.len()).unwrap().to_be_bytes().to_vec();
    out.extend_from_slice(bytes);
    out
}

/// All of them one after another.
pub(crate) fn join(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

/// A property block: its length and its bytes.
pub(crate) fn block(properties: &[u8]) -> Vec<u8> {
    join(&[&variable_byte_integer(properties.len()), properties])
}

/// A whole CONNECT of level 4 or 5, with this flag byte, these properties (5.0 only) and this payload.
pub(crate) fn connect(level: u8, flags: u8, properties: &[u8], payload: &[u8]) -> Vec<u8> {
    let properties = if level == 5 { block(properties) } else { Vec::new() };
    frame(0x10, &join(&[&binary(b"MQTT"), &[level, flags, 0, 60], &properties, payload]))
}

/// A decoder that has CONNECT behind it and no size limit.
pub(crate) fn decoder(role: Role, version: Version) -> Decoder {
    let mut decoder = Decoder::new(role);
    decoder.set_version(version);
    decoder.set_maximum_packet_size(MAX_PACKET_SIZE);
    decoder
}

/// The decoder for a first packet, when that is what the bytes begin with.
pub(crate) fn decoder_for(bytes: &[u8], role: Role, version: Version) -> Decoder {
    if role == Role::Server && bytes.first().is_some_and(|first| first >> 4 == 1) {
        Decoder::new(Role::Server)
    } else {
        decoder(role, version)
    }
}

/// What a server makes of the bytes: `None` is "wait for more".
pub(crate) fn server_reads(version: Version, bytes: &[u8]) -> Result<Option<Packet>, DecodeError> {
    decoder_for(bytes, Role::Server, version).decode(&mut BytesMut::from(bytes))
}

/// What a client makes of the bytes.
pub(crate) fn client_reads(version: Version, bytes: &[u8]) -> Result<Option<Packet>, DecodeError> {
    decoder_for(bytes, Role::Client, version).decode(&mut BytesMut::from(bytes))
}
