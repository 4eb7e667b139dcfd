//! SIGTERM: a node stops taking clients, hands leadership over, says goodbye with a reason, and leaves; it does
//! not leave the cluster.

use std::time::Duration;

use anyhow::{Result, ensure};
use nix::sys::signal::Signal;
use quartet_tests::{
    Client, Cluster, Connect, Event, Load, Packet, Publisher, Version, frame, story, tell, unique,
};
use tokio::time::Instant;

const LIMIT: Duration = Duration::from_secs(180);

const SERVER_SHUTTING_DOWN: u8 = 0x8b;

#[test]
fn a_node_that_is_told_to_stop_says_goodbye_and_hands_over() -> Result<()> {
    story(LIMIT, async {
        let mut cluster = Cluster::start().await?;
        let leader = cluster.leader().await?;
        let others = cluster.others(leader);
        let topic = unique("shutdown");
        let kept = Connect::kept(Version::V5, unique("s5"));
        let mut new = Client::connect(cluster.address(leader), &kept).await?;
        new.subscribe(1, &[(&topic, 2)]).await?;
        new.send(&frame::publish(Version::V5, "elsewhere", "x", 2, Some(1), false)).await?;
        new.receive_ack(quartet_tests::AckKind::PubRec, 1).await?;
        let mut old =
            Client::connect(cluster.address(leader), &Connect::kept(Version::V311, unique("s3"))).await?;
        let publisher = Publisher::new(Connect::kept(Version::V5, unique("load")));
        let addresses = vec![cluster.address(others[0]), cluster.address(others[1])];
        let mut load = Load::start(addresses, publisher, &topic, 2, 10);
        load.acknowledged(100).await?;

        let told = Instant::now();
        cluster.node(leader).signal(Signal::SIGTERM)?;
        let mut goodbye = None;
        loop {
            match new.next(Duration::from_secs(15)).await? {
                Event::Packet(Packet::Disconnect { code }) => goodbye = Some(code),
                Event::Packet(_) => {}
                Event::Closed => break,
                Event::Quiet => ensure!(false, "the connection stays open after SIGTERM"),
            }
        }
        ensure!(goodbye == Some(SERVER_SHUTTING_DOWN), "the goodbye was {goodbye:02x?}, not 0x8B");
        ensure!(old.closed_within(Duration::from_secs(15)).await?.is_none(), "3.1.1 knows no goodbye");
        let status = cluster.node(leader).ended(Duration::from_secs(30)).await?;
        ensure!(status.success(), "the node ended with {status}");
        tell(format!("    the leader was gone {:.2?} after SIGTERM", told.elapsed()));

        // Another leads, and the session goes on there with its handshake.
        let next = cluster.leader().await?;
        ensure!(next != leader, "a node that is gone leads");
        let count = load.count() + 100;
        load.acknowledged(count).await?;
        let report = load.stop().await?;
        tell(format!("    longest gap in acknowledgements elsewhere {:.2?}", report.longest_gap));
        ensure!(
            report.longest_gap < Duration::from_secs(10),
            "acknowledgements stopped for {:?}",
            report.longest_gap
        );
        ensure!(report.reconnects == 0, "a connection to a living node was lost");
        let mut new = Client::connect(cluster.address(next), &kept).await?;
        ensure!(new.session_present(), "the session was not kept");
        new.send(&frame::pubrel(1)).await?;
        ensure!(
            new.receive_ack(quartet_tests::AckKind::PubComp, 1).await? == 0,
            "the handshake was not kept"
        );

        // It is still a member: the status misses it, and it comes back as who it was.
        let status = cluster.status_from(next).await?;
        ensure!(status.len() == 3, "{} members are left of 3", status.len());
        cluster.restart(leader)?;
        cluster.node_serves(leader).await?;
        cluster.healthy().await
    })
}

/// One after another, as for an upgrade: nothing acknowledged is lost, no member is lost.
#[test]
fn nodes_are_restarted_one_after_another() -> Result<()> {
    story(LIMIT, async {
        let mut cluster = Cluster::start().await?;
        let publisher = Publisher::new(Connect::kept(Version::V311, unique("load")));
        let addresses = (0..3).map(|node| cluster.address(node)).collect();
        let mut load = Load::start(addresses, publisher, "rolling", 2, 10);
        for node in 0..3 {
            let count = load.count() + 100;
            load.acknowledged(count).await?;
            cluster.node(node).signal(Signal::SIGTERM)?;
            let status = cluster.node(node).ended(Duration::from_secs(30)).await?;
            ensure!(status.success(), "node {} ended with {status}", node + 1);
            cluster.restart(node)?;
            cluster.node_serves(node).await?;
        }
        let report = load.stop().await?;
        tell(format!(
            "    rolling restart: longest gap {:.2?}, {} messages",
            report.longest_gap, report.sent
        ));
        cluster.healthy().await
    })
}
