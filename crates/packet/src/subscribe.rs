//! SUBSCRIBE: a client asks for messages (MQTT 5.0 section 3.8).

use alloc::vec::Vec;

use crate::encode::check_subscription_identifier;
use crate::properties::{PropertyBlock, UserPropertiesReader, id};
use crate::reader::Reader;
use crate::topic_filter::InvalidTopicFilter;
use crate::writer::Sink;
use crate::{
    EncodeError, PacketId, PacketType, Problem, QoS, TopicFilter, UserProperties, Utf8String, Version,
};

/// Most filters in one SUBSCRIBE or UNSUBSCRIBE. Four bytes on the wire become about fifty in memory
/// and one more answer and trie operation in a single replicated command, so the packet size alone is
/// no bound. A client with more sends more packets; over it the answer is 0x97.
pub const MAX_FILTERS: usize = 4096;

/// SUBSCRIBE; at least one filter `[MQTT-3.8.3-2]`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Subscribe {
    /// SUBACK repeats it.
    pub packet_id: PacketId,
    /// Subscription Identifier for all filters of the packet, 1 to 268 435 455; 5.0 only.
    pub subscription_identifier: Option<u32>,
    /// What is asked for, in order; SUBACK answers each.
    pub filters: Vec<SubscriptionRequest>,
    /// 5.0 only.
    pub user_properties: UserProperties,
}

impl Subscribe {
    pub(crate) fn decode(version: Version, reader: &mut Reader) -> Result<Self, Problem> {
        let mut subscribe = Self {
            packet_id: reader.packet_id()?,
            subscription_identifier: None,
            filters: Vec::new(),
            user_properties: UserProperties::default(),
        };
        if version.is_v5() {
            subscribe.read_properties(reader)?;
        }
        while !reader.is_at_end() {
            if subscribe.filters.len() == MAX_FILTERS {
                return Err(Problem::TooManyFilters);
            }
            subscribe.filters.push(SubscriptionRequest::decode(version, reader)?);
        }
        if subscribe.filters.is_empty() {
            return Err(Problem::NoFilter);
        }
        Ok(subscribe)
    }

    fn read_properties(&mut self, reader: &mut Reader) -> Result<(), Problem> {
        let mut block = PropertyBlock::read(reader)?;
        let mut user_properties = UserPropertiesReader::default();
        while let Some(id) = block.next_id()? {
            match id {
                id::SUBSCRIPTION_IDENTIFIER if self.subscription_identifier.is_some() => {
                    return Err(Problem::PropertyTwice { property: id });
                }
                id::SUBSCRIPTION_IDENTIFIER => {
                    self.subscription_identifier = Some(block.subscription_identifier()?);
                }
                id::USER_PROPERTY => user_properties.read(&mut block)?,
                _ => return Err(block.not_allowed()),
            }
        }
        self.user_properties = user_properties.finish(&block);
        Ok(())
    }

    pub(crate) fn check(&self) -> Result<(), EncodeError> {
        if self.filters.is_empty() {
            return Err(EncodeError::Empty(PacketType::Subscribe));
        }
        self.subscription_identifier.map_or(Ok(()), check_subscription_identifier)
    }

    pub(crate) fn put(&self, version: Version, out: &mut dyn Sink) {
        out.u16(self.packet_id.get());
        if version.is_v5() {
            out.property_block(&|out| {
                out.subscription_identifier(self.subscription_identifier);
                out.put(self.user_properties.as_bytes());
            });
        }
        for request in &self.filters {
            put_filter(&request.filter, out);
            out.u8(request.options.bits(version));
        }
    }
}

/// Reads a string that should be a filter.
pub(crate) fn read_filter(reader: &mut Reader) -> Result<Result<TopicFilter, InvalidTopicFilter>, Problem> {
    Ok(TopicFilter::from_utf8(reader.string("topic filter")?))
}

/// Writes what [`read_filter`] reads.
pub(crate) fn put_filter(filter: &Result<TopicFilter, InvalidTopicFilter>, out: &mut dyn Sink) {
    let text: &Utf8String = match filter {
        Ok(filter) => filter.as_utf8(),
        Err(invalid) => invalid.as_utf8(),
    };
    out.string(text);
}

/// One filter of a SUBSCRIBE and how to serve it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SubscriptionRequest {
    /// The filter, or the string that is none: answered with 0x8F (0x80 before 5.0), not by closing.
    pub filter: Result<TopicFilter, InvalidTopicFilter>,
    /// How to serve it.
    pub options: SubscriptionOptions,
}

impl SubscriptionRequest {
    fn decode(version: Version, reader: &mut Reader) -> Result<Self, Problem> {
        let filter = read_filter(reader)?;
        let options = reader.u8("subscription options")?;
        let options = SubscriptionOptions::from_bits(options, version)?;
        let shared = filter.as_ref().is_ok_and(TopicFilter::is_shared);
        if options.no_local && shared {
            return Err(Problem::NoLocalOnShared);
        }
        Ok(Self { filter, options })
    }
}

/// Subscription options (MQTT 5.0 section 3.8.3.1). Before 5.0 only the QoS is on the wire, and the
/// defaults here are how those versions behave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct SubscriptionOptions {
    /// The most that messages are delivered with.
    pub qos: QoS,
    /// Not the client's own messages; never on a shared subscription `[MQTT-3.8.3-4]`.
    pub no_local: bool,
    /// Keep the RETAIN flag as published.
    pub retain_as_published: bool,
    /// Whether retained messages are sent.
    pub retain_handling: RetainHandling,
}

impl SubscriptionOptions {
    /// The defaults with this QoS.
    pub fn new(qos: QoS) -> Self {
        Self { qos, ..Self::default() }
    }
    fn from_bits(options: u8, version: Version) -> Result<Self, Problem> {
        let reserved = if version.is_v5() { 0xC0 } else { 0xFC };
        if options & reserved != 0 {
            return Err(Problem::SubscriptionOptions { options });
        }
        let qos = QoS::from_u8(options & 0x03);
        let retain_handling = RetainHandling::from_u8(options >> 4);
        Ok(Self {
            qos: qos.ok_or(Problem::Qos3 { field: "subscription options" })?,
            no_local: options & 0x04 != 0,
            retain_as_published: options & 0x08 != 0,
            retain_handling: retain_handling.ok_or(Problem::RetainHandling3)?,
        })
    }

    fn bits(self, version: Version) -> u8 {
        let qos = self.qos.value();
        if !version.is_v5() {
            return qos;
        }
        let no_local = u8::from(self.no_local) << 2;
        let retain_as_published = u8::from(self.retain_as_published) << 3;
        qos | no_local | retain_as_published | self.retain_handling.value() << 4
    }
}

/// When retained messages are sent for a subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(u8)]
pub enum RetainHandling {
    /// 0: at every SUBSCRIBE.
    #[default]
    Send = 0,
    /// 1: only if the subscription is new.
    SendIfNew = 1,
    /// 2: never.
    DoNotSend = 2,
}

impl RetainHandling {
    /// The handling of a two bit field; `None` for 3.
    pub const fn from_u8(value: u8) -> Option<Self> {
        match value {
            0 => Some(Self::Send),
            1 => Some(Self::SendIfNew),
            2 => Some(Self::DoNotSend),
            _ => None,
        }
    }

    /// The number on the wire.
    pub const fn value(self) -> u8 {
        match self {
            Self::Send => 0,
            Self::SendIfNew => 1,
            Self::DoNotSend => 2,
        }
    }
}
