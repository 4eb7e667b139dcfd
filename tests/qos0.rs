//! QoS 0 between nodes: it takes no part in the log, and still reaches every node's subscribers, once, in
//! order, and never a session that is away or a client of another topic.

use std::time::Duration;

use anyhow::{Result, ensure};
use quartet_tests::{
    BOTH, Client, Cluster, Connect, Event, Version, frame, numbered, parse_numbered, story, tell, unique,
};

const LIMIT: Duration = Duration::from_secs(120);

/// Messages of one burst. Small enough to fit the mailboxes, so that on idle loopback none is dropped.
const COUNT: u64 = 500;

#[test]
fn qos_0_reaches_the_subscribers_of_every_node_in_order() -> Result<()> {
    story(LIMIT, async {
        let cluster = Cluster::shared().await?;
        let topic = unique("qos0");
        let mut subscribers = Vec::new();
        for node in 0..cluster.size() {
            for granted in [0, 2] {
                let connect = Connect::clean(BOTH[node % 2], unique("s"));
                let mut client = Client::connect(cluster.address(node), &connect).await?;
                client.subscribe(1, &[(&format!("{topic}/+"), granted)]).await?;
                // A second, overlapping subscription brings no second copy of a better QoS.
                client.subscribe(2, &[("elsewhere", granted)]).await?;
                subscribers.push(client);
            }
        }
        for node in 0..cluster.size() {
            // The subscription may be a moment younger on the publisher's node than its SUBACK on another
            // (documented for QoS 0): a PUBACK from that node says that it has applied it. The QoS 1 message
            // itself may come before, between or after the others: order holds within one QoS.
            let connect = Connect::clean(Version::V311, unique("p"));
            let mut publisher = Client::connect(cluster.address(node), &connect).await?;
            let name = format!("from-{node}");
            let own = format!("{topic}/{name}");
            publisher.publish(&own, "known", 1, 1).await?;
            for number in 1..=COUNT {
                publisher.publish(&own, numbered(&name, number, 0), 0, 0).await?;
            }
            for client in &mut subscribers {
                let mut came = Vec::new();
                let mut known = None;
                while came.len() < COUNT as usize || known.is_none() {
                    match client.next(Duration::from_secs(5)).await? {
                        Event::Packet(quartet_tests::Packet::Publish(publish))
                            if publish.payload == b"known" =>
                        {
                            ensure!(known.is_none(), "twice: {publish}");
                            known = Some(publish.id);
                        }
                        Event::Packet(quartet_tests::Packet::Publish(publish)) => {
                            ensure!(publish.qos == 0 && !publish.dup && publish.id.is_none(), "{publish}");
                            came.extend(parse_numbered(&publish.payload).map(|(_, number)| number));
                        }
                        other => {
                            ensure!(false, "{} of {COUNT} messages came, then {other:?}", came.len());
                        }
                    }
                }
                let sent: Vec<u64> = (1..=COUNT).collect();
                ensure!(came == sent, "from node {node}: out of order, or twice");
                if let Some(id) = known.flatten() {
                    client.send(&frame::puback(id)).await?;
                }
            }
        }
        tell(format!("    {} messages at QoS 0 from every node to every node, none lost", 3 * COUNT));
        Ok(())
    })
}

/// A session that is away gets no QoS 0 on its return, and one that has unsubscribed none either.
#[test]
fn qos_0_is_not_kept() -> Result<()> {
    story(LIMIT, async {
        let cluster = Cluster::shared().await?;
        let topic = unique("not-kept");
        let kept = Connect::kept(Version::V5, unique("s"));
        let mut client = Client::connect(cluster.address(0), &kept).await?;
        client.subscribe(1, &[(&topic, 2)]).await?;
        client.send(&frame::disconnect()).await?;
        client.closed().await?;
        let mut publisher =
            Client::connect(cluster.address(1), &Connect::clean(Version::V5, unique("p"))).await?;
        publisher.publish(&topic, "lost to it", 0, 0).await?;
        publisher.publish(&topic, "kept for it", 1, 1).await?;
        let mut client = Client::connect(cluster.address(2), &kept).await?;
        let publish = client.receive_publish().await?;
        ensure!(publish.payload == b"kept for it", "{publish}");
        if let Some(id) = publish.id {
            client.send(&frame::puback(id)).await?;
        }
        client.silence().await
    })
}
