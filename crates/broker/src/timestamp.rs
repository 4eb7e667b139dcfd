//! Replicated time and the place in the log: the only two clocks the core knows.

/// Replicated time in milliseconds since the Unix epoch, stamped by the leader into each entry and never
/// decreasing. It decides expiry. A node's own monotonic time is another type, in `connection`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// This time plus `seconds`; stays at the greatest time instead of wrapping.
    #[must_use]
    pub fn plus_seconds(self, seconds: u32) -> Self {
        Self(self.0.saturating_add(u64::from(seconds).saturating_mul(1000)))
    }
}

/// The index of an entry in the Raft log (Raft §5.3). The first entry has index 1; 0 means nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogIndex(pub u64);
