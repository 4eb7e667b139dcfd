//! What every run is judged by, one property a file.
//!
//! While it runs: [`session_present`], and inside [`node`](crate::node) and [`log`](crate::log) the same state after the
//! same entry and the core's own invariants. When it is over: the rest, on what the clients saw and on what is left.

pub(crate) mod agreement;
pub(crate) mod delivery;
pub(crate) mod leaks;
pub(crate) mod order;
pub(crate) mod session_present;
pub(crate) mod subscribed;

use crate::cluster::Cluster;
use crate::violation::Violation;

/// All checks of a finished run.
pub(crate) fn judge(cluster: &mut Cluster) -> Result<(), Violation> {
    agreement::check(cluster)?;
    delivery::check(cluster, true)?;
    order::check(cluster)?;
    leaks::check(cluster)
}

/// The checks that hold at any moment, for a run that did not come to its end.
pub(crate) fn judge_unfinished(cluster: &Cluster) -> Result<(), Violation> {
    delivery::check(cluster, false)?;
    order::check(cluster)
}
