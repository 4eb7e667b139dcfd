//! Packet identifiers: one that is free names a new message at once, all 65,535 are used and used again, and a
//! long queue drains without ever giving one identifier to two messages.

use std::time::Duration;

use anyhow::{Result, ensure};
use quartet_tests::{
    BOTH, Cluster, Connect, Expected, History, Load, Publisher, Reader, Subscriber, Version, numbered, size,
    story, tell, unique,
};
use tokio::time::Instant;

const LIMIT: Duration = Duration::from_secs(240);

/// A publisher cycles through four identifiers as fast as it can while its node, then the leader, is killed:
/// each identifier is used again in the moment of its PUBCOMP, and each use is a message of its own
/// `[MQTT-4.3.3-12]`.
#[test]
fn four_identifiers_at_full_speed_across_failovers() -> Result<()> {
    story(LIMIT, async {
        let mut cluster = Cluster::start().await?;
        let mut loads = Vec::new();
        let topic = unique("four");
        let filter = format!("{topic}/#");
        let addresses =
            |first: usize| (0..3).map(|turn| cluster.address((first + turn) % 3)).collect::<Vec<_>>();
        let connect = Connect::kept(Version::V5, unique("reader"));
        let reader = Reader::start(addresses(1), connect, &filter, 2).await?;
        for (version, node) in [(BOTH[0], 0), (BOTH[1], 0), (BOTH[0], 1), (BOTH[1], 2)] {
            let publisher = Publisher::with_ids(Connect::kept(version, unique("cycle")), 4);
            let own = format!("{topic}/{}", publisher.name());
            loads.push(Load::start(addresses(node), publisher, &own, 2, 4));
        }
        for node in [0, cluster.leader().await?] {
            for load in &mut loads {
                let count = load.count() + 200;
                load.acknowledged(count).await?;
            }
            cluster.kill(node)?;
            for load in &mut loads {
                let count = load.count() + 200;
                load.acknowledged(count).await?;
            }
            cluster.restart(node)?;
            cluster.node_serves(node).await?;
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
        let sent: u64 = reports.iter().map(|report| report.sent).sum();
        tell(format!("    {sent} messages under 4 identifiers each, exactly once"));
        Ok(())
    })
}

/// One publisher uses all 65,535 identifiers and goes round; the subscriber's, which the broker gives, go round
/// too. [`Subscriber`] fails if one is given while it is held `[MQTT-2.2.1-4]`.
#[test]
fn all_identifiers_wrap() -> Result<()> {
    story(LIMIT, async {
        const COUNT: u64 = 66_000;
        /// Below the broker's Receive Maximum, so that the publisher is never held up.
        const WINDOW: usize = 500;
        let cluster = Cluster::start().await?;
        let topic = unique("wrap");
        let mut subscriber = Subscriber::new(Connect::kept(Version::V5, unique("s")));
        subscriber.join(cluster.address(1)).await?;
        subscriber.subscribe(&topic, 1).await?;
        let reader = tokio::spawn(async move {
            let mut highest = 0;
            while subscriber.delivered().len() < COUNT as usize {
                let id = subscriber.read().await?;
                highest = highest.max(id);
                subscriber.answer(id).await?;
            }
            anyhow::Ok((subscriber, highest))
        });
        let mut publisher = Publisher::new(Connect::kept(Version::V311, unique("p")));
        publisher.join(cluster.address(0)).await?;
        let began = Instant::now();
        let mut highest = 0;
        for number in 1..=COUNT {
            let id = publisher.publish(&topic, numbered("p", number, 0), 1).await?;
            highest = highest.max(id);
            publisher.finish_down_to(WINDOW).await?;
        }
        publisher.finish_down_to(0).await?;
        ensure!(highest == u16::MAX, "the test used identifiers up to {highest} only");
        let (subscriber, given) = reader.await??;
        tell(format!(
            "    {COUNT} messages in {:.1?}; the broker gave identifiers up to {given}",
            began.elapsed()
        ));
        History::of(subscriber.delivered()).judge("p", Expected::ExactlyOnce(COUNT))
    })
}

/// A kept session without a Receive Maximum that is owed 20,000 messages takes them all, in order, without one
/// identifier twice; half-way it changes its node.
#[test]
fn a_long_queue_drains() -> Result<()> {
    story(LIMIT, async {
        const WINDOW: usize = 500;
        let count = size(20_000, 100_000);
        let cluster = Cluster::start().await?;
        for version in BOTH {
            let topic = unique("queue");
            let mut subscriber = Subscriber::new(Connect::kept(version, unique("s")));
            subscriber.join(cluster.address(0)).await?;
            subscriber.subscribe(&topic, 2).await?;
            drop(subscriber.detach());
            let mut publisher = Publisher::new(Connect::kept(Version::V5, unique("p")));
            publisher.join(cluster.address(1)).await?;
            for number in 1..=count {
                publisher.publish(&topic, numbered("p", number, 64), 2).await?;
                publisher.finish_down_to(WINDOW).await?;
            }
            publisher.finish_down_to(0).await?;
            let began = Instant::now();
            subscriber.join(cluster.address(2)).await?;
            while subscriber.delivered().len() < count as usize / 2 {
                subscriber.turn().await?;
            }
            subscriber.join(cluster.address(0)).await?;
            subscriber.drain(count as usize).await?;
            History::of(subscriber.delivered()).judge("p", Expected::ExactlyOnce(count))?;
            let (most, took) = (subscriber.most_unfinished(), began.elapsed());
            tell(format!("    {version}: {count} queued messages in {took:.1?}, {most} in flight at most"));
        }
        Ok(())
    })
}
