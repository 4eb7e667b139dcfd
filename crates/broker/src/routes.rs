//! The published copy of the subscriptions: what matches QoS 0 and answers inspection without waiting for `apply`.
//!
//! Each node keeps one beside its [`Broker`](crate::Broker) and changes it by the [`RouteChange`] effects, in their
//! order. It knows who is attached where, and nothing of queues or handshakes.

use alloc::vec::Vec;

use quartet_packet::{QoS, Topic};

use crate::sessions::place;
use crate::subscriptions::{Subscription, Subscriptions};
use crate::{ConnectionId, RouteChange, SessionSlot};

/// What one session is due of one message: all its matching subscriptions as one copy.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Merged {
    /// The highest granted QoS among them ([MQTT-3.3.4-2]).
    pub qos: QoS,
    /// Whether any of them keeps RETAIN as published.
    pub retain_as_published: bool,
    /// Their identifiers, ascending, each once ([MQTT-3.3.4-3], [MQTT-3.3.4-4]).
    pub subscription_identifiers: Vec<u32>,
}

/// Subscriptions and owners of sessions.
#[derive(Clone, Debug)]
pub struct Routes {
    subscriptions: Subscriptions,
    /// By slot.
    owners: Vec<Option<ConnectionId>>,
}

impl Routes {
    pub(crate) fn new(subscriptions: Subscriptions, owners: Vec<Option<ConnectionId>>) -> Self {
        Self { subscriptions, owners }
    }

    /// Follows one change. The effects of one entry belong in at once, in order.
    pub fn apply(&mut self, change: &RouteChange) {
        match change {
            RouteChange::Subscribed { session, filter, subscription } => {
                self.subscriptions.insert(filter, *session, *subscription)
            }
            RouteChange::Unsubscribed { session, filter } => {
                self.subscriptions.remove(filter, *session);
            }
            RouteChange::Attached { session, connection } => {
                let place = place(*session);
                if self.owners.len() <= place {
                    self.owners.resize(place + 1, None);
                }
                self.owners[place] = Some(*connection);
            }
            RouteChange::Detached { session } => {
                if let Some(owner) = self.owners.get_mut(place(*session)) {
                    *owner = None;
                }
            }
        }
    }

    /// Shows each attached session that is due a message on `topic`, in ascending slots, with its connection.
    /// `publisher` is the session that published it, for No Local.
    pub fn route(
        &self,
        topic: &Topic,
        publisher: Option<SessionSlot>,
        mut visit: impl FnMut(SessionSlot, Merged, ConnectionId),
    ) {
        let owner = |session: SessionSlot| self.owners.get(place(session)).copied().flatten();
        let mut found = Vec::new();
        self.subscriptions.matching(topic, |session, subscription| {
            if owner(session).is_some() {
                found.push((session, *subscription));
            }
        });
        merge(&mut found, publisher, |session, merged| {
            if let Some(connection) = owner(session) {
                visit(session, merged, connection);
            }
        });
    }

    /// Who owns the session, if anybody.
    #[must_use]
    pub fn owner(&self, session: SessionSlot) -> Option<ConnectionId> {
        self.owners.get(place(session)).copied().flatten()
    }

    /// How many subscriptions there are.
    #[must_use]
    pub fn subscriptions(&self) -> usize {
        self.subscriptions.len()
    }
}

/// One copy a session, in ascending slots: the highest QoS, all identifiers. Subscriptions with No Local are left out
/// for the publisher's own session ([MQTT-3.8.3-3]).
pub(crate) fn merge(
    found: &mut Vec<(SessionSlot, Subscription)>,
    publisher: Option<SessionSlot>,
    mut visit: impl FnMut(SessionSlot, Merged),
) {
    found.retain(|(session, subscription)| !(subscription.options.no_local && Some(*session) == publisher));
    found.sort_unstable_by_key(|(session, _)| *session);
    for same in found.chunk_by(|(one, _), (other, _)| one == other) {
        let Some(((session, first), others)) = same.split_first() else {
            continue;
        };
        let mut merged = Merged {
            qos: first.options.qos,
            retain_as_published: first.options.retain_as_published,
            subscription_identifiers: Vec::new(),
        };
        let identifiers = &mut merged.subscription_identifiers;
        identifiers.extend(first.identifier.map(core::num::NonZeroU32::get));
        for (_, other) in others {
            merged.qos = merged.qos.max(other.options.qos);
            merged.retain_as_published |= other.options.retain_as_published;
            identifiers.extend(other.identifier.map(core::num::NonZeroU32::get));
        }
        identifiers.sort_unstable();
        identifiers.dedup();
        visit(*session, merged);
    }
}
