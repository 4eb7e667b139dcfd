//! New settings for the whole cluster, at one index.

use crate::{Broker, Settings};

/// Replace the replicated settings. Repeated or late it only sets what somebody asked for; the last one wins.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Configure {
    /// All of them.
    pub settings: Settings,
}

impl Configure {
    /// Limits that are lower now bite on what comes; nothing that is there is taken away.
    pub(crate) fn apply(self, broker: &mut Broker) {
        broker.settings = self.settings;
    }
}
