//! Bytes that changed on disk: found, named, and never read as something else.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::Path;

use openraft::storage::{RaftLogReader, RaftLogStorage};
use quartet_raft_log::{Config, Error, open};
use rocksdb::{DB, Options};

use crate::setup::{append_and_wait, directory, entries, reopen};
use crate::torn_tail::{copy, write_ahead_log};

/// Changes entries behind the back of the log, with checksums of RocksDB that are right.
fn change(dir: &Path, change: impl FnOnce(&DB, &rocksdb::ColumnFamily)) {
    let families = ["default", "log", "meta"];
    let db = DB::open_cf(&Options::default(), dir.join("rocksdb"), families).unwrap();
    change(&db, db.cf_handle("log").unwrap());
}

/// Reads all, expects an error that names entry 5 and the directory, and a log that has failed.
async fn entry_five_is_damaged(dir: &Path, why: &str) {
    let mut log = reopen(dir);
    let failed = log.failed();
    let mut reader = log.get_log_reader().await;
    // What is not touched can be read.
    assert_eq!(reader.try_get_log_entries(0..5).await.unwrap(), entries(1, 0..5, 40));
    assert!(failed.borrow().is_none());
    let error = reader.try_get_log_entries(0..10).await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains("log entry 5 in") && text.contains(why), "{text}");
    assert!(text.contains(dir.to_str().unwrap()), "{text}");
    let said = failed.borrow().clone().unwrap();
    assert!(matches!(said, Error::DamagedEntry { index: 5, .. }), "{said}");
    let refused = log.append(entries(1, 10..11, 40), openraft::storage::IOFlushed::noop());
    assert_eq!(refused.await.unwrap_err().to_string(), text);
}

#[tokio::test]
async fn a_changed_entry() {
    let dir = directory();
    append_and_wait(&mut reopen(dir.path()), entries(1, 0..10, 40)).await;
    change(dir.path(), |db, log| {
        let mut value = db.get_cf(log, 5u64.to_be_bytes()).unwrap().unwrap();
        value[30] ^= 4;
        db.put_cf(log, 5u64.to_be_bytes(), value).unwrap();
    });
    entry_five_is_damaged(dir.path(), "checksum mismatch").await;
}

#[tokio::test]
async fn a_missing_entry() {
    let dir = directory();
    append_and_wait(&mut reopen(dir.path()), entries(1, 0..10, 40)).await;
    change(dir.path(), |db, log| db.delete_cf(log, 5u64.to_be_bytes()).unwrap());
    entry_five_is_damaged(dir.path(), "missing").await;
}

#[tokio::test]
async fn an_entry_in_another_ones_place() {
    let dir = directory();
    append_and_wait(&mut reopen(dir.path()), entries(1, 0..10, 40)).await;
    change(dir.path(), |db, log| {
        let value = db.get_cf(log, 6u64.to_be_bytes()).unwrap().unwrap();
        db.put_cf(log, 5u64.to_be_bytes(), value).unwrap();
    });
    entry_five_is_damaged(dir.path(), "it holds entry 6").await;
}

/// RocksDB's recovery would silently drop what follows the flipped bit, votes included.
#[tokio::test]
async fn a_flipped_bit_in_the_middle_of_the_write_ahead_log() {
    let dir = directory();
    let mut log = reopen(dir.path());
    for n in 0..20 {
        append_and_wait(&mut log, entries(1, n * 10..n * 10 + 10, 300)).await;
    }
    let copied = copy(dir.path());
    drop(log);
    let path = write_ahead_log(copied.path());
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&path, bytes).unwrap();
    let error = open(&Config::new(copied.path())).err().unwrap();
    assert!(matches!(error, Error::LostTail { durable: 20, .. }), "{error}");
}

/// Closed and reopened, the entries are in an SST file.
#[tokio::test]
async fn a_flipped_bit_in_a_table_file() {
    let dir = directory();
    append_and_wait(&mut reopen(dir.path()), entries(1, 0..1000, 300)).await;
    drop(reopen(dir.path()));
    let files = fs::read_dir(dir.path().join("rocksdb")).unwrap();
    let tables = files.map(|file| file.unwrap().path());
    let tables = tables.filter(|path| path.extension().is_some_and(|e| e == "sst"));
    let largest = tables.max_by_key(|path| fs::metadata(path).unwrap().len()).unwrap();
    let file = fs::OpenOptions::new().read(true).write(true).open(largest).unwrap();
    let mut byte = [0];
    let at = file.metadata().unwrap().len() / 2;
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[byte[0] ^ 1], at).unwrap();

    let mut log = reopen(dir.path());
    let mut reader = log.get_log_reader().await;
    let error = reader.try_get_log_entries(..).await.unwrap_err();
    assert!(error.to_string().contains("is damaged"), "{error}");
    assert!(log.failed().borrow().is_some());
}

#[test]
fn a_lost_or_torn_mark() {
    for damage in [
        |path: &Path| fs::remove_file(path).unwrap(),
        |path: &Path| fs::write(path, b"").unwrap(),
        |path: &Path| fs::write(path, [0xff; 8192]).unwrap(),
    ] {
        let dir = directory();
        damage(&dir.path().join("durable.mark"));
        let error = open(&Config::new(dir.path())).err().unwrap();
        assert!(error.to_string().contains("durable mark"), "{error}");
    }
}

#[test]
fn a_damaged_database() {
    let dir = directory();
    fs::write(dir.path().join("rocksdb/CURRENT"), b"MANIFEST-999999\n").unwrap();
    let error = open(&Config::new(dir.path())).err().unwrap();
    let text = error.to_string();
    assert!(text.lines().count() == 1 && text.contains("MANIFEST-999999"), "{text}");
}
