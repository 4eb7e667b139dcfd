//! SUBACK: the answer to SUBSCRIBE (MQTT 5.0 section 3.9).

use alloc::vec::Vec;

use crate::acknowledgement::{put_properties, read_properties};
use crate::reader::Reader;
use crate::writer::Sink;
use crate::{PacketId, PacketType, Problem, ReasonCode, UserProperties, Utf8String, Version};

/// SUBACK: one reason for each requested filter, in their order. Before 5.0 every error is 0x80 on the
/// wire (3.1 itself defines no failure code; 0x80 is what its clients have come to know).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SubAck {
    /// Of the SUBSCRIBE.
    pub packet_id: PacketId,
    /// The granted QoS, or an error.
    pub reasons: Vec<ReasonCode>,
    /// 5.0 only.
    pub reason_string: Option<Utf8String>,
    /// 5.0 only.
    pub user_properties: UserProperties,
}

impl SubAck {
    /// Reasons, without properties.
    pub fn new(packet_id: PacketId, reasons: Vec<ReasonCode>) -> Self {
        let user_properties = UserProperties::default();
        Self { packet_id, reasons, reason_string: None, user_properties }
    }

    pub(crate) fn decode(version: Version, reader: &mut Reader) -> Result<Self, Problem> {
        let mut suback = Self::new(reader.packet_id()?, Vec::new());
        if version.is_v5() {
            (suback.reason_string, suback.user_properties) = read_properties(reader)?;
        }
        while !reader.is_at_end() {
            let reason = reader.reason(PacketType::SubAck)?;
            if !version.is_v5() && wire_value(reason, version) != reason.value() {
                return Err(Problem::ReasonCode { code: reason.value() });
            }
            suback.reasons.push(reason);
        }
        if suback.reasons.is_empty() {
            return Err(Problem::NoReasonCode);
        }
        Ok(suback)
    }

    pub(crate) fn put(&self, version: Version, out: &mut dyn Sink) {
        out.u16(self.packet_id.get());
        if version.is_v5() {
            put_properties(self.reason_string.as_ref(), &self.user_properties, out);
        }
        for &reason in &self.reasons {
            out.u8(wire_value(reason, version));
        }
    }
}

/// Before 5.0 there is one code for all that fails (MQTT 3.1.1 section 3.9.3).
fn wire_value(reason: ReasonCode, version: Version) -> u8 {
    if reason.is_error() && !version.is_v5() { ReasonCode::UnspecifiedError.value() } else { reason.value() }
}
