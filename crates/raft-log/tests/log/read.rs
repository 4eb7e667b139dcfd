//! Reads, from memory and from disk.

use futures::TryStreamExt;
use openraft::storage::{RaftLogReader, RaftLogStorage};

use crate::setup::{append_and_wait, directory, entries, id, read_all, reopen, reopen_without_tail};

#[tokio::test]
async fn one_read_joins_disk_and_memory() {
    let dir = directory();
    let mut config = quartet_raft_log::Config::new(dir.path());
    config.tail_bytes = 20_000;
    let mut log = quartet_raft_log::open(&config).unwrap().log;
    for start in (0..1000).step_by(10) {
        append_and_wait(&mut log, entries(1, start..start + 10, 200)).await;
    }
    let kept = log.statistics().tail_bytes;
    assert!((10_000..=20_000).contains(&kept), "{kept} bytes in memory");
    assert_eq!(read_all(&mut log).await, entries(1, 0..1000, 200));
    let mut reader = log.get_log_reader().await;
    for range in [0..1, 899..901, 990..1000, 0..1000, 999..2000, 5..5] {
        let read = reader.try_get_log_entries(range.clone()).await.unwrap();
        let expected = range.start..range.end.min(1000);
        assert_eq!(read, entries(1, expected, 200), "{range:?}");
    }
    let statistics = log.statistics();
    assert!(statistics.reads_from_disk >= 2 && statistics.reads_from_tail >= 2);
}

#[tokio::test]
async fn a_limited_read_stops_at_its_bytes() {
    let dir = directory();
    for open in [reopen, reopen_without_tail] {
        let mut log = open(dir.path());
        log.truncate_after(None).await.unwrap();
        append_and_wait(&mut log, entries(1, 0..40, 100_000)).await;
        append_and_wait(&mut log, entries(1, 40..41, 3 << 20)).await;
        let mut reader = log.get_log_reader().await;
        let read = reader.limited_get_log_entries(3, 41).await.unwrap();
        assert_eq!(read, entries(1, 3..13, 100_000), "ten fit in 1 MiB");
        let read = reader.limited_get_log_entries(40, 41).await.unwrap();
        assert_eq!(read.len(), 1, "one too large for the limit is read alone");
        let streamed = reader.entries_stream(0..41).await;
        let streamed: Vec<_> = streamed.try_collect().await.unwrap();
        assert_eq!(streamed, read_all(&mut log).await);
    }
}

#[tokio::test]
async fn truncated_and_purged_entries_are_gone_from_memory_and_disk() {
    let dir = directory();
    for open in [reopen, reopen_without_tail] {
        let mut log = open(dir.path());
        log.truncate_after(None).await.unwrap();
        append_and_wait(&mut log, entries(1, 0..100, 40)).await;
        log.truncate_after(Some(id(1, 59))).await.unwrap();
        // At once, before the writer did it.
        assert_eq!(read_all(&mut log).await, entries(1, 0..60, 40));
        append_and_wait(&mut log, entries(2, 60..70, 40)).await;
        let mut expected = entries(1, 0..60, 40);
        expected.extend(entries(2, 60..70, 40));
        assert_eq!(read_all(&mut log).await, expected);
        if log.statistics().tail_bytes > 0 {
            continue;
        }
        log.purge(id(1, 29)).await.unwrap();
        assert_eq!(read_all(&mut log).await, expected[30..]);
        append_and_wait(&mut log, entries(2, 70..71, 40)).await;
        let mut reader = log.get_log_reader().await;
        assert_eq!(reader.try_get_log_entries(0..30).await.unwrap(), []);
        let read = reader.try_get_log_entries(28..32).await.unwrap();
        assert_eq!(read, entries(1, 30..32, 40));
    }
}

/// Readers on other tasks never see a hole, a mixture of terms, or an end that moves back.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_readers_see_one_log() {
    let dir = directory();
    let mut config = quartet_raft_log::Config::new(dir.path());
    config.tail_bytes = 5_000;
    let mut log = quartet_raft_log::open(&config).unwrap().log;
    append_and_wait(&mut log, entries(1, 0..100, 40)).await;
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let mut readers = Vec::new();
    for _ in 0..3 {
        let mut reader = log.get_log_reader().await;
        let stop = std::sync::Arc::clone(&stop);
        readers.push(tokio::spawn(async move {
            let mut reads = 0;
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                let read = reader.try_get_log_entries(..).await.unwrap();
                // One term from 100 on: a truncation and its successor are seen together or not.
                let newer: Vec<_> = read.iter().filter(|e| e.log_id.index >= 100).collect();
                assert!(newer.windows(2).all(|w| w[0].log_id.leader_id == w[1].log_id.leader_id));
                let consecutive = |w: &[quartet_raft_log::Entry]| w[0].log_id.index + 1 == w[1].log_id.index;
                assert!(read.windows(2).all(consecutive));
                assert!(read.len() >= 80);
                reads += 1;
            }
            reads
        }));
    }
    for term in 2..300 {
        log.truncate_after(Some(id(1, 99))).await.unwrap();
        append_and_wait(&mut log, entries(term, 100..140, 40)).await;
        if term % 15 == 0 {
            log.purge(id(1, term / 15)).await.unwrap();
        }
    }
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    for reader in readers {
        assert!(reader.await.unwrap() > 0);
    }
}
