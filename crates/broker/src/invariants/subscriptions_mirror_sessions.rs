//! The trie holds exactly what the sessions' own lists hold.

use alloc::collections::BTreeMap;
use alloc::format;

use super::{Invariant, Violation, require};
use crate::Broker;

pub(super) const INVARIANT: Invariant = Invariant { id: "subscriptions-mirror-sessions", check };

fn check(broker: &Broker) -> Result<(), Violation> {
    let mut listed = BTreeMap::new();
    for (slot, session) in broker.sessions.iter() {
        for (filter, subscription) in session.filters.iter() {
            listed.insert((filter.as_bytes().to_vec(), slot), *subscription);
        }
    }
    let mut held = BTreeMap::new();
    broker.subscriptions.for_each(|filter, slot, subscription| {
        held.insert((filter.to_vec(), slot), *subscription);
    });
    require(listed == held && held.len() == broker.subscriptions.len(), INVARIANT.id, || {
        format!("{} listed, {} in the trie", listed.len(), held.len())
    })
}
