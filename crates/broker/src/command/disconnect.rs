//! The end of a connection: DISCONNECT, a lost socket, a keep alive that ran out.

use crate::ConnectionId;
use crate::effect::SessionSlot;

/// A connection is over.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Disconnect {
    /// Which.
    pub connection: ConnectionId,
    /// Its session, from CONNACK.
    pub session: SessionSlot,
    /// The Session Expiry Interval of a 5.0 DISCONNECT, in seconds, where it has one.
    pub session_expiry: Option<u32>,
    /// Whether a will is due ([MQTT-3.1.2-8]): false after a normal DISCONNECT. Wills are not stored yet.
    pub will_due: bool,
}
