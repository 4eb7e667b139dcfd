//! CONNECT: create, resume or take over a session [MQTT-3.1.2-4], [MQTT-3.1.2-5], [MQTT-3.1.4-3].
//!
//! A CONNECT may be applied long after it was read, when its node is slow. It carries the index its node had applied
//! when it read it, and is refused if another CONNECT of the same client id was applied after that index: else it
//! could take over a session that has long gone on elsewhere, and bring an old PUBLISH with it.

use alloc::vec::Vec;

use quartet_packet::{Utf8String, Version};

use crate::digest::length;
use crate::session::Session;
use crate::session::outbound::send;
use crate::{Broker, CloseReason, ConnectionId, Effect, LogIndex, Outgoing, RouteChange, SessionSlot};

/// Who a client is, as the front end found out; empty for anonymous. A session belongs to its principal.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Principal(pub Utf8String);

/// A client's CONNECT that the front end accepts.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Connect {
    /// The new connection.
    pub connection: ConnectionId,
    /// The last index its node had applied when it read the packet.
    pub read_at: LogIndex,
    /// The client's id; one that the node assigned where the client gave none.
    pub client_id: Utf8String,
    /// Who it is.
    pub principal: Principal,
    /// The protocol version it speaks, for inspection only.
    pub version: Version,
    /// Clean Start (5.0) or Clean Session (3.x).
    pub clean_start: bool,
    /// Session Expiry Interval in seconds; 0 ends the session with the connection, `u32::MAX` never
    /// (3.x: 0 with Clean Session, else `u32::MAX`).
    pub session_expiry: u32,
    /// How many QoS 1 and 2 messages the client takes at once; 65,535 where it said nothing.
    pub receive_maximum: u16,
}

impl Connect {
    pub(crate) fn apply(self, broker: &mut Broker, effects: &mut Vec<Effect>) {
        if !broker.streams.alive(self.connection.origin()) && !broker.weaknesses().lacks_fencing() {
            broker.counters.fenced += 1;
            return;
        }
        if broker.sessions.owned_by(self.connection).is_some() {
            // A second CONNECT on a connection [MQTT-3.1.0-2]: the front end closes before it comes to this.
            broker.counters.refused += 1;
            return broker.close(self.connection, CloseReason::ProtocolError, effects);
        }
        let held = self.living_session(broker, effects);
        match self.refusal(broker, held) {
            Some(CloseReason::Superseded) => {
                broker.counters.superseded += 1;
                let (connection, reason) = (self.connection, CloseReason::Superseded);
                effects.push(Effect::Close { connection, reason });
                return;
            }
            Some(reason) => {
                broker.counters.refused += 1;
                let connection = self.connection;
                effects.push(Effect::Close { connection, reason });
                return;
            }
            None => {}
        }
        let Some(slot) = held else {
            return self.begin(broker, effects);
        };
        // A session with expiry 0 ends with its connection, which a newcomer ends ([MQTT3-3.1.2-6]).
        let lasts = broker.sessions.get(slot).is_some_and(|session| session.session_expiry > 0);
        take_over(broker, slot, effects);
        if lasts && !self.clean_start {
            return self.attach(broker, slot, true, effects);
        }
        broker.end_session(slot);
        broker.let_go(slot, effects);
        self.begin(broker, effects);
    }

    /// The session of this client id, unless it is over already and only the left-over work has not come round to it.
    fn living_session(&self, broker: &mut Broker, effects: &mut Vec<Effect>) -> Option<SessionSlot> {
        let slot = broker.sessions.find(self.client_id.as_bytes())?;
        let owner = broker.sessions.get(slot)?.connection;
        if let Some(owner) = owner
            && let Some(at) = broker.ended_boots.get(&owner.origin())
        {
            broker.detach(slot, *at, effects);
        }
        let session = broker.sessions.get(slot).filter(|session| !session.ending)?;
        if session.expired(broker.time) {
            broker.counters.sessions_expired += 1;
            broker.end_session(slot);
            broker.let_go(slot, effects);
            return None;
        }
        Some(slot)
    }

    fn refusal(&self, broker: &Broker, held: Option<SessionSlot>) -> Option<CloseReason> {
        let session = held.and_then(|slot| broker.sessions.get(slot));
        let superseded = match session {
            Some(session) => session.last_connect > self.read_at,
            None => broker.ends.supersedes(self.client_id.as_bytes(), self.read_at),
        };
        if superseded && !broker.weaknesses().lacks_read_at() {
            return Some(CloseReason::Superseded);
        }
        if session.is_some_and(|session| session.principal != self.principal) {
            return Some(CloseReason::NotAuthorized);
        }
        // Sessions that are being let go of hold memory too: as many again are allowed, so that replacing one at the
        // limit works, and a client that ends large sessions faster than they are let go of does not fill the node.
        let most = u64::from(broker.settings.maximum_sessions);
        let full = session.is_none() && length(broker.sessions.len()) >= most;
        if full || length(broker.sessions.ending()) > most {
            return Some(CloseReason::QuotaExceeded);
        }
        None
    }

    fn begin(self, broker: &mut Broker, effects: &mut Vec<Effect>) {
        broker.ends.remove(self.client_id.as_bytes());
        let slot = broker.sessions.insert(Session::new(
            self.client_id.detach(),
            Principal(self.principal.0.detach()),
            self.version,
            broker.settings.window(self.receive_maximum),
        ));
        self.attach(broker, slot, false, effects);
    }

    /// Makes the session this connection's, and gives it what it is owed.
    fn attach(
        &self,
        broker: &mut Broker,
        slot: SessionSlot,
        session_present: bool,
        effects: &mut Vec<Effect>,
    ) {
        let connection = self.connection;
        let session_expiry = self.session_expiry.min(broker.settings.maximum_session_expiry);
        let window = broker.settings.window(self.receive_maximum);
        let (now, index) = (broker.time, broker.index);
        effects.push(Effect::Route(RouteChange::Attached { session: slot, connection }));
        broker.sessions.change(slot, |session| {
            session.connection = Some(connection);
            session.last_connect = index;
            session.version = self.version;
            session.session_expiry = session_expiry;
            session.expires_at = None;
            let unreleased = session.inbound.len();
            let packet = Outgoing::ConnAck { session: slot, session_present, session_expiry, unreleased };
            effects.push(send(connection, packet));
            session.outbound.resume(window, connection, now, effects);
        });
        broker.pump(slot, effects);
    }
}

/// The old connection goes before the new one comes ([MQTT-3.1.4-3]).
fn take_over(broker: &mut Broker, slot: SessionSlot, effects: &mut Vec<Effect>) {
    let owner = broker.sessions.get(slot).and_then(|session| session.connection);
    let Some(connection) = owner else {
        return;
    };
    let reason = CloseReason::SessionTakenOver;
    effects.push(Effect::Close { connection, reason });
    effects.push(Effect::Route(RouteChange::Detached { session: slot }));
    broker.sessions.change(slot, |session| {
        session.connection = None;
        session.unpumped = false;
        session.outbound.detach();
    });
}
