//! The durable mark: proof, outside RocksDB, of how far the log was once on disk.
//!
//! After a power cut the end of RocksDB's write-ahead log may be torn, and what was never synced may
//! go: nobody was told of it. So recovery stops at the first record that does not read, and keeps
//! what stands before (RocksDB's point-in-time recovery). But a bit that rots in the *middle* looks
//! the same, and would silently take synced entries and votes with it: a node that forgets a vote
//! may vote twice in a term, and one that forgets entries may lose a committed message.
//!
//! The two are told apart by counting. Every write carries its number, and after its sync that
//! number goes to a small file of its own:
//!
//! ```text
//!   write n ──► sync ──► mark := n ──► callbacks          opening:  log ends at ≥ mark   torn tail, fine
//!                        (no sync)                                  log ends at < mark   synced data lost, refuse
//! ```
//!
//! The mark is not synced itself, so it costs a page-cache write. It speaks only of what is already
//! durable, so whenever the kernel writes it out it is true: a power cut can leave it behind the
//! log, never ahead. After a killed process it is exact; after a power cut it is as old as the
//! kernel's write-back (seconds), and damage to younger writes goes unnoticed.
//!
//! Two slots in two sectors, written in turn, so that a torn slot leaves the other.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::codec::{decode_number, encode_number};

/// Distance of the two slots: no disk has larger sectors.
const SLOT_AT: [u64; 2] = [0, 4096];
/// Length of a stored number.
const SLOT_LEN: usize = 13;

#[derive(Debug)]
pub(crate) struct Mark {
    file: File,
}

impl Mark {
    /// Makes a mark that says: nothing yet. Durable when this returns.
    pub(crate) fn create(path: &Path) -> io::Result<()> {
        let file = File::create(path)?;
        for at in SLOT_AT {
            file.write_all_at(&encode_number(0), at)?;
        }
        file.sync_all()
    }

    /// Opens a mark and reads the highest write number in it; `None` if neither slot reads.
    pub(crate) fn open(path: &Path) -> io::Result<(Self, Option<u64>)> {
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        let mut highest = None;
        for at in SLOT_AT {
            let mut slot = [0; SLOT_LEN];
            match file.read_exact_at(&mut slot, at) {
                Ok(()) => highest = highest.max(decode_number("durable mark", &slot).ok()),
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {}
                Err(error) => return Err(error),
            }
        }
        Ok((Self { file }, highest))
    }

    /// Says that write `number` is on disk. To be called after its sync only.
    pub(crate) fn advance(&self, number: u64) -> io::Result<()> {
        let slot = if number.is_multiple_of(2) { 0 } else { 1 };
        self.file.write_all_at(&encode_number(number), SLOT_AT[slot])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_torn_slot_leaves_the_other() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("mark");
        Mark::create(&path).unwrap();
        let (mark, highest) = Mark::open(&path).unwrap();
        assert_eq!(highest, Some(0));
        mark.advance(1).unwrap();
        mark.advance(2).unwrap();
        assert_eq!(Mark::open(&path).unwrap().1, Some(2));
        mark.file.write_all_at(b"torn", SLOT_AT[0]).unwrap();
        assert_eq!(Mark::open(&path).unwrap().1, Some(1));
        mark.file.write_all_at(b"torn", SLOT_AT[1]).unwrap();
        assert_eq!(Mark::open(&path).unwrap().1, None);
    }
}
