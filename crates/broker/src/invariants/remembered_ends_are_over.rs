//! Nobody with a living session is remembered as ended, and the memory's two orders hold the same clients.

use alloc::format;

use super::{Invariant, Violation, require};
use crate::Broker;

pub(super) const INVARIANT: Invariant = Invariant { id: "remembered-ends-are-over", check };

fn check(broker: &Broker) -> Result<(), Violation> {
    for (client_id, last_connect) in broker.ends.iter() {
        require(broker.sessions.find(client_id.as_bytes()).is_none(), INVARIANT.id, || {
            format!("{client_id} has a session, and ended one of {last_connect:?}")
        })?;
    }
    require(broker.ends.is_indexed(), INVARIANT.id, || "the two orders differ".into())
}
