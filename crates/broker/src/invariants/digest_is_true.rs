//! The digest kept up with every change is the digest computed from scratch.

use alloc::format;

use super::{Invariant, Violation, require};
use crate::Broker;

pub(super) const INVARIANT: Invariant = Invariant { id: "digest-is-true", check };

fn check(broker: &Broker) -> Result<(), Violation> {
    let (kept, computed) = (broker.digest(), broker.recompute_digest());
    require(kept == computed, INVARIANT.id, || format!("kept {kept:016x}, computed {computed:016x}"))
}
