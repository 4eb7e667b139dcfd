//! What the operator, or the crate above, may choose about the log.

use std::path::PathBuf;

/// Directory and bounds. The bounds are per node and not stored.
#[derive(Clone, Debug)]
pub struct Config {
    /// The data directory of the log; nothing else may be kept in it.
    pub dir: PathBuf,
    /// The cluster that this node must belong to, if that is known.
    pub cluster_id: Option<u128>,
    /// Bytes of flushed entries kept in memory for followers and `apply`: some seconds of load, so
    /// that only a follower that was away makes this node read its disk.
    pub tail_bytes: usize,
    /// Bytes that may wait for the disk before `append` waits. It bounds memory when a sync hangs.
    pub queue_bytes: usize,
    /// Bytes in one synced write, or one request if that is larger. Enough that the sync, not the
    /// number of syncs, is what costs; little enough that a vote behind it does not wait long.
    pub batch_bytes: usize,
}

impl Config {
    /// The defaults: any cluster, 64 MiB of tail, 64 MiB of queue, 4 MiB a write.
    #[must_use]
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            cluster_id: None,
            tail_bytes: 64 << 20,
            queue_bytes: 64 << 20,
            batch_bytes: 4 << 20,
        }
    }
}
