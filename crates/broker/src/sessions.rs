//! The slab of sessions, and every way to find one.
//!
//! A session keeps its slot while it lives; the lowest free slot is taken next, so that slots follow from the state and
//! not from its history. Each session is behind an `Arc`: a frozen copy of the state is a copy of pointers, and a
//! session is copied when it first changes after.
//!
//! All changes go through [`Sessions::change`], which compares the session before and after and keeps the look-ups,
//! the totals and the digest true. Everything but the slots themselves follows from them.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec::Vec;

use quartet_packet::Utf8String;

use crate::digest::{Kind, Mixer, length};
use crate::session::Session;
use crate::{ConnectionId, Origin, SessionSlot, Timestamp};

/// Sums over all sessions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    pub(crate) queued: u64,
    pub(crate) queued_bytes: u64,
    pub(crate) inflight: u64,
    pub(crate) unreleased: u64,
    pub(crate) subscriptions: u64,
}

/// What the look-ups depend on; the default is that of no session.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Facets {
    connection: Option<ConnectionId>,
    expires_at: Option<Timestamp>,
    ending: bool,
    unpumped: bool,
    totals: Totals,
}

impl Facets {
    fn of(session: &Session) -> Self {
        let outbound = &session.outbound;
        Self {
            connection: session.connection,
            expires_at: session.expires_at,
            ending: session.ending,
            unpumped: session.unpumped,
            totals: Totals {
                queued: outbound.queue().len(),
                queued_bytes: outbound.queue().bytes(),
                inflight: length(outbound.inflight().len()),
                unreleased: u64::from(session.inbound.len()),
                subscriptions: length(session.filters.len()),
            },
        }
    }
}

/// One slot of the slab.
#[derive(Clone, Debug)]
struct Slot {
    session: Arc<Session>,
    /// The session's hash as it is in the digest now.
    element: u64,
}

/// All sessions.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sessions {
    slots: Vec<Option<Slot>>,
    free: BTreeSet<SessionSlot>,
    by_client: BTreeMap<Utf8String, SessionSlot>,
    attached: BTreeMap<ConnectionId, SessionSlot>,
    deadlines: BTreeSet<(Timestamp, SessionSlot)>,
    ending: BTreeSet<SessionSlot>,
    unpumped: BTreeSet<SessionSlot>,
    totals: Totals,
    digest: u64,
}

impl Sessions {
    pub(crate) fn get(&self, slot: SessionSlot) -> Option<&Session> {
        let slot = self.slots.get(place(slot))?.as_ref()?;
        Some(&slot.session)
    }

    /// The slot of the living session of a client.
    pub(crate) fn find(&self, client_id: &[u8]) -> Option<SessionSlot> {
        self.by_client.get(client_id).copied()
    }

    /// The slot that a connection owns.
    pub(crate) fn owned_by(&self, connection: ConnectionId) -> Option<SessionSlot> {
        self.attached.get(&connection).copied()
    }

    /// The first session that a connection of this boot owns.
    pub(crate) fn first_of_boot(&self, origin: Origin) -> Option<SessionSlot> {
        let of = |serial| ConnectionId { node: origin.node, boot: origin.boot, serial };
        let mut owned = self.attached.range(of(0)..=of(u64::MAX));
        owned.next().map(|(_, slot)| *slot)
    }

    /// The session whose time comes first.
    pub(crate) fn first_deadline(&self) -> Option<(Timestamp, SessionSlot)> {
        self.deadlines.first().copied()
    }

    pub(crate) fn first_ending(&self) -> Option<SessionSlot> {
        self.ending.first().copied()
    }

    pub(crate) fn first_unpumped(&self) -> Option<SessionSlot> {
        self.unpumped.first().copied()
    }

    /// Living sessions.
    pub(crate) fn len(&self) -> usize {
        self.by_client.len()
    }

    /// Sessions with an owner.
    pub(crate) fn attached(&self) -> usize {
        self.attached.len()
    }

    /// Sessions that are over and not let go of yet.
    pub(crate) fn ending(&self) -> usize {
        self.ending.len()
    }

    pub(crate) fn totals(&self) -> Totals {
        self.totals
    }

    pub(crate) fn digest(&self) -> u64 {
        self.digest
    }

    /// Puts a session into the lowest free slot.
    pub(crate) fn insert(&mut self, session: Session) -> SessionSlot {
        let slot = match self.free.pop_first() {
            Some(slot) => slot,
            None => {
                let slot = u32::try_from(self.slots.len());
                self.slots.push(None);
                SessionSlot(slot.expect("settings bound sessions below 2^32"))
            }
        };
        self.put(slot, session);
        slot
    }

    /// Puts a session where a frozen state had it; false if the slot is taken, or its client has another.
    pub(crate) fn restore(&mut self, slot: SessionSlot, session: Session) -> bool {
        let twice = !session.ending && self.by_client.contains_key(&session.client_id);
        if twice || self.get(slot).is_some() {
            return false;
        }
        while self.slots.len() <= place(slot) {
            if let Ok(next) = u32::try_from(self.slots.len()) {
                self.free.insert(SessionSlot(next));
            }
            self.slots.push(None);
        }
        self.free.remove(&slot);
        self.put(slot, session);
        true
    }

    /// Changes a session, and whatever follows from it.
    pub(crate) fn change<R>(
        &mut self,
        slot: SessionSlot,
        change: impl FnOnce(&mut Session) -> R,
    ) -> Option<R> {
        let held = self.slots.get_mut(place(slot))?.as_mut()?;
        let session = Arc::make_mut(&mut held.session);
        let before = Facets::of(session);
        let result = change(session);
        let after = Facets::of(session);
        let element = element(slot, session.digest());
        self.digest ^= held.element ^ element;
        held.element = element;
        if before != after {
            let ended = (after.ending && !before.ending).then(|| session.client_id.clone());
            self.follow(slot, before, after);
            if let Some(client_id) = ended {
                self.by_client.remove(&client_id);
            }
        }
        Some(result)
    }

    /// Frees the slot of a session that has been let go of.
    pub(crate) fn remove(&mut self, slot: SessionSlot) {
        let Some(held) = self.slots.get_mut(place(slot)).and_then(Option::take) else {
            return;
        };
        self.digest ^= held.element;
        self.free.insert(slot);
        if !held.session.ending {
            self.by_client.remove(&held.session.client_id);
        }
        self.follow(slot, Facets::of(&held.session), Facets::default());
        // Free slots at the end are given back, so that the slab is as long as its last session needs.
        while let Some(None) = self.slots.last() {
            self.slots.pop();
            if let Ok(last) = u32::try_from(self.slots.len()) {
                self.free.remove(&SessionSlot(last));
            }
        }
    }

    /// All sessions in ascending slots.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (SessionSlot, &Session)> {
        self.slots.iter().zip(0_u32..).filter_map(|(held, slot)| {
            let held = held.as_ref()?;
            Some((SessionSlot(slot), &*held.session))
        })
    }

    /// Living sessions in the order of their client ids, beginning after one.
    pub(crate) fn clients_after(&self, after: &[u8]) -> impl Iterator<Item = &Utf8String> {
        use core::ops::Bound::{Excluded, Unbounded};
        self.by_client.range::<[u8], _>((Excluded(after), Unbounded)).map(|(client_id, _)| client_id)
    }

    pub(crate) fn clients(&self) -> &BTreeMap<Utf8String, SessionSlot> {
        &self.by_client
    }

    pub(crate) fn owners(&self) -> &BTreeMap<ConnectionId, SessionSlot> {
        &self.attached
    }

    pub(crate) fn deadlines(&self) -> &BTreeSet<(Timestamp, SessionSlot)> {
        &self.deadlines
    }

    /// Sessions that are ending, and those that are unpumped.
    pub(crate) fn marked(&self) -> (&BTreeSet<SessionSlot>, &BTreeSet<SessionSlot>) {
        (&self.ending, &self.unpumped)
    }

    /// A copy of the pointers.
    pub(crate) fn shared(&self) -> Vec<Option<Arc<Session>>> {
        let slots = self.slots.iter();
        slots.map(|held| held.as_ref().map(|held| Arc::clone(&held.session))).collect()
    }

    fn put(&mut self, slot: SessionSlot, session: Session) {
        let element = element(slot, session.digest());
        self.digest ^= element;
        if !session.ending {
            self.by_client.insert(session.client_id.clone(), slot);
        }
        let facets = Facets::of(&session);
        self.slots[place(slot)] = Some(Slot { session: Arc::new(session), element });
        self.follow(slot, Facets::default(), facets);
    }

    fn follow(&mut self, slot: SessionSlot, before: Facets, after: Facets) {
        if before.connection != after.connection {
            if let Some(connection) = before.connection {
                self.attached.remove(&connection);
            }
            if let Some(connection) = after.connection {
                self.attached.insert(connection, slot);
            }
        }
        if before.expires_at != after.expires_at {
            if let Some(at) = before.expires_at {
                self.deadlines.remove(&(at, slot));
            }
            if let Some(at) = after.expires_at {
                self.deadlines.insert((at, slot));
            }
        }
        member(&mut self.ending, slot, after.ending);
        member(&mut self.unpumped, slot, after.unpumped);
        let totals = &mut self.totals;
        totals.queued = totals.queued + after.totals.queued - before.totals.queued;
        totals.queued_bytes = totals.queued_bytes + after.totals.queued_bytes - before.totals.queued_bytes;
        totals.inflight = totals.inflight + after.totals.inflight - before.totals.inflight;
        totals.unreleased = totals.unreleased + after.totals.unreleased - before.totals.unreleased;
        totals.subscriptions =
            totals.subscriptions + after.totals.subscriptions - before.totals.subscriptions;
    }
}

fn member(set: &mut BTreeSet<SessionSlot>, slot: SessionSlot, member: bool) {
    if member {
        set.insert(slot);
    } else if !set.is_empty() {
        set.remove(&slot);
    }
}

/// A session's part in the digest: where it is and what it is.
pub(crate) fn element(slot: SessionSlot, session: u64) -> u64 {
    Mixer::new(Kind::Session).word(u64::from(slot.0)).word(session).finish()
}

/// A slot as an index into the slab.
pub(crate) fn place(slot: SessionSlot) -> usize {
    usize::try_from(slot.0).expect("a machine that holds the state has 32 bit addresses at least")
}
