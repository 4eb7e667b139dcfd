//! UNSUBACK: the answer to UNSUBSCRIBE (MQTT 5.0 section 3.11).

use alloc::vec::Vec;

use crate::{PacketId, ReasonCode, UserProperties, Utf8String};

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
