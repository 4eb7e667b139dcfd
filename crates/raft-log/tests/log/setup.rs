//! A data directory, entries whose bytes follow from their index, and short ways to write them.

use std::ops::Range;
use std::path::Path;

use bytes::Bytes;
use openraft::storage::{RaftLogReader, RaftLogStorage};
use openraft::type_config::TypeConfigExt;
use quartet_raft_log::{
    Batch, Config, Entry, EntryPayload, IOFlushed, Identity, LogId, RaftLog, TypeConfig, format, open,
};
use tempfile::TempDir;

pub(crate) type Flushed = tokio::sync::oneshot::Receiver<Result<(), std::io::Error>>;

pub(crate) const CLUSTER: u128 = 0xc1;

pub(crate) fn identity() -> Identity {
    Identity { cluster_id: CLUSTER, node_id: 3, name: "quartet-3".to_owned() }
}

/// A formatted directory.
pub(crate) fn directory() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    format(dir.path(), &identity()).unwrap();
    dir
}

pub(crate) fn reopen(dir: &Path) -> RaftLog {
    open(&Config::new(dir)).unwrap().log
}

/// With no room in memory for what is flushed, so that reads go to the disk.
pub(crate) fn reopen_without_tail(dir: &Path) -> RaftLog {
    let mut config = Config::new(dir);
    config.tail_bytes = 0;
    open(&config).unwrap().log
}

pub(crate) fn id(term: u64, index: u64) -> LogId {
    LogId::new_term_index(term, index)
}

pub(crate) fn entry(term: u64, index: u64, bytes: usize) -> Entry {
    let mut payload = index.to_be_bytes().repeat(bytes / 8 + 1);
    payload.truncate(bytes);
    Entry { log_id: id(term, index), payload: EntryPayload::Normal(Batch(Bytes::from(payload))) }
}

pub(crate) fn entries(term: u64, range: Range<u64>, bytes: usize) -> Vec<Entry> {
    range.map(|index| entry(term, index, bytes)).collect()
}

pub(crate) async fn append(log: &mut RaftLog, entries: Vec<Entry>) -> Flushed {
    let (done, flushed) = TypeConfig::oneshot();
    log.append(entries, IOFlushed::signal(done)).await.unwrap();
    flushed
}

pub(crate) async fn append_and_wait(log: &mut RaftLog, entries: Vec<Entry>) {
    append(log, entries).await.await.unwrap().unwrap();
}

pub(crate) async fn read_all(log: &mut RaftLog) -> Vec<Entry> {
    let mut reader = log.get_log_reader().await;
    reader.try_get_log_entries(..).await.unwrap()
}
