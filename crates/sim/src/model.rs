//! The model check: a tiny cluster, all of whose interleavings are walked through with the real
//! [`Broker`](quartet_broker::Broker).
//!
//! Two nodes apply one log at their own pace. One publisher sends messages, one after another under packet identifier 1 or
//! several in a small window; one subscriber with a lasting session takes them. Everything a node ever proposed may be appended late, in any
//! order and any number of times; nothing is ever lost for good, since what is never appended is the same. Within bounds
//! nodes restart, are declared down while they live, and jump to a snapshot; clients give up connections, told or not,
//! and connect anywhere.
//!
//! ```text
//!   Read(conn)      a node reads a packet: a command joins its stream
//!   Append(command) the log takes a command from any stream, the next or any other
//!   Apply(node)     a node applies its next entry; what it writes reaches the client at once, if that still listens
//!   Connect(client) to any node, with or without packets behind CONNECT
//!   Cut, Restart, Down, Snapshot   within bounds
//! ```
//!
//! What makes it small enough, and why nothing is missed by it:
//!
//! - A proposal that the broker's cursor says is repeated, or of a boot that is over, changes nothing and is dropped
//!   (cursors and boots never go back: one of the core's own invariants). With a sin planted nothing is dropped.
//! - A node's answer reaches its client in the step that applies it: a client that has cut before is one that never saw it.
//! - A restart keeps its place in the log: to go back and apply the same entries again, for connections that are gone,
//!   changes nothing but the pace.
//!
//! Bounds and measured numbers: `MODEL.md` beside the manifest.

mod act;
mod check;
mod client;
mod node;
mod planted;
mod state;

pub use act::Action;
pub use check::{Counts, Found, check, counterexample};
pub use planted::{bounds_for, bounds_for_harm};
pub use state::{Bounds, State};

use std::sync::atomic::{AtomicBool, Ordering};

use stateright::{Model, Property};

use crate::sin::Sin;

/// The model: bounds, and perhaps a sin.
#[derive(Debug)]
pub struct Handshakes {
    pub(crate) bounds: Bounds,
    pub(crate) sin: Option<Sin>,
    /// Only what an application sees counts: not that somebody waits, nor the core's own invariants.
    harms_only: bool,
    /// A violation was found: later ones are no news, so that the first, which is the shortest, is kept.
    found: AtomicBool,
}

impl Handshakes {
    /// A model with these bounds.
    #[must_use]
    pub fn new(bounds: Bounds, sin: Option<Sin>) -> Self {
        Self { bounds, sin, harms_only: false, found: AtomicBool::new(false) }
    }

    /// The same, but for what an application sees only.
    #[must_use]
    pub fn harms_only(self) -> Self {
        Self { harms_only: true, ..self }
    }

    /// False the first time that something does not hold.
    fn holds(&self, holds: bool) -> bool {
        holds || self.found.swap(true, Ordering::Relaxed)
    }
}

impl Model for Handshakes {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State::first(self.bounds, self.sin)]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        state.steps(self, actions);
        state.faults(self, actions);
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        last.after(self, action)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("no message twice at qos 2", |model: &Self, state: &State| {
                model.holds(!state.is_doubled(model))
            }),
            Property::always("publishing order", |model: &Self, state: &State| {
                model.holds(state.is_ordered())
            }),
            Property::always("no acknowledged message is lost", |model: &Self, state: &State| {
                model.holds(!state.is_lost(model))
            }),
            Property::always("nobody waits for ever", |model: &Self, state: &State| {
                model.harms_only || model.holds(!state.is_stuck(model))
            }),
            Property::always("the invariants of the core", |model: &Self, state: &State| {
                model.harms_only || model.holds(state.sound)
            }),
            Property::sometimes("everything is delivered", |model: &Self, state: &State| {
                state.is_finished(model)
            }),
        ]
    }
}
