//! The leader's clock: what it stamps entries with.
//!
//! ```text
//!   begin (leadership)     base = max(state's time, wall clock), a jump capped and told
//!   stamp                  base + own monotonic time since; never less than the last stamp
//! ```
//!
//! While a leader leads, its wall clock is not asked again: setting it changes nothing. A new leader whose wall clock is
//! behind goes on from the state's time; one whose clock is ahead moves time forward by [`MAX_JUMP`] at most, so that a
//! broken clock expires at most that much too early. (A cluster that was down for longer expires that much later.)

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use quartet_broker::Timestamp;

/// The furthest that a new leader's wall clock moves replicated time: a night of downtime is made up for at once.
const MAX_JUMP: Duration = Duration::from_secs(24 * 3600);

/// Stamps entries during one leadership.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReplicatedClock {
    base: Timestamp,
    since: Instant,
    last: Timestamp,
}

impl ReplicatedClock {
    /// Begins a leadership over a state whose time is `state`, at `now`, when the wall clock says `wall`. Gives the part
    /// of a jump that was cut off, if any.
    pub(crate) fn begin(state: Timestamp, now: Instant, wall: Timestamp) -> (Self, Option<Duration>) {
        let jump = Duration::from_millis(wall.0.saturating_sub(state.0));
        let fresh = state == Timestamp::default();
        let allowed = if fresh { jump } else { jump.min(MAX_JUMP) };
        let base = Timestamp(state.0.saturating_add(millis(allowed)));
        let cut = jump - allowed;
        (Self { base, since: now, last: base }, (!cut.is_zero()).then_some(cut))
    }

    /// The time of an entry that is proposed now.
    pub(crate) fn stamp(&mut self, now: Instant) -> Timestamp {
        let elapsed = millis(now.saturating_duration_since(self.since));
        self.last = self.last.max(Timestamp(self.base.0.saturating_add(elapsed)));
        self.last
    }
}

/// What the wall clock says; 0 if it stands before 1970.
pub(crate) fn wall_clock() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(millis(since))
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const YEAR: u64 = 365 * 24 * 3_600_000;

    #[test]
    fn time_follows_the_monotonic_clock_and_never_goes_back() {
        let now = Instant::now();
        let (mut clock, cut) = ReplicatedClock::begin(Timestamp(5_000), now, Timestamp(1_000));
        assert_eq!(cut, None);
        assert_eq!(clock.stamp(now), Timestamp(5_000));
        assert_eq!(clock.stamp(now + Duration::from_millis(70)), Timestamp(5_070));
        assert_eq!(clock.stamp(now), Timestamp(5_070));
    }

    #[test]
    fn a_jump_is_capped_unless_the_state_is_new() {
        let now = Instant::now();
        let (mut clock, cut) = ReplicatedClock::begin(Timestamp(YEAR), now, Timestamp(2 * YEAR));
        assert_eq!(clock.stamp(now), Timestamp(YEAR + 24 * 3_600_000));
        assert_eq!(cut, Some(Duration::from_millis(YEAR) - MAX_JUMP));
        let (mut clock, cut) = ReplicatedClock::begin(Timestamp(0), now, Timestamp(50 * YEAR));
        assert_eq!((clock.stamp(now), cut), (Timestamp(50 * YEAR), None));
    }
}
