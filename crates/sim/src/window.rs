//! What a node has proposed in this boot and not yet seen applied: the near end of the numbered stream.
//!
//! ```text
//!   numbers   1 … cursor | cursor+1 … sent | sent+1 … last
//!             forgotten  |  sent, perhaps  |  not yet sent
//! ```
//! Numbers are given once. What is in doubt is sent again under the number it has.

use std::collections::VecDeque;

use quartet_broker::{Command, Origin};

use crate::log::Flight;

/// Most commands kept, but for ends of connections, which have room of their own: small, so that a full window is
/// met in every long run.
const ROOM: usize = 24;

/// Most commands of one segment: small, so that segments are cut at every place.
const SEGMENT: usize = 6;

/// The window of one boot.
#[derive(Clone, Debug)]
pub(crate) struct Window {
    origin: Origin,
    /// The number of the first command kept.
    first: u64,
    commands: VecDeque<Command>,
    /// The last number sent at least once.
    sent: u64,
}

impl Window {
    /// A boot's stream begins.
    pub(crate) fn new(origin: Origin) -> Self {
        Self { origin, first: 1, commands: VecDeque::new(), sent: 0 }
    }

    /// Whose.
    pub(crate) fn origin(&self) -> Origin {
        self.origin
    }

    /// Whether a socket may be read: what it brings will find a place.
    pub(crate) fn has_room(&self) -> bool {
        self.commands.len() < ROOM
    }

    /// Whether everything was seen applied.
    pub(crate) fn is_empty(&self) -> bool {
        self.commands.is_empty()
    }

    /// The last number given.
    pub(crate) fn last(&self) -> u64 {
        self.first + self.commands.len() as u64 - 1
    }

    /// Gives the next number.
    pub(crate) fn push(&mut self, command: Command) {
        self.commands.push_back(command);
    }

    /// Forgets what the cursor has passed.
    pub(crate) fn trim(&mut self, cursor: u64) {
        while self.first <= cursor && self.commands.pop_front().is_some() {
            self.first += 1;
        }
        self.sent = self.sent.max(self.first - 1);
    }

    /// What was never sent.
    pub(crate) fn send(&mut self) -> Option<Flight> {
        self.segment(self.sent + 1)
    }

    /// From behind the cursor again.
    pub(crate) fn send_again(&mut self) -> Option<Flight> {
        self.segment(self.first)
    }

    fn segment(&mut self, first: u64) -> Option<Flight> {
        let skip = usize::try_from(first - self.first).ok()?;
        let commands: Vec<Command> = self.commands.iter().skip(skip).take(SEGMENT).cloned().collect();
        if commands.is_empty() {
            return None;
        }
        self.sent = self.sent.max(first + commands.len() as u64 - 1);
        Some(Flight::Segment { origin: self.origin, first, commands })
    }

    /// For the sin of a retry without a number: one of the commands that were sent and are in doubt. Not CONNECT: what a
    /// second one of the same connection does is only to close it.
    pub(crate) fn in_doubt(&self, at: usize) -> Option<Command> {
        let sent = usize::try_from(self.sent + 1 - self.first).unwrap_or_default();
        let command = self.commands.iter().take(sent).nth(at % sent.max(1))?;
        (!matches!(command, Command::Connect(_))).then(|| command.clone())
    }

    /// For the sin of a window that forgets the dead: what follows moves up, under numbers that others had.
    pub(crate) fn forget(&mut self, keep: impl Fn(&Command) -> bool) {
        self.commands.retain(keep);
    }
}
