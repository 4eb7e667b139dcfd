//! What must hold of every state: one property a file, each with its id, for tests, simulation and model alike.
//!
//! [`ALL`] are properties of one state. [`boots_and_cursors_never_go_back`] compares a state with a later one.

mod deadlines_are_indexed;
mod digest_is_true;
mod inflight_is_indexed;
mod nothing_stalls;
mod owners_are_unique_and_alive;
mod publishing_order_is_kept;
mod queue_counters_are_true;
mod references_are_counted;
mod remembered_ends_are_over;
mod sessions_are_found;
mod subscriptions_mirror_sessions;
mod totals_are_true;
mod window_is_kept;

pub mod boots_and_cursors_never_go_back;

use alloc::string::String;

use crate::Broker;

/// A property of one state.
#[derive(Clone, Copy, Debug)]
pub struct Invariant {
    /// Its name, the same in every report.
    pub id: &'static str,
    /// Whether it holds. Walks the whole state: for tests, not for a serving node.
    pub check: fn(&Broker) -> Result<(), Violation>,
}

/// A property that does not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invariant {id} is violated: {detail}")]
pub struct Violation {
    /// Which property.
    pub id: &'static str,
    /// Where and how.
    pub detail: String,
}

/// All properties of one state.
pub const ALL: &[Invariant] = &[
    deadlines_are_indexed::INVARIANT,
    digest_is_true::INVARIANT,
    inflight_is_indexed::INVARIANT,
    nothing_stalls::INVARIANT,
    owners_are_unique_and_alive::INVARIANT,
    publishing_order_is_kept::INVARIANT,
    queue_counters_are_true::INVARIANT,
    references_are_counted::INVARIANT,
    remembered_ends_are_over::INVARIANT,
    sessions_are_found::INVARIANT,
    subscriptions_mirror_sessions::INVARIANT,
    totals_are_true::INVARIANT,
    window_is_kept::INVARIANT,
];

/// Checks every property of one state.
///
/// # Errors
/// The first that does not hold.
pub fn check_all(broker: &Broker) -> Result<(), Violation> {
    ALL.iter().try_for_each(|invariant| (invariant.check)(broker))
}

/// A violation unless `holds`.
fn require(holds: bool, id: &'static str, detail: impl FnOnce() -> String) -> Result<(), Violation> {
    if holds {
        return Ok(());
    }
    let detail = detail();
    Err(Violation { id, detail })
}
