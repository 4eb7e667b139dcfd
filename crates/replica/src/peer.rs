//! What nodes of a cluster say to each other, over gRPC.
//!
//! ```text
//!            link to one peer
//!   control ────── heartbeats, votes, pre-votes, transfers, hello      never behind a large batch
//!   log ────────── AppendEntries, pipelined
//!   snapshot ───── whole copies
//!   proposals ──── this node's numbered stream to the leader; QoS 0
//! ```
//!
//! Each is a TCP connection of its own. Both sides of every call say who they are ([`passport`]) and refuse a stranger
//! or a node whose disk has gone back in time, before anything of Raft is looked at. Wire types ([`proto`]) end at
//! [`wire`], which turns them into Raft's and ours.

pub(crate) mod client;
pub(crate) mod link;
pub(crate) mod passport;
pub(crate) mod qos0;
pub(crate) mod server;
pub(crate) mod wire;

/// Generated from `proto/peer.proto`.
pub(crate) mod proto {
    #![allow(
        clippy::all,
        clippy::pedantic,
        clippy::allow_attributes_without_reason,
        missing_docs,
        unused_qualifications,
        unreachable_pub,
        reason = "generated code"
    )]
    tonic::include_proto!("quartet.peer.v1");
}
