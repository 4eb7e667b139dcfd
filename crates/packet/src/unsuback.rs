//! UNSUBACK: the answer to UNSUBSCRIBE (MQTT 5.0 section 3.11).

use alloc::vec::Vec;

use crate::acknowledgement::{put_properties, read_properties};
use crate::reader::Reader;
use crate::writer::Sink;
use crate::{PacketId, PacketType, Problem, ReasonCode, UserProperties, Utf8String, Version};

/// UNSUBACK. Before 5.0 it carries the packet identifier only, and `reasons` is empty.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct UnsubAck {
    /// Of the UNSUBSCRIBE.
    pub packet_id: PacketId,
    /// One for each filter, in their order; 5.0 only.
    pub reasons: Vec<ReasonCode>,
    /// 5.0 only.
    pub reason_string: Option<Utf8String>,
    /// 5.0 only.
    pub user_properties: UserProperties,
}

impl UnsubAck {
    /// Reasons, without properties.
    pub fn new(packet_id: PacketId, reasons: Vec<ReasonCode>) -> Self {
        let user_properties = UserProperties::default();
        Self { packet_id, reasons, reason_string: None, user_properties }
    }

    pub(crate) fn decode(version: Version, reader: &mut Reader) -> Result<Self, Problem> {
        let mut unsuback = Self::new(reader.packet_id()?, Vec::new());
        if !version.is_v5() {
            return Ok(unsuback);
        }
        (unsuback.reason_string, unsuback.user_properties) = read_properties(reader)?;
        while !reader.is_at_end() {
            unsuback.reasons.push(reader.reason(PacketType::UnsubAck)?);
        }
        if unsuback.reasons.is_empty() {
            return Err(Problem::NoReasonCode);
        }
        Ok(unsuback)
    }

    pub(crate) fn put(&self, version: Version, out: &mut dyn Sink) {
        out.u16(self.packet_id.get());
        if version.is_v5() {
            put_properties(self.reason_string.as_ref(), &self.user_properties, out);
            for reason in &self.reasons {
                out.u8(reason.value());
            }
        }
    }
}
