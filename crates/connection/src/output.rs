//! What a connection wants done, in this order.

use bytes::Bytes;
use quartet_broker::{Command, Message, SessionSlot};

use crate::{Ending, Instant};

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Put this into the numbered stream. Cannot fail: room was taken before the bytes were read
    /// ([`Connection::room`](crate::Connection::room)), and a [`Disconnect`](quartet_broker::Disconnect) has its own.
    Propose(Command),
    /// Route this QoS 0 message by the published subscriptions; it never enters the log.
    Route {
        /// The publisher's session, for No Local [MQTT-3.8.3-3].
        session: SessionSlot,
        /// The message.
        message: Message,
    },
    /// Write these bytes after all earlier ones. A large payload comes as its own piece, shared and not copied.
    Write(Bytes),
    /// Come back with [`Timer`](crate::Input::Timer) at this moment. Replaces the earlier one.
    WakeAt(Instant),
    /// A message was dropped here, as QoS 0 allows: count it.
    Dropped(Dropped),
    /// Write out what is due, then close the socket. Comes once; afterwards nothing is written.
    Close(Ending),
}

/// Why a message was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dropped {
    /// A QoS 0 PUBLISH to a topic that begins with `$`, which clients may not publish to.
    DollarTopic,
    /// Larger than the client's Maximum Packet Size [MQTT-3.1.2-25]. At QoS 1 and 2 its place in the window is given
    /// back through the log.
    TooLargeForClient,
}
