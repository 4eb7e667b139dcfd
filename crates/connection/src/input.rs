//! What happens to a connection: the only ways in.

use alloc::sync::Arc;

use bytes::BytesMut;
use quartet_broker::{CloseReason, LogIndex, Message, Outgoing};

/// One thing that happened. Give it with the time, take all outputs, then give the next.
#[derive(Debug)]
pub enum Input<'a> {
    /// Bytes of the socket. What is used up is taken from the front of `buffer`; what is not (part of a packet, or
    /// all that must wait for CONNACK) stays there, and comes back with the next bytes. [`Reading`](crate::Reading)
    /// says when.
    Bytes {
        /// All bytes read and not used up.
        buffer: &'a mut BytesMut,
        /// The last index this node had applied **before** the newest of these bytes were read: goes into CONNECT.
        applied: LogIndex,
    },
    /// The core sends this packet to this connection.
    Delivered {
        /// What to write.
        packet: Outgoing,
        /// The content of a PUBLISH; `None` for every other packet.
        message: Option<Arc<Message>>,
    },
    /// The core ends this connection: it owns no session any more.
    Closed(CloseReason),
    /// The CONNECT just handed out was *not* proposed. Only as the next input after it.
    Refused(Refusal),
    /// The node ends this connection.
    Stop(Stop),
    /// The peer has closed its side, or the socket failed.
    PeerClosed,
    /// The moment of the last [`WakeAt`](crate::Output::WakeAt) has come.
    Timer {
        /// Whether the socket has been read as far as it goes. False while the reader waits for something else (room
        /// for proposals, a slow peer): a PINGREQ may lie there unread, so keep alive does not run out.
        drained: bool,
    },
}

/// Why a node does not propose a CONNECT.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Refusal {
    /// No leader for some seconds, or far behind in applying: nothing could be acknowledged here. 0x88.
    NotServing,
    /// This client id connects too often: 0x9F.
    ConnectionRateExceeded,
}

/// Why a node ends a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stop {
    /// The process stops: 0x8B.
    ServerStopping,
    /// No leader for some seconds: nobody stays with a node that cannot acknowledge. 0x89.
    NotServing,
    /// The boot that this connection lives in is over, so the state has forgotten it already. 0x89.
    BootEnded,
    /// A snapshot was installed: packets to this connection were skipped, so it cannot go on. 0x89. One that awaits
    /// CONNACK may have missed it; whoever drives it looks the session up and delivers it again.
    SnapshotInstalled,
    /// The peer takes no bytes for too long: closed without a word, which it would not take either.
    SlowPeer,
}
