//! UNSUBSCRIBE: a client takes subscriptions back (MQTT 5.0 section 3.10).

use alloc::vec::Vec;

use crate::properties::{PropertyBlock, UserPropertiesReader, id};
use crate::reader::Reader;
use crate::subscribe::{MAX_FILTERS, put_filter, read_filter};
use crate::topic_filter::InvalidTopicFilter;
use crate::writer::Sink;
use crate::{PacketId, Problem, TopicFilter, UserProperties, Version};

/// UNSUBSCRIBE; at least one filter `[MQTT-3.10.3-2]`, at most [`MAX_FILTERS`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Unsubscribe {
    /// UNSUBACK repeats it.
    pub packet_id: PacketId,
    /// In order; what is no filter is answered with 0x8F.
    pub filters: Vec<Result<TopicFilter, InvalidTopicFilter>>,
    /// 5.0 only.
    pub user_properties: UserProperties,
}

impl Unsubscribe {
    pub(crate) fn decode(version: Version, reader: &mut Reader) -> Result<Self, Problem> {
        let mut unsubscribe = Self {
            packet_id: reader.packet_id()?,
            filters: Vec::new(),
            user_properties: UserProperties::default(),
        };
        if version.is_v5() {
            unsubscribe.user_properties = read_user_properties(reader)?;
        }
        while !reader.is_at_end() {
            if unsubscribe.filters.len() == MAX_FILTERS {
                return Err(Problem::TooManyFilters);
            }
            unsubscribe.filters.push(read_filter(reader)?);
        }
        if unsubscribe.filters.is_empty() {
            return Err(Problem::NoFilter);
        }
        Ok(unsubscribe)
    }

    pub(crate) fn put(&self, version: Version, out: &mut dyn Sink) {
        out.u16(self.packet_id.get());
        if version.is_v5() {
            out.property_block(&|out| out.put(self.user_properties.as_bytes()));
        }
        for filter in &self.filters {
            put_filter(filter, out);
        }
    }
}

fn read_user_properties(reader: &mut Reader) -> Result<UserProperties, Problem> {
    let mut block = PropertyBlock::read(reader)?;
    let mut user_properties = UserPropertiesReader::default();
    while let Some(id) = block.next_id()? {
        match id {
            id::USER_PROPERTY => user_properties.read(&mut block)?,
            _ => return Err(block.not_allowed()),
        }
    }
    Ok(user_properties.finish(&block))
}
