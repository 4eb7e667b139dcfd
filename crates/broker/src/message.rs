//! An Application Message, and the handle by which the core refers to one.
//!
//! The core keeps handles; the bytes live in a store beside it (memory today, disk for long queues later). So the
//! core stays small to copy, and a message that a thousand sessions owe exists once.

use bytes::Bytes;
use quartet_packet::{PublishProperties, QoS, Topic};

/// What a PUBLISH carries once its connection is taken off: the same for every subscriber.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Message {
    /// The topic name, never empty: an alias is resolved before the log.
    pub topic: Topic,
    /// The QoS it was published with; a delivery's is the smaller of this and the granted one.
    pub qos: QoS,
    /// The RETAIN flag as published; deliveries carry it only where a subscription asks for it.
    pub retain: bool,
    /// Message Expiry Interval in seconds, counted from the entry's time (`None`: never expires).
    pub message_expiry: Option<u32>,
    /// Properties that are forwarded unaltered, in order ([MQTT-3.3.2-17] and its neighbours).
    pub properties: PublishProperties,
    /// The application's bytes.
    pub payload: Bytes,
}

impl Message {
    /// Bytes of topic, properties and payload: what it counts towards a queue's limit.
    #[must_use]
    pub fn size(&self) -> u32 {
        let bytes = self.topic.as_bytes().len() + self.properties.as_bytes().len() + self.payload.len();
        u32::try_from(bytes).unwrap_or(u32::MAX)
    }
}

/// Names a stored [`Message`] in the replicated state. Counts up, is never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageHandle(pub u64);
