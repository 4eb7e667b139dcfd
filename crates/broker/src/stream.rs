//! The numbered stream of a node's proposals, and the boots it belongs to.
//!
//! A node numbers what it proposes from 1, anew with each boot, and sends again whatever it does not see applied.
//! So a number may come late, twice, by anyone, or not yet; the cursor decides:
//!
//! ```text
//!            NodeUp above the highest boot known: cursor 0
//!   unknown ──────────────────────────────────────────────► alive(boot, cursor)
//!                                                             │        │ number = cursor + 1: Next, cursor moves
//!   ended(boot) ◄── NodeDown of that boot ────────────────────┤        │ number ≤ cursor:     Repeated
//!      │            or NodeUp of a higher one (ends it)       │        │ number > cursor + 1: Gap
//!      │                                                      │
//!      └── NodeUp above it ───────────────────────────────────► alive(higher boot, cursor 0)
//! ```
//!
//! Of an unknown, an ended or an older boot nothing is taken: "unknown" never means "fresh". The highest boot is
//! kept for ever; it is the one tombstone.

use alloc::collections::BTreeMap;

use crate::weaknesses::Weaknesses;
use crate::{Boot, NodeId, Origin};

/// The number of a proposal in its origin's stream. The first is 1; a cursor of 0 means none was applied yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Number(pub u64);

/// What the cursor says of a numbered command. Only [`Admission::Next`] is applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Admission {
    /// The next one: the cursor has moved, apply it.
    Next,
    /// Applied before: skip it.
    Repeated,
    /// One before it is missing: take nothing of this segment from here on; its node sends again.
    Gap,
    /// Its boot is unknown or over: take nothing.
    NotAlive,
}

/// What the log knows of one node's boots.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Stream {
    /// The highest boot known. Never goes down, never forgotten.
    pub boot: Boot,
    /// Whether that boot lives.
    pub alive: bool,
    /// The last number applied of that boot.
    pub cursor: Number,
}

/// What a NodeUp did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Begun {
    /// Late or repeated: nothing.
    Stale,
    /// The boot lives; the one before it, if it lived until now, is over.
    Alive {
        /// The boot that ended by it.
        ended: Option<Origin>,
    },
}

/// All nodes' streams. Grows by one entry a node id, which the log gives out; never shrinks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Streams {
    by_node: BTreeMap<NodeId, Stream>,
}

impl Streams {
    pub(crate) fn admit(&mut self, origin: Origin, number: Number, weaknesses: Weaknesses) -> Admission {
        let Some(stream) =
            self.by_node.get_mut(&origin.node).filter(|stream| stream.alive && stream.boot == origin.boot)
        else {
            let forgotten = weaknesses.forgets_boots() && !self.by_node.contains_key(&origin.node);
            if weaknesses.ignores_boots() || forgotten {
                let (boot, alive, cursor) = (origin.boot, true, number);
                self.by_node.insert(origin.node, Stream { boot, alive, cursor });
                return Admission::Next;
            }
            return Admission::NotAlive;
        };
        if number <= stream.cursor {
            return if weaknesses.accepts_repeated() { Admission::Next } else { Admission::Repeated };
        }
        if number.0 - stream.cursor.0 > 1 && !weaknesses.accepts_gaps() {
            return Admission::Gap;
        }
        stream.cursor = number;
        Admission::Next
    }

    /// NodeUp: boot and cursor change in one step.
    pub(crate) fn begin(&mut self, origin: Origin, weaknesses: Weaknesses) -> Begun {
        let before = self.by_node.get(&origin.node).copied();
        let reopened =
            |stream: Stream| weaknesses.reopens_boots() && stream.boot == origin.boot && !stream.alive;
        if before.is_some_and(|stream| stream.boot >= origin.boot && !reopened(stream)) {
            return Begun::Stale;
        }
        let fresh = Stream { boot: origin.boot, alive: true, cursor: Number(0) };
        self.by_node.insert(origin.node, fresh);
        let ended = before
            .filter(|stream| stream.alive && !weaknesses.keeps_earlier_boots())
            .map(|stream| Origin { node: origin.node, boot: stream.boot });
        Begun::Alive { ended }
    }

    /// NodeDown: true if that boot lived until now.
    pub(crate) fn end(&mut self, origin: Origin, weaknesses: Weaknesses) -> bool {
        match self.by_node.get_mut(&origin.node) {
            Some(stream) if stream.alive && stream.boot == origin.boot => {
                stream.alive = false;
                if weaknesses.forgets_boots() {
                    self.by_node.remove(&origin.node);
                }
                true
            }
            Some(_) | None => false,
        }
    }

    pub(crate) fn alive(&self, origin: Origin) -> bool {
        self.get(origin.node).is_some_and(|stream| stream.alive && stream.boot == origin.boot)
    }

    pub(crate) fn get(&self, node: NodeId) -> Option<Stream> {
        self.by_node.get(&node).copied()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (NodeId, Stream)> {
        self.by_node.iter().map(|(node, stream)| (*node, *stream))
    }

    /// For thawing: false if the node is there already.
    pub(crate) fn restore(&mut self, node: NodeId, stream: Stream) -> bool {
        self.by_node.insert(node, stream).is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: fn() -> Weaknesses = Weaknesses::default;

    fn origin(boot: u64) -> Origin {
        Origin { node: NodeId(1), boot: Boot(boot) }
    }

    #[test]
    fn numbers_are_taken_once_and_in_order() {
        let mut streams = Streams::default();
        assert_eq!(streams.begin(origin(1), NONE()), Begun::Alive { ended: None });
        let mut admit = |number| streams.admit(origin(1), Number(number), NONE());
        assert_eq!(admit(0), Admission::Repeated);
        assert_eq!(admit(2), Admission::Gap);
        assert_eq!(admit(1), Admission::Next);
        assert_eq!(admit(1), Admission::Repeated);
        assert_eq!(admit(3), Admission::Gap);
        assert_eq!(admit(2), Admission::Next);
        assert_eq!(admit(u64::MAX), Admission::Gap);
    }

    #[test]
    fn unknown_ended_and_older_boots_are_not_alive() {
        let mut streams = Streams::default();
        let number = Number(1);
        assert_eq!(streams.admit(origin(1), number, NONE()), Admission::NotAlive);
        assert!(!streams.end(origin(1), NONE()), "a boot nobody heard of does not end");
        streams.begin(origin(5), NONE());
        assert_eq!(streams.admit(origin(4), number, NONE()), Admission::NotAlive);
        assert_eq!(streams.admit(origin(6), number, NONE()), Admission::NotAlive);
        assert!(!streams.end(origin(4), NONE()) && !streams.end(origin(6), NONE()));
        assert!(streams.end(origin(5), NONE()) && !streams.end(origin(5), NONE()), "once");
        assert_eq!(streams.admit(origin(5), number, NONE()), Admission::NotAlive);
        assert_eq!(streams.begin(origin(5), NONE()), Begun::Stale, "never reopened");
        assert_eq!(streams.begin(origin(6), NONE()), Begun::Alive { ended: None });
    }

    #[test]
    fn a_higher_boot_ends_the_earlier_one_and_starts_at_1() {
        let mut streams = Streams::default();
        streams.begin(origin(1), NONE());
        streams.admit(origin(1), Number(1), NONE());
        let ended = Some(origin(1));
        assert_eq!(streams.begin(origin(3), NONE()), Begun::Alive { ended });
        assert_eq!(streams.begin(origin(2), NONE()), Begun::Stale, "late");
        assert_eq!(streams.begin(origin(3), NONE()), Begun::Stale, "repeated");
        assert_eq!(streams.admit(origin(3), Number(2), NONE()), Admission::Gap);
        assert_eq!(streams.admit(origin(3), Number(1), NONE()), Admission::Next);
    }
}
