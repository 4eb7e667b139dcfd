//! PUBLISH at QoS 1 and 2: note the identifier, match, enqueue in every session, all in one entry.
//!
//! QoS 2 is routed here, once; the identifier stays held until PUBREL [MQTT-4.3.3-10]. What decides on a duplicate is
//! the held identifier alone: DUP is not even carried.

use quartet_packet::{PacketId, ReasonCode};

use crate::effect::SessionSlot;
use crate::{ConnectionId, Message};

/// What the front end's own rules (authorization, quotas) say of a PUBLISH.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// Route it.
    Admit,
    /// Answer with this code, unless the identifier is already held: a refusal must not tear a handshake.
    Refuse(ReasonCode),
}

/// A message at QoS 1 or 2.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Publish {
    /// The publisher's connection.
    pub connection: ConnectionId,
    /// Its session, from CONNACK.
    pub session: SessionSlot,
    /// The publisher's packet identifier.
    pub packet_id: PacketId,
    /// The message; its QoS is the handshake's.
    pub message: Message,
    /// The front end's word on it.
    pub verdict: Verdict,
}
