//! How a replica is doing, for inspection and metrics.

use std::time::Duration;

use quartet_broker::{LogIndex, NodeId, Origin, Statistics};

use crate::{CounterValues, Serving};

/// This node's part in Raft.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Not yet part of a cluster.
    Forming,
    /// Applies the log and has no vote.
    Learner,
    /// Follows a leader.
    Follower,
    /// Stands for election.
    Candidate,
    /// Leads.
    Leader,
    /// Stopped, by request or by failure.
    Stopped,
}

impl Role {
    /// The word for people.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Forming => "forming",
            Self::Learner => "learner",
            Self::Follower => "follower",
            Self::Candidate => "candidate",
            Self::Leader => "leader",
            Self::Stopped => "stopped",
        }
    }
}

/// One member as this node knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberStatus {
    /// Its Raft id.
    pub node: NodeId,
    /// Its name.
    pub name: String,
    /// Where its peers reach it.
    pub peer_address: String,
    /// Where clients reach it.
    pub client_address: String,
    /// Whether it has a vote.
    pub voter: bool,
    /// The highest boot known of it, and whether that is alive.
    pub boot: Option<(u64, bool)>,
    /// Known on the leader: the last entry that its disk has.
    pub matched: Option<LogIndex>,
    /// Known on the leader: since when it has been silent.
    pub silent: Option<Duration>,
}

/// Bytes and counts of what this node holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sizes {
    /// Commands proposed and not yet applied here.
    pub window_commands: u64,
    /// Their bytes.
    pub window_bytes: u64,
    /// Messages in the store.
    pub messages: u64,
    /// Their payload and topic bytes.
    pub message_bytes: u64,
    /// Bytes of log applied since the last checkpoint.
    pub log_since_checkpoint: u64,
    /// Bytes that the leader's queues hold.
    pub batcher_bytes: u64,
}

/// A reading of everything.
#[derive(Clone, Debug)]
pub struct Status {
    /// The cluster's id; `None` before this node is formatted.
    pub cluster_id: Option<u128>,
    /// This node's Raft id; `None` before it is formatted.
    pub node: Option<NodeId>,
    /// This node's name.
    pub name: String,
    /// Its part in Raft.
    pub role: Role,
    /// Raft's term.
    pub term: u64,
    /// The leader, where one is known.
    pub leader: Option<NodeId>,
    /// All members, in order of their ids.
    pub members: Vec<MemberStatus>,
    /// The last entry applied here.
    pub applied: LogIndex,
    /// The last entry known to be committed.
    pub committed: LogIndex,
    /// The last entry in the log.
    pub last_log: LogIndex,
    /// Committed entries that are not applied yet.
    pub lag: u64,
    /// The last entry in the newest checkpoint.
    pub checkpoint: LogIndex,
    /// The last entry purged from the log.
    pub purged: LogIndex,
    /// The live boot of this node.
    pub origin: Option<Origin>,
    /// Whether clients are to be served.
    pub serving: Serving,
    /// Of the replicated state.
    pub statistics: Statistics,
    /// The digest of the state at `applied`.
    pub digest: u64,
    /// Of the log.
    pub log: quartet_raft_log::Statistics,
    /// Of the replica.
    pub counters: CounterValues,
    /// What is held.
    pub sizes: Sizes,
}
