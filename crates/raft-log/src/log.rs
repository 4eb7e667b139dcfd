//! The log as openraft uses it, and what the product keeps beside it.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use openraft::OptionalSend;
use openraft::storage::{LogState, RaftLogStorage};
use parking_lot::{Mutex, RwLock};
use tokio::sync::{oneshot, watch};

use crate::codec::{decode_log_id, decode_number, decode_vote, encode_number};
use crate::config::Config;
use crate::database::Database;
use crate::directory::{self, explain};
use crate::error::Error;
use crate::identity::Identity;
use crate::keys::{Key, META};
use crate::poisoned::{MAX_POISONED, Poisoned};
use crate::queue::{Done, Queue, Room, Work, queue};
use crate::reader::LogReader;
use crate::shared::Shared;
use crate::statistics::{Counters, Statistics};
use crate::tail::{Expected, Tail, cost};
use crate::type_config::{Entry, IOFlushed, LogId, TypeConfig, Vote};
use crate::writer::Writer;

/// Slots for small values of the crates above, numbered from 0.
pub const SLOTS: u8 = 16;
/// Longest value of a slot, in bytes: it is for a marker or a setting, not for data.
pub const SLOT_BYTES: usize = 64 << 10;

/// Opens a formatted directory: checks it, replays RocksDB's write-ahead log, starts the writer
/// thread. Blocks; to be called outside of async code. The directory is closed when the last
/// [`RaftLog`] and the last [`LogReader`] are gone.
///
/// # Errors
/// Before anything is changed on disk: [`Error::NotFormatted`], [`Error::Foreign`],
/// [`Error::Locked`], [`Error::FormatVersion`], [`Error::OtherCluster`], [`Error::NoIdentity`],
/// [`Error::LostTail`], [`Error::Damaged`]. After: [`Error::DamagedEntry`], [`Error::DiskFull`],
/// [`Error::Io`].
pub fn open(config: &Config) -> Result<Opened, Error> {
    assemble(config, |writer| {
        let thread = thread::Builder::new().name("raft-log".to_owned());
        let started = thread.spawn(move || writer.run());
        let io = |e| explain(&config.dir, "starting the writer thread", &e);
        started.map(Some).map_err(io)
    })
}

/// All of [`open`] but how the writer is started, which tests do by hand.
pub(crate) fn assemble(
    config: &Config,
    start: impl FnOnce(Writer) -> Result<Option<JoinHandle<()>>, Error>,
) -> Result<Opened, Error> {
    let checked = directory::check(&config.dir, config.cluster_id)?;
    let database = checked.database()?;
    let number = |key| database.read(key, |value| decode_number("number", value));
    let missing = |what| database.damaged(format!("its {what} is missing"));
    let boot = number(Key::Boot)?.ok_or_else(|| missing("boot counter"))?;
    let write = number(Key::Write)?.ok_or_else(|| missing("write number"))?;
    let vote = database.read(Key::Vote, decode_vote)?;
    let committed = database.read(Key::Committed, decode_log_id)?;
    let tail = find_tail(&database, config.tail_bytes)?;

    let shared = Arc::new(Shared {
        database,
        tail: RwLock::new(tail),
        vote: RwLock::new(vote),
        committed: Mutex::new(committed),
        failed: watch::Sender::new(None),
        counters: Counters::default(),
        _lock: checked.lock,
    });
    let (queue, requests) = queue(config.queue_bytes);
    let writer = Writer::new(Arc::clone(&shared), requests, checked.mark, write, config.batch_bytes);
    let log = RaftLog {
        handle: Arc::new(Handle {
            queue: Some(queue),
            thread: start(writer)?,
            identity: checked.identity.clone(),
            boot: tokio::sync::Mutex::new(boot),
            poisoning: tokio::sync::Mutex::new(()),
        }),
        shared,
    };
    Ok(Opened { identity: checked.identity, log })
}

/// Where the log on disk begins and ends.
fn find_tail(database: &Database, capacity: usize) -> Result<Tail, Error> {
    let purged = database.read(Key::Purged, decode_log_id)?;
    let from = purged.map_or(0, |purged| purged.index.saturating_add(1));
    let first = database.first_index(from)?;
    let last = database.last_entry(from)?.map(|entry| entry.log_id);
    match first {
        Some(first) if purged.is_some() && first != from => {
            Err(database
                .damaged(format!("the log begins at entry {first}, but was purged up to {}", from - 1)))
        }
        _ => Ok(Tail::new(first, purged, last, capacity)),
    }
}

/// A directory that was opened.
pub struct Opened {
    /// Whose it is.
    pub identity: Identity,
    /// What is in it.
    pub log: RaftLog,
}

/// The Raft log, vote and committed marker of this node, and what else its directory keeps.
///
/// A cheap handle. Raft itself must use one alone for writing (it takes `&mut self`); the others are
/// for boots, poisoned commands and metrics.
#[derive(Clone)]
pub struct RaftLog {
    // Before `shared`: the writer ends before the database is closed.
    handle: Arc<Handle>,
    shared: Arc<Shared>,
}

struct Handle {
    /// `None` only while it is dropped.
    queue: Option<Queue>,
    thread: Option<JoinHandle<()>>,
    identity: Identity,
    boot: tokio::sync::Mutex<u64>,
    /// Held while the poisoned are counted and one is added.
    poisoning: tokio::sync::Mutex<()>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        // The writer ends when its queue does; what is queued is written first.
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            // A panic was reported when it happened.
            thread.join().ok();
        }
    }
}

impl RaftLog {
    /// Whose log it is.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.handle.identity
    }

    /// The data directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.shared.database.dir()
    }

    /// `Some` once the log has failed, for good. Whoever runs the process watches this, says the
    /// error and stops.
    #[must_use]
    pub fn failed(&self) -> watch::Receiver<Option<Error>> {
        self.shared.failed.subscribe()
    }

    /// A reading of the counters.
    #[must_use]
    pub fn statistics(&self) -> Statistics {
        let tail = self.shared.tail.read().bytes();
        self.shared.counters.read(u64::try_from(tail).unwrap_or(u64::MAX))
    }

    /// Whether Raft has never written here: no vote, no entry, nothing purged. Only such a node may
    /// take part in forming a cluster.
    #[must_use]
    pub fn is_pristine(&self) -> bool {
        self.shared.tail.read().last().is_none() && self.shared.vote.read().is_none()
    }

    /// The highest boot made durable; 0 if there was none.
    pub async fn boot(&self) -> u64 {
        *self.handle.boot.lock().await
    }

    /// The next boot: one more than any before in this directory, on disk when this returns.
    ///
    /// # Errors
    /// Those of a failed log. The number is then not to be used.
    pub async fn next_boot(&self) -> Result<u64, Error> {
        let mut boot = self.handle.boot.lock().await;
        let next = *boot + 1;
        self.put(Key::Boot, encode_number(next)).await?;
        *boot = next;
        Ok(next)
    }

    /// Commands that a replay must skip, in log order.
    ///
    /// # Errors
    /// [`Error::Damaged`], [`Error::Io`].
    pub fn poisoned(&self) -> Result<Vec<Poisoned>, Error> {
        let first = Poisoned { index: 0, position: 0 };
        let mut poisoned = Vec::new();
        let database = &self.shared.database;
        database.scan(META, &Key::Poisoned(first).bytes(), |key| {
            let found = Key::poisoned(key);
            poisoned.extend(found);
            found.is_some()
        })?;
        Ok(poisoned)
    }

    /// Adds one to the list; on disk when this returns. Adding it twice is harmless.
    ///
    /// # Errors
    /// [`Error::TooManyPoisoned`], and those of a failed log.
    pub async fn add_poisoned(&self, poisoned: Poisoned) -> Result<(), Error> {
        let _alone = self.handle.poisoning.lock().await;
        let known = self.poisoned()?;
        if known.contains(&poisoned) {
            return Ok(());
        }
        if known.len() >= MAX_POISONED {
            return Err(Error::TooManyPoisoned { dir: self.dir().to_owned(), limit: MAX_POISONED });
        }
        self.put(Key::Poisoned(poisoned), Vec::new()).await
    }

    /// The value of a slot, or `None` if it was never written.
    ///
    /// # Errors
    /// [`Error::Slot`], [`Error::Damaged`], [`Error::Io`].
    pub fn slot(&self, slot: u8) -> Result<Option<Vec<u8>>, Error> {
        check_slot(slot, 0)?;
        self.shared.database.get(Key::Slot(slot))
    }

    /// Writes a slot; on disk when this returns. Its owner gives it a format version.
    ///
    /// # Errors
    /// [`Error::Slot`], and those of a failed log.
    pub async fn save_slot(&self, slot: u8, value: &[u8]) -> Result<(), Error> {
        check_slot(slot, value.len())?;
        self.put(Key::Slot(slot), value.to_owned()).await
    }

    async fn put(&self, key: Key, value: Vec<u8>) -> Result<(), Error> {
        let room = self.room(value.len()).await?;
        let (done, waiter) = oneshot::channel();
        room.put(Work::Put { key, value }, Done::Waiter(done));
        self.wait(waiter).await
    }

    async fn room(&self, bytes: usize) -> Result<Room<'_>, Error> {
        self.shared.check()?;
        match &self.handle.queue {
            Some(queue) => queue.room(bytes, &self.shared).await,
            None => Err(self.shared.writer_gone()),
        }
    }

    async fn wait(&self, waiter: oneshot::Receiver<Result<(), Error>>) -> Result<(), Error> {
        waiter.await.unwrap_or_else(|_| Err(self.shared.writer_gone()))
    }
}

fn check_slot(slot: u8, bytes: usize) -> Result<(), Error> {
    if slot < SLOTS && bytes <= SLOT_BYTES {
        return Ok(());
    }
    Err(Error::Slot { slot, bytes, slots: SLOTS, limit: SLOT_BYTES })
}

impl RaftLogStorage<TypeConfig> for RaftLog {
    type LogReader = LogReader;

    async fn get_log_state(&mut self) -> Result<LogState<TypeConfig>, io::Error> {
        self.shared.check()?;
        let tail = self.shared.tail.read();
        Ok(LogState { last_purged_log_id: tail.purged(), last_log_id: tail.last() })
    }

    async fn get_log_reader(&mut self) -> LogReader {
        LogReader::new(Arc::clone(&self.shared))
    }

    async fn save_vote(&mut self, vote: &Vote) -> Result<(), io::Error> {
        let room = self.room(0).await?;
        let (done, waiter) = oneshot::channel();
        room.put(Work::Vote(*vote), Done::Waiter(done));
        Ok(self.wait(waiter).await?)
    }

    async fn save_committed(&mut self, committed: Option<LogId>) -> Result<(), io::Error> {
        self.shared.check()?;
        *self.shared.committed.lock() = committed;
        Ok(())
    }

    async fn read_committed(&mut self) -> Result<Option<LogId>, io::Error> {
        self.shared.check()?;
        Ok(*self.shared.committed.lock())
    }

    /// Returns when the entries can be read; `callback` is called when they are on disk.
    async fn append<I>(&mut self, entries: I, callback: IOFlushed) -> Result<(), io::Error>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let entries: Vec<Entry> = entries.into_iter().collect();
        let room = self.room(entries.iter().map(cost).sum()).await?;
        let mut tail = self.shared.tail.write();
        let request = tail.append(&entries).map_err(|(Expected(expected), got)| {
            let dir = self.dir().to_owned();
            Error::Gap { dir, expected, got }
        })?;
        let work = Work::Append { entries, request };
        room.send(&tail, work, Done::Flushed(callback));
        Ok(())
    }

    async fn truncate_after(&mut self, after: Option<LogId>) -> Result<(), io::Error> {
        let room = self.room(0).await?;
        let mut tail = self.shared.tail.write();
        if let Some(removed) = tail.truncate_after(after) {
            room.send(&tail, Work::Truncate(removed), Done::Nobody);
        }
        Ok(())
    }

    /// One range deletion a call, however long the range: to be called in big steps.
    async fn purge(&mut self, upto: LogId) -> Result<(), io::Error> {
        let room = self.room(0).await?;
        let mut tail = self.shared.tail.write();
        if tail.purge(upto) {
            room.send(&tail, Work::Purge(upto), Done::Nobody);
        }
        Ok(())
    }
}
