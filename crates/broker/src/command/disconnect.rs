//! The end of a connection: DISCONNECT, a lost socket, a keep alive that ran out.

use alloc::vec::Vec;

use crate::{Broker, ConnectionId, Effect, SessionSlot};

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

impl Disconnect {
    pub(crate) fn apply(self, broker: &mut Broker, effects: &mut Vec<Effect>) {
        if !broker.admits(self.connection, self.session) {
            return;
        }
        if let Some(asked) = self.session_expiry {
            let most = broker.settings.maximum_session_expiry;
            broker.sessions.change(self.session, |session| {
                // From 0 it may not be raised; the front end answers that as the Protocol Error it is.
                if session.session_expiry != 0 {
                    session.session_expiry = asked.min(most);
                }
            });
        }
        broker.detach(self.session, broker.time, effects);
    }
}
