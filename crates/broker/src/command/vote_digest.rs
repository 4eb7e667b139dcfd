//! Nodes tell each other what their state was, so that one that differs is found.

use crate::{LogIndex, NodeId};

/// One node's digest of its state after an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct VoteDigest {
    /// Whose.
    pub node: NodeId,
    /// The index it was taken after.
    pub index: LogIndex,
    /// The digest.
    pub digest: u64,
}
