//! Group commit with the writer started by hand, so that what gathers before it is known exactly.

use std::thread;

use bytes::Bytes;
use openraft::storage::{RaftLogReader, RaftLogStorage};
use openraft::type_config::TypeConfigExt;
use tempfile::TempDir;
use tokio::sync::oneshot;

use super::*;
use crate::batch::Batch;
use crate::config::Config;
use crate::identity::Identity;
use crate::log::{RaftLog, assemble};
use crate::queue::REQUEST_COST;
use crate::tail::cost;
use crate::type_config::{Entry, EntryPayload, IOFlushed, TypeConfig, Vote};

type Flushed = oneshot::Receiver<Result<(), std::io::Error>>;

/// A formatted directory and a log whose writer waits to be run.
fn idle(change: impl FnOnce(&mut Config)) -> (TempDir, RaftLog, Writer) {
    let dir = tempfile::tempdir().unwrap();
    let identity = Identity { cluster_id: 1, node_id: 1, name: "test".to_owned() };
    crate::format(dir.path(), &identity).unwrap();
    let mut config = Config::new(dir.path());
    change(&mut config);
    let mut writer = None;
    let opened = assemble(&config, |w| {
        writer = Some(w);
        Ok(None)
    });
    (dir, opened.unwrap().log, writer.unwrap())
}

fn entry(index: u64, bytes: usize) -> Entry {
    Entry {
        log_id: LogId::new_term_index(1, index),
        payload: EntryPayload::Normal(Batch(Bytes::from(vec![7; bytes]))),
    }
}

async fn append(log: &mut RaftLog, entry: Entry) -> Flushed {
    let (done, flushed) = TypeConfig::oneshot();
    log.append([entry], IOFlushed::signal(done)).await.unwrap();
    flushed
}

#[tokio::test]
async fn all_that_waits_is_one_write() {
    let (_dir, mut log, writer) = idle(|_| {});
    let mut flushed = Vec::new();
    for index in 0..100 {
        flushed.push(append(&mut log, entry(index, 40)).await);
    }
    let mut reader = log.get_log_reader().await;
    let entries = reader.try_get_log_entries(0..1000).await.unwrap();
    assert_eq!(entries.len(), 100, "readable before the flush");
    assert!(flushed.iter_mut().all(|f| f.try_recv().is_err()));
    assert_eq!(log.statistics().syncs, 0);

    let counting = log.clone();
    let running = thread::spawn(move || writer.run());
    for flushed in flushed {
        flushed.await.unwrap().unwrap();
    }
    let statistics = counting.statistics();
    assert_eq!((statistics.syncs, statistics.requests, statistics.entries), (1, 100, 100));
    drop((log, counting));
    running.join().unwrap();
}

#[tokio::test]
async fn a_write_is_bounded_in_bytes() {
    let one = cost(&entry(0, 1000)) + REQUEST_COST;
    let (_dir, mut log, writer) = idle(|config| config.batch_bytes = 10 * one);
    let mut last = None;
    for index in 0..100 {
        last = Some(append(&mut log, entry(index, 1000)).await);
    }
    let running = thread::spawn(move || writer.run());
    last.unwrap().await.unwrap().unwrap();
    assert_eq!(log.statistics().syncs, 10);
    drop(log);
    running.join().unwrap();
}

#[tokio::test]
async fn a_full_queue_makes_append_wait_and_is_counted() {
    let (_dir, mut log, writer) = idle(|config| config.queue_bytes = 1 << 20);
    let first = append(&mut log, entry(0, 1 << 20)).await;
    assert_eq!(log.statistics().queue_full, 0);
    let mut second = Box::pin(append(&mut log, entry(1, 40)));
    assert!(futures::poll!(&mut second).is_pending());
    let running = thread::spawn(move || writer.run());
    let second = second.await;
    first.await.unwrap().unwrap();
    second.await.unwrap().unwrap();
    assert_eq!(log.statistics().queue_full, 1);
    drop(log);
    running.join().unwrap();
}

#[tokio::test]
async fn the_committed_marker_waits_for_its_entries_and_needs_no_sync() {
    let (dir, mut log, mut writer) = idle(|_| {});
    append(&mut log, entry(0, 40)).await;
    append(&mut log, entry(1, 40)).await;
    let committed = Some(LogId::new_term_index(1, 1));
    log.save_committed(committed).await.unwrap();
    let on_disk = |writer: &Writer| {
        let read = writer.shared.database.get(Key::Committed);
        read.unwrap().is_some()
    };
    // One request a batch: entry 0 is written while the marker already says 1.
    writer.batch_bytes = 1;
    for expected in [false, true] {
        let next = writer.requests.next().unwrap();
        writer.commit(next);
        assert_eq!(on_disk(&writer), expected);
    }
    assert_eq!(log.statistics().syncs, 2);
    drop((log, writer, dir));
}

#[tokio::test]
async fn the_first_failure_is_told_to_all_and_stays() {
    let (_dir, mut log, writer) = idle(|_| {});
    let mut failed = log.failed();
    let flushed = [append(&mut log, entry(0, 40)).await, append(&mut log, entry(1, 40)).await];
    let first = writer.shared.database.damaged("for the test");
    let later = writer.shared.writer_gone();
    writer.shared.fail(&first);
    writer.shared.fail(&later);
    let running = thread::spawn(move || writer.run());
    for flushed in flushed {
        let error = flushed.await.unwrap().unwrap_err();
        assert_eq!(error.to_string(), first.to_string());
    }
    failed.wait_for(|failed| failed.as_ref() == Some(&first)).await.unwrap();
    let vote = log.save_vote(&Vote::new(1, 1)).await.unwrap_err();
    assert_eq!(vote.to_string(), first.to_string());
    assert_eq!(log.next_boot().await, Err(first.clone()));
    let mut reader = log.get_log_reader().await;
    let read = reader.try_get_log_entries(0..2).await.unwrap_err();
    assert_eq!(read.to_string(), first.to_string());
    assert_eq!(log.statistics().syncs, 0, "nothing is written after a failure");
    drop((log, reader));
    running.join().unwrap();
}

#[tokio::test]
async fn a_panic_of_the_writer_is_a_failure() {
    let (_dir, log, writer) = idle(|_| {});
    let mut failed = log.failed();
    let alarm = Alarm(Arc::clone(&writer.shared));
    let panicked = thread::spawn(move || {
        let _alarm = alarm;
        let _writer = writer;
        panic!("for the test");
    });
    assert!(panicked.join().is_err());
    let error = failed.wait_for(Option::is_some).await.unwrap().clone();
    assert!(matches!(error, Some(Error::WriterGone { .. })), "{error:?}");
}
