//! Clients whose session is over, and where their last CONNECT was applied: to refuse CONNECTs delayed on the way.
//!
//! The memory is bounded. What is forgotten raises the *horizon*: a client that nothing is known of is believed to be
//! new only if its CONNECT was read at or after the horizon. Forgotten is who connected longest ago, so that the
//! horizon stays as low as can be.

use alloc::collections::{BTreeMap, BTreeSet};

use quartet_packet::Utf8String;

use crate::LogIndex;
use crate::digest::{Kind, Mixer, length};

/// The memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ends {
    last_connect: BTreeMap<Utf8String, LogIndex>,
    by_index: BTreeSet<(LogIndex, Utf8String)>,
    horizon: LogIndex,
    digest: u64,
}

impl Ends {
    pub(crate) fn with_horizon(horizon: LogIndex) -> Self {
        Self { horizon, ..Self::default() }
    }

    /// Whether a CONNECT that was read at `read_at` comes too late, for a client without a session.
    pub(crate) fn supersedes(&self, client_id: &[u8], read_at: LogIndex) -> bool {
        match self.last_connect.get(client_id) {
            Some(last_connect) => *last_connect > read_at,
            None => read_at < self.horizon,
        }
    }

    /// The client's session ended.
    pub(crate) fn remember(&mut self, client_id: Utf8String, last_connect: LogIndex) {
        self.remove(client_id.as_bytes());
        self.digest ^= element(&client_id, last_connect);
        self.by_index.insert((last_connect, client_id.clone()));
        self.last_connect.insert(client_id, last_connect);
    }

    /// The client has a session again, which knows better.
    pub(crate) fn remove(&mut self, client_id: &[u8]) {
        if let Some((client_id, last_connect)) = self.last_connect.remove_entry(client_id) {
            self.digest ^= element(&client_id, last_connect);
            self.by_index.remove(&(last_connect, client_id));
        }
    }

    /// Forgets one if there are more than `most`; false if there are not.
    pub(crate) fn forget_beyond(&mut self, most: u32) -> bool {
        if length(self.last_connect.len()) <= u64::from(most) {
            return false;
        }
        if let Some((last_connect, client_id)) = self.by_index.pop_first() {
            self.horizon = self.horizon.max(last_connect);
            self.digest ^= element(&client_id, last_connect);
            self.last_connect.remove(&client_id);
        }
        true
    }

    pub(crate) fn len(&self) -> usize {
        self.last_connect.len()
    }

    pub(crate) fn horizon(&self) -> LogIndex {
        self.horizon
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Utf8String, LogIndex)> {
        self.last_connect.iter().map(|(client_id, last_connect)| (client_id, *last_connect))
    }

    /// Whether both orders hold the same clients at the same indexes.
    pub(crate) fn is_indexed(&self) -> bool {
        let indexed =
            |(client_id, at): (&Utf8String, LogIndex)| self.by_index.contains(&(at, client_id.clone()));
        self.by_index.len() == self.last_connect.len() && self.iter().all(indexed)
    }

    pub(crate) fn digest(&self) -> u64 {
        self.digest
    }

    pub(crate) fn recompute_digest(&self) -> u64 {
        let elements = self.iter();
        elements.fold(0, |digest, (client_id, last_connect)| digest ^ element(client_id, last_connect))
    }
}

fn element(client_id: &Utf8String, last_connect: LogIndex) -> u64 {
    Mixer::new(Kind::EndedSession).bytes(client_id.as_bytes()).word(last_connect.0).finish()
}
