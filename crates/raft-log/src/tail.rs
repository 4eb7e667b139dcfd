//! What the log logically is now, and its newest entries in memory.
//!
//! Whatever was appended is here at once, so `append` returns before the disk has it and every read
//! sees it. Whatever is not flushed yet stays here; what is flushed stays while there is room, since
//! followers and `apply` read entries that are moments old.
//!
//! ```text
//!      purged     first                  cached                          last
//!   ─────┴──────────┼──────────────────────┼──────────────────────────────┤
//!      on no disk   │ in RocksDB only      │ in memory; RocksDB has those │
//!      any more     │                      │ whose request is flushed     │
//! ```
//!
//! Entries are known to be flushed by the *request* that appended them, not by their index: after a
//! truncation the same index is appended again, and the flush of the first must not count for the
//! second.

use std::collections::VecDeque;
use std::ops::Range;

use crate::codec::encoded_entry_len;
use crate::type_config::{Entry, LogId};

/// What an entry costs in memory besides its bytes, roughly.
const ENTRY_OVERHEAD: usize = 128;

/// Bytes that an entry counts for, in memory and in the queue.
pub(crate) fn cost(entry: &Entry) -> usize {
    ENTRY_OVERHEAD + encoded_entry_len(entry)
}

#[derive(Debug)]
struct Cached {
    entry: Entry,
    request: u64,
}

/// The index that would continue the log, in answer to one that would not.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Expected(pub(crate) u64);

#[derive(Debug)]
pub(crate) struct Tail {
    /// Index of the first entry; meaningless while there is none.
    first: u64,
    purged: Option<LogId>,
    last: Option<LogId>,
    cached: VecDeque<Cached>,
    bytes: usize,
    capacity: usize,
    requests: u64,
    flushed: u64,
}

impl Tail {
    /// The log as found on disk. `first` is the index of its first entry, if it has any; `capacity`
    /// bounds the bytes of flushed entries kept.
    pub(crate) fn new(
        first: Option<u64>,
        purged: Option<LogId>,
        last: Option<LogId>,
        capacity: usize,
    ) -> Self {
        Self {
            first: first.unwrap_or(0),
            purged,
            last: last.or(purged),
            cached: VecDeque::new(),
            bytes: 0,
            capacity,
            requests: 0,
            flushed: 0,
        }
    }

    pub(crate) fn purged(&self) -> Option<LogId> {
        self.purged
    }

    /// The last entry's log id, or the last purged one if there is no entry.
    pub(crate) fn last(&self) -> Option<LogId> {
        self.last
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    fn is_empty(&self) -> bool {
        self.last == self.purged
    }

    fn next_index(&self) -> u64 {
        self.last.map_or(0, |last| last.index.saturating_add(1))
    }

    /// Index of the first entry in memory, or of the next to come.
    pub(crate) fn cached_from(&self) -> u64 {
        let front = self.cached.front();
        front.map_or(self.next_index(), |cached| cached.entry.log_id.index)
    }

    /// Appends all or nothing, and returns the number of the request, to be given to
    /// [`Self::flushed`] once it is on disk. A log that never held anything may begin anywhere.
    pub(crate) fn append(&mut self, entries: &[Entry]) -> Result<u64, (Expected, u64)> {
        let mut next = match (entries.first(), self.last) {
            (Some(entry), None) => entry.log_id.index,
            _ => self.next_index(),
        };
        let first = next;
        for entry in entries {
            if entry.log_id.index != next {
                return Err((Expected(next), entry.log_id.index));
            }
            next = next.saturating_add(1);
        }
        self.requests += 1;
        let request = self.requests;
        if let Some(entry) = entries.last() {
            if self.is_empty() {
                self.first = first;
            }
            self.last = Some(entry.log_id);
        }
        for entry in entries {
            self.bytes += cost(entry);
            let entry = entry.clone();
            self.cached.push_back(Cached { entry, request });
        }
        Ok(request)
    }

    /// Keeps entries up to `after`, inclusive. Returns what was removed, if anything.
    pub(crate) fn truncate_after(&mut self, after: Option<LogId>) -> Option<Range<u64>> {
        let end = self.next_index();
        let keep = after.map_or(0, |after| after.index.saturating_add(1));
        if keep >= end || self.is_empty() {
            return None;
        }
        let from = keep.max(self.first);
        while let Some(newest) = self.cached.pop_back_if(|c| c.entry.log_id.index >= from) {
            self.bytes -= cost(&newest.entry);
        }
        self.last = if keep > self.first { after } else { self.purged };
        Some(from..end)
    }

    /// Forgets entries up to `upto`, inclusive, which may lie beyond the last one (a snapshot was
    /// installed). Returns whether that changes anything.
    pub(crate) fn purge(&mut self, upto: LogId) -> bool {
        if self.purged.is_some_and(|purged| purged.index >= upto.index) {
            return false;
        }
        while let Some(oldest) = self.cached.pop_front_if(|c| c.entry.log_id.index <= upto.index) {
            self.bytes -= cost(&oldest.entry);
        }
        if self.last.is_none_or(|last| last.index <= upto.index) {
            self.last = Some(upto);
        }
        self.purged = Some(upto);
        self.first = self.first.max(upto.index.saturating_add(1));
        true
    }

    /// Request `request` and all before are on disk: their entries may leave, oldest first.
    pub(crate) fn flushed(&mut self, request: u64) {
        self.flushed = self.flushed.max(request);
        while self.bytes > self.capacity {
            let Some(oldest) = self.cached.pop_front_if(|c| c.request <= self.flushed) else {
                break;
            };
            self.bytes -= cost(&oldest.entry);
        }
    }

    /// The part of `range` that the log has.
    pub(crate) fn present(&self, range: Range<u64>) -> Range<u64> {
        if self.is_empty() {
            return 0..0;
        }
        let start = range.start.max(self.first);
        start..range.end.min(self.next_index()).max(start)
    }

    /// Copies entries of `range` (all of them in memory) to `out`, until `room` bytes are used up;
    /// at least one if `out` is empty.
    pub(crate) fn copy(&self, range: Range<u64>, room: &mut usize, out: &mut Vec<Entry>) {
        let skip = range.start.saturating_sub(self.cached_from());
        let skip = usize::try_from(skip).unwrap_or(usize::MAX);
        let wanted = self.cached.iter().skip(skip);
        for Cached { entry, .. } in wanted.take_while(|c| c.entry.log_id.index < range.end) {
            if !take(entry, room, out.is_empty()) {
                break;
            }
            out.push(entry.clone());
        }
    }
}

/// Takes the room of `entry` out of `room`; `false` if there is too little and one was taken before.
pub(crate) fn take(entry: &Entry, room: &mut usize, first: bool) -> bool {
    let cost = cost(entry);
    if cost > *room && !first {
        return false;
    }
    *room = room.saturating_sub(cost);
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::Batch;
    use crate::type_config::EntryPayload;
    use bytes::Bytes;

    fn id(term: u64, index: u64) -> LogId {
        LogId::new_term_index(term, index)
    }

    fn entries(term: u64, range: Range<u64>) -> Vec<Entry> {
        let entry = |index| Entry {
            log_id: id(term, index),
            payload: EntryPayload::Normal(Batch(Bytes::from_static(&[7; 100]))),
        };
        range.map(entry).collect()
    }

    fn read(tail: &Tail, range: Range<u64>) -> Vec<LogId> {
        let mut out = Vec::new();
        let range = tail.present(range);
        tail.copy(range, &mut usize::MAX.clone(), &mut out);
        out.iter().map(|entry| entry.log_id).collect()
    }

    #[test]
    fn what_is_not_flushed_stays_whatever_its_size() {
        let mut tail = Tail::new(None, None, None, 0);
        let first = tail.append(&entries(1, 0..10)).unwrap();
        let second = tail.append(&entries(1, 10..20)).unwrap();
        tail.flushed(first);
        assert_eq!(tail.cached_from(), 10);
        assert_eq!(tail.present(0..100), 0..20);
        tail.flushed(second);
        assert_eq!((tail.cached_from(), tail.bytes()), (20, 0));
    }

    #[test]
    fn a_flush_of_truncated_entries_does_not_count_for_their_successors() {
        let mut tail = Tail::new(None, None, None, 0);
        let old = tail.append(&entries(1, 0..10)).unwrap();
        assert_eq!(tail.truncate_after(Some(id(1, 4))), Some(5..10));
        let new = tail.append(&entries(2, 5..8)).unwrap();
        tail.flushed(old);
        assert_eq!(tail.cached_from(), 5);
        assert_eq!(read(&tail, 5..8), [id(2, 5), id(2, 6), id(2, 7)]);
        tail.flushed(new);
        assert_eq!(tail.cached_from(), 8);
    }

    #[test]
    fn truncating_nothing_and_everything() {
        let mut tail = Tail::new(None, None, None, 1 << 20);
        assert_eq!(tail.truncate_after(None), None);
        tail.append(&entries(1, 0..3)).unwrap();
        assert_eq!(tail.truncate_after(Some(id(1, 2))), None);
        assert_eq!(tail.truncate_after(Some(id(9, 9))), None);
        assert_eq!(tail.truncate_after(None), Some(0..3));
        assert_eq!((tail.last(), tail.bytes()), (None, 0));
        tail.append(&entries(1, 0..3)).unwrap();
        assert!(tail.purge(id(1, 0)));
        assert_eq!(tail.truncate_after(None), Some(1..3));
        assert_eq!(tail.last(), Some(id(1, 0)));
    }

    #[test]
    fn purging_beyond_the_end_moves_the_end() {
        let mut tail = Tail::new(None, None, None, 1 << 20);
        tail.append(&entries(1, 0..3)).unwrap();
        assert!(tail.purge(id(2, 9)));
        assert!(!tail.purge(id(1, 1)));
        assert_eq!((tail.last(), tail.purged()), (Some(id(2, 9)), Some(id(2, 9))));
        assert_eq!((tail.present(0..100), tail.bytes()), (0..0, 0));
        assert_eq!(tail.append(&entries(2, 3..4)), Err((Expected(10), 3)));
        tail.append(&entries(2, 10..12)).unwrap();
        assert_eq!(read(&tail, 0..100), [id(2, 10), id(2, 11)]);
    }

    #[test]
    fn a_hole_is_refused_whole() {
        let mut tail = Tail::new(None, None, None, 1 << 20);
        let mut holed = entries(1, 5..8);
        holed.remove(1);
        assert_eq!(tail.append(&holed), Err((Expected(6), 7)));
        assert_eq!((tail.last(), tail.bytes()), (None, 0));
    }

    #[test]
    fn a_copy_is_bounded_but_never_empty() {
        let mut tail = Tail::new(None, None, None, 1 << 20);
        tail.append(&entries(1, 0..5)).unwrap();
        let one = cost(&entries(1, 0..1)[0]);
        for (room, expected) in [(0, 1), (one, 1), (2 * one, 2), (100 * one, 5)] {
            let mut out = Vec::new();
            tail.copy(0..5, &mut room.clone(), &mut out);
            assert_eq!(out.len(), expected, "room for {room} bytes");
        }
    }
}
