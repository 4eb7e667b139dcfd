//! Every stored message is referred to as often as its count says, and none is stored that nothing refers to.

use alloc::collections::BTreeMap;
use alloc::format;

use super::{Invariant, Violation, require};
use crate::{Broker, QueueItem};

pub(super) const INVARIANT: Invariant = Invariant { id: "references-are-counted", check };

fn check(broker: &Broker) -> Result<(), Violation> {
    let mut references = BTreeMap::new();
    for (_, session) in broker.sessions.iter() {
        let outbound = &session.outbound;
        let flights = outbound.inflight().values();
        let flights = flights.filter_map(|message| message.step.handle());
        let queued = outbound.queue().iter().map(QueueItem::handle);
        for handle in flights.chain(queued) {
            *references.entry(handle).or_insert(0_u32) += 1;
        }
    }
    let counted: BTreeMap<_, _> = broker.messages.iter().collect();
    require(references == counted, INVARIANT.id, || {
        format!("referred to {references:?}, counted {counted:?}")
    })
}
