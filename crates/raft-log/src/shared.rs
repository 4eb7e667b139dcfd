//! What the handles of one log and its writer thread share.

use std::fs::File;

use parking_lot::{Mutex, RwLock};
use tokio::sync::watch;

use crate::database::Database;
use crate::error::Error;
use crate::statistics::Counters;
use crate::tail::Tail;
use crate::type_config::{LogId, Vote};

/// Fields are dropped in this order: the database is closed before the directory is unlocked.
pub(crate) struct Shared {
    pub(crate) database: Database,
    pub(crate) tail: RwLock<Tail>,
    /// As on disk.
    pub(crate) vote: RwLock<Option<Vote>>,
    /// As Raft said last; on disk it may be older.
    pub(crate) committed: Mutex<Option<LogId>>,
    pub(crate) failed: watch::Sender<Option<Error>>,
    pub(crate) counters: Counters,
    pub(crate) _lock: File,
}

impl Shared {
    /// The first failure, if there was one.
    pub(crate) fn failure(&self) -> Option<Error> {
        self.failed.borrow().clone()
    }

    /// Refuses once the log has failed.
    pub(crate) fn check(&self) -> Result<(), Error> {
        self.failure().map_or(Ok(()), Err)
    }

    /// Enters the failed state, for good. Only the first error counts: the others follow from it.
    pub(crate) fn fail(&self, error: &Error) {
        self.failed.send_if_modified(|failed| {
            if failed.is_some() {
                return false;
            }
            tracing::error!(%error, "the raft log has failed");
            *failed = Some(error.clone());
            true
        });
    }

    pub(crate) fn writer_gone(&self) -> Error {
        let dir = self.database.dir().to_owned();
        Error::WriterGone { dir }
    }
}
