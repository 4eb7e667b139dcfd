//! New behaviour is switched on through the log, once every member knows it: all nodes change at one index.

use crate::Broker;

/// Raise the behaviour version; a lower or equal one changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Upgrade {
    /// The version to go to.
    pub behaviour: u16,
}

impl Upgrade {
    pub(crate) fn apply(self, broker: &mut Broker) {
        broker.behaviour = broker.behaviour.max(self.behaviour);
    }
}
