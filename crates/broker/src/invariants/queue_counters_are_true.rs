//! A queue's count of bytes is the sum of its items.

use alloc::format;

use super::{Invariant, Violation, require};
use crate::{Broker, QueueItem};

/// See the file.
pub(super) const INVARIANT: Invariant = Invariant { id: "queue-counters-are-true", check };

fn check(broker: &Broker) -> Result<(), Violation> {
    for (slot, session) in broker.sessions.iter() {
        let queue = session.outbound.queue();
        let bytes: u64 = queue.iter().map(QueueItem::size).sum();
        require(bytes == queue.bytes(), INVARIANT.id, || {
            format!("{slot:?} counts {} bytes and holds {bytes}", queue.bytes())
        })?;
    }
    Ok(())
}
