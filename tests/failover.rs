//! Nodes die under load and come back: what was acknowledged is there, once and in order; without a majority
//! nothing is acknowledged; connections of the nodes that live stay.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Result, ensure};
use quartet_tests::{
    Client, Cluster, ClusterOptions, Connect, Event, Expected, History, Load, LoadReport, Publisher, Reader,
    Subscriber, Version, frame, numbered, story, tell, unique,
};
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep};

/// For all of them: those that wait for the others wait within it.
const LIMIT: Duration = Duration::from_secs(600);

/// A gap in acknowledgements that says that a failover is broken, not slow. The measured gap is printed.
const NO_GAP_IS_LONGER: Duration = Duration::from_secs(10);

/// Messages in flight of each publisher.
const WINDOW: usize = 20;

/// One test at a time: each loads the machine as far as it goes, and judges how long a failover takes.
static ALONE: Mutex<()> = Mutex::const_new(());

/// Runs one test here, alone.
fn alone(told: impl Future<Output = Result<()>>) -> Result<()> {
    story(LIMIT, async {
        let _alone = ALONE.lock().await;
        told.await
    })
}

fn addresses_from(cluster: &Cluster, first: usize) -> Vec<SocketAddr> {
    (0..cluster.size()).map(|turn| cluster.address((first + turn) % cluster.size())).collect()
}

/// Publishers at QoS 1 and 2 and readers at QoS 2 on every node.
struct Traffic {
    topic: String,
    loads: Vec<(u8, usize, Load)>,
    readers: Vec<Reader>,
    away: Subscriber,
}

impl Traffic {
    async fn start(cluster: &Cluster) -> Result<Self> {
        let topic = unique("traffic");
        let filter = format!("{topic}/#");
        let mut readers = Vec::new();
        let mut away = Subscriber::new(Connect::kept(Version::V5, unique("away")));
        away.join(cluster.address(0)).await?;
        away.subscribe(&filter, 2).await?;
        drop(away.detach());
        for node in 0..cluster.size() {
            let version = if node % 2 == 0 { Version::V5 } else { Version::V311 };
            let connect = Connect::kept(version, unique("reader"));
            readers.push(Reader::start(addresses_from(cluster, node), connect, &filter, 2).await?);
        }
        let mut loads = Vec::new();
        for node in 0..cluster.size() {
            for qos in [1, 2] {
                let version = if node % 2 == 0 { Version::V311 } else { Version::V5 };
                let publisher = Publisher::new(Connect::kept(version, unique(&format!("load-qos{qos}"))));
                let own = format!("{topic}/{}", publisher.name());
                let load = Load::start(addresses_from(cluster, node), publisher, &own, qos, WINDOW);
                loads.push((qos, node, load));
            }
        }
        Ok(Self { topic, loads, readers, away })
    }

    /// A cluster whose sessions may queue whatever a quiet, fast machine publishes while `away` is away: beyond
    /// the limit, which is another test's, the newest messages would not be queued.
    async fn cluster() -> Result<Cluster> {
        let toml = "[settings]\nmaximum_queued_messages = 10000000\nmaximum_queued_bytes = \"4 GiB\"\n";
        Cluster::start_with(ClusterOptions { toml: toml.to_owned(), ..ClusterOptions::default() }).await
    }

    /// Waits until every publisher has so many more acknowledgements.
    async fn goes_on(&mut self, more: u64) -> Result<()> {
        for (_, _, load) in &mut self.loads {
            let count = load.count() + more;
            load.acknowledged(count).await?;
        }
        Ok(())
    }

    /// Ends it and judges every reader's history; the reports with each publisher's first node.
    async fn end(self, cluster: &Cluster) -> Result<Vec<(usize, LoadReport)>> {
        let mut reports = Vec::new();
        for (qos, node, load) in self.loads {
            reports.push((qos, node, load.stop().await?));
        }
        let mut last = Publisher::new(Connect::kept(Version::V5, unique("last")));
        last.join(cluster.address(0)).await?;
        last.publish(&format!("{}/last", self.topic), "last", 2).await?;
        last.finish_down_to(0).await?;
        let mut readers = Vec::new();
        for reader in self.readers {
            readers.push(reader.until("last").await?);
        }
        let mut away = self.away;
        away.join(cluster.address(1)).await?;
        away.drain_to(b"last").await?;
        readers.push(away);
        for reader in &readers {
            let history = History::of(reader.delivered());
            for (qos, _, report) in &reports {
                let expected = match qos {
                    1 => Expected::AtLeastOnce(report.sent),
                    _ => Expected::ExactlyOnce(report.sent),
                };
                history.judge(&report.name, expected)?;
            }
        }
        cluster.agrees_and_is_drained().await?;
        Ok(reports.into_iter().map(|(_, node, report)| (node, report)).collect())
    }
}

#[test]
fn a_leader_dies_under_load_and_connections_elsewhere_stay() -> Result<()> {
    alone(async {
        let mut cluster = Traffic::cluster().await?;
        let mut traffic = Traffic::start(&cluster).await?;
        traffic.goes_on(200).await?;
        let leader = cluster.leader().await?;
        cluster.kill(leader)?;
        traffic.goes_on(200).await?;
        cluster.restart(leader)?;
        cluster.node_serves(leader).await?;
        traffic.goes_on(50).await?;
        let reports = traffic.end(&cluster).await?;
        let mut gap = Duration::ZERO;
        for (node, report) in &reports {
            let reconnects = report.reconnects;
            ensure!(
                *node == leader || reconnects == 0,
                "{} lost its connection to a living node",
                report.name
            );
            gap = gap.max(report.longest_gap);
        }
        let sent: u64 = reports.iter().map(|(_, report)| report.sent).sum();
        tell(format!(
            "    leader killed under load: longest gap in acknowledgements {gap:.2?}, {sent} messages"
        ));
        ensure!(gap < NO_GAP_IS_LONGER, "acknowledgements stopped for {gap:?}");
        Ok(())
    })
}

#[test]
fn a_follower_dies_under_load_and_nobody_elsewhere_waits() -> Result<()> {
    alone(async {
        let mut cluster = Traffic::cluster().await?;
        let mut traffic = Traffic::start(&cluster).await?;
        traffic.goes_on(200).await?;
        let leader = cluster.leader().await?;
        let follower = cluster.others(leader)[0];
        cluster.kill(follower)?;
        traffic.goes_on(200).await?;
        cluster.restart(follower)?;
        cluster.node_serves(follower).await?;
        let reports = traffic.end(&cluster).await?;
        let elsewhere = reports.iter().filter(|(node, _)| *node != follower);
        for (_, report) in elsewhere {
            ensure!(report.reconnects == 0, "{} lost its connection to a living node", report.name);
            ensure!(report.longest_gap < NO_GAP_IS_LONGER, "{} waited {:?}", report.name, report.longest_gap);
        }
        Ok(())
    })
}

/// Each node in turn is killed and started again while traffic runs: it catches up and serves, and in the end
/// all are there.
#[test]
fn each_node_in_turn_dies_comes_back_and_serves() -> Result<()> {
    alone(async {
        let mut cluster = Traffic::cluster().await?;
        let mut traffic = Traffic::start(&cluster).await?;
        for node in 0..cluster.size() {
            traffic.goes_on(50).await?;
            cluster.kill(node)?;
            traffic.goes_on(50).await?;
            cluster.restart(node)?;
            cluster.node_serves(node).await?;
            // What was committed while it was dead is known to it: a session made meanwhile is found there.
            let away = traffic.away.name().to_owned();
            let status = quartet_tests::quartet([
                "session",
                "show",
                &away,
                "--address",
                &cluster.peer_address(node).to_string(),
            ])
            .await?;
            ensure!(
                status.code == Some(0),
                "the returned node does not know the session `{away}`: {status:?}"
            );
        }
        traffic.end(&cluster).await?;
        cluster.healthy().await
    })
}

/// Two of three nodes dead: the one left acknowledges nothing, and says so by closing; when one returns, all
/// goes on where it was.
#[test]
fn without_a_majority_nothing_is_acknowledged() -> Result<()> {
    alone(async {
        let mut cluster = Cluster::start().await?;
        let topic = unique("minority");
        let mut subscriber = Subscriber::new(Connect::kept(Version::V5, unique("s")));
        subscriber.join(cluster.address(2)).await?;
        subscriber.subscribe(&topic, 2).await?;
        let mut publisher = Publisher::new(Connect::kept(Version::V311, unique("p")));
        publisher.join(cluster.address(2)).await?;
        publisher.publish(&topic, numbered("p", 1, 0), 2).await?;
        publisher.finish_down_to(0).await?;
        let second = publisher.publish(&topic, numbered("p", 2, 0), 2).await?;
        publisher.read().await?;
        subscriber.drain(2).await?;

        cluster.kill(0)?;
        cluster.kill(1)?;
        // A handshake in the middle, a new message, and another client's QoS 1.
        publisher.answer(second).await?;
        publisher.publish(&topic, numbered("p", 3, 0), 2).await?;
        let began = Instant::now();
        let mut refused = 0;
        while began.elapsed() < Duration::from_secs(8) {
            match publisher.read_within(Duration::from_millis(500)).await {
                Ok(None) => {}
                Ok(Some(answered)) => ensure!(false, "acknowledged without a majority: {answered:?}"),
                Err(error) if quartet_tests::is_lost(&error) => break,
                Err(error) => return Err(error),
            }
        }
        tell(format!("    without a majority the node left closed its client after {:.1?}", began.elapsed()));
        for _ in 0..4 {
            // It may not accept a client, subscribe it, or take its message.
            let connect = Connect::clean(Version::V5, unique("late"));
            let mut late = Client::open(cluster.address(2), Version::V5, "late").await?;
            late.send_regardless(&connect.bytes()).await;
            late.send_regardless(&frame::publish(Version::V5, &topic, "late", 1, Some(1), false)).await;
            match late.next(Duration::from_secs(1)).await? {
                Event::Packet(packet) => {
                    let accepted = matches!(packet, quartet_tests::Packet::ConnAck { code: 0, .. });
                    ensure!(!accepted, "accepted without a majority: {packet}");
                    refused += 1;
                }
                Event::Closed => refused += 1,
                Event::Quiet => {}
            }
        }
        tell(format!("    and refused {refused} of 4 new ones at once"));

        cluster.restart(0)?;
        cluster.serves().await?;
        publisher.join(cluster.address(0)).await?;
        publisher.finish_down_to(0).await?;
        publisher.publish(&topic, numbered("p", 4, 0), 2).await?;
        publisher.finish_down_to(0).await?;
        subscriber.join(cluster.address(2)).await?;
        subscriber.drain_to(&numbered("p", 4, 0)).await?;
        History::of(subscriber.delivered()).judge("p", Expected::ExactlyOnce(4))?;
        cluster.restart(1)?;
        cluster.healthy().await
    })
}

/// All three nodes killed in the same moment, under load, and started again: nothing acknowledged is missing,
/// nothing comes twice. Twice over, so that recovered state is recovered again.
#[test]
fn all_nodes_die_at_once_and_nothing_is_missing() -> Result<()> {
    alone(async {
        let mut cluster = Traffic::cluster().await?;
        let mut traffic = Traffic::start(&cluster).await?;
        for _ in 0..2 {
            traffic.goes_on(300).await?;
            cluster.kill_all()?;
            // Clients knock at closed doors meanwhile.
            sleep(Duration::from_millis(200)).await;
            (0..cluster.size()).try_for_each(|node| cluster.restart(node))?;
            cluster.serves().await?;
        }
        traffic.goes_on(50).await?;
        traffic.end(&cluster).await.map(drop)
    })
}

/// A client that is acknowledged and asks no more: its message must be there after the death of all nodes, in a
/// session that nobody touched since.
#[test]
fn an_acknowledgement_outlives_the_cluster() -> Result<()> {
    alone(async {
        let mut cluster = Cluster::start().await?;
        let topic = unique("durable");
        let mut subscriber = Subscriber::new(Connect::kept(Version::V311, unique("s")));
        for round in 1..=5 {
            subscriber.join(cluster.address(round % 3)).await?;
            if round == 1 {
                subscriber.subscribe(&topic, 2).await?;
            }
            drop(subscriber.detach());
            let mut publisher = Client::connect_within(
                cluster.address(0),
                &Connect::clean(Version::V5, unique("p")),
                Duration::from_secs(20),
            )
            .await?;
            publisher.publish(&topic, numbered("p", round as u64, 0), 2, 1).await?;
            // In the very moment of the acknowledgement.
            cluster.kill_all()?;
            (0..cluster.size()).try_for_each(|node| cluster.restart(node))?;
            cluster.serves().await?;
            subscriber.join(cluster.address((round + 1) % 3)).await?;
            subscriber.drain(round).await?;
            History::of(subscriber.delivered()).judge("p", Expected::ExactlyOnce(round as u64))?;
        }
        Ok(())
    })
}
