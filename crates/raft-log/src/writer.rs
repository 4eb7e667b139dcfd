//! Group commit: one thread writes all that queued up in one batch with one sync.
//!
//! ```text
//!   append ─┐                      ┌───────────── writer thread ─────────────┐
//!   vote ───┤  bounded queue       │ all that waits  →  one WriteBatch       │
//!   truncate┼─────────────────────►│ write + sync    →  mark                 │──► callbacks, in order
//!   purge ──┤                      │ error           →  failed, for good     │
//!   put ────┘                      └─────────────────────────────────────────┘
//! ```
//!
//! One queue for log and vote keeps them in the order in which Raft asked for them (a vote must be
//! on disk before an entry of its term). No timer: while one sync runs, the next batch gathers.
//!
//! The committed marker never queues. It rides in the next batch, because losing it costs nothing
//! but a longer wait for the leader after a restart.
//!
//! A failed write or sync is final. After it the kernel may have dropped the pages it could not
//! write, so a second fsync that succeeds proves nothing; whoever waits is told, every later call
//! is refused with the same error, and the process has to end.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rocksdb::WriteBatch;

use crate::codec::{encode_entry, encode_log_id, encode_number, encode_vote};
use crate::directory::explain;
use crate::error::Error;
use crate::keys::{Key, LOG, META};
use crate::mark::Mark;
use crate::poisoned::Poisoned;
use crate::queue::{Done, Request, Requests, Work};
use crate::shared::Shared;
use crate::type_config::LogId;

/// A sync that takes longer is worth a line in the log: elections hang on it.
const SLOW_SYNC: Duration = Duration::from_millis(500);

/// The state of the writer thread.
pub(crate) struct Writer {
    shared: Arc<Shared>,
    requests: Requests,
    mark: Mark,
    /// Number of the last write; the next has one more.
    number: u64,
    /// Index of the last entry written.
    last: Option<u64>,
    /// The committed marker as written.
    committed: Option<LogId>,
    /// Entries below are purged on disk.
    purged: u64,
    batch_bytes: usize,
    scratch: Vec<u8>,
}

/// What one batch held, for the counters and the tail.
#[derive(Default)]
struct Tally {
    entries: u64,
    bytes: u64,
    request: Option<u64>,
}

impl Writer {
    /// `number` is that of the last write on disk, `committed` the marker on disk.
    pub(crate) fn new(
        shared: Arc<Shared>,
        requests: Requests,
        mark: Mark,
        number: u64,
        batch_bytes: usize,
    ) -> Self {
        let (last, purged) = {
            let tail = shared.tail.read();
            let purged = tail.purged().map_or(0, |p| p.index.saturating_add(1));
            (tail.last().map(|last| last.index), purged)
        };
        let committed = *shared.committed.lock();
        Self { shared, requests, mark, number, last, committed, purged, batch_bytes, scratch: Vec::new() }
    }

    #[cfg(test)]
    pub(crate) fn shared(&self) -> Arc<Shared> {
        Arc::clone(&self.shared)
    }

    /// Writes until every sender of the queue is gone, then what is left, then ends.
    pub(crate) fn run(mut self) {
        let alarm = Alarm(Arc::clone(&self.shared));
        while let Some(first) = self.requests.wait() {
            self.commit(first);
        }
        self.leave();
        drop(alarm);
    }

    /// One group: `first` and all that waits behind it, up to the bound on a batch.
    fn commit(&mut self, first: Request) {
        let mut size = first.size();
        let mut group = vec![first];
        while size < self.batch_bytes {
            let Some(next) = self.requests.next() else {
                break;
            };
            size += next.size();
            group.push(next);
        }
        let outcome = match self.shared.failure() {
            Some(error) => Err(error),
            None => self.write(&group),
        };
        for Request { work, done, .. } in group {
            if let (Work::Vote(vote), Ok(())) = (work, &outcome) {
                *self.shared.vote.write() = Some(vote);
            }
            match done {
                Done::Nobody => {}
                Done::Flushed(callback) => {
                    callback.io_completed(outcome.clone().map_err(Into::into));
                }
                Done::Waiter(waiter) => {
                    // A waiter that went away no longer wants to know.
                    waiter.send(outcome.clone()).ok();
                }
            }
        }
    }

    fn write(&mut self, group: &[Request]) -> Result<(), Error> {
        let mut batch = WriteBatch::default();
        let mut tally = Tally::default();
        for request in group {
            self.add(&mut batch, &request.work, &mut tally);
        }
        self.add_committed(&mut batch);
        let requests = u64::try_from(group.len()).unwrap_or(u64::MAX);
        let outcome = self.sync(batch, requests, &tally);
        if let Err(error) = &outcome {
            self.shared.fail(error);
        }
        outcome
    }

    fn add(&mut self, batch: &mut WriteBatch, work: &Work, tally: &mut Tally) {
        let database = &self.shared.database;
        let (log, meta) = (database.family(LOG), database.family(META));
        match work {
            Work::Append { entries, request } => {
                for entry in entries {
                    self.scratch.clear();
                    encode_entry(entry, &mut self.scratch);
                    let key = Key::Entry(entry.log_id.index);
                    batch.put_cf(log, key.bytes(), &self.scratch);
                    tally.bytes += u64::try_from(self.scratch.len()).unwrap_or(0);
                    tally.entries += 1;
                    self.last = Some(entry.log_id.index);
                }
                tally.request = Some(*request);
            }
            Work::Truncate(range) => {
                let [from, to] = [range.start, range.end].map(|i| Key::Entry(i).bytes());
                batch.delete_range_cf(log, from, to);
                self.last = range.start.checked_sub(1);
            }
            Work::Purge(upto) => {
                let end = upto.index.saturating_add(1);
                let [from, to] = [self.purged, end].map(|i| Key::Entry(i).bytes());
                batch.delete_range_cf(log, from, to);
                let poisoned = |index| Key::Poisoned(Poisoned { index, position: 0 });
                let [from, to] = [0, end].map(|i| poisoned(i).bytes());
                batch.delete_range_cf(meta, from, to);
                self.scratch.clear();
                encode_log_id(upto, &mut self.scratch);
                batch.put_cf(meta, Key::Purged.bytes(), &self.scratch);
                self.purged = end;
                self.last = self.last.max(Some(upto.index));
            }
            Work::Vote(vote) => {
                self.scratch.clear();
                encode_vote(vote, &mut self.scratch);
                batch.put_cf(meta, Key::Vote.bytes(), &self.scratch);
            }
            Work::Put { key, value } => {
                batch.put_cf(database.family(key.family()), key.bytes(), value);
            }
        }
    }

    /// The marker must not point beyond the entries on disk: a restart would look for them.
    fn add_committed(&mut self, batch: &mut WriteBatch) {
        let latest = *self.shared.committed.lock();
        if latest == self.committed || latest.map(|id| id.index) > self.last {
            return;
        }
        let meta = self.shared.database.family(META);
        match latest {
            Some(log_id) => {
                self.scratch.clear();
                encode_log_id(&log_id, &mut self.scratch);
                batch.put_cf(meta, Key::Committed.bytes(), &self.scratch);
            }
            None => batch.delete_cf(meta, Key::Committed.bytes()),
        }
        self.committed = latest;
    }

    fn sync(&mut self, mut batch: WriteBatch, requests: u64, tally: &Tally) -> Result<(), Error> {
        self.number += 1;
        let database = &self.shared.database;
        let number = encode_number(self.number);
        batch.put_cf(database.family(META), Key::Write.bytes(), number);

        let begun = Instant::now();
        database.write(batch)?;
        let took = begun.elapsed();
        self.mark.advance(self.number).map_err(|e| explain(database.dir(), "marking the log durable", &e))?;

        let Tally { entries, bytes, request } = *tally;
        self.shared.counters.synced(requests, entries, bytes, took);
        if let Some(request) = request {
            self.shared.tail.write().flushed(request);
        }
        if took > SLOW_SYNC {
            let millis = took.as_millis();
            tracing::warn!(millis, entries, bytes, "slow sync of the raft log");
        }
        Ok(())
    }

    /// A clean end saves the committed marker, which had no batch to ride in.
    fn leave(&mut self) {
        let pending = *self.shared.committed.lock() != self.committed;
        if pending && self.shared.failure().is_none() {
            // An error is recorded and told by `write` itself; nobody waits for this one.
            self.write(&[]).ok();
        }
    }
}

/// Tells everyone if the writer panics: those who wait would wait for ever.
struct Alarm(Arc<Shared>);

impl Drop for Alarm {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.fail(&self.0.writer_gone());
        }
    }
}

#[cfg(test)]
mod tests;
