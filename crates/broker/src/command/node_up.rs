//! A node begins a boot. Counts only above the highest boot known of it; ends all connections of earlier ones.

use alloc::vec::Vec;

use crate::stream::Begun;
use crate::{Broker, Effect, Origin};

/// A node begins a boot; its stream starts at number 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NodeUp {
    /// Which node and boot.
    pub origin: Origin,
}

impl NodeUp {
    pub(crate) fn apply(self, broker: &mut Broker, effects: &mut Vec<Effect>) {
        match broker.streams.begin(self.origin, broker.weaknesses()) {
            Begun::Stale | Begun::Alive { ended: None } => {}
            Begun::Alive { ended: Some(ended) } => broker.end_boot(ended, effects),
        }
    }
}
