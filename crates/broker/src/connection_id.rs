//! Who speaks: a node, one life of its process, one network connection of that life.
//!
//! Names are never reused, so that a late word of something dead can be told from a word of the living
//! (fencing). A node id belongs to one log for ever; a boot is a counter that the node makes durable before it
//! uses it; a serial counts the connections of that boot.

/// A member's Raft id. Given once when the cluster is formatted, later by the log; never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub u64);

/// One life of a node's process: a counter, made durable on that node before it is used. The first is 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Boot(pub u64);

/// One boot of one node: what a numbered stream of proposals belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin {
    /// The node.
    pub node: NodeId,
    /// Its boot.
    pub boot: Boot,
}

/// One network connection in the whole cluster, never reused: the fencing token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId {
    /// The node that holds the socket.
    pub node: NodeId,
    /// The boot of that node.
    pub boot: Boot,
    /// Counts connections within the boot, from 1.
    pub serial: u64,
}

impl ConnectionId {
    /// The boot this connection lives and dies with.
    #[must_use]
    pub fn origin(self) -> Origin {
        Origin { node: self.node, boot: self.boot }
    }
}
