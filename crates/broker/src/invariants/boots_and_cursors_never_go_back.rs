//! From one state to a later one no node's highest boot goes down, no ended boot lives again, no cursor goes back
//! within a boot, and no node is forgotten.

use alloc::format;

use super::{Violation, require};
use crate::Broker;

/// Its name, the same in every report.
pub const ID: &str = "boots-and-cursors-never-go-back";

/// Checks the step from `before` to `after`.
///
/// # Errors
/// The first node for which it does not hold.
pub fn check(before: &Broker, after: &Broker) -> Result<(), Violation> {
    for (node, earlier) in before.streams.iter() {
        let later = after.streams.get(node);
        let holds = later.is_some_and(|later| {
            let revived = later.alive && !earlier.alive;
            later.boot > earlier.boot
                || (later.boot == earlier.boot && later.cursor >= earlier.cursor && !revived)
        });
        require(holds, ID, || format!("{node:?}: {earlier:?}, then {later:?}"))?;
    }
    Ok(())
}
