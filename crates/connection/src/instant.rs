//! A node's own monotonic time, handed in by whoever drives a connection.
//!
//! It decides keep alive and time-outs, and nothing replicated: that is `Timestamp`, another type, in `broker`.

use core::time::Duration;

/// Milliseconds since any fixed moment of this process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(pub u64);

impl Instant {
    /// This moment plus `duration`; stays at the last moment instead of wrapping.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        let milliseconds = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(milliseconds))
    }
}
