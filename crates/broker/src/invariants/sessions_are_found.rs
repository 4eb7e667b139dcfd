//! Every living session is found by its client id, no ended one is, and the marks for left-over work are indexed.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;

use super::{Invariant, Violation, require};
use crate::Broker;

pub(super) const INVARIANT: Invariant = Invariant { id: "sessions-are-found", check };

fn check(broker: &Broker) -> Result<(), Violation> {
    let mut clients = BTreeMap::new();
    let (mut ending, mut unpumped) = (BTreeSet::new(), BTreeSet::new());
    for (slot, session) in broker.sessions.iter() {
        if session.ending {
            ending.insert(slot);
        } else {
            let other = clients.insert(session.client_id.clone(), slot);
            require(other.is_none(), INVARIANT.id, || {
                format!("{} has {slot:?} and {other:?}", session.client_id)
            })?;
        }
        if session.unpumped {
            unpumped.insert(slot);
        }
    }
    let sessions = &broker.sessions;
    require(&clients == sessions.clients(), INVARIANT.id, || {
        format!("found by client id: {:?}", sessions.clients())
    })?;
    require((&ending, &unpumped) == sessions.marked(), INVARIANT.id, || {
        format!("ending {ending:?}, unpumped {unpumped:?}, indexed {:?}", sessions.marked())
    })
}
