//! What is there after the log was closed and opened again.

use openraft::storage::{RaftLogReader, RaftLogStorage};
use quartet_raft_log::{Config, Vote, open};

use crate::setup::{
    append, append_and_wait, directory, entries, id, identity, read_all, reopen, reopen_without_tail,
};

#[tokio::test]
async fn everything_is_there_again() {
    let dir = directory();
    let vote = Vote::new_committed(4, 3);
    {
        let mut log = reopen(dir.path());
        assert!(log.is_pristine());
        append_and_wait(&mut log, entries(2, 0..50, 100)).await;
        log.save_vote(&vote).await.unwrap();
        log.purge(id(2, 9)).await.unwrap();
        append_and_wait(&mut log, entries(4, 50..60, 100)).await;
        // It rides in no further batch: closing writes it.
        log.save_committed(Some(id(4, 55))).await.unwrap();
    }
    let opened = open(&Config::new(dir.path())).unwrap();
    assert_eq!(opened.identity, identity());
    let mut log = opened.log;
    assert!(!log.is_pristine());
    let state = log.get_log_state().await.unwrap();
    assert_eq!(state.last_purged_log_id, Some(id(2, 9)));
    assert_eq!(state.last_log_id, Some(id(4, 59)));
    assert_eq!(log.read_committed().await.unwrap(), Some(id(4, 55)));
    let mut reader = log.get_log_reader().await;
    assert_eq!(reader.read_vote().await.unwrap(), Some(vote));
    let mut expected = entries(2, 10..50, 100);
    expected.extend(entries(4, 50..60, 100));
    assert_eq!(read_all(&mut log).await, expected);
    assert_eq!(log.statistics().reads_from_disk, 1);
}

/// Closing writes what is queued, also what nobody waited for.
#[tokio::test]
async fn truncations_and_their_successors_survive() {
    let dir = directory();
    {
        let mut log = reopen(dir.path());
        append(&mut log, entries(1, 0..10, 40)).await;
        log.truncate_after(Some(id(1, 4))).await.unwrap();
        append(&mut log, entries(2, 5..7, 40)).await;
    }
    let mut log = reopen(dir.path());
    let mut expected = entries(1, 0..5, 40);
    expected.extend(entries(2, 5..7, 40));
    assert_eq!(read_all(&mut log).await, expected);
    log.truncate_after(None).await.unwrap();
    drop(log);
    let mut log = reopen(dir.path());
    assert_eq!(log.get_log_state().await.unwrap().last_log_id, None);
    assert_eq!(read_all(&mut log).await, []);
}

/// As after the installation of a snapshot: the log goes on behind a gap.
#[tokio::test]
async fn a_purge_beyond_the_end_survives() {
    let dir = directory();
    {
        let mut log = reopen(dir.path());
        append_and_wait(&mut log, entries(1, 0..10, 40)).await;
        log.purge(id(3, 99)).await.unwrap();
    }
    {
        let mut log = reopen_without_tail(dir.path());
        let state = log.get_log_state().await.unwrap();
        assert_eq!(state.last_log_id, Some(id(3, 99)));
        append_and_wait(&mut log, entries(3, 100..105, 40)).await;
        assert_eq!(read_all(&mut log).await, entries(3, 100..105, 40));
    }
    let mut log = reopen(dir.path());
    let state = log.get_log_state().await.unwrap();
    assert_eq!(state.last_purged_log_id, Some(id(3, 99)));
    assert_eq!(state.last_log_id, Some(id(3, 104)));
}
