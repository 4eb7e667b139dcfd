//! A queue's counts are those of its items.

use alloc::format;

use super::{Invariant, Violation, require};
use crate::digest::length;
use crate::{Broker, QueueItem};

pub(super) const INVARIANT: Invariant = Invariant { id: "queue-counters-are-true", check };

fn check(broker: &Broker) -> Result<(), Violation> {
    for (slot, session) in broker.sessions.iter() {
        let queue = session.outbound.queue();
        let bytes: u64 = queue.iter().map(QueueItem::size).sum();
        let items = length(queue.iter().count());
        let (counted, counted_bytes) = (queue.len(), queue.bytes());
        require((items, bytes) == (counted, counted_bytes), INVARIANT.id, || {
            format!("{slot:?} counts {counted} items of {counted_bytes} bytes, holds {items} of {bytes}")
        })?;
    }
    Ok(())
}
