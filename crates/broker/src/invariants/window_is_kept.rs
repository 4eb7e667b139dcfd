//! No connection has more unanswered PUBLISH packets than its window ([MQTT-3.3.4-9]). PUBRELs may be more: no window
//! holds them up ([MQTT-4.9.0-3]).

use alloc::format;

use super::{Invariant, Violation, require};
use crate::Broker;

pub(super) const INVARIANT: Invariant = Invariant { id: "window-is-kept", check };

fn check(broker: &Broker) -> Result<(), Violation> {
    for (slot, session) in broker.sessions.iter() {
        if session.connection.is_none() {
            continue;
        }
        let outbound = &session.outbound;
        let flights = outbound.inflight().values();
        let unanswered = flights.filter(|message| message.step.delivery().is_some() && !message.owed);
        let (unanswered, window) = (unanswered.count(), usize::from(outbound.window()));
        require(unanswered <= window, INVARIANT.id, || {
            format!("{slot:?} of {}: {unanswered} in a window of {window}", session.client_id)
        })?;
    }
    Ok(())
}
