//! PUBLISH: a message on its way (MQTT 5.0 section 3.3).

use alloc::vec::Vec;
use core::num::NonZeroU16;
use core::str;

use bytes::Bytes;

use crate::{PacketId, PublishProperties, QoS, Topic};

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
}
