//! Handles count up as messages are published: what a session has in flight, in order of first sends, and then its
//! queue, has them ascending ([MQTT-4.6.0-6]), and below the next to be given.

use alloc::format;
use alloc::vec::Vec;

use super::{Invariant, Violation, require};
use crate::{Broker, MessageHandle};

pub(super) const INVARIANT: Invariant = Invariant { id: "publishing-order-is-kept", check };

fn check(broker: &Broker) -> Result<(), Violation> {
    for (slot, session) in broker.sessions.iter() {
        let outbound = &session.outbound;
        let mut flights: Vec<_> = outbound.inflight().values().collect();
        flights.sort_unstable_by_key(|message| message.sequence);
        let flights = flights.iter().filter_map(|message| message.step.handle());
        let queued = outbound.queue().iter().map(crate::QueueItem::handle);
        let mut last = MessageHandle(0);
        for handle in flights.chain(queued) {
            require(last < handle && handle < broker.messages.next(), INVARIANT.id, || {
                format!("{slot:?} of {}: {handle:?} after {last:?}", session.client_id)
            })?;
            last = handle;
        }
    }
    Ok(())
}
