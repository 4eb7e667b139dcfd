//! When a checkpoint is due, and how far the log is purged behind it.
//!
//! Due by bytes of log, not by entries: an entry holds one command or thousands. Behind a new checkpoint the log is purged
//! up to the *older* of the two that are kept, so that either can be replayed from.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use openraft::async_runtime::WatchReceiver;

use crate::Error;
use crate::shared::{Formed, Shared};

/// How often the bytes are looked at.
const LOOK: Duration = Duration::from_millis(200);

/// Makes checkpoints and purges until the replica stops.
pub(crate) async fn run(shared: Arc<Shared>, formed: Arc<Formed>) {
    loop {
        let due = shared.log_since_checkpoint.load(Ordering::Relaxed) >= shared.config.checkpoint_bytes;
        if due && let Err(error) = checkpoint(&shared, &formed).await {
            tracing::debug!("no checkpoint was made: {error}");
        }
        if let Some(upto) = formed.checkpoints.oldest_index() {
            let purged = formed.raft.metrics().borrow_watched().purged.map_or(0, |purged| purged.index);
            if purged < upto && formed.raft.trigger().purge_log(upto).await.is_err() {
                return;
            }
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            () = shared.stopping.cancelled() => return,
        }
    }
}

/// Makes a checkpoint of what is applied now, and waits until it is complete.
pub(crate) async fn checkpoint(shared: &Shared, formed: &Formed) -> Result<(), Error> {
    let raft = |why: String| Error::Raft { why };
    let applied = shared.applied().0;
    formed.raft.trigger().snapshot().await.map_err(|fatal| raft(fatal.to_string()))?;
    let mut metrics = formed.raft.metrics();
    loop {
        let snapshot = metrics.borrow_watched().snapshot.map(|last| last.index);
        if snapshot.is_some_and(|snapshot| snapshot >= applied) {
            return Ok(());
        }
        tokio::select! {
            changed = metrics.changed() => changed.map_err(|error| raft(error.to_string()))?,
            () = shared.stopping.cancelled() => return Err(Error::Stopped),
        }
    }
}
