//! How often one client id may connect to this node.
//!
//! Two clients that share an id by mistake take the session from each other as fast as they can, and each turn is an
//! entry of the log. A bucket a client id: full at first, refilled steadily, one token a CONNECT.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// Most client ids watched at once. A bucket that is full again says nothing and is forgotten; beyond this, further
/// ids are let through unwatched, since the limit is about one id and not about many.
const WATCHED: usize = 65_536;

/// How often full buckets are looked for when there are [`WATCHED`]: the search walks all of them.
const SWEEP: Duration = Duration::from_secs(1);

/// Buckets by a keyed hash of the client id: ids may be 64 KiB long, and nobody can aim at another's bucket.
#[derive(Debug)]
pub(crate) struct ConnectRate {
    per_second: f64,
    burst: f64,
    hasher: RandomState,
    buckets: Mutex<Buckets>,
}

#[derive(Debug)]
struct Buckets {
    by_id: HashMap<u64, Bucket>,
    swept: Option<Instant>,
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    tokens: f64,
    at: Instant,
}

impl Bucket {
    fn refilled(self, now: Instant, per_second: f64, burst: f64) -> f64 {
        let gained = now.saturating_duration_since(self.at).as_secs_f64() * per_second;
        (self.tokens + gained).min(burst)
    }
}

impl ConnectRate {
    /// `per_second` sustained, `burst` at once.
    pub(crate) fn new(per_second: u32, burst: u32) -> Self {
        Self {
            per_second: f64::from(per_second.max(1)),
            burst: f64::from(burst.max(1)),
            hasher: RandomState::new(),
            buckets: Mutex::new(Buckets { by_id: HashMap::new(), swept: None }),
        }
    }

    /// Whether a CONNECT of this client id may go on.
    pub(crate) fn admit(&self, client_id: &[u8], now: Instant) -> bool {
        let key = self.hasher.hash_one(client_id);
        let mut buckets = self.buckets.lock();
        let Buckets { by_id, swept } = &mut *buckets;
        if !by_id.contains_key(&key) && by_id.len() >= WATCHED {
            if swept.is_none_or(|at| now.saturating_duration_since(at) >= SWEEP) {
                *swept = Some(now);
                by_id.retain(|_, bucket| bucket.refilled(now, self.per_second, self.burst) < self.burst);
            }
            if by_id.len() >= WATCHED {
                return true;
            }
        }
        let bucket = by_id.entry(key).or_insert(Bucket { tokens: self.burst, at: now });
        let tokens = bucket.refilled(now, self.per_second, self.burst);
        let admitted = tokens >= 1.0;
        *bucket = Bucket { tokens: if admitted { tokens - 1.0 } else { tokens }, at: now };
        admitted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_then_the_rate() {
        let rate = ConnectRate::new(2, 3);
        let start = Instant::now();
        let at = |milliseconds| start + Duration::from_millis(milliseconds);
        let first: Vec<_> = (0..4).map(|_| rate.admit(b"a", at(0))).collect();
        assert_eq!(first, [true, true, true, false]);
        assert!(rate.admit(b"b", at(0)), "another client has its own bucket");
        assert!(!rate.admit(b"a", at(499)));
        assert!(rate.admit(b"a", at(501)));
        assert!(!rate.admit(b"a", at(502)));
        let later: Vec<_> = (0..4).map(|_| rate.admit(b"a", at(60_000))).collect();
        assert_eq!(later, [true, true, true, false], "never more than the burst");
    }

    #[test]
    fn the_table_is_bounded() {
        let rate = ConnectRate::new(1, 1);
        let now = Instant::now();
        for id in 0..WATCHED + 10 {
            assert!(rate.admit(&id.to_le_bytes(), now));
        }
        assert_eq!(rate.buckets.lock().by_id.len(), WATCHED);
        assert!(rate.admit(b"new", now + Duration::from_secs(5)), "full buckets are forgotten");
        assert_eq!(rate.buckets.lock().by_id.len(), 1);
    }
}
