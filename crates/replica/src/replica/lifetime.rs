//! The threads of a replica, from its start to its end.
//!
//! A runtime must not be dropped within another one, where the node's tasks live; so a thread of its own keeps it, and
//! drops it when it is told to.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::runtime::{Builder, Handle};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::Error;

/// Blocking work (a checkpoint being written) is waited for so long when the runtime ends.
const LAST_WORK: Duration = Duration::from_secs(5);

/// Keeps the runtime alive.
pub(super) struct Lifetime {
    runtime: Handle,
    stopping: CancellationToken,
    end: Mutex<Option<mpsc::Sender<()>>>,
    ended: watch::Receiver<bool>,
}

impl Lifetime {
    pub(super) fn begin(threads: usize, stopping: CancellationToken) -> Result<Self, Error> {
        let failed = |error: std::io::Error| Error::Threads { why: error.to_string() };
        let mut builder = Builder::new_multi_thread();
        let runtime =
            builder.worker_threads(threads).thread_name("raft").enable_all().build().map_err(failed)?;
        let handle = runtime.handle().clone();
        let (end, told) = mpsc::channel();
        let (tell, ended) = watch::channel(false);
        let keep = move || {
            // Told, or the last handle is gone: the same.
            told.recv().ok();
            runtime.shutdown_timeout(LAST_WORK);
            tell.send_replace(true);
        };
        thread::Builder::new().name("raft-keeper".to_owned()).spawn(keep).map_err(failed)?;
        Ok(Self { runtime: handle, stopping, end: Mutex::new(Some(end)), ended })
    }

    pub(super) fn runtime(&self) -> &Handle {
        &self.runtime
    }

    /// Ends all tasks and waits until the threads are gone.
    pub(super) async fn end(&self) {
        self.stopping.cancel();
        drop(self.end.lock().take());
        self.ended.clone().wait_for(|ended| *ended).await.ok();
    }
}

impl Drop for Lifetime {
    fn drop(&mut self) {
        self.stopping.cancel();
    }
}
