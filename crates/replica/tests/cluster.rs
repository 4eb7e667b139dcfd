//! Three replicas over loopback: forming, proposing from everywhere, losing the leader.
#![allow(clippy::unwrap_used, missing_docs, unreachable_pub, reason = "tests")]

mod harness;

use std::time::Duration;

use harness::{Client, Cluster, message, received, until};
use quartet_broker::{Command, LogIndex, NodeDown, NodeId, VoteDigest};
use quartet_replica::{AllClosed, Error, Role};

fn numbered(from: &str, count: usize) -> Vec<String> {
    (0..count).map(|n| format!("{from}-{n}")).collect()
}

/// The payloads that begin with `from`, as text.
fn of<'a>(payloads: &'a [bytes::Bytes], from: &str) -> Vec<&'a str> {
    payloads
        .iter()
        .map(|payload| std::str::from_utf8(payload).unwrap())
        .filter(|text| text.starts_with(from))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_any_node_proposes_is_delivered_once_and_in_order() {
    let cluster = Cluster::start(3, |_| {}).await;
    let ids: Vec<_> = (0..3).map(|at| cluster.node(at).replica.status()).collect();
    assert_eq!(
        ids.iter().map(|status| status.node).collect::<Vec<_>>(),
        [1, 2, 3].map(|id| Some(NodeId(id)))
    );
    assert!(ids.iter().all(|status| status.cluster_id == ids[0].cluster_id && status.members.len() == 3));

    let mut subscriber = Client::connect(cluster.node(0), 1, "subscriber").await;
    subscriber.subscribe(cluster.node(0), "t/#").await;
    let mut publishers = Vec::new();
    for at in 0..3 {
        publishers.push(Client::connect(cluster.node(at), 10, &format!("publisher-{at}")).await);
    }
    for n in 0..200 {
        for (at, publisher) in publishers.iter_mut().enumerate() {
            publisher.publish(cluster.node(at), "t/x", format!("{at}-{n}")).await;
        }
    }
    let payloads = subscriber.take(cluster.node(0), 600).await;
    for at in 0..3 {
        assert_eq!(
            of(&payloads, &format!("{at}-")),
            numbered(&at.to_string(), 200),
            "order of one publisher"
        );
    }
    for (at, publisher) in publishers.iter().enumerate() {
        until("all are acknowledged", async || (publisher.pubacks(cluster.node(at)) == 200).then_some(()))
            .await;
    }
    assert_eq!(received(cluster.node(0), 1).len(), 600, "none twice");
    for at in 1..3 {
        let told = cluster.node(at).told.0.lock();
        assert_eq!(told.packets.keys().collect::<Vec<_>>(), [&10], "effects only where the connection is");
    }
    for at in 0..3 {
        until("the window is empty and acknowledged messages are let go", async || {
            let sizes = cluster.node(at).replica.status().sizes;
            (sizes.window_commands == 0 && sizes.messages == 0).then_some(())
        })
        .await;
        assert_eq!(cluster.node(at).replica.status().counters.messages_missing, 0);
    }
    cluster.same_state().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_or_doubled_when_the_leader_dies() {
    let mut cluster = Cluster::start(3, |_| {}).await;
    let leader = cluster.leader().await;
    let at = cluster.follower().await;
    let mut subscriber = Client::connect(cluster.node(at), 1, "subscriber").await;
    subscriber.subscribe(cluster.node(at), "t").await;
    let mut publisher = Client::connect(cluster.node(at), 2, "publisher").await;
    for n in 0..100 {
        publisher.publish(cluster.node(at), "t", format!("m-{n}")).await;
    }
    let died = tokio::time::Instant::now();
    cluster.abort(leader).await;
    for n in 100..300 {
        publisher.publish(cluster.node(at), "t", format!("m-{n}")).await;
    }
    let payloads = subscriber.take(cluster.node(at), 300).await;
    let gap = died.elapsed();
    assert_eq!(of(&payloads, "m-"), numbered("m", 300));
    assert!(gap < Duration::from_secs(4), "the others went on after {gap:?}");
    until("acknowledged", async || (publisher.pubacks(cluster.node(at)) == 300).then_some(())).await;
    assert_eq!(received(cluster.node(at), 1).len(), 300);
    assert_eq!(cluster.node(at).told.0.lock().all_closed, [], "no client is dropped for a change of leader");

    cluster.start_node(leader).await;
    assert_eq!(cluster.node(leader).serving().await.boot.0, 2, "the node is back under its next boot");
    cluster.same_state().await;
    assert!(cluster.node(at).told.0.lock().all_closed.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lone_node_without_its_peers_closes_its_clients() {
    let mut cluster =
        Cluster::start(3, |config| config.timing.leaderless = Duration::from_millis(1500)).await;
    let at = cluster.follower().await;
    for other in (0..3).filter(|other| *other != at) {
        cluster.abort(other).await;
    }
    until("clients are closed", async || {
        let told = cluster.node(at).told.0.lock();
        (told.all_closed == [AllClosed::NoLeader]).then_some(())
    })
    .await;
    assert!(!cluster.node(at).replica.serving().borrow().is_yes());
    for other in (0..3).filter(|other| *other != at) {
        cluster.start_node(other).await;
    }
    cluster.node(at).serving().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_whose_boot_is_declared_over_goes_on_under_the_next() {
    let cluster = Cluster::start(3, |_| {}).await;
    let at = cluster.follower().await;
    let node = cluster.node(at);
    let origin = node.serving().await;
    let mut client = Client::connect(node, 1, "c").await;
    let other = cluster.node((at + 1) % 3);
    other.replica.propose_cluster(&Command::NodeDown(NodeDown { origin }));
    until("its clients are closed", async || {
        (node.told.0.lock().all_closed == [AllClosed::BootEnded(origin)]).then_some(())
    })
    .await;
    let next = until("the next boot is live", async || {
        (*node.replica.origin().borrow()).filter(|now| *now != origin)
    })
    .await;
    assert_eq!((next.node, next.boot.0), (origin.node, origin.boot.0 + 1));
    // What the old connection says is dropped, a new one works.
    client.publish(node, "t", "late").await;
    assert_eq!(node.replica.status().counters.proposed_for_dead_boot, 1);
    let mut again = Client::connect(node, 2, "c").await;
    again.publish(node, "t", "new").await;
    until("PUBACK", async || (again.pubacks(node) == 1).then_some(())).await;
    assert_eq!(client.pubacks(node), 0);
    cluster.same_state().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_node_is_declared_down_by_the_leader() {
    let mut cluster = Cluster::start(3, |config| {
        config.timing.leaderless = Duration::from_millis(1500);
        config.timing.silence = Duration::from_secs(2);
    })
    .await;
    let at = cluster.follower().await;
    let origin = cluster.node(at).serving().await;
    cluster.abort(at).await;
    let leader = cluster.leader().await;
    until("its boot is over", async || {
        let boot = cluster.node(leader).replica.inspect(move |broker| broker.highest_boot(origin.node)).await;
        (boot == Some((origin.boot, false))).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_stops_in_good_order_hands_over_and_ends_its_boot() {
    let mut cluster = Cluster::start(3, |_| {}).await;
    let leader = cluster.leader().await;
    let origin = cluster.node(leader).serving().await;
    let began = tokio::time::Instant::now();
    cluster.shutdown(leader).await;
    assert!(began.elapsed() < Duration::from_secs(4), "took {:?}", began.elapsed());
    let next = cluster.leader().await;
    assert_ne!(next, leader);
    let boot = cluster.node(next).replica.inspect(move |broker| broker.highest_boot(origin.node)).await;
    assert_eq!(boot, Some((origin.boot, false)), "nobody has to wait for its silence");
    cluster.start_node(leader).await;
    cluster.node(leader).serving().await;
    assert!(cluster.node(leader).replica.status().checkpoint.0 > 0, "it left a checkpoint");
    cluster.same_state().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn qos0_goes_once_to_the_node_it_is_sent_to() {
    let cluster = Cluster::start(3, |_| {}).await;
    for n in 0..50 {
        cluster.node(0).replica.send_qos0(NodeId(2), &message("q", format!("q-{n}")));
    }
    until("all have come", async || (cluster.node(1).told.0.lock().qos0.len() == 50).then_some(())).await;
    let payloads: Vec<_> =
        cluster.node(1).told.0.lock().qos0.iter().map(|message| message.payload.clone()).collect();
    assert_eq!(of(&payloads, "q-"), numbered("q", 50));
    assert!(cluster.node(2).told.0.lock().qos0.is_empty());
    cluster.node(0).replica.send_qos0(NodeId(9), &message("q", "nobody"));
    assert_eq!(cluster.node(0).replica.status().counters.qos0_dropped, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_is_formed_only_when_all_seeds_are_there_and_only_once() {
    let mut cluster = Cluster::stopped(3, |_| {});
    cluster.start_node(0).await;
    cluster.start_node(1).await;
    // Two of three could elect a leader, but not form a cluster.
    tokio::time::sleep(Duration::from_millis(1500)).await;
    for at in 0..2 {
        assert_eq!(cluster.node(at).replica.status().role, Role::Forming);
    }
    cluster.start_node(2).await;
    for at in 0..3 {
        cluster.node(at).serving().await;
    }
    let formed = cluster.node(0).replica.status().cluster_id;
    assert!(formed.is_some());
    // The first seed loses its disk: it must not form another cluster beside the living one.
    cluster.abort(0).await;
    std::fs::remove_dir_all(cluster.dir(0).join("raft-log")).unwrap();
    cluster.start_node(0).await;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let lost = cluster.node(0).replica.status();
    assert_eq!((lost.role, lost.cluster_id), (Role::Forming, None));
    cluster.leader().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn followers_that_restarted_vote_for_each_other() {
    let mut cluster = Cluster::start(3, |_| {}).await;
    let leader = cluster.leader().await;
    let others: Vec<usize> = (0..3).filter(|at| *at != leader).collect();
    for at in &others {
        cluster.abort(*at).await;
        cluster.start_node(*at).await;
        cluster.node(*at).serving().await;
    }
    // Until now they have heard of each other's new boots through the log alone.
    cluster.abort(leader).await;
    let mut client = Client::connect(cluster.node(others[0]), 1, "c").await;
    client.publish(cluster.node(others[0]), "t", "m").await;
    until("PUBACK", async || (client.pubacks(cluster.node(others[0])) == 1).then_some(())).await;
    for at in others {
        assert_ne!(cluster.node(at).replica.status().role, Role::Stopped);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_whose_digest_differs_from_the_majority_stops() {
    let cluster = Cluster::start(3, |_| {}).await;
    let at = cluster.follower().await;
    let wrong = cluster.node(at).replica.status().node.unwrap();
    let index = LogIndex(3);
    for node in [1, 2, 3].map(NodeId) {
        let digest = if node == wrong { 1 } else { 2 };
        cluster.node(at).replica.propose_cluster(&Command::VoteDigest(VoteDigest { node, index, digest }));
    }
    // Votes are looked at now and then as entries go by.
    let mut client = Client::connect(cluster.node((at + 1) % 3), 1, "c").await;
    for n in 0..100 {
        client.publish(cluster.node((at + 1) % 3), "t", "m").await;
        let acked = n + 1;
        until("PUBACK", async || (client.pubacks(cluster.node((at + 1) % 3)) == acked).then_some(())).await;
    }
    let error = cluster.node(at).replica.failed().await;
    assert!(matches!(error, Error::Diverged { index: found } if found == index), "{error}");
    for other in (0..3).filter(|other| *other != at) {
        assert!(cluster.node(other).replica.serving().borrow().is_yes(), "the majority goes on");
    }
}
