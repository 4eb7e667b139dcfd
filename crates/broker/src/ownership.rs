//! Who owns a session: the fence before every command, and the ways in which owning and the session itself end.
//!
//! A connection owns a session while the session names it *and* its boot lives. Anything a connection says after that,
//! however late it comes, changes nothing.

use alloc::vec::Vec;

use crate::session::outbound::Drops;
use crate::session::{NEVER, Session};
use crate::{Broker, CloseReason, ConnectionId, Effect, RouteChange, SessionSlot, Timestamp};

impl Broker {
    /// The fence: whether this connection owns this session now. Only then its commands count.
    pub(crate) fn owns(&self, connection: ConnectionId, slot: SessionSlot) -> bool {
        let Some(session) = self.sessions.get(slot) else {
            return false;
        };
        if self.weaknesses().lacks_fencing() {
            return !session.ending;
        }
        session.connection == Some(connection) && self.streams.alive(connection.origin())
    }

    /// The fence for commands: counts what it holds back.
    pub(crate) fn admits(&mut self, connection: ConnectionId, slot: SessionSlot) -> bool {
        let owns = self.owns(connection, slot);
        if !owns {
            self.counters.fenced += 1;
        }
        owns
    }

    /// The owner, if its boot lives: who can be sent to.
    pub(crate) fn live(&self, session: &Session) -> Option<ConnectionId> {
        session.connection.filter(|connection| self.streams.alive(connection.origin()))
    }

    /// Ends a connection from here: it owns nothing any more, and its node closes the socket.
    pub(crate) fn close(&mut self, connection: ConnectionId, reason: CloseReason, effects: &mut Vec<Effect>) {
        effects.push(Effect::Close { connection, reason });
        if let Some(slot) = self.sessions.owned_by(connection) {
            self.detach(slot, self.time, effects);
        }
    }

    /// Takes the owner from a session, as of a time: its expiry counts from there ([MQTT-3.1.2-23]).
    pub(crate) fn detach(&mut self, slot: SessionSlot, at: Timestamp, effects: &mut Vec<Effect>) {
        let expiry = self.sessions.change(slot, |session| {
            session.connection = None;
            session.unpumped = false;
            session.outbound.detach();
            let expiry = session.session_expiry;
            session.expires_at = (expiry != NEVER).then(|| at.plus_seconds(expiry));
            expiry
        });
        let Some(expiry) = expiry else {
            return;
        };
        effects.push(Effect::Route(RouteChange::Detached { session: slot }));
        if expiry == 0 {
            self.end_session(slot);
            self.let_go(slot, effects);
        }
    }

    /// The session is over: nobody finds it any more. What it holds is let go of by [`let_go`](Self::let_go).
    pub(crate) fn end_session(&mut self, slot: SessionSlot) {
        let ended = self.sessions.change(slot, |session| {
            session.ending = true;
            session.connection = None;
            session.expires_at = None;
            session.unpumped = false;
            (session.client_id.clone(), session.last_connect)
        });
        if let Some((client_id, last_connect)) = ended {
            self.ends.remember(client_id, last_connect);
        }
    }

    /// Lets go of an ended session with this entry's spare work.
    pub(crate) fn let_go(&mut self, slot: SessionSlot, effects: &mut Vec<Effect>) {
        let mut spare = self.spare;
        self.shed(slot, &mut spare, effects);
        self.spare = spare;
    }

    /// Fills the window of an attached session, with this entry's spare work.
    pub(crate) fn pump(&mut self, slot: SessionSlot, effects: &mut Vec<Effect>) {
        let Some(to) = self.sessions.get(slot).and_then(|session| self.live(session)) else {
            return;
        };
        let mut drops = Drops { left: self.spare, dropped: 0 };
        let (messages, now) = (&mut self.messages, self.time);
        self.sessions.change(slot, |session| {
            session.unpumped = session.outbound.pump(to, now, messages, &mut drops, effects);
        });
        self.spare = drops.left;
        self.counters.expired += drops.dropped;
    }
}
