//! Numbers about the state: what there is, and what happened since the cluster began.

use crate::digest::{Kind, Mixer};

/// Events counted in the replicated state, the same on every node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Counters {
    /// Messages not enqueued for a session because of its limits, summed over sessions that are gone too.
    pub overflowed: u64,
    /// Queued messages dropped because their expiry came before their first send.
    pub expired: u64,
    /// QoS 0 deliveries dropped because nobody was connected.
    pub unsent: u64,
    /// Commands skipped because they made `apply` panic.
    pub poisoned: u64,
    /// CONNECTs refused because a later one of the same client id was applied first.
    pub superseded: u64,
    /// CONNECTs refused because of another principal or a limit.
    pub refused: u64,
    /// Commands of connections that owned nothing any more.
    pub fenced: u64,
    /// Sessions that ended by their expiry.
    pub sessions_expired: u64,
}

/// The state in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Statistics {
    /// Living sessions.
    pub sessions: u64,
    /// Of them, those with an owner.
    pub connected: u64,
    /// Sessions that are over and not let go of yet.
    pub ending: u64,
    /// Messages in all queues.
    pub queued_messages: u64,
    /// Their topics, properties and payloads, counted once for every queue, in bytes.
    pub queued_bytes: u64,
    /// Identifiers in use towards clients.
    pub inflight: u64,
    /// Identifiers that clients have not released.
    pub unreleased: u64,
    /// Subscriptions.
    pub subscriptions: u64,
    /// Messages in the store.
    pub messages: u64,
    /// Ended sessions that are remembered.
    pub remembered_ends: u64,
    /// What happened.
    pub counters: Counters,
}

impl Counters {
    /// Their hash in the digest.
    pub(crate) fn element(&self) -> u64 {
        Mixer::new(Kind::Header)
            .word(self.overflowed)
            .word(self.expired)
            .word(self.unsent)
            .word(self.poisoned)
            .word(self.superseded)
            .word(self.refused)
            .word(self.fenced)
            .word(self.sessions_expired)
            .finish()
    }
}
