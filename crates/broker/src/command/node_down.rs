//! A node's boot is over. Counts only if that boot is the highest known and alive.

use alloc::vec::Vec;

use crate::{Broker, Effect, Origin};

/// A node's boot is over: proposed by the leader after a long silence, or by the node itself when it stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NodeDown {
    /// Which node and boot.
    pub origin: Origin,
}

impl NodeDown {
    pub(crate) fn apply(self, broker: &mut Broker, effects: &mut Vec<Effect>) {
        if broker.streams.end(self.origin, broker.weaknesses()) {
            broker.end_boot(self.origin, effects);
        }
    }
}

impl Broker {
    /// A boot is over, at once for every fence; the sessions that it owned are detached in bounded steps, as of now.
    pub(crate) fn end_boot(&mut self, origin: Origin, effects: &mut Vec<Effect>) {
        effects.push(Effect::BootEnded(origin));
        if self.sessions.first_of_boot(origin).is_some() {
            self.ended_boots.insert(origin, self.time);
        }
    }
}
