//! Reading the log, from the tail in memory and, for what is older, from RocksDB.
//!
//! A read sees the log as it is at one moment: with the tail locked, it copies what the tail has and
//! opens a RocksDB iterator, which is a snapshot, on the rest. What is older than the tail's first
//! entry is flushed, so the two always meet.

use std::fmt::Debug;
use std::io;
use std::ops::{Bound, Range, RangeBounds};
use std::sync::Arc;

use futures::stream::{self, Stream, TryStreamExt};
use openraft::OptionalSend;
use openraft::storage::RaftLogReader;

use crate::database::Entries;
use crate::error::Error;
use crate::shared::Shared;
use crate::tail::take;
use crate::type_config::{Entry, TypeConfig, Vote};

/// Bytes of one limited read, at most, but never less than one entry: what openraft puts in one
/// message to a follower, and what `apply` takes from the log in one go.
const READ_BYTES: usize = 1 << 20;

/// Reads the log; one for each follower and one for `apply`.
#[derive(Clone)]
pub struct LogReader {
    shared: Arc<Shared>,
}

impl LogReader {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// The entries of `range` that the log has, in order, until `room` bytes are used up.
    ///
    /// A damaged entry fails the log: this node can neither apply nor replicate it.
    async fn read(&self, range: Range<u64>, room: usize) -> Result<Vec<Entry>, Error> {
        self.shared.check()?;
        if let Some(entries) = read_tail(&self.shared, range.clone(), room) {
            self.shared.counters.read_from_tail();
            return Ok(entries);
        }
        self.shared.counters.read_from_disk();
        let shared = Arc::clone(&self.shared);
        let read = tokio::task::spawn_blocking(move || read_disk(&shared, range, room));
        let entries = match read.await {
            Ok(entries) => entries,
            Err(ended) => Err(Error::Io {
                dir: self.shared.database.dir().to_owned(),
                doing: "reading entries",
                why: ended.to_string(),
            }),
        };
        entries.inspect_err(|error| self.shared.fail(error))
    }
}

/// `None` if the tail does not reach back far enough.
fn read_tail(shared: &Shared, range: Range<u64>, mut room: usize) -> Option<Vec<Entry>> {
    let tail = shared.tail.read();
    let range = tail.present(range);
    if !range.is_empty() && range.start < tail.cached_from() {
        return None;
    }
    let mut entries = Vec::new();
    tail.copy(range, &mut room, &mut entries);
    Some(entries)
}

fn read_disk(shared: &Shared, range: Range<u64>, room: usize) -> Result<Vec<Entry>, Error> {
    View::new(shared, range, room).entries(room)
}

/// A range of the log at one moment, whatever is written meanwhile.
struct View<'a> {
    /// Draws from the snapshot of RocksDB that its making took.
    older: Entries<'a>,
    newer: Vec<Entry>,
}

impl<'a> View<'a> {
    fn new(shared: &'a Shared, range: Range<u64>, mut room: usize) -> Self {
        let tail = shared.tail.read();
        let range = tail.present(range);
        let border = tail.cached_from().clamp(range.start, range.end);
        let mut newer = Vec::new();
        tail.copy(border..range.end, &mut room, &mut newer);
        // Still under the lock: a purge or truncation between the two would look like damage.
        let older = shared.database.entries(range.start, border);
        Self { older, newer }
    }

    fn entries(self, mut room: usize) -> Result<Vec<Entry>, Error> {
        let mut entries = Vec::new();
        for entry in self.older.chain(self.newer.into_iter().map(Ok)) {
            let entry = entry?;
            if !take(&entry, &mut room, entries.is_empty()) {
                break;
            }
            entries.push(entry);
        }
        Ok(entries)
    }
}

/// Half-open, as indexes; an end beyond the last index is as good as none.
fn half_open(range: &impl RangeBounds<u64>) -> Range<u64> {
    let start = match range.start_bound() {
        Bound::Included(start) => *start,
        Bound::Excluded(before) => before.saturating_add(1),
        Bound::Unbounded => 0,
    };
    let end = match range.end_bound() {
        Bound::Included(last) => last.saturating_add(1),
        Bound::Excluded(end) => *end,
        Bound::Unbounded => u64::MAX,
    };
    start..end
}

impl RaftLogReader<TypeConfig> for LogReader {
    async fn try_get_log_entries<RB>(&mut self, range: RB) -> Result<Vec<Entry>, io::Error>
    where
        RB: RangeBounds<u64> + Clone + Debug + OptionalSend,
    {
        Ok(self.read(half_open(&range), usize::MAX).await?)
    }

    async fn read_vote(&mut self) -> Result<Option<Vote>, io::Error> {
        self.shared.check()?;
        Ok(*self.shared.vote.read())
    }

    async fn limited_get_log_entries(&mut self, start: u64, end: u64) -> Result<Vec<Entry>, io::Error> {
        Ok(self.read(start..end, READ_BYTES).await?)
    }

    /// In steps of 1 MiB: a replay after a restart may be longer than memory is large.
    async fn entries_stream<RB>(
        &mut self,
        range: RB,
    ) -> impl Stream<Item = Result<Entry, io::Error>> + OptionalSend
    where
        RB: RangeBounds<u64> + Clone + Debug + OptionalSend,
    {
        let reader = self.clone();
        let steps = stream::try_unfold(half_open(&range), move |rest| {
            let reader = reader.clone();
            async move {
                if rest.is_empty() {
                    return Ok::<_, io::Error>(None);
                }
                let entries = reader.read(rest.clone(), READ_BYTES).await?;
                let Some(last) = entries.last() else {
                    return Ok(None);
                };
                let rest = last.log_id.index.saturating_add(1)..rest.end;
                Ok(Some((stream::iter(entries.into_iter().map(Ok)), rest)))
            }
        });
        Box::pin(steps.try_flatten())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::identity::Identity;
    use crate::log::assemble;
    use crate::type_config::{EntryPayload, IOFlushed, LogId};
    use openraft::storage::RaftLogStorage;
    use std::thread;

    fn blanks(term: u64, range: Range<u64>) -> Vec<Entry> {
        let entry =
            |index| Entry { log_id: LogId::new_term_index(term, index), payload: EntryPayload::Blank };
        range.map(entry).collect()
    }

    #[tokio::test]
    async fn a_view_is_of_the_moment_when_it_was_made() {
        let dir = tempfile::tempdir().unwrap();
        let identity = Identity { cluster_id: 1, node_id: 1, name: String::new() };
        crate::format(dir.path(), &identity).unwrap();
        let mut config = Config::new(dir.path());
        // Some entries on disk alone, some in memory.
        config.tail_bytes = 10 * crate::tail::cost(&blanks(1, 0..1)[0]);
        let mut shared = None;
        let opened = assemble(&config, |writer| {
            shared = Some(writer.shared());
            Ok(Some(thread::spawn(move || writer.run())))
        });
        let (mut log, shared) = (opened.unwrap().log, shared.unwrap());
        let vote = Vote::new(1, 1);
        log.append(blanks(1, 0..100), IOFlushed::noop()).await.unwrap();
        log.save_vote(&vote).await.unwrap();
        assert_eq!(shared.tail.read().cached_from(), 90);

        let view = View::new(&shared, 0..100, usize::MAX);
        log.purge(LogId::new_term_index(1, 20)).await.unwrap();
        log.truncate_after(Some(LogId::new_term_index(1, 49))).await.unwrap();
        log.append(blanks(2, 50..80), IOFlushed::noop()).await.unwrap();
        log.save_vote(&vote).await.unwrap();

        assert_eq!(view.entries(usize::MAX), Ok(blanks(1, 0..100)));
        let now = View::new(&shared, 0..100, usize::MAX).entries(usize::MAX);
        let expected = [blanks(1, 21..50), blanks(2, 50..80)].concat();
        assert_eq!(now, Ok(expected));
    }
}
