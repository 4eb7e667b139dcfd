//! Bytes of the packets that a client sends, each built by a few lines that can be read beside the standard.
//!
//! The builders make whatever they are told, legal or not; [`packet`] makes any packet at all.

use crate::Version;

/// A packet with this first byte and this body; the Remaining Length is put between.
pub fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    bytes.extend(variable(body.len()));
    bytes.extend_from_slice(body);
    bytes
}

/// A Variable Byte Integer in its shortest form `[MQTT-1.5.5-1]`.
pub fn variable(mut value: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = (value % 128) as u8;
        value /= 128;
        if value == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}

/// A string or binary field: two bytes of length, then the bytes.
pub fn field(bytes: impl AsRef<[u8]>) -> Vec<u8> {
    let bytes = bytes.as_ref();
    let length = u16::try_from(bytes.len()).expect("a field of at most 65,535 bytes");
    [&length.to_be_bytes()[..], bytes].concat()
}

/// A property block: its length, then the properties as given.
pub fn properties(bytes: &[u8]) -> Vec<u8> {
    [&variable(bytes.len())[..], bytes].concat()
}

/// PUBLISH. `id` is written iff it is given, whatever the QoS says.
pub fn publish(
    version: Version,
    topic: impl AsRef<[u8]>,
    payload: impl AsRef<[u8]>,
    qos: u8,
    id: Option<u16>,
    dup: bool,
) -> Vec<u8> {
    publish_with(version, topic, payload, qos, id, dup, false, &[])
}

/// PUBLISH with all there is: RETAIN and the bytes of its properties (5.0 only).
#[expect(clippy::too_many_arguments, reason = "one for each field of the packet")]
pub fn publish_with(
    version: Version,
    topic: impl AsRef<[u8]>,
    payload: impl AsRef<[u8]>,
    qos: u8,
    id: Option<u16>,
    dup: bool,
    retain: bool,
    property_bytes: &[u8],
) -> Vec<u8> {
    let mut body = field(topic);
    if let Some(id) = id {
        body.extend(id.to_be_bytes());
    }
    if version.is_v5() {
        body.extend(properties(property_bytes));
    }
    body.extend_from_slice(payload.as_ref());
    packet(0x30 | u8::from(dup) << 3 | qos << 1 | u8::from(retain), &body)
}

/// PUBACK in its two-byte form, legal in every version.
pub fn puback(id: u16) -> Vec<u8> {
    packet(0x40, &id.to_be_bytes())
}

/// PUBREC in its two-byte form.
pub fn pubrec(id: u16) -> Vec<u8> {
    packet(0x50, &id.to_be_bytes())
}

/// PUBREL in its two-byte form, with the flags that `[MQTT-3.6.1-1]` asks for.
pub fn pubrel(id: u16) -> Vec<u8> {
    packet(0x62, &id.to_be_bytes())
}

/// PUBCOMP in its two-byte form.
pub fn pubcomp(id: u16) -> Vec<u8> {
    packet(0x70, &id.to_be_bytes())
}

/// SUBSCRIBE to filters, each with its options byte (before 5.0: its QoS).
pub fn subscribe(version: Version, id: u16, filters: &[(&str, u8)]) -> Vec<u8> {
    subscribe_with(version, id, filters, &[])
}

/// SUBSCRIBE with the bytes of its properties (5.0 only).
pub fn subscribe_with(version: Version, id: u16, filters: &[(&str, u8)], property_bytes: &[u8]) -> Vec<u8> {
    let mut body = id.to_be_bytes().to_vec();
    if version.is_v5() {
        body.extend(properties(property_bytes));
    }
    for (filter, options) in filters {
        body.extend(field(filter));
        body.push(*options);
    }
    packet(0x82, &body)
}

/// UNSUBSCRIBE from filters.
pub fn unsubscribe(version: Version, id: u16, filters: &[&str]) -> Vec<u8> {
    let mut body = id.to_be_bytes().to_vec();
    if version.is_v5() {
        body.push(0);
    }
    for filter in filters {
        body.extend(field(filter));
    }
    packet(0xa2, &body)
}

/// PINGREQ.
pub fn pingreq() -> Vec<u8> {
    vec![0xc0, 0]
}

/// DISCONNECT: normal disconnection.
pub fn disconnect() -> Vec<u8> {
    vec![0xe0, 0]
}

/// DISCONNECT of 5.0 with a new Session Expiry Interval.
pub fn disconnect_with_expiry(seconds: u32) -> Vec<u8> {
    let mut property = vec![0x11];
    property.extend(seconds.to_be_bytes());
    packet(0xe0, &[&[0x00][..], &properties(&property)].concat())
}
