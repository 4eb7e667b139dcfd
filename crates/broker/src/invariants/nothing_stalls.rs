//! While a living owner's window has a place, nothing waits for one, unless left-over work is marked to go on with it.

use alloc::format;

use super::{Invariant, Violation, require};
use crate::Broker;

pub(super) const INVARIANT: Invariant = Invariant { id: "nothing-stalls", check };

fn check(broker: &Broker) -> Result<(), Violation> {
    for (slot, session) in broker.sessions.iter() {
        let outbound = &session.outbound;
        let unfinished = outbound.inflight().len() - outbound.owed().len();
        let waits = !outbound.owed().is_empty() || !outbound.queue().is_empty();
        let place = unfinished < usize::from(outbound.window());
        let stalls = broker.live(session).is_some() && place && waits && !session.unpumped;
        require(!stalls, INVARIANT.id, || {
            format!(
                "{slot:?} of {}: {unfinished} of {} unfinished, {} owed, {} queued",
                session.client_id,
                outbound.window(),
                outbound.owed().len(),
                outbound.queue().len()
            )
        })?;
    }
    Ok(())
}
