//! One command that panics when it is applied: every node meets it, none stays down, one client is closed, and
//! nobody has to do anything about it.
//!
//! The nodes of this test are told by `QUARTET_TEST_PANIC_ON_TOPIC` to panic inside `apply` when they meet a
//! PUBLISH to that topic, as a fault in the core would.

use std::time::Duration;

use anyhow::{Result, ensure};
use quartet_tests::{
    BOTH, Client, Cluster, ClusterOptions, Connect, Expected, History, Load, Publisher, Reader, Version,
    frame, numbered, story, unique,
};

const LIMIT: Duration = Duration::from_secs(180);

const POISON: &str = "poison";

#[test]
fn a_poisoned_command_harms_one_client() -> Result<()> {
    story(LIMIT, async {
        let environment = vec![("QUARTET_TEST_PANIC_ON_TOPIC".to_owned(), POISON.to_owned())];
        let mut cluster =
            Cluster::start_with(ClusterOptions { environment, ..ClusterOptions::default() }).await?;
        let topic = unique("others");
        let addresses =
            |first: usize| (0..3).map(|turn| cluster.address((first + turn) % 3)).collect::<Vec<_>>();
        let mut loads = Vec::new();
        let connect = Connect::kept(Version::V5, unique("reader"));
        let reader = Reader::start(addresses(2), connect, &format!("{topic}/#"), 2).await?;
        for node in 0..3 {
            let publisher = Publisher::new(Connect::kept(BOTH[node % 2], unique("load")));
            let own = format!("{topic}/{}", publisher.name());
            loads.push(Load::start(addresses(node), publisher, &own, 2, 10));
        }
        for load in &mut loads {
            load.acknowledged(100).await?;
        }
        for (round, qos) in [(0, 1), (1, 2)] {
            let connect = Connect::kept(BOTH[round], unique("poisoner"));
            let limit = Duration::from_secs(20);
            let mut poisoner = Client::connect_within(cluster.address(round), &connect, limit).await?;
            poisoner
                .publish(&format!("{topic}/before"), numbered("before", 1 + round as u64, 0), 2, 1)
                .await?;
            poisoner.send(&frame::publish(connect.version, POISON, "!", qos, Some(2), false)).await?;
            poisoner.closed_within(Duration::from_secs(30)).await?;
            for load in &mut loads {
                let count = load.count() + 100;
                load.acknowledged(count).await?;
            }
            // The client itself is welcome again, with its session.
            let mut again = Client::connect_within(cluster.address(round), &connect, limit).await?;
            ensure!(again.session_present(), "the poisoner's session is gone");
            again.publish("harmless", "x", 1, 3).await?;
        }
        // Replayed from the log, the command is skipped once more.
        cluster.kill_all()?;
        (0..3).try_for_each(|node| cluster.restart(node))?;
        cluster.serves().await?;
        for load in &mut loads {
            let count = load.count() + 50;
            load.acknowledged(count).await?;
        }
        let mut reports = Vec::new();
        for load in loads {
            reports.push(load.stop().await?);
        }
        let mut last = Publisher::new(Connect::kept(Version::V5, unique("last")));
        last.join(cluster.address(0)).await?;
        last.publish(&format!("{topic}/last"), "last", 2).await?;
        last.finish_down_to(0).await?;
        let reader = reader.until("last").await?;
        let history = History::of(reader.delivered());
        for report in &reports {
            history.judge(&report.name, Expected::ExactlyOnce(report.sent))?;
        }
        history.judge("before", Expected::ExactlyOnce(2))?;
        cluster.healthy().await
    })
}
