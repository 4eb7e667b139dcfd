//! A node's boot is over. Counts only if that boot is the highest known and alive.

use crate::Origin;

/// A node's boot is over: proposed by the leader after a long silence, or by the node itself when it stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NodeDown {
    /// Which node and boot.
    pub origin: Origin,
}
