//! Counters of one log since it was opened, for metrics and for tests.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A reading of the counters. They are read one by one, so sums may be off by what is under way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Synced writes: each is one write batch and one fsync.
    pub syncs: u64,
    /// Requests that those writes completed; above `syncs` is what group commit saved.
    pub requests: u64,
    /// Entries made durable.
    pub entries: u64,
    /// Bytes of those entries as stored.
    pub bytes: u64,
    /// Time spent in synced writes, in total.
    pub sync_time: Duration,
    /// The longest synced write.
    pub sync_time_max: Duration,
    /// How often a request had to wait for room in the writer's queue.
    pub queue_full: u64,
    /// Reads answered from the tail in memory alone.
    pub reads_from_tail: u64,
    /// Reads that needed RocksDB.
    pub reads_from_disk: u64,
    /// Bytes of entries held in memory now.
    pub tail_bytes: u64,
}

/// The counters themselves. Relaxed: nothing is decided by them.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    syncs: AtomicU64,
    requests: AtomicU64,
    entries: AtomicU64,
    bytes: AtomicU64,
    sync_nanos: AtomicU64,
    sync_nanos_max: AtomicU64,
    queue_full: AtomicU64,
    reads_from_tail: AtomicU64,
    reads_from_disk: AtomicU64,
}

impl Counters {
    pub(crate) fn synced(&self, requests: u64, entries: u64, bytes: u64, took: Duration) {
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.syncs.fetch_add(1, Ordering::Relaxed);
        self.requests.fetch_add(requests, Ordering::Relaxed);
        self.entries.fetch_add(entries, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.sync_nanos.fetch_add(nanos, Ordering::Relaxed);
        self.sync_nanos_max.fetch_max(nanos, Ordering::Relaxed);
    }

    pub(crate) fn queue_full(&self) {
        self.queue_full.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn read_from_tail(&self) {
        self.reads_from_tail.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn read_from_disk(&self) {
        self.reads_from_disk.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn read(&self, tail_bytes: u64) -> Statistics {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Statistics {
            syncs: get(&self.syncs),
            requests: get(&self.requests),
            entries: get(&self.entries),
            bytes: get(&self.bytes),
            sync_time: Duration::from_nanos(get(&self.sync_nanos)),
            sync_time_max: Duration::from_nanos(get(&self.sync_nanos_max)),
            queue_full: get(&self.queue_full),
            reads_from_tail: get(&self.reads_from_tail),
            reads_from_disk: get(&self.reads_from_disk),
            tail_bytes,
        }
    }
}
