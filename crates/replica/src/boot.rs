//! This node's boots: one life of its numbered stream each.
//!
//! ```text
//!   next boot made durable ─► NodeUp proposed, again and again ─► applied here: the boot is live, clients are served
//!        ▲                                                             │
//!        └───────────────── its end is applied here ◄──────────────────┘
//!                           (all sockets closed)
//! ```
//!
//! A node that was declared down while it was only slow goes on under its next boot, in the same process.

use std::sync::Arc;
use std::time::Duration;

use quartet_broker::{Boot, Command, NodeUp};

use crate::Error;
use crate::shared::{Formed, Shared};

/// NodeUp is proposed again so often until it is applied; it is harmless to repeat.
const AGAIN: Duration = Duration::from_millis(500);

/// Keeps a boot of this node alive until the replica stops. The first one is durable already.
pub(crate) async fn run(shared: Arc<Shared>, formed: Arc<Formed>) {
    tokio::select! {
        ended = keep_alive(&shared, &formed) => if let Err(error) = ended { shared.fail(error) },
        () = shared.retiring.cancelled() => {}
        () = shared.stopping.cancelled() => {}
    }
}

async fn keep_alive(shared: &Shared, formed: &Formed) -> Result<(), Error> {
    let mut live = shared.origin.subscribe();
    loop {
        let origin = formed.origin();
        let known = shared.applier.lock().broker.highest_boot(origin.node);
        match known {
            // The log knows a later boot than this disk: the disk has gone back in time.
            Some((known, _)) if known > origin.boot => {
                return Err(Error::StaleBoot { own: origin.boot, known });
            }
            Some((known, false)) if known == origin.boot => {
                let next = Boot(formed.log.next_boot().await?);
                tracing::warn!(
                    "boot {} of this node was declared over; it goes on as boot {}",
                    known.0,
                    next.0
                );
                formed.peers.passport.set_boot(next);
            }
            Some((known, true)) if known == origin.boot => {
                // Live. Its end shows in the watch; one that came before this line shows in the state.
                tokio::select! {
                    changed = live.changed() => if changed.is_err() { return Ok(()) },
                    () = tokio::time::sleep(AGAIN) => {}
                }
            }
            Some(_) | None => {
                shared.proposals.cluster(&Command::NodeUp(NodeUp { origin }));
                tokio::select! {
                    changed = live.changed() => if changed.is_err() { return Ok(()) },
                    () = tokio::time::sleep(AGAIN) => {}
                }
            }
        }
    }
}
