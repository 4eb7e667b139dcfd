//! What the membership says of one node besides its Raft id.
//!
//! A name or an address is only where a node is to be found; who it is, is its id.

use std::fmt;

/// A voter or learner as the replicated membership describes it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Member {
    /// For people: log lines, inspection, metrics. Not checked for uniqueness here.
    pub name: String,
    /// Where its peers reach it, `host:port`.
    pub peer_address: String,
    /// Where MQTT clients reach it, `host:port`; for server references and inspection.
    pub client_address: String,
}

impl fmt::Display for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}", self.name, self.peer_address)
    }
}
