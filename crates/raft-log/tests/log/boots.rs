//! Boots, poisoned commands and slots, which live beside the log.

use openraft::storage::RaftLogStorage;
use quartet_raft_log::{Error, MAX_POISONED, Poisoned, SLOT_BYTES, SLOTS};

use crate::setup::{append_and_wait, directory, entries, id, reopen};

#[tokio::test]
async fn a_boot_is_never_given_twice() {
    let dir = directory();
    let mut given = Vec::new();
    for _ in 0..3 {
        let log = reopen(dir.path());
        assert_eq!(log.boot().await, given.last().copied().unwrap_or(0));
        let both = tokio::join!(log.next_boot(), log.next_boot());
        given.extend([both.0.unwrap(), both.1.unwrap()]);
    }
    assert_eq!(given, [1, 2, 3, 4, 5, 6]);
}

#[tokio::test]
async fn the_poisoned_are_kept_until_their_entries_are_purged() {
    let dir = directory();
    let poisoned = |index, position| Poisoned { index, position };
    let mut log = reopen(dir.path());
    append_and_wait(&mut log, entries(1, 0..300, 40)).await;
    let list = [poisoned(7, 0), poisoned(7, 255), poisoned(256, 3)];
    for one in [2, 0, 1, 0] {
        log.add_poisoned(list[one]).await.unwrap();
    }
    assert_eq!(log.poisoned().unwrap(), list);
    drop(log);
    let mut log = reopen(dir.path());
    assert_eq!(log.poisoned().unwrap(), list);
    log.purge(id(1, 7)).await.unwrap();
    append_and_wait(&mut log, entries(1, 300..301, 40)).await;
    assert_eq!(log.poisoned().unwrap(), list[2..]);
}

#[tokio::test]
async fn the_poisoned_are_bounded() {
    let dir = directory();
    let log = reopen(dir.path());
    let limit = u32::try_from(MAX_POISONED).unwrap();
    let adding = (0..limit).map(|position| {
        let log = log.clone();
        async move { log.add_poisoned(Poisoned { index: 1, position }).await }
    });
    for added in futures::future::join_all(adding).await {
        added.unwrap();
    }
    let position = limit;
    let refused = log.add_poisoned(Poisoned { index: 1, position }).await;
    assert!(matches!(refused, Err(Error::TooManyPoisoned { .. })), "{refused:?}");
    // One that is on the list needs no room.
    log.add_poisoned(Poisoned { index: 1, position: 0 }).await.unwrap();
}

#[tokio::test]
async fn slots_keep_their_bytes() {
    let dir = directory();
    let log = reopen(dir.path());
    assert_eq!(log.slot(0).unwrap(), None);
    log.save_slot(0, b"first").await.unwrap();
    log.save_slot(0, b"second").await.unwrap();
    log.save_slot(SLOTS - 1, &[]).await.unwrap();
    drop(log);
    let log = reopen(dir.path());
    assert_eq!(log.slot(0).unwrap().as_deref(), Some(&b"second"[..]));
    assert_eq!(log.slot(SLOTS - 1).unwrap().as_deref(), Some(&b""[..]));
    assert!(matches!(log.slot(SLOTS), Err(Error::Slot { .. })));
    let long = vec![0; SLOT_BYTES + 1];
    assert!(matches!(log.save_slot(0, &long).await, Err(Error::Slot { .. })));
}
