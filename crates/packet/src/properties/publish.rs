//! The properties of a message that a broker forwards unaltered, also from a will and from storage
//! `[MQTT-3.3.2-4]` `[MQTT-3.3.2-15]` `[MQTT-3.3.2-16]` `[MQTT-3.3.2-17]` `[MQTT-3.3.2-20]`.

use core::fmt;

use bytes::{BufMut, Bytes, BytesMut};

use super::{Gather, PropertyBlock, id, user};
use crate::reader::Reader;
use crate::{Problem, Topic, Utf8String};

/// Payload Format Indicator, Content Type, Response Topic, Correlation Data and User Properties,
/// validated once and kept as bytes: fan-out copies them without looking.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct PublishProperties(Bytes);

/// One of [`PublishProperties`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Property {
    /// Payload Format Indicator: whether the payload is UTF-8 text.
    PayloadFormatIndicator(bool),
    /// Content Type.
    ContentType(Utf8String),
    /// Response Topic: a topic name `[MQTT-3.3.2-14]`.
    ResponseTopic(Topic),
    /// Correlation Data.
    CorrelationData(Bytes),
    /// User Property: name and value.
    UserProperty(Utf8String, Utf8String),
}

impl PublishProperties {
    /// Properties in this order; an error if one that may come once comes twice, if there are more than
    /// [`MAX_USER_PROPERTIES`](crate::MAX_USER_PROPERTIES), or if Correlation Data is over 65 535 bytes.
    pub fn new<I>(properties: I) -> Result<Self, Problem>
    where
        I: IntoIterator<Item = Property>,
    {
        let mut bytes = BytesMut::new();
        for property in properties {
            property.put(&mut bytes)?;
        }
        Self::from_bytes(bytes.freeze())
    }

    /// Validates what [`as_bytes`](Self::as_bytes) gave.
    pub fn from_bytes(bytes: Bytes) -> Result<Self, Problem> {
        let mut reader = Reader::new(bytes);
        let mut block = PropertyBlock::rest_of(&mut reader);
        let mut forwarded = ForwardedReader::default();
        while let Some(id) = block.next_id()? {
            if !forwarded.read(id, &mut block)? {
                return Err(block.not_allowed());
            }
        }
        Ok(forwarded.finish(&block))
    }

    /// The properties as they stand in a packet, without the length before them.
    pub fn as_bytes(&self) -> &Bytes {
        &self.0
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The properties in the order they came in.
    pub fn iter(&self) -> impl Iterator<Item = Property> + use<> {
        let mut reader = Reader::new(self.0.clone());
        core::iter::from_fn(move || Property::read(&mut PropertyBlock::rest_of(&mut reader)).ok()?)
    }

    /// Whether the Payload Format Indicator says UTF-8.
    pub fn payload_is_utf8(&self) -> bool {
        !self.is_empty() && self.iter().any(|property| property == Property::PayloadFormatIndicator(true))
    }

    /// A copy in a buffer of its own.
    pub fn detach(&self) -> Self {
        Self(Bytes::copy_from_slice(&self.0))
    }
}

impl Property {
    fn read(block: &mut PropertyBlock<'_>) -> Result<Option<Self>, Problem> {
        let Some(id) = block.next_id()? else {
            return Ok(None);
        };
        Ok(Some(match id {
            id::PAYLOAD_FORMAT_INDICATOR => Self::PayloadFormatIndicator(block.flag()?),
            id::CONTENT_TYPE => Self::ContentType(block.string("content type")?),
            id::RESPONSE_TOPIC => Self::ResponseTopic(block.topic("response topic")?),
            id::CORRELATION_DATA => Self::CorrelationData(block.binary("correlation data")?),
            id::USER_PROPERTY => {
                Self::UserProperty(block.string("user property name")?, block.string("user property value")?)
            }
            _ => return Err(block.not_allowed()),
        }))
    }

    fn put(&self, out: &mut BytesMut) -> Result<(), Problem> {
        match self {
            Self::PayloadFormatIndicator(utf8) => {
                out.put_u8(id::PAYLOAD_FORMAT_INDICATOR);
                out.put_u8(u8::from(*utf8));
            }
            Self::ContentType(text) => {
                out.put_u8(id::CONTENT_TYPE);
                super::put_binary(text.as_bytes(), out);
            }
            Self::ResponseTopic(topic) => {
                out.put_u8(id::RESPONSE_TOPIC);
                super::put_binary(topic.as_bytes(), out);
            }
            Self::CorrelationData(data) => {
                if data.len() > Utf8String::MAX_LENGTH {
                    return Err(Problem::PropertyValue { property: id::CORRELATION_DATA });
                }
                out.put_u8(id::CORRELATION_DATA);
                super::put_binary(data, out);
            }
            Self::UserProperty(name, value) => user::put_pair(name, value, out),
        }
        Ok(())
    }
}

/// Collects the forwarded properties of a block that may hold others too.
#[derive(Debug, Default)]
pub(crate) struct ForwardedReader {
    gather: Gather,
    user_properties: usize,
}

impl ForwardedReader {
    /// Reads the value of the block's current property if it is one that is forwarded; else says
    /// `false` and reads nothing.
    pub(crate) fn read(&mut self, id: u8, block: &mut PropertyBlock<'_>) -> Result<bool, Problem> {
        match id {
            id::PAYLOAD_FORMAT_INDICATOR => {
                block.flag()?;
            }
            id::CONTENT_TYPE => {
                block.skip_string("content type")?;
            }
            id::RESPONSE_TOPIC => {
                block.topic("response topic")?;
            }
            id::CORRELATION_DATA => {
                block.skip_binary("correlation data")?;
            }
            id::USER_PROPERTY => user::check_pair(block, &mut self.user_properties)?,
            _ => return Ok(false),
        }
        block.keep(&mut self.gather);
        Ok(true)
    }

    pub(crate) fn finish(self, block: &PropertyBlock<'_>) -> PublishProperties {
        PublishProperties(self.gather.finish(block.buffer()))
    }
}

impl fmt::Debug for PublishProperties {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}
