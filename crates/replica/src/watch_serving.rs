//! Decides whether clients are served, and closes them when no leader is heard.

use std::sync::Arc;
use std::time::Duration;

use openraft::Instant as _;
use openraft::async_runtime::WatchReceiver;
use tokio::time::Instant;

use crate::Error;
use crate::serving::Serving;
use crate::shared::{Formed, Shared};
use crate::sink::AllClosed;

/// How often this is looked at.
const LOOK: Duration = Duration::from_millis(100);

/// Committed entries that may wait to be applied here while clients are served: QoS 0 routing is this far behind at
/// most. A few batches; a replica that applies is never that far behind for long.
const BEHIND: u64 = 256;

/// After it was too far behind, a replica catches up to this before it serves again.
const CAUGHT_UP: u64 = 16;

/// Looks until the replica stops. Raft's own failure is found here too.
pub(crate) async fn run(shared: Arc<Shared>, formed: Arc<Formed>) {
    let mut log_failed = formed.log.failed();
    let mut led = None;
    let mut behind = true;
    loop {
        if shared.has_failed() {
            return;
        }
        let log_error = log_failed.borrow_and_update().clone();
        if let Some(error) = log_error {
            shared.fail(Error::Log(error));
            return;
        }
        let (now, lag) = {
            let metrics = formed.raft.metrics();
            let metrics = metrics.borrow_watched();
            if let Err(fatal) = &metrics.running_state {
                let error = Error::Raft { why: fatal.to_string() };
                drop(metrics);
                if !shared.stopping.is_cancelled() {
                    shared.fail(error);
                }
                return;
            }
            // What counts is when this node was last part of a led cluster, whoever led: a leader just elected has
            // no quorum's answer yet, one just deposed has not heard the next, and neither may close its clients.
            let own = formed.leadership.borrow().own;
            let acked = metrics.last_quorum_acked.filter(|_| own).map(|acked| acked.elapsed());
            let heard = shared.leader_last_heard().map(|heard| heard.elapsed());
            let ago = acked.into_iter().chain(heard).min();
            led = led.max(ago.and_then(|ago| Instant::now().checked_sub(ago)));
            let silent = led.map_or(Duration::MAX, |led| led.elapsed());
            let committed = metrics.local_committed.map_or(0, |committed| committed.index);
            let lag = committed.saturating_sub(shared.applied().0);
            ((silent >= shared.config.timing.leaderless).then_some(Serving::NoLeader), lag)
        };
        behind = lag > if behind { CAUGHT_UP } else { BEHIND };
        let now = now.unwrap_or_else(|| {
            if behind {
                Serving::Behind
            } else if shared.origin.borrow().is_none() {
                Serving::BootNotApplied
            } else {
                Serving::Yes
            }
        });
        let before = *shared.serving.borrow();
        if before != now {
            tracing::info!("{}", now.reason());
            shared.serving.send_replace(now);
            if now == Serving::NoLeader && before != Serving::Forming {
                shared.sink.all_closed(AllClosed::NoLeader);
            }
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            _ = log_failed.changed() => {}
            () = shared.stopping.cancelled() => {
                shared.serving.send_replace(Serving::Stopping);
                return;
            }
        }
    }
}
