//! The state taken apart, for whoever writes it down and reads it back: plain values, all of them authoritative.
//!
//! What is not here follows from what is, and is built anew: the matching trie and the routes from the sessions'
//! subscriptions, the reference counts from queues and flights, look-ups, deadlines, totals and the digest from the
//! sessions. The digest is carried too, to find a copy that is not the original.

use alloc::vec::Vec;

use quartet_packet::{PacketId, TopicFilter, Utf8String, Version};

use crate::{
    ConnectionId, Counters, InflightMessage, LogIndex, MessageHandle, NodeId, Origin, Principal, QueueItem,
    SessionSlot, Settings, Stream, Subscription, Timestamp,
};

/// The whole state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parts {
    /// Everything but the sessions.
    pub header: Header,
    /// All sessions, in ascending slots.
    pub sessions: Vec<SessionPart>,
}

/// Everything but the sessions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Key of the hashed look-ups.
    pub seed: u64,
    /// Behaviour version in force.
    pub behaviour: u16,
    /// Settings in force.
    pub settings: Settings,
    /// The last entry that is part of this state.
    pub index: LogIndex,
    /// Replicated time.
    pub time: Timestamp,
    /// The handle that the next message gets.
    pub next_message: MessageHandle,
    /// See [`ends`](Self::ends): a client that nothing is known of must have been read at or after this index.
    pub horizon: LogIndex,
    /// Events counted so far.
    pub counters: Counters,
    /// Every node that ever had a boot, ascending: its highest boot, whether it lives, its cursor.
    pub streams: Vec<(NodeId, Stream)>,
    /// Boots that are over while sessions still name them as owner, and since when.
    pub ended_boots: Vec<(Origin, Timestamp)>,
    /// Clients whose session is over, and where their last CONNECT was applied.
    pub ends: Vec<(Utf8String, LogIndex)>,
    /// Votes on digests: index, node, digest.
    pub votes: Vec<(LogIndex, NodeId, u64)>,
    /// The digest of the whole state, sessions included.
    pub digest: u64,
}

/// One session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionPart {
    /// Where it is.
    pub slot: SessionSlot,
    /// The client's id.
    pub client_id: Utf8String,
    /// Whose session it is.
    pub principal: Principal,
    /// The protocol version last spoken.
    pub version: Version,
    /// Its owner; the boot may be over already (see [`Header::ended_boots`]).
    pub connection: Option<ConnectionId>,
    /// Where the last CONNECT of this client id was applied.
    pub last_connect: LogIndex,
    /// Session Expiry Interval in force, in seconds; `u32::MAX` never.
    pub session_expiry: u32,
    /// While detached: when it ends. `None` while attached, or if it never expires.
    pub expires_at: Option<Timestamp>,
    /// It is over, and only being let go of.
    pub ending: bool,
    /// An entry's drops of expired messages ran out in its queue.
    pub unpumped: bool,
    /// Messages not enqueued because of its limits.
    pub overflowed: u64,
    /// The client's QoS 2 identifiers that it has not released, ascending.
    pub unreleased: Vec<PacketId>,
    /// Most unfinished messages towards the present or last connection.
    pub window: u16,
    /// The identifier to try next.
    pub next_packet_id: PacketId,
    /// First sends so far.
    pub next_sequence: u64,
    /// Identifiers in use, ascending.
    pub inflight: Vec<(PacketId, InflightMessage)>,
    /// Items that ever left the queue.
    pub passed: u64,
    /// The queue, first item first.
    pub queue: Vec<QueueItem>,
    /// Its subscriptions, in the order of their filters' bytes.
    pub subscriptions: Vec<(TopicFilter, Subscription)>,
}
