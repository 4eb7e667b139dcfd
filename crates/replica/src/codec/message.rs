//! An Application Message.
//!
//! ```text
//!   flags(1)   bits 0-1 QoS, bit 2 RETAIN, bit 3 expiry follows, bit 4 properties follow
//!   topic      length, bytes
//!   [expiry]   seconds
//!   [properties] length, bytes as they stand in a packet
//!   payload    length, bytes
//! ```

use bytes::{Bytes, BytesMut};
use quartet_broker::Message;
use quartet_packet::{PublishProperties, QoS};

use super::{Malformed, Reader, Writer};

const RETAIN: u8 = 1 << 2;
const EXPIRY: u8 = 1 << 3;
const PROPERTIES: u8 = 1 << 4;

/// Writes one message to the end of `out`.
pub fn encode_message(message: &Message, out: &mut BytesMut) {
    put_message(&mut Writer::new(out), message);
}

/// The inverse of [`encode_message`]; topic, properties and payload are slices of `bytes`.
///
/// # Errors
/// [`Malformed`], also for bytes behind the message.
pub fn decode_message(bytes: Bytes) -> Result<Message, Malformed> {
    let mut reader = Reader::new("message", bytes);
    let message = message(&mut reader)?;
    reader.end()?;
    Ok(message)
}

pub(crate) fn put_message(out: &mut Writer<'_>, message: &Message) {
    let Message { topic, qos, retain, message_expiry, properties, payload } = message;
    let mut flags = qos.value();
    for (set, flag) in
        [(*retain, RETAIN), (message_expiry.is_some(), EXPIRY), (!properties.is_empty(), PROPERTIES)]
    {
        if set {
            flags |= flag;
        }
    }
    out.u8(flags);
    out.bytes(topic.as_bytes());
    if let Some(seconds) = message_expiry {
        out.u32(*seconds);
    }
    if !properties.is_empty() {
        out.bytes(properties.as_bytes());
    }
    out.bytes(payload);
}

pub(crate) fn message(reader: &mut Reader) -> Result<Message, Malformed> {
    let flags = reader.u8()?;
    if flags & !(3 | RETAIN | EXPIRY | PROPERTIES) != 0 {
        return Err(reader.malformed("unknown message flags"));
    }
    let qos = QoS::from_u8(flags & 3).ok_or_else(|| reader.malformed("qos 3"))?;
    let topic = reader.topic()?;
    let message_expiry = if flags & EXPIRY == 0 { None } else { Some(reader.u32()?) };
    let properties = if flags & PROPERTIES == 0 {
        PublishProperties::default()
    } else {
        let bytes = reader.bytes()?;
        PublishProperties::from_bytes(bytes)
            .map_err(|_| reader.malformed("message properties are not valid"))?
    };
    let payload = reader.bytes()?;
    Ok(Message { topic, qos, retain: flags & RETAIN != 0, message_expiry, properties, payload })
}
