//! A session has a time to end exactly while it is detached and can expire, and the index of deadlines says the same.

use alloc::collections::BTreeSet;
use alloc::format;

use super::{Invariant, Violation, require};
use crate::Broker;
use crate::session::NEVER;

pub(super) const INVARIANT: Invariant = Invariant { id: "deadlines-are-indexed", check };

fn check(broker: &Broker) -> Result<(), Violation> {
    let mut deadlines = BTreeSet::new();
    for (slot, session) in broker.sessions.iter() {
        let expires = session.connection.is_none() && !session.ending && session.session_expiry != NEVER;
        require(expires == session.expires_at.is_some(), INVARIANT.id, || {
            format!(
                "{slot:?} of {} ends at {:?} with owner {:?} and expiry {} s",
                session.client_id, session.expires_at, session.connection, session.session_expiry
            )
        })?;
        deadlines.extend(session.expires_at.map(|at| (at, slot)));
    }
    require(&deadlines == broker.sessions.deadlines(), INVARIANT.id, || {
        format!("the index differs from {deadlines:?}")
    })
}
