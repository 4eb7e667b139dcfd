//! PUBLISH: a message on its way (MQTT 5.0 section 3.3).

use alloc::vec::Vec;
use core::num::NonZeroU16;
use core::str;

use bytes::{BufMut, Bytes, BytesMut};

use crate::encode::check_subscription_identifier;
use crate::properties::{ForwardedReader, PropertyBlock, id};
use crate::reader::Reader;
use crate::writer::{variable_byte_integer, variable_byte_integer_length};
use crate::{EncodeError, PacketId, PacketType, Problem, PublishProperties, QoS, Role, Topic, Version};

/// Bits of the fixed header (section 3.3.1).
mod flag {
    pub(super) const RETAIN: u8 = 0x01;
    pub(super) const QOS: u8 = 0x06;
    pub(super) const DUP: u8 = 0x08;
}

/// PUBLISH, in either direction.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Publish {
    /// Sent before, perhaps; never with QoS 0 `[MQTT-3.3.1-2]`.
    pub dup: bool,
    /// Quality of service.
    pub qos: QoS,
    /// To be retained (from a client), or was retained (to a client).
    pub retain: bool,
    /// The topic; `None` only if `topic_alias` stands for it.
    pub topic: Option<Topic>,
    /// With QoS 1 and 2, and only then `[MQTT-2.2.1-2]`.
    pub packet_id: Option<PacketId>,
    /// Message Expiry Interval in seconds; 0 expires at once. 5.0 only.
    pub message_expiry: Option<u32>,
    /// Topic Alias; 5.0 only.
    pub topic_alias: Option<NonZeroU16>,
    /// Subscription Identifiers, 1 to 268 435 455; only from a server. 5.0 only.
    pub subscription_identifiers: Vec<u32>,
    /// What is forwarded unaltered; 5.0 only.
    pub properties: PublishProperties,
    /// Any bytes; a slice of the read buffer.
    pub payload: Bytes,
}

impl Publish {
    /// A QoS 0 message without properties.
    pub fn new(topic: Topic, payload: Bytes) -> Self {
        Self {
            dup: false,
            qos: QoS::AtMostOnce,
            retain: false,
            topic: Some(topic),
            packet_id: None,
            message_expiry: None,
            topic_alias: None,
            subscription_identifiers: Vec::new(),
            properties: PublishProperties::default(),
            payload,
        }
    }

    /// Whether the payload is what the Payload Format Indicator says: `false` only for 1 (UTF-8) over
    /// bytes that are not. The decoder leaves this to the receiver, which may answer 0x99 in PUBACK or
    /// PUBREC, or forward the message; it is no reason to close the connection (section 3.3.2.3.2).
    pub fn payload_format_valid(&self) -> bool {
        !self.properties.payload_is_utf8() || str::from_utf8(&self.payload).is_ok()
    }

    // Inlined for the reason given at the decoder: one copy less on the busiest path.
    #[inline(always)]
    pub(crate) fn decode(
        flags: u8,
        version: Version,
        role: Role,
        reader: &mut Reader,
    ) -> Result<Self, Problem> {
        let qos = QoS::from_u8((flags & flag::QOS) >> 1);
        let qos = qos.ok_or(Problem::Qos3 { field: "fixed header" })?;
        let topic = match reader.binary("topic name")? {
            empty if empty.is_empty() && version.is_v5() => None,
            bytes => Some(
                Topic::from_bytes(bytes)
                    .map_err(|problem| Problem::Topic { field: "topic name", problem })?,
            ),
        };
        let packet_id = match qos {
            QoS::AtMostOnce => None,
            QoS::AtLeastOnce | QoS::ExactlyOnce => Some(reader.packet_id()?),
        };
        let properties = if version.is_v5() {
            let properties = ReadProperties::read(role, reader)?;
            if topic.is_none() && properties.topic_alias.is_none() {
                return Err(Problem::NoTopic);
            }
            properties
        } else {
            ReadProperties::default()
        };
        Ok(Self {
            dup: flags & flag::DUP != 0,
            qos,
            retain: flags & flag::RETAIN != 0,
            topic,
            packet_id,
            message_expiry: properties.message_expiry,
            topic_alias: properties.topic_alias,
            subscription_identifiers: properties.subscription_identifiers,
            properties: properties.forwarded,
            payload: reader.take_rest(),
        })
    }
}

/// The property block of a PUBLISH.
#[derive(Default)]
struct ReadProperties {
    message_expiry: Option<u32>,
    topic_alias: Option<NonZeroU16>,
    subscription_identifiers: Vec<u32>,
    forwarded: PublishProperties,
}

impl ReadProperties {
    #[inline]
    fn read(role: Role, reader: &mut Reader) -> Result<Self, Problem> {
        let mut properties = Self::default();
        let mut block = PropertyBlock::read(reader)?;
        if block.is_empty() {
            return Ok(properties);
        }
        let mut forwarded = ForwardedReader::default();
        while let Some(id) = block.next_id()? {
            match id {
                id::MESSAGE_EXPIRY_INTERVAL => properties.message_expiry = Some(block.u32()?),
                id::TOPIC_ALIAS => {
                    let alias = NonZeroU16::new(block.u16()?).ok_or(Problem::TopicAliasZero)?;
                    properties.topic_alias = Some(alias);
                }
                id::SUBSCRIPTION_IDENTIFIER if role == Role::Server => {
                    return Err(Problem::SubscriptionIdentifierFromClient);
                }
                id::SUBSCRIPTION_IDENTIFIER => {
                    properties.subscription_identifiers.push(block.subscription_identifier()?);
                }
                _ if forwarded.read(id, &mut block)? => {}
                _ => return Err(block.not_allowed()),
            }
        }
        properties.forwarded = forwarded.finish(&block);
        Ok(properties)
    }
}

/// All of a PUBLISH but the payload, borrowed: what differs between the subscribers of one message is
/// little, and the payload can be written from where it lies, behind the bytes of this header.
#[derive(Debug, Clone, Copy)]
pub struct PublishHeader<'a> {
    /// As in [`Publish`]; left out with QoS 0.
    pub dup: bool,
    /// As in [`Publish`].
    pub qos: QoS,
    /// As in [`Publish`].
    pub retain: bool,
    /// `None` only in 5.0, with an alias.
    pub topic: Option<&'a Topic>,
    /// With QoS 1 and 2; left out with QoS 0.
    pub packet_id: Option<PacketId>,
    /// What is left of the Message Expiry Interval, in seconds `[MQTT-3.3.2-6]`.
    pub message_expiry: Option<u32>,
    /// As in [`Publish`].
    pub topic_alias: Option<NonZeroU16>,
    /// Each 1 to 268 435 455.
    pub subscription_identifiers: &'a [u32],
    /// Copied as they are.
    pub properties: &'a PublishProperties,
}

impl<'a> PublishHeader<'a> {
    /// The header of a whole PUBLISH.
    pub fn of(publish: &'a Publish) -> Self {
        Self {
            dup: publish.dup,
            qos: publish.qos,
            retain: publish.retain,
            topic: publish.topic.as_ref(),
            packet_id: publish.packet_id,
            message_expiry: publish.message_expiry,
            topic_alias: publish.topic_alias,
            subscription_identifiers: &publish.subscription_identifiers,
            properties: &publish.properties,
        }
    }

    /// Size of the whole packet in bytes, fixed header and payload included: what a client's Maximum
    /// Packet Size bounds `[MQTT-3.1.2-24]`. An error if there can be no such packet.
    pub fn packet_len(&self, version: Version, payload_length: usize) -> Result<usize, EncodeError> {
        if self.topic.is_none() && (self.topic_alias.is_none() || !version.is_v5()) {
            return Err(EncodeError::NoTopic);
        }
        if self.qos > QoS::AtMostOnce && self.packet_id.is_none() {
            return Err(EncodeError::NoPacketId);
        }
        if version.is_v5() {
            self.subscription_identifiers
                .iter()
                .try_for_each(|&value| check_subscription_identifier(value))?;
        }
        let remaining = self.header_len(version).saturating_add(payload_length);
        let size = 1 + variable_byte_integer_length(remaining);
        let size = size.saturating_add(remaining);
        if size > crate::MAX_PACKET_SIZE {
            return Err(EncodeError::TooLarge {
                packet: PacketType::Publish,
                size,
                limit: crate::MAX_PACKET_SIZE,
            });
        }
        Ok(size)
    }

    /// Length of the variable header in bytes.
    fn header_len(&self, version: Version) -> usize {
        let topic = 2 + self.topic.map_or(0, |topic| topic.as_bytes().len());
        let packet_id = if self.qos > QoS::AtMostOnce { 2 } else { 0 };
        let properties = if version.is_v5() {
            let length = self.properties_len();
            variable_byte_integer_length(length) + length
        } else {
            0
        };
        topic + packet_id + properties
    }

    fn properties_len(&self) -> usize {
        let identifiers = self.subscription_identifiers.iter();
        let identifiers: usize =
            identifiers.map(|&value| 1 + variable_byte_integer_length(widen(value))).sum();
        self.message_expiry.map_or(0, |_| 5)
            + self.topic_alias.map_or(0, |_| 3)
            + identifiers
            + self.properties.as_bytes().len()
    }

    /// Appends the header of a packet that [`packet_len`](Self::packet_len) has found possible.
    pub(crate) fn put(&self, version: Version, payload_length: usize, out: &mut BytesMut) {
        let length = self.header_len(version);
        out.reserve(5 + length);
        let has_id = self.qos > QoS::AtMostOnce;
        let dup = if self.dup && has_id { flag::DUP } else { 0 };
        let retain = if self.retain { flag::RETAIN } else { 0 };
        out.put_u8(PacketType::Publish.value() << 4 | dup | self.qos.value() << 1 | retain);
        put_variable_byte_integer(length + payload_length, out);
        crate::properties::put_binary(self.topic.map_or(&[], Topic::as_bytes), out);
        if let (true, Some(packet_id)) = (has_id, self.packet_id) {
            out.put_u16(packet_id.get());
        }
        if !version.is_v5() {
            return;
        }
        put_variable_byte_integer(self.properties_len(), out);
        if let Some(seconds) = self.message_expiry {
            out.put_u8(id::MESSAGE_EXPIRY_INTERVAL);
            out.put_u32(seconds);
        }
        if let Some(alias) = self.topic_alias {
            out.put_u8(id::TOPIC_ALIAS);
            out.put_u16(alias.get());
        }
        for &value in self.subscription_identifiers {
            out.put_u8(id::SUBSCRIPTION_IDENTIFIER);
            put_variable_byte_integer(widen(value), out);
        }
        out.extend_from_slice(self.properties.as_bytes());
    }
}

fn put_variable_byte_integer(value: usize, out: &mut BytesMut) {
    let (bytes, length) = variable_byte_integer(value);
    out.extend_from_slice(bytes.get(..length).unwrap_or_default());
}

fn widen(value: u32) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}
