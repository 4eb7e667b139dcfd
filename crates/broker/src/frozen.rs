//! A copy of the state at one index that costs little to take and can be written down while `apply` goes on.
//!
//! Sessions are shared by pointer; the first change of one after the freeze copies that session alone.

use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::parts::{Header, Parts, SessionPart};
use crate::session::Session;
use crate::{Broker, SessionSlot};

/// The copy. May go to another thread.
#[derive(Clone, Debug)]
pub struct Frozen {
    header: Header,
    slots: Vec<Option<Arc<Session>>>,
}

impl Broker {
    /// Freezes the state as it is after the last entry.
    #[must_use]
    pub fn freeze(&self) -> Frozen {
        let ends = self.ends.iter();
        Frozen {
            header: Header {
                seed: self.seed,
                behaviour: self.behaviour,
                settings: self.settings.clone(),
                index: self.index,
                time: self.time,
                next_message: self.messages.next(),
                horizon: self.ends.horizon(),
                counters: self.counters,
                streams: self.streams.iter().collect(),
                ended_boots: self.ended_boots.iter().map(|(k, v)| (*k, *v)).collect(),
                ends: ends.map(|(client, at)| (client.clone(), at)).collect(),
                votes: self.votes.iter().collect(),
                digest: self.digest(),
            },
            slots: self.sessions.shared(),
        }
    }
}

impl Frozen {
    /// Everything but the sessions.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The sessions in ascending slots, each taken apart when its turn comes.
    pub fn sessions(&self) -> impl Iterator<Item = SessionPart> {
        self.slots.iter().zip(0_u32..).filter_map(|(session, slot)| {
            let session = session.as_ref()?;
            Some(part(SessionSlot(slot), session))
        })
    }

    /// The slots that hold another session now than in `earlier`, or hold none any more: what a checkpoint that
    /// builds on an earlier one has to write, found by comparing pointers.
    pub fn changed_since(&self, earlier: &Self) -> impl Iterator<Item = (SessionSlot, Option<SessionPart>)> {
        let most = self.slots.len().max(earlier.slots.len());
        (0..most).zip(0_u32..).filter_map(move |(place, slot)| {
            let slot = SessionSlot(slot);
            let now = self.slots.get(place).and_then(Option::as_ref);
            match (earlier.slots.get(place).and_then(Option::as_ref), now) {
                (None, None) => None,
                (Some(then), Some(now)) if Arc::ptr_eq(then, now) => None,
                (_, now) => Some((slot, now.map(|session| part(slot, session)))),
            }
        })
    }

    /// All of it as plain values.
    #[must_use]
    pub fn parts(&self) -> Parts {
        Parts { header: self.header.clone(), sessions: self.sessions().collect() }
    }
}

fn part(slot: SessionSlot, session: &Session) -> SessionPart {
    let outbound = &session.outbound;
    let inflight = outbound.inflight().iter();
    let subscriptions = session.filters.iter();
    SessionPart {
        slot,
        client_id: session.client_id.clone(),
        principal: session.principal.clone(),
        version: session.version,
        connection: session.connection,
        last_connect: session.last_connect,
        session_expiry: session.session_expiry,
        expires_at: session.expires_at,
        ending: session.ending,
        unpumped: session.unpumped,
        overflowed: session.overflowed,
        unreleased: session.inbound.iter().collect(),
        window: outbound.window(),
        next_packet_id: outbound.next_packet_id(),
        next_sequence: outbound.next_sequence(),
        inflight: inflight.map(|(id, message)| (*id, message.clone())).collect(),
        passed: outbound.queue().passed(),
        queue: outbound.queue().iter().cloned().collect(),
        subscriptions: subscriptions.map(|(f, s)| (f.clone(), *s)).collect(),
    }
}
