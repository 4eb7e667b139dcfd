//! The types that openraft is instantiated with, once for the whole product.
//!
//! ```text
//!   TypeConfig ─┬─ D         Batch     opaque commands
//!               ├─ R         ()        a proposal has no answer: the only way back is the log
//!               ├─ NodeId    u64       ├─ Node  Member
//!               └─ LeaderId  std       at most one leader a term, as in the Raft paper (§5.2)
//! ```
//!
//! The choice of `LeaderId` is on disk: under `leader_id_std` a log id is (term, index), while the
//! default of openraft adds the node id. It is never to be changed without a new format version.
//!
//! Left out: `SnapshotData`. In this openraft it belongs to the state machine, so the crate that
//! owns the state machine chooses it.

use openraft::type_config::alias;

use crate::batch::Batch;
use crate::member::Member;

openraft::declare_raft_types!(
    /// The one configuration of openraft that Quartet uses.
    pub TypeConfig:
        D = Batch,
        R = (),
        NodeId = u64,
        Node = Member,
        LeaderId = openraft::vote::leader_id_std::LeaderId<u64, u64>,
);

/// Term and candidate, as a vote names them.
pub type LeaderId = alias::LeaderIdOf<TypeConfig>;
/// A term whose leader was elected; what a log id carries.
pub type CommittedLeaderId = alias::CommittedLeaderIdOf<TypeConfig>;
/// Term and index of an entry.
pub type LogId = alias::LogIdOf<TypeConfig>;
/// The hard state of Raft §5.2: current term, whom this node voted for, and whether it won.
pub type Vote = alias::VoteOf<TypeConfig>;
/// One entry of the log.
pub type Entry = alias::EntryOf<TypeConfig>;
/// What an entry carries: nothing, a [`Batch`], or a membership.
pub type EntryPayload = alias::EntryPayloadOf<TypeConfig>;
/// Voters (one set, or two while a change is under way) and all members.
pub type Membership = openraft::Membership<u64, Member>;
/// A membership and the log id of the entry that brought it.
pub type StoredMembership = alias::StoredMembershipOf<TypeConfig>;
/// What `append` calls once the entries are on disk.
pub type IOFlushed = openraft::storage::IOFlushed<TypeConfig>;
