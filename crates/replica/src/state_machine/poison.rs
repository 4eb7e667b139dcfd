//! After a panic in `apply`: a new state from the last checkpoint and the log, without the command that panicked.
//!
//! ```text
//!   entry i, command p panics ─► (i, p) made durable ─► checkpoint loaded ─► entries up to i-1 replayed, nothing
//!   performed ─► entry i applied as usual, command p skipped, its connection closed
//! ```
//!
//! Every node comes to the same: the command panics on each of them, at the same place. A restart finds the list in the
//! log's directory. What the replay computes was performed before, so its effects go nowhere; the published routes are
//! those of entry i-1 already.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;

use openraft::storage::{RaftLogReader, RaftLogStorage};
use quartet_raft_log::Poisoned;

use super::StateMachine;
use crate::Error;
use crate::applier::{Applier, Failure};

/// Entries read from the log at once while replaying.
const STEP: u64 = 64;

impl StateMachine {
    /// Makes `first` durable as poisoned and rebuilds the state as it was before its entry.
    pub(super) async fn recover(&mut self, first: Poisoned) -> Result<(), Error> {
        let mut panicked = first;
        loop {
            tracing::error!("{panicked} made apply panic: it is skipped, its connection closed; report this");
            self.log.add_poisoned(panicked).await?;
            let poisoned: BTreeSet<Poisoned> = self.log.poisoned()?.into_iter().collect();
            match self.replay(Arc::new(poisoned), first.index).await? {
                Ok(rebuilt) => {
                    *self.applier.lock() = rebuilt;
                    return Ok(());
                }
                Err(again) => panicked = again,
            }
        }
    }

    /// A state that has applied everything before entry `upto`, or the next command that panics.
    async fn replay(
        &mut self,
        poisoned: Arc<BTreeSet<Poisoned>>,
        upto: u64,
    ) -> Result<Result<Applier, Poisoned>, Error> {
        let checkpoints = Arc::clone(&self.checkpoints);
        let loaded = tokio::task::spawn_blocking(move || checkpoints.load_newest()).await;
        let mut applier = loaded.map_err(|error| Error::Raft { why: error.to_string() })??;
        applier.poisoned = poisoned;
        applier.panic_on_topic = self.applier.lock().panic_on_topic.clone();
        let mut reader = self.log.get_log_reader().await;
        let mut next = applier.last_applied.map_or(0, |last| last.index + 1);
        while next < upto {
            let end = upto.min(next.saturating_add(STEP));
            let entries = reader.try_get_log_entries(next..end).await.map_err(|error| unreadable(&error))?;
            if entries.first().map(|entry| entry.log_id.index) != Some(next) {
                let checkpoint = applier.last_applied.map_or(0, |last| last.index);
                let first = entries.first().map_or(end, |entry| entry.log_id.index);
                return Err(Error::Hole { checkpoint, first });
            }
            for entry in &entries {
                match applier.apply(entry, None) {
                    Ok(_) => {}
                    Err(Failure::Panicked(again)) => return Ok(Err(again)),
                    Err(Failure::Malformed(malformed)) => {
                        let index = quartet_broker::LogIndex(entry.log_id.index);
                        return Err(Error::Entry { index, why: malformed.to_string() });
                    }
                }
            }
            next = end;
        }
        Ok(Ok(applier))
    }
}

fn unreadable(error: &io::Error) -> Error {
    Error::Raft { why: format!("the log does not read: {error}") }
}
