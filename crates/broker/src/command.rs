//! What a committed entry asks of the state, named after the packet or event that causes it.
//!
//! Commands of connections travel numbered in their node's stream; [`NodeUp`], [`NodeDown`], [`AdvanceTime`],
//! [`Configure`], [`Upgrade`] and [`VoteDigest`] are harmless when late or repeated, and travel without a number.

pub(crate) mod acknowledge;
pub(crate) mod advance_time;
pub(crate) mod configure;
pub(crate) mod connect;
pub(crate) mod disconnect;
pub(crate) mod node_down;
pub(crate) mod node_up;
pub(crate) mod publish;
pub(crate) mod subscribe;
pub(crate) mod unsubscribe;
pub(crate) mod upgrade;
pub(crate) mod vote_digest;

use crate::{
    Acknowledge, AdvanceTime, Configure, Connect, Disconnect, NodeDown, NodeUp, Publish, Subscribe,
    Unsubscribe, Upgrade, VoteDigest,
};

/// A command.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Command {
    /// A client connects: creates, resumes or takes over its session.
    Connect(Connect),
    /// A connection is over, by DISCONNECT or by loss.
    Disconnect(Disconnect),
    /// A message at QoS 1 or 2.
    Publish(Publish),
    /// Acknowledgements of one connection, in the order they were read.
    Acknowledge(Acknowledge),
    /// Filters to add.
    Subscribe(Subscribe),
    /// Filters to remove.
    Unsubscribe(Unsubscribe),
    /// A node begins a boot.
    NodeUp(NodeUp),
    /// A node's boot is over.
    NodeDown(NodeDown),
    /// Nothing but the entry's time: lets expiry and left-over work go on in a quiet cluster.
    AdvanceTime(AdvanceTime),
    /// New settings.
    Configure(Configure),
    /// New behaviour, once every member has it.
    Upgrade(Upgrade),
    /// One node's digest of its state.
    VoteDigest(VoteDigest),
}
