//! What a node has after it was stopped, left behind, or met a command that panics.
#![allow(clippy::unwrap_used, missing_docs, unreachable_pub, reason = "tests")]

mod harness;

use std::path::Path;

use harness::{Client, Cluster, until};
use quartet_broker::CloseReason;
use quartet_replica::{AllClosed, Error, Replica, Role};

async fn publish(cluster: &Cluster, at: usize, client: &mut Client, count: usize, bytes: usize) {
    let before = client.pubacks(cluster.node(at));
    for n in 0..count {
        client.publish(cluster.node(at), "t", vec![n as u8; bytes]).await;
    }
    until("all are acknowledged", async || {
        (client.pubacks(cluster.node(at)) == before + count).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cold_cluster_comes_back_from_checkpoint_and_log() {
    let mut cluster = Cluster::start(3, |_| {}).await;
    let mut subscriber = Client::connect(cluster.node(0), 1, "subscriber").await;
    subscriber.subscribe(cluster.node(0), "t").await;
    let mut publisher = Client::connect(cluster.node(1), 1, "publisher").await;
    publish(&cluster, 1, &mut publisher, 20, 10).await;
    cluster.node(0).replica.checkpoint().await.unwrap();
    cluster.node(2).replica.checkpoint().await.unwrap();
    publish(&cluster, 1, &mut publisher, 30, 10).await;
    cluster.same_state().await;
    for at in 0..3 {
        cluster.abort(at).await;
    }
    for at in 0..3 {
        cluster.start_node(at).await;
    }
    for at in 0..3 {
        cluster.node(at).serving().await;
    }
    cluster.same_state().await;
    assert!(cluster.node(0).replica.status().checkpoint.0 > 0);
    assert_eq!(cluster.node(1).replica.status().checkpoint.0, 0, "this one had only its log");
    let again = Client::connect(cluster.node(2), 7, "subscriber").await;
    assert_eq!(again.take(cluster.node(2), 50).await.len(), 50, "all that was owed before is owed still");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_left_behind_the_purged_log_gets_a_snapshot() {
    let mut cluster = Cluster::start(3, |config| config.checkpoint_bytes = 64 << 10).await;
    let at = cluster.follower().await;
    let others: Vec<usize> = (0..3).filter(|other| *other != at).collect();
    cluster.abort(at).await;
    let mut publisher = Client::connect(cluster.node(others[0]), 1, "publisher").await;
    let mut subscriber = Client::connect(cluster.node(others[1]), 1, "subscriber").await;
    subscriber.subscribe(cluster.node(others[1]), "t").await;
    let behind = cluster.node(others[0]).replica.applied();
    until("the log is purged beyond it", async || {
        publish(&cluster, others[0], &mut publisher, 50, 2000).await;
        let purged = others.iter().all(|other| cluster.node(*other).replica.status().purged > behind);
        purged.then_some(())
    })
    .await;
    cluster.start_node(at).await;
    cluster.node(at).serving().await;
    cluster.same_state().await;
    let status = cluster.node(at).replica.status();
    assert!(status.counters.snapshots_installed >= 1);
    assert!(cluster.node(at).told.0.lock().all_closed.contains(&AllClosed::SnapshotInstalled));
    assert_eq!(status.sizes.messages, cluster.node(others[0]).replica.status().sizes.messages);
    // It goes on from the snapshot after a restart, too.
    cluster.abort(at).await;
    cluster.start_node(at).await;
    cluster.node(at).serving().await;
    cluster.same_state().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poisoned_command_harms_one_client() {
    let mut cluster = Cluster::start(3, |config| config.panic_on_topic = Some("poison".to_owned())).await;
    let at = cluster.follower().await;
    let mut healthy = Client::connect(cluster.node(at), 1, "healthy").await;
    healthy.subscribe(cluster.node(at), "t").await;
    let mut sick = Client::connect(cluster.node(at), 2, "sick").await;
    publish(&cluster, at, &mut healthy, 5, 10).await;
    cluster.node(at).replica.checkpoint().await.unwrap();
    publish(&cluster, at, &mut healthy, 5, 10).await;
    sick.publish(cluster.node(at), "poison", "boom").await;
    publish(&cluster, at, &mut healthy, 5, 10).await;
    until("the client is closed", async || {
        (cluster.node(at).told.0.lock().closed.get(&2) == Some(&CloseReason::Poisoned)).then_some(())
    })
    .await;
    assert_eq!(healthy.take(cluster.node(at), 15).await.len(), 15);
    cluster.same_state().await;
    for node in 0..3 {
        assert_eq!(cluster.node(node).replica.status().counters.poisoned, 1, "every node skips it");
        assert_eq!(
            cluster.node(node).replica.inspect(|broker| broker.statistics().counters.poisoned).await,
            1
        );
    }
    // A restart replays the log and skips it again.
    for node in 0..3 {
        cluster.abort(node).await;
    }
    for node in 0..3 {
        cluster.start_node(node).await;
    }
    for node in 0..3 {
        cluster.node(node).serving().await;
    }
    cluster.same_state().await;
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_restored_from_an_old_copy_is_refused() {
    let mut cluster = Cluster::start(3, |_| {}).await;
    let at = cluster.follower().await;
    cluster.abort(at).await;
    let yesterday = tempfile::tempdir().unwrap();
    copy(cluster.dir(at), yesterday.path());
    cluster.start_node(at).await;
    cluster.node(at).serving().await;
    cluster.abort(at).await;
    std::fs::remove_dir_all(cluster.dir(at)).unwrap();
    copy(yesterday.path(), cluster.dir(at));
    cluster.start_node(at).await;
    let error = cluster.node(at).replica.failed().await;
    assert!(matches!(error, Error::StaleBoot { .. }), "{error}");
    assert_eq!(cluster.node(at).replica.status().role, Role::Stopped);
    assert!(!cluster.node(at).replica.serving().borrow().is_yes());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_checkpoint_costs_a_longer_replay() {
    let mut cluster = Cluster::start(1, |_| {}).await;
    let mut publisher = Client::connect(cluster.node(0), 1, "publisher").await;
    publisher.subscribe(cluster.node(0), "t").await;
    for _ in 0..3 {
        publish(&cluster, 0, &mut publisher, 5, 10).await;
        cluster.node(0).replica.checkpoint().await.unwrap();
    }
    publish(&cluster, 0, &mut publisher, 5, 10).await;
    let before = cluster.node(0).replica.inspect(|broker| broker.statistics()).await;
    cluster.abort(0).await;
    let dir = cluster.dir(0).join("checkpoints");
    let mut files: Vec<_> = std::fs::read_dir(&dir).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    assert_eq!(files.len(), 2, "{files:?}");
    let mut bytes = std::fs::read(&files[1]).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&files[1], bytes).unwrap();
    cluster.start_node(0).await;
    cluster.node(0).serving().await;
    let after = cluster.node(0).replica.inspect(|broker| broker.statistics()).await;
    assert_eq!((after.sessions, after.inflight), (before.sessions, before.inflight));
    assert_eq!(cluster.node(0).replica.status().counters.checkpoints_damaged, 1);
    cluster.abort(0).await;
    // With both damaged the log does not reach back: the node says so instead of starting with a hole.
    for file in std::fs::read_dir(&dir).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "checkpoint") {
            std::fs::write(path, b"quartet\n").unwrap();
        }
    }
    let refused = Replica::start(cluster.config(0), std::sync::Arc::new(harness::Recorder::default()));
    assert!(matches!(refused.err(), Some(Error::Checkpoint { .. })));
}
