//! Group commit as Raft drives it: it appends on, while the disk syncs. (That all which waits is one
//! write is shown exactly by the unit tests of the writer, which start it by hand.)

use openraft::storage::{RaftLogReader, RaftLogStorage};
use quartet_raft_log::Vote;

use crate::setup::{append, directory, entry, reopen};

#[tokio::test]
async fn many_appends_share_few_syncs() {
    const APPENDS: u64 = 5000;
    let dir = directory();
    let mut log = reopen(dir.path());
    let mut flushed = Vec::new();
    for index in 0..APPENDS {
        flushed.push(append(&mut log, vec![entry(1, index, 256 * 40)]).await);
    }
    for flushed in flushed {
        flushed.await.unwrap().unwrap();
    }
    let statistics = log.statistics();
    assert_eq!(statistics.requests, APPENDS);
    assert_eq!(statistics.entries, APPENDS);
    assert!(statistics.bytes > APPENDS * 256 * 40);
    assert!(statistics.syncs * 4 < APPENDS, "{statistics:?}");
    assert!(statistics.sync_time >= statistics.sync_time_max);
}

/// A vote waits for its sync and for all that was asked for before it.
#[tokio::test]
async fn a_vote_comes_after_what_was_appended_before() {
    let dir = directory();
    let mut log = reopen(dir.path());
    let mut reader = log.get_log_reader().await;
    for index in 0..100 {
        let mut flushed = append(&mut log, vec![entry(1, index, 40)]).await;
        let vote = Vote::new(index + 2, 1);
        log.save_vote(&vote).await.unwrap();
        assert!(flushed.try_recv().unwrap().is_ok());
        assert_eq!(reader.read_vote().await.unwrap(), Some(vote));
    }
}
