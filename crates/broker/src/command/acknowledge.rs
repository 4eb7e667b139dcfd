//! Acknowledgements: many of one connection travel as one command, since they are most of the log.

use alloc::vec::Vec;
use quartet_packet::{PacketId, ReasonCode};

use crate::ConnectionId;
use crate::effect::SessionSlot;

/// Which acknowledgement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AckKind {
    /// The client has a QoS 1 message.
    PubAck,
    /// The client has a QoS 2 message.
    PubRec,
    /// The client releases its own QoS 2 message.
    PubRel,
    /// The client has released ours.
    PubComp,
    /// The front end could not deliver this message (larger than the client's Maximum Packet Size): treat it as
    /// complete and free its place in the window.
    Discard,
}

/// One acknowledgement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ack {
    /// Which.
    pub kind: AckKind,
    /// Of which identifier: ours for PubAck, PubRec, PubComp and Discard; the client's for PubRel.
    pub packet_id: PacketId,
    /// The client's reason code; `Success` in 3.x.
    pub reason: ReasonCode,
}

/// Acknowledgements of one connection, in the order they were read. At most 65,535.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Acknowledge {
    /// Whose.
    pub connection: ConnectionId,
    /// Its session, from CONNACK.
    pub session: SessionSlot,
    /// Which.
    pub acks: Vec<Ack>,
}
