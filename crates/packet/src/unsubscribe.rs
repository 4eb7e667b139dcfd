//! UNSUBSCRIBE: a client takes subscriptions back (MQTT 5.0 section 3.10).

use alloc::vec::Vec;

use crate::topic_filter::InvalidTopicFilter;
use crate::{PacketId, TopicFilter, UserProperties};

/// UNSUBSCRIBE; at least one filter `[MQTT-3.10.3-2]`, at most [`MAX_FILTERS`](crate::MAX_FILTERS).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Unsubscribe {
    /// UNSUBACK repeats it.
    pub packet_id: PacketId,
    /// In order; what is no filter is answered with 0x8F.
    pub filters: Vec<Result<TopicFilter, InvalidTopicFilter>>,
    /// 5.0 only.
    pub user_properties: UserProperties,
}
