//! A connection owns at most one session; its boot lives, or is over and its sessions are being detached.

use alloc::collections::BTreeMap;
use alloc::format;

use super::{Invariant, Violation, require};
use crate::Broker;

pub(super) const INVARIANT: Invariant = Invariant { id: "owners-are-unique-and-alive", check };

fn check(broker: &Broker) -> Result<(), Violation> {
    let mut owners = BTreeMap::new();
    for (slot, session) in broker.sessions.iter() {
        let Some(owner) = session.connection else {
            continue;
        };
        let other = owners.insert(owner, slot);
        require(other.is_none(), INVARIANT.id, || format!("{owner:?} owns {slot:?} and {other:?}"))?;
        let origin = owner.origin();
        require(
            broker.streams.alive(origin) != broker.ended_boots.contains_key(&origin),
            INVARIANT.id,
            || format!("{slot:?} is owned by {owner:?}, whose boot is neither alive nor ending"),
        )?;
        require(!session.ending, INVARIANT.id, || format!("{slot:?} is over and owned by {owner:?}"))?;
    }
    require(&owners == broker.sessions.owners(), INVARIANT.id, || {
        format!("the index differs from {owners:?}")
    })
}
