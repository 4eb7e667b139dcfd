//! Checkpoints: whole copies of the state at one entry, in files. To Raft they are the snapshots.
//!
//! ```text
//!   <dir>/00000000000000004711.checkpoint    complete, named after its last entry
//!   <dir>/*.part                             being written or received; removed at start
//!   <dir>/*.damaged                          did not read; kept for whoever looks into it
//! ```
//!
//! A copy is taken without stopping `apply`: the state is frozen and the messages pinned, which costs little, and another
//! thread writes them, syncs, and renames the file into place. The last two are kept, and the log is purged up to the
//! older of them only, so that a damaged one costs a longer replay and not the node.
//!
//! Left out: the incremental form, of which `Frozen::changed_since` and the shards of the message store are the halves.

mod file;
mod incoming;

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use openraft::storage::SnapshotMeta;
use parking_lot::Mutex;
use quartet_broker::Frozen;
use quartet_raft_log::{CommittedLeaderId, Member};

use crate::Error;
use crate::applier::Applier;
use crate::codec::checkpoint::Head;
use crate::counters::Counters;
use crate::message_store::PinnedMessages;
pub(crate) use file::CheckpointFile;
pub(crate) use incoming::Incoming;

/// Complete checkpoints that are kept.
const KEPT: usize = 2;

const COMPLETE: &str = "checkpoint";
const PART: &str = "part";
const DAMAGED: &str = "damaged";

pub(crate) type Meta = SnapshotMeta<CommittedLeaderId, u64, Member>;

/// The directory of checkpoints.
pub(crate) struct Checkpoints {
    dir: PathBuf,
    cluster_id: u128,
    counters: Arc<Counters>,
    /// Counts files being written, for their names.
    parts: AtomicU64,
    /// Complete ones, oldest first.
    complete: Mutex<Vec<(Head, CheckpointFile)>>,
}

impl Checkpoints {
    /// Opens the directory and loads the newest checkpoint that reads; `None` if there is none at all.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] if there are some and none reads.
    pub(crate) fn open(
        dir: &Path,
        cluster_id: u128,
        counters: Arc<Counters>,
    ) -> Result<(Self, Option<Applier>), Error> {
        fs::create_dir_all(dir).map_err(|error| failed(dir, "making the directory", &error))?;
        let mut names = Vec::new();
        for entry in fs::read_dir(dir).map_err(|error| failed(dir, "listing it", &error))? {
            names.push(entry.map_err(|error| failed(dir, "listing it", &error))?.path());
        }
        names.sort();
        let has = |path: &PathBuf, extension: &str| path.extension().is_some_and(|found| found == extension);
        for part in names.iter().filter(|path| has(path, PART)) {
            fs::remove_file(part).map_err(|error| failed(part, "removing an unfinished one", &error))?;
        }
        names.retain(|path| has(path, COMPLETE));
        let mut complete = Vec::new();
        let mut loaded = None;
        let mut last_error = None;
        for path in names.into_iter().rev() {
            let read = CheckpointFile::open_at(path.clone()).and_then(|file| {
                // Of the older ones only the head is looked at: they are there in case the newest one goes bad.
                let (head, applier) = if loaded.is_none() {
                    let (head, applier) = file.load(cluster_id)?;
                    (head, Some(applier))
                } else {
                    (file.head(cluster_id)?, None)
                };
                Ok((head, file, applier))
            });
            match read {
                Ok((head, file, applier)) => {
                    loaded = loaded.or(applier);
                    complete.insert(0, (head, file));
                }
                Err(error) => {
                    tracing::error!("a checkpoint is passed over: {error}");
                    counters.checkpoints_damaged.one();
                    let aside = path.with_extension(DAMAGED);
                    fs::rename(&path, &aside).map_err(|error| failed(&path, "setting it aside", &error))?;
                    last_error = Some(error);
                }
            }
        }
        if let (None, Some(error)) = (&loaded, last_error) {
            return Err(error);
        }
        let (dir, parts, complete) = (dir.to_owned(), AtomicU64::new(0), Mutex::new(complete));
        Ok((Self { dir, cluster_id, counters, parts, complete }, loaded))
    }

    /// Loads the newest one anew, to replay from.
    ///
    /// # Errors
    /// [`Error::Checkpoint`].
    pub(crate) fn load_newest(&self) -> Result<Applier, Error> {
        let newest = self.complete.lock().last().map(|(_, file)| file.clone());
        match newest {
            Some(file) => Ok(file.load(self.cluster_id)?.1),
            None => Ok(Applier::new(self.cluster_id)),
        }
    }

    /// The newest one.
    pub(crate) fn newest(&self) -> Option<(Meta, CheckpointFile)> {
        self.complete.lock().last().map(|(head, file)| (meta(head), file.clone()))
    }

    /// The last entry in the older of those that are kept: the log is needed from there on.
    pub(crate) fn oldest_index(&self) -> Option<u64> {
        let complete = self.complete.lock();
        complete
            .first()
            .filter(|_| complete.len() >= KEPT)
            .and_then(|(head, _)| head.last_log_id)
            .map(|last| last.index)
    }

    /// Writes a checkpoint; complete and synced when this returns. Blocks.
    ///
    /// # Errors
    /// [`Error::Checkpoint`].
    pub(crate) fn write(
        &self,
        head: Head,
        frozen: &Frozen,
        messages: &PinnedMessages,
    ) -> Result<(Meta, CheckpointFile), Error> {
        let part = self.part();
        file::write(&part, &head, frozen, messages).map_err(|error| failed(&part, "writing it", &error))?;
        let file = self.put_in_place(&part, &head)?;
        self.counters.checkpoints_written.one();
        let meta = meta(&head);
        self.keep(head, file.clone(), KEPT)?;
        Ok((meta, file))
    }

    /// Begins to receive one of `length` bytes from a peer.
    ///
    /// # Errors
    /// [`Error::Checkpoint`].
    pub(crate) fn receive(&self, length: u64) -> Result<Incoming, Error> {
        Incoming::create(self.part(), length)
    }

    /// Takes a received one as the only one, and loads it. Blocks.
    ///
    /// # Errors
    /// [`Error::Checkpoint`], also if it is not what `meta` says.
    pub(crate) fn adopt(&self, meta: &Meta, received: &CheckpointFile) -> Result<Applier, Error> {
        let (head, applier) = received.load(self.cluster_id)?;
        if head.last_log_id != meta.last_log_id {
            let why = "it ends with another entry than the leader said".to_owned();
            return Err(Error::Checkpoint { path: received.path().to_owned(), why, remedy: "report this" });
        }
        let file = self.put_in_place(received.path(), &head)?;
        self.keep(head, file, 1)?;
        Ok(applier)
    }

    fn part(&self) -> PathBuf {
        let part = self.parts.fetch_add(1, Ordering::Relaxed);
        self.dir.join(format!("{part}.{PART}"))
    }

    fn put_in_place(&self, part: &Path, head: &Head) -> Result<CheckpointFile, Error> {
        let index = head.last_log_id.map_or(0, |last| last.index);
        let path = self.dir.join(format!("{index:020}.{COMPLETE}"));
        fs::rename(part, &path).map_err(|error| failed(&path, "renaming it", &error))?;
        File::open(&self.dir)
            .and_then(|dir| dir.sync_all())
            .map_err(|error| failed(&self.dir, "syncing it", &error))?;
        CheckpointFile::open_at(path)
    }

    /// Adds the newest, and removes all but the last `kept`.
    fn keep(&self, head: Head, file: CheckpointFile, kept: usize) -> Result<(), Error> {
        let mut complete = self.complete.lock();
        complete.retain(|(_, older)| older.path() != file.path());
        complete.push((head, file));
        while complete.len() > kept {
            let (_, old) = complete.remove(0);
            fs::remove_file(old.path()).map_err(|error| failed(old.path(), "removing it", &error))?;
        }
        Ok(())
    }
}

fn meta(head: &Head) -> Meta {
    SnapshotMeta { last_log_id: head.last_log_id, last_membership: head.membership.clone() }
}

fn failed(path: &Path, doing: &str, error: &io::Error) -> Error {
    let why = format!("{doing}: {error}");
    Error::Checkpoint { path: path.to_owned(), why, remedy: "check the disk and start this node again" }
}

#[cfg(test)]
mod tests;
