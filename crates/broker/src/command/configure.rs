//! New settings for the whole cluster, at one index.

use crate::Settings;

/// Replace the replicated settings. Repeated or late it only sets what somebody asked for; the last one wins.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Configure {
    /// All of them.
    pub settings: Settings,
}
