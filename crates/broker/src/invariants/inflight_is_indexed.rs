//! Every message in flight has its own place in the original order, and the index of what is owed says what the
//! messages say. (That identifiers are unique and never 0 is their map's and their type's.)

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;

use super::{Invariant, Violation, require};
use crate::Broker;

pub(super) const INVARIANT: Invariant = Invariant { id: "inflight-is-indexed", check };

fn check(broker: &Broker) -> Result<(), Violation> {
    for (slot, session) in broker.sessions.iter() {
        let outbound = &session.outbound;
        let mut sequences = BTreeSet::new();
        let mut owed = BTreeMap::new();
        for (packet_id, message) in outbound.inflight() {
            let fresh = sequences.insert(message.sequence);
            require(fresh && message.sequence < outbound.next_sequence(), INVARIANT.id, || {
                format!("{slot:?}, identifier {packet_id}: {message:?}")
            })?;
            if message.owed {
                owed.insert(message.sequence, *packet_id);
            }
        }
        require(&owed == outbound.owed(), INVARIANT.id, || {
            format!("{slot:?} owes {owed:?}, indexed {:?}", outbound.owed())
        })?;
        require(owed.is_empty() || session.connection.is_some(), INVARIANT.id, || {
            format!("{slot:?} owes to no connection: {owed:?}")
        })?;
    }
    Ok(())
}
