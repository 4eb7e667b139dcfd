//! The strict decoder of what a broker sends: a broker that breaks the form of a packet fails the test.

use anyhow::{Context, Result, bail, ensure};

use crate::{AckKind, Packet, Property, PropertyValue, Publish, Version};

/// Takes one whole packet off the front of `buffer`, or says that more bytes are needed.
///
/// # Errors
///
/// Whatever the standard does not allow a server to send.
pub fn decode(version: Version, buffer: &mut Vec<u8>) -> Result<Option<Packet>> {
    let Some((header, length)) = frame_length(buffer)? else { return Ok(None) };
    if buffer.len() < header + length {
        return Ok(None);
    }
    let first = buffer[0];
    let body: Vec<u8> = buffer[header..header + length].to_vec();
    buffer.drain(..header + length);
    let mut reader = Reader { rest: &body };
    let packet = read_packet(version, first, &mut reader)
        .with_context(|| format!("in a packet {first:02x} of {length} bytes from the broker: {body:02x?}"))?;
    ensure!(
        reader.rest.is_empty(),
        "{} bytes too many at the end of {packet} from the broker",
        reader.rest.len()
    );
    Ok(Some(packet))
}

/// Length of the fixed header and of what follows it.
fn frame_length(buffer: &[u8]) -> Result<Option<(usize, usize)>> {
    let mut length = 0;
    for (place, byte) in buffer.iter().skip(1).enumerate() {
        ensure!(place < 4, "a Remaining Length of more than four bytes from the broker");
        length |= usize::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            ensure!(
                place == 0 || *byte != 0,
                "a Remaining Length that is not in its shortest form [MQTT-1.5.5-1]"
            );
            return Ok(Some((place + 2, length)));
        }
    }
    Ok(None)
}

fn read_packet(version: Version, first: u8, reader: &mut Reader<'_>) -> Result<Packet> {
    let v5 = version.is_v5();
    match first {
        0x20 => {
            let flags = reader.byte()?;
            ensure!(flags & 0xfe == 0, "reserved bits set in CONNACK flags [MQTT-3.2.2-1]");
            let code = reader.byte()?;
            // A server that does not speak the version asked for may refuse in the form of 3.1.1.
            let old_form = code == 1 && reader.rest.is_empty();
            let properties = if v5 && !old_form { reader.properties(&CONNACK)? } else { Vec::new() };
            ensure!(code == 0 || flags == 0, "Session Present in a refusing CONNACK [MQTT-3.2.2-6]");
            Ok(Packet::ConnAck { session_present: flags == 1, code, properties })
        }
        0x30..=0x3f => {
            let qos = first >> 1 & 3;
            ensure!(qos != 3, "a PUBLISH with QoS 3 [MQTT-3.3.1-4]");
            let dup = first & 8 != 0;
            ensure!(!(dup && qos == 0), "a PUBLISH at QoS 0 with DUP 1 [MQTT-3.3.1-2]");
            let topic = reader.string()?;
            ensure!(!topic.contains(['+', '#']), "a Topic Name with a wildcard [MQTT-3.3.2-2]");
            ensure!(!topic.is_empty(), "an empty Topic Name although we allow no alias [MQTT-3.1.2-27]");
            let id = if qos > 0 { Some(reader.packet_id()?) } else { None };
            let properties = if v5 { reader.properties(&PUBLISH)? } else { Vec::new() };
            let payload = std::mem::take(&mut reader.rest).to_vec();
            Ok(Packet::Publish(Publish { dup, qos, retain: first & 1 != 0, topic, id, properties, payload }))
        }
        0x40 => reader.ack(v5, AckKind::PubAck),
        0x50 => reader.ack(v5, AckKind::PubRec),
        0x62 => reader.ack(v5, AckKind::PubRel),
        0x70 => reader.ack(v5, AckKind::PubComp),
        0x90 => {
            let id = reader.packet_id()?;
            if v5 {
                reader.properties(&REASON)?;
            }
            let codes = std::mem::take(&mut reader.rest).to_vec();
            ensure!(!codes.is_empty(), "a SUBACK without codes [MQTT-3.8.4-6]");
            Ok(Packet::SubAck { id, codes })
        }
        0xb0 => {
            let id = reader.packet_id()?;
            if v5 {
                reader.properties(&REASON)?;
            }
            let codes = std::mem::take(&mut reader.rest).to_vec();
            ensure!(v5 != codes.is_empty(), "an UNSUBACK with {} codes in {version}", codes.len());
            Ok(Packet::UnsubAck { id, codes })
        }
        0xd0 => Ok(Packet::PingResp),
        0xe0 if v5 => Ok(Packet::Disconnect { code: reader.code_and_properties(&DISCONNECT)? }),
        0xf0 if v5 => Ok(Packet::Auth { code: reader.code_and_properties(&[0x15, 0x16, 0x1f, 0x26])? }),
        _ => bail!("a server sends no packet with the first byte {first:02x} in {version}"),
    }
}

/// Properties that a server may put in CONNACK.
const CONNACK: [u8; 17] =
    [0x11, 0x12, 0x13, 0x15, 0x16, 0x1a, 0x1c, 0x1f, 0x21, 0x22, 0x24, 0x25, 0x26, 0x27, 0x28, 0x29, 0x2a];
/// Properties that a server may put in PUBLISH. A Topic Alias is missing: no test client allows one.
const PUBLISH: [u8; 7] = [0x01, 0x02, 0x03, 0x08, 0x09, 0x0b, 0x26];
/// Properties of the acknowledgements: Reason String and User Property.
const REASON: [u8; 2] = [0x1f, 0x26];
/// Properties that a server may put in DISCONNECT; Session Expiry Interval is the client's `[MQTT-3.14.2-2]`.
const DISCONNECT: [u8; 3] = [0x1c, 0x1f, 0x26];

struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8]> {
        ensure!(self.rest.len() >= length, "the packet ends inside a field of {length} bytes");
        let (taken, rest) = self.rest.split_at(length);
        self.rest = rest;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8> {
        Ok(self.take(1)?[0])
    }

    fn number(&mut self, width: usize) -> Result<u32> {
        Ok(self.take(width)?.iter().fold(0, |number, byte| number << 8 | u32::from(*byte)))
    }

    fn packet_id(&mut self) -> Result<u16> {
        let id = u16::from_be_bytes([self.byte()?, self.byte()?]);
        ensure!(id != 0, "packet identifier 0 [MQTT-2.2.1-4]");
        Ok(id)
    }

    fn variable(&mut self) -> Result<u32> {
        let mut value = 0;
        for place in 0..4 {
            let byte = self.byte()?;
            value |= u32::from(byte & 0x7f) << (7 * place);
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        bail!("a Variable Byte Integer of more than four bytes [MQTT-1.5.5-1]")
    }

    fn bytes(&mut self) -> Result<&'a [u8]> {
        let length = self.number(2)?;
        self.take(usize::try_from(length)?)
    }

    fn string(&mut self) -> Result<String> {
        let text = std::str::from_utf8(self.bytes()?).context("a string that is not UTF-8 [MQTT-1.5.4-1]")?;
        ensure!(!text.contains('\0'), "U+0000 in a string [MQTT-1.5.4-2]");
        Ok(text.to_owned())
    }

    fn ack(&mut self, v5: bool, kind: AckKind) -> Result<Packet> {
        let id = self.packet_id()?;
        let code = if v5 { self.code_and_properties(&REASON)? } else { 0 };
        let allowed: &[u8] = match kind {
            AckKind::PubAck | AckKind::PubRec => &[0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99],
            AckKind::PubRel | AckKind::PubComp => &[0x00, 0x92],
        };
        ensure!(allowed.contains(&code), "{kind} with reason code 0x{code:02x}");
        Ok(Packet::Ack { kind, id, code })
    }

    /// The end of acknowledgements, DISCONNECT and AUTH, where code and properties may be left out.
    fn code_and_properties(&mut self, allowed: &[u8]) -> Result<u8> {
        if self.rest.is_empty() {
            return Ok(0);
        }
        let code = self.byte()?;
        if !self.rest.is_empty() {
            self.properties(allowed)?;
        }
        Ok(code)
    }

    fn properties(&mut self, allowed: &[u8]) -> Result<Vec<Property>> {
        let length = self.variable()?;
        let mut block = Reader { rest: self.take(usize::try_from(length)?)? };
        let mut properties: Vec<Property> = Vec::new();
        while !block.rest.is_empty() {
            let id = block.byte()?;
            ensure!(allowed.contains(&id), "property 0x{id:02x} does not belong into this packet");
            let repeatable = matches!(id, 0x26 | 0x0b);
            ensure!(repeatable || properties.iter().all(|p| p.id != id), "property 0x{id:02x} comes twice");
            let value = match id {
                0x01 | 0x17 | 0x19 | 0x24 | 0x25 | 0x28 | 0x29 | 0x2a => {
                    PropertyValue::Number(block.number(1)?)
                }
                0x13 | 0x21 | 0x22 | 0x23 => PropertyValue::Number(block.number(2)?),
                0x02 | 0x11 | 0x18 | 0x27 => PropertyValue::Number(block.number(4)?),
                0x0b => PropertyValue::Number(block.variable()?),
                0x09 | 0x16 => PropertyValue::Bytes(block.bytes()?.to_vec()),
                0x26 => PropertyValue::Pair(block.string()?, block.string()?),
                _ => PropertyValue::Bytes(block.string()?.into_bytes()),
            };
            properties.push(Property { id, value });
        }
        Ok(properties)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_is_taken_only_when_it_is_whole() {
        let whole = vec![0x20, 0x02, 0x01, 0x00, 0xd0];
        let mut buffer = whole[..3].to_vec();
        assert_eq!(decode(Version::V311, &mut buffer).expect("well formed"), None);
        let mut buffer = whole;
        let connack = Packet::ConnAck { session_present: true, code: 0, properties: Vec::new() };
        assert_eq!(decode(Version::V311, &mut buffer).expect("well formed"), Some(connack));
        assert_eq!(buffer, [0xd0]);
    }

    #[test]
    fn what_a_server_may_not_send_is_an_error() {
        for bytes in [
            &[0x20, 0x02, 0x01, 0x05][..],
            &[0x38, 0x03, 0x00, 0x01, b'a'],
            &[0x60, 0x02, 0x00, 0x01],
            &[0x50, 0x02, 0x00, 0x00],
            &[0x82, 0x02, 0x00, 0x01],
            &[0xd0, 0x01, 0x00],
            &[0x90, 0x82, 0x00, 0x00, 0x01],
        ] {
            assert!(decode(Version::V311, &mut bytes.to_vec()).is_err(), "{bytes:02x?}");
        }
    }
}
