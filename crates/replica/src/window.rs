//! The proposing side of this node's numbered stream: what was sent and is not yet known to be applied.
//!
//! ```text
//!    room(bytes) ──► propose: number n ──► sent to the leader ──► own cursor passes n ──► forgotten, room given back
//!                         ▲                      │
//!                         └── rewind: everything after the cursor is sent again, under its old number
//! ```
//!
//! Only this node's own replica says what was applied; no answer of a leader does. Commands are kept until then, even
//! when their connection has died. The window ends with the boot that its numbers belong to: what is in it then can
//! never be applied and is dropped.
//!
//! Commands are kept in parcels: what was proposed between two sendings, encoded once, in one buffer.

mod budget;
mod room;

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use parking_lot::Mutex;
use quartet_broker::{Command, Number, Origin};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::codec::batch::{Numbered, put_numbered_command};
use crate::codec::command::connection_of;
use crate::counters::Counters;
use budget::Budget;
pub use room::Room;
use room::{Class, Cost};

/// A parcel is closed at this size: the unit in which a leader is fair between nodes, and small enough to be sent while
/// the next one fills.
const PARCEL_BYTES: usize = 64 << 10;

/// Commands of one parcel, at most: bounded like its bytes.
const PARCEL_COMMANDS: u32 = 1024;

/// What a command costs in the window besides its bytes; so the room in bytes bounds their number too.
pub(crate) const COMMAND_COST: usize = 32;

/// Rooms above this are large: they share a part of the window of their own, so that many large payloads cannot take
/// all of it and hold up everyone's acknowledgements.
const LARGE: usize = 64 << 10;

/// The window; shared by everyone who proposes, the stream to the leader, and the state machine.
pub(crate) struct Window {
    state: Mutex<State>,
    small: Budget,
    large: Budget,
    /// Something is to be sent.
    pub(crate) unsent: Notify,
    /// What was sent is to be sent again from the cursor on.
    pub(crate) rewound: Notify,
    counters: Arc<Counters>,
}

struct State {
    origin: Option<Origin>,
    /// The number that the next command gets.
    next: u64,
    /// The last number that this node's replica has applied.
    cursor: u64,
    /// When the cursor last moved, or the window last became other than empty.
    moved: Instant,
    /// The last number handed to the stream.
    sent: u64,
    closed: VecDeque<Parcel>,
    open: Open,
    scratch: BytesMut,
    bytes: usize,
}

/// Commands with consecutive numbers in one buffer.
struct Parcel {
    first: u64,
    count: u32,
    commands: Bytes,
    cost: Cost,
}

impl Parcel {
    fn last(&self) -> u64 {
        self.first + u64::from(self.count) - 1
    }
}

/// The parcel that is being filled; it begins at the number after the last closed one.
#[derive(Default)]
struct Open {
    count: u32,
    commands: BytesMut,
    cost: Cost,
}

impl Window {
    /// A window for `bytes` of commands; a quarter of them for large rooms.
    pub(crate) fn new(bytes: usize, counters: Arc<Counters>) -> Self {
        let large = bytes / 4;
        Self {
            state: Mutex::new(State {
                origin: None,
                next: 1,
                cursor: 0,
                moved: Instant::now(),
                sent: 0,
                closed: VecDeque::new(),
                open: Open::default(),
                scratch: BytesMut::new(),
                bytes: 0,
            }),
            small: Budget::new(bytes - large),
            large: Budget::new(large),
            unsent: Notify::new(),
            rewound: Notify::new(),
            counters,
        }
    }

    /// Waits for room for `bytes` of commands. What is longer than its part of the window gets all of that part.
    pub(crate) async fn room(self: &Arc<Self>, bytes: usize) -> Room {
        let bytes = bytes.saturating_add(COMMAND_COST);
        let class = if bytes > LARGE { Class::Large } else { Class::Small };
        let budget = self.budget(class);
        let bytes = bytes.min(budget.total());
        if !budget.try_take(bytes) {
            self.counters.room_waits.one();
            budget.take(bytes).await;
        }
        Room::new(Arc::clone(self), class, bytes)
    }

    /// Room for the end of one connection: never waits and takes nothing until it is used. Each connection holds one, so
    /// what can be taken beyond the window this way is bounded by their number.
    pub(crate) fn room_for_end(self: &Arc<Self>) -> Room {
        Room::new(Arc::clone(self), Class::Small, 0)
    }

    fn budget(&self, class: Class) -> &Budget {
        match class {
            Class::Small => &self.small,
            Class::Large => &self.large,
        }
    }

    fn give_back(&self, cost: Cost) {
        self.small.give(cost.small);
        self.large.give(cost.large);
    }

    /// Gives `command` the next number and keeps it until it is applied. A command of a connection whose boot is over
    /// could never be applied: it is dropped and counted.
    pub(crate) fn propose(&self, room: &mut Room, command: &Command) {
        let origin = connection_of(command).map(|connection| connection.origin());
        let mut state = self.state.lock();
        if origin.is_none() || origin != state.origin {
            drop(state);
            self.counters.proposed_for_dead_boot.one();
            return;
        }
        let State { next, cursor, open, scratch, bytes, moved, .. } = &mut *state;
        if *next == *cursor + 1 {
            *moved = Instant::now();
        }
        let length = put_numbered_command(command, scratch, &mut open.commands);
        let (cost, overdrawn) = room.spend(length + COMMAND_COST);
        *bytes += length;
        *next += 1;
        open.count += 1;
        open.cost.add(cost);
        let first = open.count == 1;
        if open.commands.len() >= PARCEL_BYTES || open.count >= PARCEL_COMMANDS {
            state.close_open();
        }
        drop(state);
        self.counters.proposed.one();
        self.counters.room_overdrawn.add(overdrawn as u64);
        if first {
            self.unsent.notify_one();
        }
    }

    /// The next parcel to send, or `None` when everything was sent. Parts of it that are applied already are left out.
    pub(crate) fn take_unsent(&self) -> Option<Numbered> {
        let mut state = self.state.lock();
        let origin = state.origin?;
        if state.sent + 1 == state.next {
            return None;
        }
        let from = state.sent.max(state.cursor) + 1;
        if state.closed.back().is_none_or(|parcel| parcel.last() < from) {
            state.close_open();
        }
        let at = state.closed.partition_point(|parcel| parcel.last() < from);
        let parcel = state.closed.get(at)?;
        let mut segment = Numbered {
            origin,
            first: Number(parcel.first),
            count: parcel.count,
            commands: parcel.commands.clone(),
        };
        let last = parcel.last();
        if parcel.first < from {
            segment = segment.starting_at(Number(from));
        }
        state.sent = last;
        Some(segment)
    }

    /// Everything after the cursor is to be sent again. Says whether there is anything.
    pub(crate) fn rewind(&self) -> bool {
        let mut state = self.state.lock();
        let again = state.sent > state.cursor;
        state.sent = state.cursor;
        state.moved = Instant::now();
        again
    }

    /// The own replica has applied everything up to `cursor` of `origin`'s stream.
    pub(crate) fn passed(&self, origin: Origin, cursor: Number) {
        let mut state = self.state.lock();
        if state.origin != Some(origin) || cursor.0 <= state.cursor {
            return;
        }
        state.cursor = cursor.0;
        state.moved = Instant::now();
        state.sent = state.sent.max(cursor.0);
        let mut freed = Cost::default();
        while state.closed.front().is_some_and(|parcel| parcel.last() <= cursor.0) {
            if let Some(parcel) = state.closed.pop_front() {
                state.bytes -= parcel.commands.len();
                freed.add(parcel.cost);
            }
        }
        drop(state);
        self.give_back(freed);
    }

    /// The own replica met a gap in `origin`'s stream at `cursor`: what follows it was lost on the way.
    pub(crate) fn gap(&self, origin: Origin) {
        if self.state.lock().origin == Some(origin) {
            self.rewound.notify_one();
        }
    }

    /// Begins the stream of a new boot at number 1, or of none. What the old one held is dropped.
    pub(crate) fn begin(&self, origin: Option<Origin>) {
        let mut state = self.state.lock();
        state.close_open();
        let mut freed = Cost::default();
        for parcel in state.closed.drain(..) {
            freed.add(parcel.cost);
        }
        state.origin = origin;
        state.next = 1;
        state.cursor = 0;
        state.sent = 0;
        state.bytes = 0;
        state.moved = Instant::now();
        drop(state);
        self.give_back(freed);
    }

    /// For how long something sent has waited without the cursor moving; `None` when nothing waits.
    pub(crate) fn stalled_since(&self) -> Option<Instant> {
        let state = self.state.lock();
        (state.sent > state.cursor).then_some(state.moved)
    }

    /// Commands and bytes held.
    pub(crate) fn held(&self) -> (u64, u64) {
        let state = self.state.lock();
        (state.next - 1 - state.cursor, state.bytes as u64)
    }
}

impl State {
    fn close_open(&mut self) {
        if self.open.count == 0 {
            return;
        }
        let Open { count, commands, cost } = std::mem::take(&mut self.open);
        let first = self.next - u64::from(count);
        self.closed.push_back(Parcel { first, count, commands: commands.freeze(), cost });
    }
}

#[cfg(test)]
mod tests;
