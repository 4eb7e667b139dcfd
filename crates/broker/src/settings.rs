//! Limits and policies that `apply` reads. They come through the log, so that every node reads the same.
//!
//! A node's configuration file only proposes them. Each carries its reason.

use crate::digest::{Kind, Mixer};

/// Replicated settings. The first come with the cluster's formatting, later ones by [`Configure`](crate::Configure).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Settings {
    /// Most QoS 1 and 2 messages in flight to one client, whatever it says it can take. Bounds what one connection
    /// can be owed at once, so also its mailbox and the work of one resume.
    pub maximum_inflight: u16,
    /// Most messages queued for one session; beyond, the newest is not enqueued for it, and counted.
    pub maximum_queued_messages: u32,
    /// Most bytes of topics, properties and payloads queued for one session.
    pub maximum_queued_bytes: u64,
    /// Longest Session Expiry Interval in seconds; `u32::MAX` lets sessions live for ever.
    pub maximum_session_expiry: u32,
    /// Most sessions in the cluster: every node holds them all in memory.
    pub maximum_sessions: u32,
    /// Most subscriptions of one session.
    pub maximum_subscriptions: u32,
    /// Units of left-over work done at the end of one entry (one session detached, one message released, …), so
    /// that no entry holds up the ones behind it.
    pub work_per_entry: u32,
    /// Ended sessions whose last CONNECT is remembered, to refuse CONNECTs that were delayed on the way.
    pub remembered_ends: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            maximum_inflight: 1024,
            maximum_queued_messages: 100_000,
            maximum_queued_bytes: 256 << 20,
            maximum_session_expiry: u32::MAX,
            maximum_sessions: 1_000_000,
            maximum_subscriptions: 100_000,
            work_per_entry: 256,
            remembered_ends: 65_536,
        }
    }
}

impl Settings {
    /// Their hash in the digest.
    pub(crate) fn element(&self) -> u64 {
        Mixer::new(Kind::Settings)
            .word(u64::from(self.maximum_inflight))
            .word(u64::from(self.maximum_queued_messages))
            .word(self.maximum_queued_bytes)
            .word(u64::from(self.maximum_session_expiry))
            .word(u64::from(self.maximum_sessions))
            .word(u64::from(self.maximum_subscriptions))
            .word(u64::from(self.work_per_entry))
            .word(u64::from(self.remembered_ends))
            .finish()
    }

    /// The window towards a client: both sides' limits, and never 0, which would owe for ever.
    pub(crate) fn window(&self, receive_maximum: u16) -> u16 {
        receive_maximum.min(self.maximum_inflight).max(1)
    }
}
