//! Time goes on in a quiet cluster: the entry's time is all that this command brings.

use crate::Broker;

/// Nothing but the entry's time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AdvanceTime;

impl AdvanceTime {
    /// The entry brought its time when it began, and does left-over work when it ends.
    pub(crate) fn apply(self, _broker: &mut Broker) {}
}
