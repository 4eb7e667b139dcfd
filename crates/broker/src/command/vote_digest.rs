//! Nodes tell each other what their state was, so that one that differs is found.

use crate::{Broker, LogIndex, NodeId};

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

impl VoteDigest {
    pub(crate) fn apply(self, broker: &mut Broker) {
        broker.votes.record(self.node, self.index, self.digest);
    }
}
