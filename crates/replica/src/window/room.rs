//! A permit to propose, taken before the socket is read: so that `propose` cannot fail once a number is given, and
//! back-pressure reaches the client through TCP.

use std::fmt;
use std::sync::Arc;

use super::Window;

/// Which part of the window a room was taken from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    Small,
    Large,
}

/// Bytes taken from either part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Cost {
    pub(super) small: usize,
    pub(super) large: usize,
}

impl Cost {
    pub(super) fn add(&mut self, other: Self) {
        self.small += other.small;
        self.large += other.large;
    }
}

/// Bytes of the proposal window that belong to one connection until it spends them or drops this.
///
/// A command may take more than what is left in its room (a topic behind an alias is longer than what was read): the
/// rest is taken from the window all the same, counted, and made up for before the next room is given.
pub struct Room {
    window: Arc<Window>,
    class: Class,
    left: usize,
}

impl Room {
    pub(super) fn new(window: Arc<Window>, class: Class, left: usize) -> Self {
        Self { window, class, left }
    }

    /// Bytes left.
    #[must_use]
    pub fn left(&self) -> usize {
        self.left
    }

    /// Takes `bytes` out; gives the cost to be given back later, and how much of it went beyond the room.
    pub(super) fn spend(&mut self, bytes: usize) -> (Cost, usize) {
        let overdrawn = bytes.saturating_sub(self.left);
        self.left -= bytes - overdrawn;
        if overdrawn > 0 {
            self.window.budget(self.class).overdraw(overdrawn);
        }
        let cost = match self.class {
            Class::Small => Cost { small: bytes, large: 0 },
            Class::Large => Cost { small: 0, large: bytes },
        };
        (cost, overdrawn)
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.window.budget(self.class).give(self.left);
    }
}

impl fmt::Debug for Room {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Room").field("class", &self.class).field("left", &self.left).finish_non_exhaustive()
    }
}
