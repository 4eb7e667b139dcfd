//! A power cut, played on copies of the directory: the write-ahead log ends anywhere after what was
//! synced last. A torn end is dropped; what was acknowledged is there; nothing in between is lost.

use std::fs;
use std::path::{Path, PathBuf};

use openraft::storage::{RaftLogReader, RaftLogStorage};
use quartet_raft_log::{Config, Error, Vote, open};
use tempfile::TempDir;

use crate::setup::{append_and_wait, directory, entries, read_all, reopen};

/// The newest write-ahead log of a directory.
pub(crate) fn write_ahead_log(dir: &Path) -> PathBuf {
    let files = fs::read_dir(dir.join("rocksdb")).unwrap();
    let paths = files.map(|file| file.unwrap().path());
    let logs = paths.filter(|path| path.extension().is_some_and(|e| e == "log"));
    logs.max().unwrap()
}

/// A copy as a backup of the disk would have it at this moment.
pub(crate) fn copy(dir: &Path) -> TempDir {
    fn copy_into(from: &Path, to: &Path) {
        for entry in fs::read_dir(from).unwrap() {
            let entry = entry.unwrap();
            let target = to.join(entry.file_name());
            if entry.file_type().unwrap().is_dir() {
                fs::create_dir(&target).unwrap();
                copy_into(&entry.path(), &target);
            } else {
                fs::copy(entry.path(), target).unwrap();
            }
        }
    }
    let copied = tempfile::tempdir().unwrap();
    copy_into(dir, copied.path());
    copied
}

fn cut(dir: &Path, len: u64) {
    let file = fs::OpenOptions::new().write(true).open(write_ahead_log(dir));
    file.unwrap().set_len(len).unwrap();
}

/// Ten writes, each of ten entries and one vote; after each, how long the write-ahead log was.
async fn ten_writes(dir: &Path) -> (Vec<u64>, TempDir, TempDir) {
    let mut log = reopen(dir);
    let mut lengths = Vec::new();
    let mut early = None;
    for n in 0..10 {
        append_and_wait(&mut log, entries(1, n * 10..n * 10 + 10, 300)).await;
        log.save_vote(&Vote::new(n + 1, 1)).await.unwrap();
        lengths.push(fs::metadata(write_ahead_log(dir)).unwrap().len());
        if n == 4 {
            early = Some(copy(dir));
        }
    }
    (lengths, early.unwrap(), copy(dir))
}

#[tokio::test]
async fn a_copy_of_the_open_directory_holds_all_that_was_flushed() {
    let dir = directory();
    let (_, early, late) = ten_writes(dir.path()).await;
    for (copied, end) in [(early, 50), (late, 100)] {
        let mut log = reopen(copied.path());
        assert_eq!(read_all(&mut log).await, entries(1, 0..end, 300));
        let mut reader = log.get_log_reader().await;
        let vote = reader.read_vote().await.unwrap();
        assert_eq!(vote, Some(Vote::new(end / 10, 1)));
    }
}

/// The mark is from after the fifth write, as the kernel may have written it then; the write-ahead
/// log has up to ten, and ends anywhere.
#[tokio::test]
async fn a_log_torn_after_the_mark_keeps_every_whole_write() {
    let dir = directory();
    let (lengths, early, late) = ten_writes(dir.path()).await;
    let mark = fs::read(early.path().join("durable.mark")).unwrap();
    let mut cuts = Vec::new();
    for pair in lengths[4..].windows(2) {
        cuts.extend([pair[0], pair[0] + 1, (pair[0] + pair[1]) / 2, pair[1] - 1]);
    }
    for at in cuts {
        let torn = copy(late.path());
        fs::write(torn.path().join("durable.mark"), &mark).unwrap();
        cut(torn.path(), at);
        let mut log = reopen(torn.path());
        let found = read_all(&mut log).await;
        let whole = lengths.iter().filter(|len| **len <= at).count() as u64;
        // Entries and vote of one round are two writes: the entries alone may be whole.
        let end = found.len() as u64;
        assert!(end == whole * 10 || end == whole * 10 + 10, "cut at {at}: {end}");
        assert_eq!(found, entries(1, 0..end, 300), "cut at {at}");
        let mut reader = log.get_log_reader().await;
        let vote = reader.read_vote().await.unwrap();
        assert_eq!(vote, Some(Vote::new(whole, 1)), "cut at {at}");
        // And it goes on from there, across another restart.
        append_and_wait(&mut log, entries(2, end..end + 5, 300)).await;
        drop((log, reader));
        assert_eq!(read_all(&mut reopen(torn.path())).await.len() as u64, end + 5);
    }
}

/// What the mark says was synced must not be missing: this node may have voted, or acknowledged.
#[tokio::test]
async fn a_log_that_ends_before_the_mark_is_refused() {
    let dir = directory();
    let (lengths, _, late) = ten_writes(dir.path()).await;
    for at in [0, lengths[0], lengths[4], lengths[8], lengths[9] - 1] {
        let short = copy(late.path());
        cut(short.path(), at);
        let before = fs::read(write_ahead_log(short.path())).unwrap();
        let refused = open(&Config::new(short.path())).err().unwrap();
        assert!(matches!(refused, Error::LostTail { .. }), "{at}: {refused}");
        assert_eq!(fs::read(write_ahead_log(short.path())).unwrap(), before);
    }
}
