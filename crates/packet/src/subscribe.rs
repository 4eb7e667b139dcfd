//! SUBSCRIBE: a client asks for messages (MQTT 5.0 section 3.8).

use alloc::vec::Vec;

use crate::topic_filter::InvalidTopicFilter;
use crate::{PacketId, QoS, TopicFilter, UserProperties};

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

/// One filter of a SUBSCRIBE and how to serve it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SubscriptionRequest {
    /// The filter, or the string that is none: answered with 0x8F (0x80 before 5.0), not by closing.
    pub filter: Result<TopicFilter, InvalidTopicFilter>,
    /// How to serve it.
    pub options: SubscriptionOptions,
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
