//! SUBACK: the answer to SUBSCRIBE (MQTT 5.0 section 3.9).

use alloc::vec::Vec;

use crate::{PacketId, ReasonCode, UserProperties, Utf8String};

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
