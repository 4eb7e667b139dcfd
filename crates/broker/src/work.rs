//! Left-over work: what one entry caused and no one entry may hold, done step by step at the end of each.
//!
//! The end of a node with many connections, mass expiry, the end of a session that holds much, a queue full of expired
//! messages, a lowered limit of memory. What is left is in the state (sessions that name an ended boot, past deadlines,
//! sessions marked as ending or unpumped), so it goes on after a restart, and every node does the same step at the
//! same index. Whatever waits here is already over for everyone who asks: the boot does not live, the session is not
//! found.

use alloc::vec::Vec;

use crate::session::outbound::Drops;
use crate::{Broker, Effect, RouteChange, SessionSlot};

impl Broker {
    /// Ends an entry with a bounded step (`Settings::work_per_entry`) of whatever is left over.
    pub fn end_entry(&mut self, effects: &mut Vec<Effect>) {
        // At least one: a setting of 0 must not leave work undone for ever.
        let mut budget = self.settings.work_per_entry.max(1);
        self.spare = 0;
        self.detach_ended_boots(&mut budget, effects);
        self.expire_sessions(&mut budget, effects);
        self.pump_unpumped(&mut budget, effects);
        self.shed_ended(&mut budget, effects);
        while budget > 0 && self.ends.forget_beyond(self.settings.remembered_ends) {
            budget -= 1;
        }
    }

    fn detach_ended_boots(&mut self, budget: &mut u32, effects: &mut Vec<Effect>) {
        while let Some((origin, at)) = self.ended_boots.first_key_value() {
            let (origin, at) = (*origin, *at);
            while let Some(slot) = self.sessions.first_of_boot(origin) {
                if *budget == 0 {
                    return;
                }
                *budget -= 1;
                self.detach(slot, at, effects);
            }
            self.ended_boots.remove(&origin);
        }
    }

    fn expire_sessions(&mut self, budget: &mut u32, effects: &mut Vec<Effect>) {
        while let Some((at, slot)) = self.sessions.first_deadline() {
            if at > self.time || *budget == 0 {
                return;
            }
            *budget -= 1;
            self.counters.sessions_expired += 1;
            self.end_session(slot);
            self.shed(slot, budget, effects);
        }
    }

    fn pump_unpumped(&mut self, budget: &mut u32, effects: &mut Vec<Effect>) {
        while let Some(slot) = self.sessions.first_unpumped() {
            if *budget == 0 {
                return;
            }
            let live = self.sessions.get(slot).and_then(|session| self.live(session));
            let mut drops = Drops { left: *budget, dropped: 0 };
            let (messages, now) = (&mut self.messages, self.time);
            self.sessions.change(slot, |session| {
                session.unpumped = live.is_some_and(|to| {
                    let outbound = &mut session.outbound;
                    outbound.pump(to, now, messages, &mut drops, effects)
                });
            });
            *budget = drops.left.saturating_sub(1);
            self.counters.expired += drops.dropped;
        }
    }

    fn shed_ended(&mut self, budget: &mut u32, effects: &mut Vec<Effect>) {
        while let Some(slot) = self.sessions.first_ending() {
            if *budget == 0 {
                return;
            }
            self.shed(slot, budget, effects);
        }
    }

    /// Lets go of what an ended session holds, one unit of the budget a thing, and frees its slot with the last.
    pub(crate) fn shed(&mut self, slot: SessionSlot, budget: &mut u32, effects: &mut Vec<Effect>) {
        let (messages, subscriptions) = (&mut self.messages, &mut self.subscriptions);
        let shed = self.sessions.change(slot, |session| {
            while *budget > 0 && !session.is_shed() {
                *budget -= 1;
                if let Some(filter) = session.filters.first().cloned() {
                    session.filters.remove(filter.as_bytes());
                    subscriptions.remove(&filter, slot);
                    let session = slot;
                    effects.push(Effect::Route(RouteChange::Unsubscribed { session, filter }));
                } else if let Some(Some(handle)) = session.outbound.shed() {
                    messages.release(handle, effects);
                }
            }
            session.is_shed()
        });
        if shed == Some(true) {
            self.sessions.remove(slot);
        }
    }
}
