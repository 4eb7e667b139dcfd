//! How long nothing is acknowledged after the leader is gone, over some kills of it.
//!
//! ```text
//!   cargo run --release -p quartet-replica --example failover_time -- [kills]
//! ```
//!
//! Three replicas in one process; a client of a surviving node publishes at QoS 1 every few milliseconds, and the longest
//! wait for a PUBACK is the gap. The leader stops at once, as in a crash, but its connections are closed by the system.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    missing_docs,
    unreachable_pub,
    reason = "a program for measuring"
)]

#[path = "../tests/harness/mod.rs"]
#[allow(dead_code, reason = "it uses a part of the harness")]
mod harness;

use std::time::Duration;

use harness::{Client, Cluster};
use tokio::time::Instant;

#[tokio::main(flavor = "multi_thread", worker_threads = 1)]
async fn main() {
    let kills = std::env::args().nth(1).map_or(10, |kills| kills.parse::<u64>().unwrap());
    let mut cluster = Cluster::start(3, |_| {}).await;
    let mut gaps = Vec::new();
    for kill in 1..=kills {
        let leader = cluster.leader().await;
        let at = cluster.follower().await;
        let mut client = Client::connect(cluster.node(at), kill, &format!("client-{kill}")).await;
        client.publish(cluster.node(at), "t", "first").await;
        let killed = Instant::now();
        let abort = cluster.nodes[leader].take().unwrap();
        let abort = tokio::spawn(abort.abort());
        // Whatever is proposed from here on is acknowledged by the next leader.
        let mut gap = Duration::ZERO;
        while killed.elapsed() < Duration::from_secs(3) || client.pubacks(cluster.node(at)) < 50 {
            let (proposed, before) = (Instant::now(), client.pubacks(cluster.node(at)));
            client.publish(cluster.node(at), "t", "next").await;
            while client.pubacks(cluster.node(at)) == before {
                tokio::time::sleep(Duration::from_millis(1)).await;
                if proposed.elapsed() > Duration::from_secs(20) {
                    for node in cluster.nodes.iter().flatten() {
                        println!("{:#?}", node.replica.status());
                    }
                    panic!(
                        "no PUBACK for 20 s, {} connections closed",
                        cluster.node(at).told.0.lock().closed.len()
                    );
                }
            }
            gap = gap.max(proposed.elapsed());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        tokio::time::timeout(Duration::from_secs(20), abort).await.expect("the replica stops").unwrap();
        println!("kill {kill}: {} ms", gap.as_millis());
        gaps.push(gap);
        cluster.start_node(leader).await;
        cluster.node(leader).serving().await;
        cluster.same_state().await;
    }
    gaps.sort();
    println!(
        "median {} ms, longest {} ms",
        gaps[gaps.len() / 2].as_millis(),
        gaps[gaps.len() - 1].as_millis()
    );
}
