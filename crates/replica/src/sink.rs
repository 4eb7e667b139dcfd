//! What a replica tells the node that owns it: the effects on its own connections, in log order.

use std::sync::Arc;

use quartet_broker::{CloseReason, LogIndex, Message, Origin, Outgoing};

/// One effect on one of this node's live connections, which are named by their serial.
#[derive(Clone, Debug)]
pub enum Delivery {
    /// Write this packet.
    Send {
        /// The connection's serial within the live boot.
        to: u64,
        /// What to write.
        packet: Outgoing,
        /// The content, with a PUBLISH.
        message: Option<Arc<Message>>,
    },
    /// Close this connection; it owns no session any more.
    Close {
        /// The connection's serial within the live boot.
        connection: u64,
        /// Why.
        reason: CloseReason,
    },
}

/// Why all connections of this node are to be closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AllClosed {
    /// The boot they belong to is over; the node goes on under the next.
    BootEnded(Origin),
    /// No leader was heard for [`leaderless`](crate::Timing::leaderless): nothing can be acknowledged here.
    NoLeader,
    /// A snapshot was installed: the effects of the entries in it were skipped. Those that await CONNACK close too.
    SnapshotInstalled,
}

/// Receives effects. Called from Raft's threads in log order: every method must return at once and never wait.
pub trait Sink: Send + Sync + 'static {
    /// Performs the effects of the entry at `index`; called only if there are any. Connections that are not known any
    /// more are skipped.
    fn perform(&self, index: LogIndex, deliveries: Vec<Delivery>);
    /// Closes every connection that was opened before this call. What they proposed may still be applied.
    fn all_closed(&self, why: AllClosed);
    /// Messages at QoS 0 that a peer took, to be matched with [`Replica::routes`](crate::Replica::routes) and sent to
    /// connections of this node only.
    fn qos0(&self, messages: Vec<Message>);
}
