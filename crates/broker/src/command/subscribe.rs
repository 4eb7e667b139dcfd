//! SUBSCRIBE: an entry of the same log as PUBLISH, so what is published after its SUBACK is never missed.

use alloc::vec::Vec;
use core::num::NonZeroU32;
use quartet_packet::{PacketId, ReasonCode, SubscriptionOptions, TopicFilter};

use crate::ConnectionId;
use crate::effect::SessionSlot;

/// One filter of a SUBSCRIBE.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum FilterRequest {
    /// Subscribe.
    Admit(TopicFilter, SubscriptionOptions),
    /// Answer with this code: the front end refuses it (malformed, not authorized, not available).
    Refuse(ReasonCode),
}

/// Filters to add to a session.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Subscribe {
    /// Whose.
    pub connection: ConnectionId,
    /// Its session, from CONNACK.
    pub session: SessionSlot,
    /// The client's packet identifier, for the SUBACK.
    pub packet_id: PacketId,
    /// Subscription Identifier, 1 to 268,435,455.
    pub subscription_identifier: Option<NonZeroU32>,
    /// In the packet's order; the same filter twice counts as its last.
    pub filters: Vec<FilterRequest>,
}
