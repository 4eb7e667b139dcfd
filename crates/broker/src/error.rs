//! What can be wrong with a stored state. Nothing else in the core fails: a command answers with effects.

use quartet_packet::TopicFilter;

use crate::{Boot, LogIndex, NodeId, SessionSlot};

/// Why parts are no state. Whoever read them must not serve: the copy is damaged, or of another log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Two sessions in one slot, or two living ones of one client.
    #[error(
        "session slot {} comes twice or its client id has two sessions; \
         the stored state is damaged: rebuild this node from its peers",
        slot.0
    )]
    SessionTwice {
        /// The second one's slot.
        slot: SessionSlot,
    },
    /// A shared filter among a session's subscriptions, which none can have.
    #[error(
        "session slot {} has the shared filter {filter}, which this version cannot hold; \
         the stored state was written by a newer one: upgrade this node",
        slot.0
    )]
    SharedFilter {
        /// Whose.
        slot: SessionSlot,
        /// The filter.
        filter: TopicFilter,
    },
    /// A node listed twice.
    #[error(
        "node {} is listed twice, again with boot {}; \
         the stored state is damaged: rebuild this node from its peers",
        node.0, boot.0
    )]
    NodeTwice {
        /// Which.
        node: NodeId,
        /// The second one's boot.
        boot: Boot,
    },
    /// What was read is not what was written.
    #[error(
        "the state at index {} has digest {found:016x} where {expected:016x} was written with it; \
         the stored state is damaged: rebuild this node from its peers",
        index.0
    )]
    Digest {
        /// The state's index.
        index: LogIndex,
        /// Written with it.
        expected: u64,
        /// Computed from it.
        found: u64,
    },
}
