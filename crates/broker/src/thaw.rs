//! A state put together again from its parts, with everything that follows from them.

use crate::ends::Ends;
use crate::messages::Messages;
use crate::parts::{Header, Parts, SessionPart};
use crate::session::Session;
use crate::session::inbound::Inbound;
use crate::session::outbound::Outbound;
use crate::session::queue::Queue;
use crate::{Broker, Error};

/// A state being put together, session by session, so that a reader needs no second copy of it all.
#[derive(Debug)]
pub struct Thaw {
    broker: Broker,
    expected: u64,
}

impl Thaw {
    /// Begins with everything but the sessions.
    ///
    /// # Errors
    /// [`Error::NodeTwice`].
    pub fn new(header: Header) -> Result<Self, Error> {
        let expected = header.digest;
        let mut broker = Broker::new(header.seed, header.settings);
        broker.behaviour = header.behaviour;
        broker.index = header.index;
        broker.time = header.time;
        broker.messages = Messages::new(header.next_message);
        broker.counters = header.counters;
        broker.ended_boots = header.ended_boots.into_iter().collect();
        for (node, stream) in header.streams {
            let boot = stream.boot;
            if !broker.streams.restore(node, stream) {
                return Err(Error::NodeTwice { node, boot });
            }
        }
        broker.ends = Ends::with_horizon(header.horizon);
        for (client_id, last_connect) in header.ends {
            broker.ends.remember(client_id, last_connect);
        }
        for (index, node, digest) in header.votes {
            broker.votes.record(node, index, digest);
        }
        Ok(Self { broker, expected })
    }

    /// Adds a session.
    ///
    /// # Errors
    /// [`Error::SessionTwice`], [`Error::SharedFilter`].
    pub fn session(&mut self, part: SessionPart) -> Result<(), Error> {
        let slot = part.slot;
        let mut session = Session::new(part.client_id, part.principal, part.version, part.window);
        session.connection = part.connection;
        session.last_connect = part.last_connect;
        session.session_expiry = part.session_expiry;
        session.expires_at = part.expires_at;
        session.ending = part.ending;
        session.unpumped = part.unpumped;
        session.overflowed = part.overflowed;
        session.inbound = Inbound::default();
        for packet_id in part.unreleased {
            session.inbound.hold(packet_id);
        }
        for (_, message) in &part.inflight {
            if let Some(delivery) = message.step.delivery() {
                self.broker.messages.refer(delivery.handle, 1);
            }
        }
        for item in &part.queue {
            self.broker.messages.refer(item.handle(), 1);
        }
        session.outbound = Outbound::restored(
            part.window,
            part.next_packet_id,
            part.next_sequence,
            Queue::restored(part.passed, part.queue),
            part.inflight,
        );
        for (filter, subscription) in part.subscriptions {
            if filter.is_shared() {
                return Err(Error::SharedFilter { slot, filter });
            }
            self.broker.subscriptions.insert(&filter, slot, subscription);
            session.filters.insert(filter, subscription);
        }
        if self.broker.sessions.restore(slot, session) { Ok(()) } else { Err(Error::SessionTwice { slot }) }
    }

    /// The state, if it is the one that was written.
    ///
    /// # Errors
    /// [`Error::Digest`].
    pub fn finish(self) -> Result<Broker, Error> {
        let found = self.broker.digest();
        if found != self.expected {
            return Err(Error::Digest { index: self.broker.index, expected: self.expected, found });
        }
        Ok(self.broker)
    }
}

impl Broker {
    /// Puts a state together again: equal to the one that was frozen, and going on as it would.
    ///
    /// # Errors
    /// Parts that are no state, or not the one that was written.
    pub fn thaw(parts: Parts) -> Result<Self, Error> {
        let mut thaw = Thaw::new(parts.header)?;
        for session in parts.sessions {
            thaw.session(session)?;
        }
        thaw.finish()
    }
}
