//! Commands whose `apply` panicked, so that a replay skips them.
//!
//! The list is durable before the replay begins. It lives as long as the entries do: purging the log
//! up to an index drops what the list says of those entries, since a checkpoint beyond them exists
//! and they are never applied again.

use std::fmt;

/// Names one command by its place in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Poisoned {
    /// Log index of the entry.
    pub index: u64,
    /// Place of the command in the entry's batch, from 0.
    pub position: u32,
}

impl fmt::Display for Poisoned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "command {} of entry {}", self.position, self.index)
    }
}

/// Bound on the list. One panic is a bug that harms one client; a thousand between two checkpoints
/// is a broken build, and each costs a reload of the checkpoint.
pub const MAX_POISONED: usize = 1024;
