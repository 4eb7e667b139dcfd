//! Applies one log entry after another to the state, and says what is to be done outside.
//!
//! ```text
//!   entry ─► begin_entry ─► for each command:  admit ─┬ Next ──────► decode, apply
//!                                                     ├ Repeated ──► skipped without decoding
//!                                                     └ Gap, NotAlive ─► the rest of the segment is given up
//!         ─► end_entry ─► Outcome
//! ```
//!
//! A command that panics may leave the state torn. Then the whole [`Applier`] is worth nothing: its owner makes a new one
//! from the last checkpoint, replays the log, and comes back with that command on the list of poisoned ones
//! (`state_machine/poison.rs`). Nothing of the entry has been performed by then.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use bytes::Bytes;
use quartet_broker::{
    Admission, Broker, Command, ConnectionId, Effect, LogIndex, Message, Origin, Outgoing, RouteChange,
    Settings,
};
use quartet_raft_log::{Entry, EntryPayload, LogId, Poisoned, StoredMembership};

use crate::codec::Malformed;
use crate::codec::batch::{BatchReader, Numbered, Segment};
use crate::codec::command::{connection_of, decode_connection_command};
use crate::counters::Counters;
use crate::message_store::MessageStore;
use crate::sink::Delivery;

/// The state machine's value: replicated state, message store, and the place in the log they are at.
pub(crate) struct Applier {
    pub(crate) broker: Broker,
    pub(crate) messages: MessageStore,
    pub(crate) last_applied: Option<LogId>,
    pub(crate) membership: StoredMembership,
    /// Commands that are known to panic.
    pub(crate) poisoned: Arc<BTreeSet<Poisoned>>,
    /// A test's hook, see [`Config::panic_on_topic`](crate::Config::panic_on_topic).
    pub(crate) panic_on_topic: Option<Arc<str>>,
    effects: Vec<Effect>,
}

/// What one entry asks of this node.
#[derive(Default)]
pub(crate) struct Outcome {
    /// For connections of the node's own boot, in order.
    pub(crate) deliveries: Vec<Delivery>,
    /// For the published routes, in order.
    pub(crate) routes: Vec<RouteChange>,
    /// A gap was met in the node's own stream.
    pub(crate) own_gap: bool,
    tally: Tally,
}

/// Counted once an entry is done, so that a replay counts nothing twice.
#[derive(Default)]
struct Tally {
    applied: u64,
    repeated: u64,
    gaps: u64,
    not_alive: u64,
    malformed: u64,
    poisoned: u64,
    messages_missing: u64,
}

impl Outcome {
    pub(crate) fn count(&self, counters: &Counters) {
        let Tally { applied, repeated, gaps, not_alive, malformed, poisoned, messages_missing } = self.tally;
        counters.entries_applied.one();
        counters.commands_applied.add(applied);
        counters.repeated.add(repeated);
        counters.gaps.add(gaps);
        counters.not_alive.add(not_alive);
        counters.malformed.add(malformed);
        counters.poisoned.add(poisoned);
        counters.messages_missing.add(messages_missing);
    }
}

/// Why an entry was not applied; the state is not to be used any more.
#[derive(Debug)]
pub(crate) enum Failure {
    /// A command panicked.
    Panicked(Poisoned),
    /// The entry was written by a release that this one does not understand.
    Malformed(Malformed),
}

impl From<Malformed> for Failure {
    fn from(malformed: Malformed) -> Self {
        Self::Malformed(malformed)
    }
}

impl Applier {
    /// The state before the first entry of the cluster `cluster_id`.
    pub(crate) fn new(cluster_id: u128) -> Self {
        Self::at(
            Broker::new(seed(cluster_id), Settings::default()),
            MessageStore::default(),
            None,
            Default::default(),
        )
    }

    /// The state of a checkpoint.
    pub(crate) fn at(
        broker: Broker,
        messages: MessageStore,
        last_applied: Option<LogId>,
        membership: StoredMembership,
    ) -> Self {
        let (poisoned, effects) = (Arc::default(), Vec::new());
        Self { broker, messages, last_applied, membership, poisoned, panic_on_topic: None, effects }
    }

    /// Applies one entry; `own` is the boot whose connections are this node's.
    pub(crate) fn apply(&mut self, entry: &Entry, own: Option<Origin>) -> Result<Outcome, Failure> {
        let index = entry.log_id.index;
        let mut outcome = Outcome::default();
        let mut effects = std::mem::take(&mut self.effects);
        let mut position = 0;
        match &entry.payload {
            EntryPayload::Normal(batch) => {
                let reader = BatchReader::new(batch.0.clone())?;
                self.broker.begin_entry(LogIndex(index), reader.time());
                for segment in reader {
                    match segment? {
                        Segment::Numbered(segment) => {
                            self.numbered(&segment, index, &mut position, own, &mut effects, &mut outcome)?;
                        }
                        Segment::Cluster(command) => {
                            self.command(command, Poisoned { index, position }, &mut effects, &mut outcome)?;
                            position += 1;
                        }
                    }
                }
            }
            EntryPayload::Blank => self.broker.begin_entry(LogIndex(index), self.broker.time()),
            EntryPayload::Membership(membership) => {
                self.broker.begin_entry(LogIndex(index), self.broker.time());
                self.membership = StoredMembership::new(Some(entry.log_id), membership.clone());
            }
        }
        // The left-over work counts as one command more, so that it can be skipped like one.
        let end = Poisoned { index, position };
        if !self.poisoned.contains(&end) {
            guarded(end, || self.broker.end_entry(&mut effects))?;
        }
        self.last_applied = Some(entry.log_id);
        self.sort_out(&mut effects, own, &mut outcome);
        self.effects = effects;
        Ok(outcome)
    }

    fn numbered(
        &mut self,
        segment: &Numbered,
        index: u64,
        position: &mut u32,
        own: Option<Origin>,
        effects: &mut Vec<Effect>,
        outcome: &mut Outcome,
    ) -> Result<(), Failure> {
        let first = *position;
        *position = first.saturating_add(segment.count);
        for (place, command) in (first..).zip(segment.iter()) {
            let (number, bytes) = command?;
            match self.broker.admit(segment.origin, number) {
                Admission::Next => {
                    let at = Poisoned { index, position: place };
                    self.encoded(segment.origin, bytes, at, effects, outcome)?;
                }
                Admission::Repeated => outcome.tally.repeated += 1,
                Admission::Gap => {
                    outcome.tally.gaps += 1;
                    outcome.own_gap |= own == Some(segment.origin);
                    break;
                }
                Admission::NotAlive => {
                    outcome.tally.not_alive += 1;
                    break;
                }
            }
        }
        Ok(())
    }

    fn encoded(
        &mut self,
        origin: Origin,
        bytes: Bytes,
        at: Poisoned,
        effects: &mut Vec<Effect>,
        outcome: &mut Outcome,
    ) -> Result<(), Failure> {
        match decode_connection_command(origin, bytes) {
            Ok(command) => self.command(command, at, effects, outcome),
            Err(malformed) => {
                // Written by a node of the same format: its bug or worse. All nodes skip it alike.
                tracing::error!("{at} of node {} is skipped: {malformed}", origin.node.0);
                outcome.tally.malformed += 1;
                self.broker.poisoned(None, effects);
                Ok(())
            }
        }
    }

    fn command(
        &mut self,
        command: Command,
        at: Poisoned,
        effects: &mut Vec<Effect>,
        outcome: &mut Outcome,
    ) -> Result<(), Failure> {
        if !self.poisoned.is_empty() && self.poisoned.contains(&at) {
            outcome.tally.poisoned += 1;
            let connection: Option<ConnectionId> = connection_of(&command);
            self.broker.poisoned(connection, effects);
            return Ok(());
        }
        outcome.tally.applied += 1;
        guarded(at, || {
            if let (Some(topic), Command::Publish(publish)) = (&self.panic_on_topic, &command) {
                assert!(
                    publish.message.topic.as_bytes() != topic.as_bytes(),
                    "QUARTET_TEST_PANIC_ON_TOPIC asks for this panic"
                );
            }
            self.broker.apply(command, effects);
        })
    }

    /// Performs what concerns the message store, and sorts the rest by who performs it.
    fn sort_out(&mut self, effects: &mut Vec<Effect>, own: Option<Origin>, outcome: &mut Outcome) {
        for effect in effects.drain(..) {
            match effect {
                Effect::Send { to, packet } => {
                    if own == Some(to.origin()) {
                        let message = self.message_of(&packet, outcome);
                        outcome.deliveries.push(Delivery::Send { to: to.serial, packet, message });
                    }
                }
                Effect::Close { connection, reason } => {
                    if own == Some(connection.origin()) {
                        outcome.deliveries.push(Delivery::Close { connection: connection.serial, reason });
                    }
                }
                Effect::Store { handle, message } => self.messages.store(handle, &message),
                Effect::Release { handle } => self.messages.release(handle),
                Effect::Route(change) => outcome.routes.push(change),
                // What a boot's end means for this node is read off the state, which also tells it after a snapshot.
                Effect::BootEnded(_) => {}
            }
        }
    }

    fn message_of(&self, packet: &Outgoing, outcome: &mut Outcome) -> Option<Arc<Message>> {
        let handle = match packet {
            Outgoing::Publish { handle, .. } => *handle,
            Outgoing::ConnAck { .. }
            | Outgoing::PubAck(..)
            | Outgoing::PubRec(..)
            | Outgoing::PubRel(..)
            | Outgoing::PubComp(..)
            | Outgoing::SubAck(..)
            | Outgoing::UnsubAck(..) => return None,
        };
        let message = self.messages.get(handle);
        if message.is_none() {
            outcome.tally.messages_missing += 1;
        }
        message
    }
}

/// Runs what may panic on a bug. The state behind it is given up if it does.
fn guarded(at: Poisoned, run: impl FnOnce()) -> Result<(), Failure> {
    catch_unwind(AssertUnwindSafe(run)).map_err(|_| Failure::Panicked(at))
}

/// The seed of the state's hashed look-ups: the same on every node of a cluster, unknown to clients.
fn seed(cluster_id: u128) -> u64 {
    (cluster_id >> 64) as u64 ^ cluster_id as u64
}
