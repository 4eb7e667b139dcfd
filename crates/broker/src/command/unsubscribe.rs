//! UNSUBSCRIBE: after its UNSUBACK nothing new is enqueued [MQTT-3.10.4-2]; what was begun goes on [MQTT-3.10.4-3].

use alloc::vec::Vec;
use quartet_packet::{PacketId, Utf8String};

use crate::ConnectionId;
use crate::effect::SessionSlot;

/// Filters to remove from a session.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Unsubscribe {
    /// Whose.
    pub connection: ConnectionId,
    /// Its session, from CONNACK.
    pub session: SessionSlot,
    /// The client's packet identifier, for the UNSUBACK.
    pub packet_id: PacketId,
    /// Compared character by character [MQTT-3.10.4-1]; one that is no filter at all is simply not there.
    pub filters: Vec<Utf8String>,
}
