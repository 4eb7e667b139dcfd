//! What a node must do outside after a command was applied.
//!
//! Every node computes every effect; each performs those addressed to its own connections, and all of them keep
//! the message store and the published routes. Effects are performed in the order given: `Store` comes before the
//! first `Send` of that message, `Release` after its last.

use alloc::vec::Vec;
use quartet_packet::{PacketId, QoS, ReasonCode, TopicFilter};

use crate::{ConnectionId, Message, MessageHandle, Origin};

/// The slot of a session in the slab: what commands of a connection name after its CONNACK, so that `apply` finds
/// the session without a look-up. Always checked against the connection: a stale slot changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionSlot(pub u32);

/// One thing to do outside.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Effect {
    /// Write this packet to this connection, if it is one of ours.
    Send {
        /// The receiver.
        to: ConnectionId,
        /// What to write.
        packet: Outgoing,
    },
    /// Close this connection, if it is one of ours. It owns no session any more.
    Close {
        /// Whose socket.
        connection: ConnectionId,
        /// Why: the front end turns it into a CONNACK, a DISCONNECT or a plain close.
        reason: CloseReason,
    },
    /// Every node: keep this message under this handle.
    Store {
        /// Its name.
        handle: MessageHandle,
        /// Its content.
        message: Message,
    },
    /// Every node: nothing in the state refers to this message any more.
    Release {
        /// Its name.
        handle: MessageHandle,
    },
    /// Every node: the published copy of the subscriptions changes (QoS 0 matching, inspection).
    Route(RouteChange),
    /// This boot is over. The node it names closes all its sockets of that boot and goes on under the next.
    BootEnded(Origin),
}

/// A packet towards a client, before it is given its version's bytes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Outgoing {
    /// The session is this connection's.
    ConnAck {
        /// Where the session is: to be named in this connection's commands.
        session: SessionSlot,
        /// Session Present ([MQTT-3.2.2-2], [MQTT-3.2.2-3]).
        session_present: bool,
        /// The Session Expiry Interval in force, in seconds; may be less than the client asked for.
        session_expiry: u32,
        /// QoS 2 identifiers that this client has not released yet: they count in our Receive Maximum.
        unreleased: u16,
    },
    /// A message. Bytes are in the store under `handle`.
    Publish {
        /// Which message.
        handle: MessageHandle,
        /// `None` at QoS 0.
        packet_id: Option<PacketId>,
        /// Delivery QoS: min(published, granted).
        qos: QoS,
        /// True when this identifier may have been sent before ([MQTT-3.3.1-1]).
        dup: bool,
        /// RETAIN towards this subscriber.
        retain: bool,
        /// Seconds that remain of the Message Expiry Interval ([MQTT-3.3.2-6]).
        message_expiry: Option<u32>,
        /// Identifiers of all matching subscriptions of this session ([MQTT-3.3.4-3]).
        subscription_identifiers: Vec<u32>,
    },
    /// Answer to a QoS 1 PUBLISH.
    PubAck(PacketId, ReasonCode),
    /// Answer to a QoS 2 PUBLISH.
    PubRec(PacketId, ReasonCode),
    /// Follows the client's PUBREC, once that is committed.
    PubRel(PacketId, ReasonCode),
    /// Answer to the client's PUBREL.
    PubComp(PacketId, ReasonCode),
    /// Answer to SUBSCRIBE: one code a filter, in order.
    SubAck(PacketId, Vec<ReasonCode>),
    /// Answer to UNSUBSCRIBE: one code a filter, in order.
    UnsubAck(PacketId, Vec<ReasonCode>),
}

/// Why the core ends a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CloseReason {
    /// Another connection has this client id now: 0x8E.
    SessionTakenOver,
    /// A later CONNECT of this client id was applied after ours was read: close, a living client tries again.
    Superseded,
    /// The session belongs to another principal: 0x87.
    NotAuthorized,
    /// A replicated limit is reached: 0x97.
    QuotaExceeded,
    /// A command of this connection made `apply` panic and was skipped: 0x83.
    Poisoned,
    /// The connection broke a rule only the replicated state can see (say PUBACK for a QoS 2 message): 0x82.
    ProtocolError,
}

/// One change to the published copy of the subscriptions.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum RouteChange {
    /// A session subscribed, or replaced its options for this filter.
    Subscribed {
        /// Whose.
        session: SessionSlot,
        /// What.
        filter: TopicFilter,
        /// How.
        subscription: crate::subscriptions::Subscription,
    },
    /// A session's filter is gone.
    Unsubscribed {
        /// Whose.
        session: SessionSlot,
        /// What.
        filter: TopicFilter,
    },
    /// The session is owned by this connection now.
    Attached {
        /// Which session.
        session: SessionSlot,
        /// Its owner.
        connection: ConnectionId,
    },
    /// Nobody owns the session now.
    Detached {
        /// Which session.
        session: SessionSlot,
    },
}
