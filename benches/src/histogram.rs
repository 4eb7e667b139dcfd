//! Times in buckets that grow with them: about 3 % wide, so that any percentile is known that well.

/// Buckets for each doubling.
const STEPS: u64 = 32;

/// A histogram of nanoseconds.
#[derive(Clone, Debug)]
pub(crate) struct Histogram {
    counts: Vec<u64>,
    total: u64,
    longest: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: vec![0; (64 * STEPS) as usize], total: 0, longest: 0 }
    }
}

impl Histogram {
    /// Counts one.
    pub(crate) fn record(&mut self, nanoseconds: u64) {
        self.counts[bucket(nanoseconds)] += 1;
        self.total += 1;
        self.longest = self.longest.max(nanoseconds);
    }

    /// How many were counted.
    pub(crate) fn total(&self) -> u64 {
        self.total
    }

    /// Milliseconds that `share` (0 to 1) of all stay below.
    pub(crate) fn percentile(&self, share: f64) -> f64 {
        let wanted = (self.total as f64 * share).ceil() as u64;
        let mut seen = 0;
        for (bucket, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                return (upper_edge(bucket).min(self.longest)) as f64 / 1e6;
            }
        }
        self.longest as f64 / 1e6
    }

    /// The longest in milliseconds.
    pub(crate) fn longest(&self) -> f64 {
        self.longest as f64 / 1e6
    }
}

fn bucket(value: u64) -> usize {
    if value < STEPS {
        return value as usize;
    }
    let doublings = u64::from(value.ilog2() - STEPS.ilog2());
    ((doublings + 1) * STEPS + (value >> doublings) - STEPS) as usize
}

fn upper_edge(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    if bucket < STEPS {
        return bucket;
    }
    let doublings = bucket / STEPS - 1;
    ((bucket % STEPS + STEPS + 1) << doublings) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_lies_in_its_bucket_and_no_edge_is_far() {
        for value in (0..64).chain([100, 1_000, 999_999, 123_456_789, u64::from(u32::MAX)]) {
            let edge = upper_edge(bucket(value));
            assert!(edge >= value && edge - value <= value / 16, "{value} → {edge}");
        }
    }

    #[test]
    fn percentiles() {
        let mut histogram = Histogram::default();
        (1..=1000).for_each(|millisecond| histogram.record(millisecond * 1_000_000));
        assert!((histogram.percentile(0.5) - 500.0).abs() < 20.0);
        assert!((histogram.percentile(0.99) - 990.0).abs() < 35.0);
        assert!((histogram.longest() - 1000.0).abs() < 1e-9);
    }
}
