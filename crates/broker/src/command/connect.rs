//! CONNECT: create, resume or take over a session [MQTT-3.1.2-4], [MQTT-3.1.2-5], [MQTT-3.1.4-3].
//!
//! A CONNECT may be applied long after it was read, when its node is slow. It carries the index its node had applied
//! when it read it, and is refused if another CONNECT of the same client id was applied after that index: else it
//! could take over a session that has long gone on elsewhere, and bring an old PUBLISH with it.

use quartet_packet::{Utf8String, Version};

use crate::{ConnectionId, LogIndex};

/// Who a client is, as the front end found out; empty for anonymous. A session belongs to its principal.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Principal(pub Utf8String);

/// A client's CONNECT that the front end accepts.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Connect {
    /// The new connection.
    pub connection: ConnectionId,
    /// The last index its node had applied when it read the packet.
    pub read_at: LogIndex,
    /// The client's id; one that the node assigned where the client gave none.
    pub client_id: Utf8String,
    /// Who it is.
    pub principal: Principal,
    /// The protocol version it speaks, for inspection only.
    pub version: Version,
    /// Clean Start (5.0) or Clean Session (3.x).
    pub clean_start: bool,
    /// Session Expiry Interval in seconds; 0 ends the session with the connection, `u32::MAX` never
    /// (3.x: 0 with Clean Session, else `u32::MAX`).
    pub session_expiry: u32,
    /// How many QoS 1 and 2 messages the client takes at once; 65,535 where it said nothing.
    pub receive_maximum: u16,
}
