//! The sums in the statistics are the sums over the sessions.

use alloc::format;

use super::{Invariant, Violation, require};
use crate::Broker;
use crate::digest::length;
use crate::sessions::Totals;

pub(super) const INVARIANT: Invariant = Invariant { id: "totals-are-true", check };

fn check(broker: &Broker) -> Result<(), Violation> {
    let mut sums = Totals::default();
    for (_, session) in broker.sessions.iter() {
        let outbound = &session.outbound;
        sums.queued += outbound.queue().len();
        sums.queued_bytes += outbound.queue().bytes();
        sums.inflight += length(outbound.inflight().len());
        sums.unreleased += u64::from(session.inbound.len());
        sums.subscriptions += length(session.filters.len());
    }
    let kept = broker.sessions.totals();
    require(sums == kept, INVARIANT.id, || format!("kept {kept:?}, summed {sums:?}"))
}
