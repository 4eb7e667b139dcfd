//! How long to wait before the next try to connect: longer each time, and never all clients at once.

use std::time::Duration;

/// First wait.
const FIRST: Duration = Duration::from_millis(100);

/// Longest wait: a cluster elects a leader within seconds, and somebody is looking at the terminal.
const LONGEST: Duration = Duration::from_secs(5);

/// Doubles from `FIRST` to `LONGEST`, each wait drawn from its upper half.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    tries: u32,
}

impl Backoff {
    /// The wait before the next try.
    pub(crate) fn next_wait(&mut self) -> Duration {
        let full = FIRST.saturating_mul(2_u32.saturating_pow(self.tries)).min(LONGEST);
        self.tries = self.tries.saturating_add(1);
        full.mul_f64(rand::random_range(0.5..=1.0))
    }

    /// A connection was made: begin anew.
    pub(crate) fn reset(&mut self) {
        self.tries = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grows_to_a_bound_and_begins_anew() {
        let mut backoff = Backoff::default();
        let waits: Vec<Duration> = (0..40).map(|_| backoff.next_wait()).collect();
        assert!(waits[0] <= FIRST && waits[0] >= FIRST / 2);
        assert!(waits[39] <= LONGEST && waits[39] >= LONGEST / 2);
        backoff.reset();
        assert!(backoff.next_wait() <= FIRST);
    }
}
