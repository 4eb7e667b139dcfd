//! The will of a CONNECT: the message that is published when the connection ends without a normal
//! DISCONNECT (MQTT 5.0 section 3.1.2.5).

use bytes::Bytes;

use crate::encode::check_binary;
use crate::properties::{ForwardedReader, PropertyBlock, id};
use crate::reader::Reader;
use crate::writer::Sink;
use crate::{EncodeError, Problem, PublishProperties, QoS, Topic, Version};

/// Will message and will properties.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Will {
    /// QoS to publish with.
    pub qos: QoS,
    /// Whether it is published as a retained message.
    pub retain: bool,
    /// Where to.
    pub topic: Topic,
    /// Will Payload, up to 65 535 bytes of any kind.
    pub payload: Bytes,
    /// Will Delay Interval in seconds; 0 before 5.0.
    pub delay_interval: u32,
    /// Message Expiry Interval in seconds.
    pub message_expiry: Option<u32>,
    /// What is published with it unaltered.
    pub properties: PublishProperties,
}

impl Will {
    /// A will without properties, published at once.
    pub fn new(topic: Topic, payload: Bytes) -> Self {
        Self {
            qos: QoS::AtMostOnce,
            retain: false,
            topic,
            payload,
            delay_interval: 0,
            message_expiry: None,
            properties: PublishProperties::default(),
        }
    }

    /// Reads the will's part of the CONNECT payload; QoS and RETAIN come from the connect flags.
    pub(crate) fn decode(
        qos: QoS,
        retain: bool,
        version: Version,
        reader: &mut Reader,
    ) -> Result<Self, Problem> {
        let mut delay_interval = 0;
        let mut message_expiry = None;
        let mut properties = PublishProperties::default();
        if version.is_v5() {
            let mut block = PropertyBlock::read(reader)?;
            let mut forwarded = ForwardedReader::default();
            while let Some(id) = block.next_id()? {
                match id {
                    id::WILL_DELAY_INTERVAL => delay_interval = block.u32()?,
                    id::MESSAGE_EXPIRY_INTERVAL => message_expiry = Some(block.u32()?),
                    _ if forwarded.read(id, &mut block)? => {}
                    _ => return Err(block.not_allowed()),
                }
            }
            properties = forwarded.finish(&block);
        }
        let topic = reader.topic("will topic")?;
        let payload = reader.binary("will payload")?;
        Ok(Self { qos, retain, topic, payload, delay_interval, message_expiry, properties })
    }

    pub(crate) fn check(&self) -> Result<(), EncodeError> {
        check_binary("will payload", Some(&self.payload))
    }

    /// Its bits of the connect flags.
    pub(crate) fn flags(&self) -> u8 {
        0x04 | self.qos.value() << 3 | u8::from(self.retain) << 5
    }

    pub(crate) fn put(&self, version: Version, out: &mut dyn Sink) {
        if version.is_v5() {
            out.property_block(&|out| {
                let delay_interval = Some(self.delay_interval).filter(|&seconds| seconds > 0);
                out.u32_property(id::WILL_DELAY_INTERVAL, delay_interval);
                out.u32_property(id::MESSAGE_EXPIRY_INTERVAL, self.message_expiry);
                out.put(self.properties.as_bytes());
            });
        }
        out.binary(self.topic.as_bytes());
        out.binary(&self.payload);
    }
}
