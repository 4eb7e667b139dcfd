//! Who a data directory belongs to: written once by `format`, never changed.

use std::fmt;

/// The identity in a data directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The cluster's id, drawn at random when the cluster was formatted.
    pub cluster_id: u128,
    /// This node's Raft id in it, never given to another node.
    pub node_id: u64,
    /// For people; an address, not an identity.
    pub name: String,
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cluster_id, node_id, name } = self;
        write!(f, "node {node_id} ({name}) of cluster {cluster_id:032x}")
    }
}
