//! One owner of a session at a time: what an old connection still says does not count, however late its node
//! wakes up, and clients that fight for a session lose and repeat nothing.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use quartet_tests::{
    AckKind, BOTH, Client, Cluster, ClusterOptions, Connect, Expected, History, Publisher, Subscriber,
    Version, frame, is_lost, numbered, size, story, tell, unique,
};
use tokio::time::sleep;

const LIMIT: Duration = Duration::from_secs(180);

/// The owner's node stands still (SIGSTOP) with bytes of its client in its socket; the client is taken over on
/// another node, finishes its handshake there and begins a new one under the same identifier; then the node
/// goes on (SIGCONT). Nothing that it reads now may count: neither the late PUBREL, which would end the new
/// handshake's identifier, nor the late PUBLISH, which nobody would acknowledge to anyone.
#[test]
fn what_a_stopped_owner_reads_later_does_not_count() -> Result<()> {
    story(LIMIT, async {
        let cluster = Cluster::start().await?;
        let leader = cluster.leader().await?;
        // Once the node that stops is the leader, once another.
        for stopped in [cluster.others(leader)[0], leader] {
            for version in BOTH {
                let other = cluster.others(stopped)[0];
                let witness_node = cluster.others(stopped)[1];
                stop_take_over_go_on(&cluster, version, stopped, other, witness_node).await.with_context(
                    || format!("{version}, node {} stopped, the leader was {}", stopped + 1, leader + 1),
                )?;
            }
        }
        Ok(())
    })
}

async fn stop_take_over_go_on(
    cluster: &Cluster,
    version: Version,
    stopped: usize,
    other: usize,
    witness_node: usize,
) -> Result<()> {
    let topic = unique("fence");
    let mut witness = Subscriber::new(Connect::kept(Version::V5, unique("witness")));
    witness.join(cluster.address(witness_node)).await?;
    witness.subscribe(&topic, 2).await?;

    // As publisher: message 1 is at PUBREC. As subscriber: message `in` is at PUBLISH received.
    let name = unique("owner");
    let own_topic = unique("own");
    let connect = Connect::kept(version, &name);
    let mut old = Client::connect(cluster.address(stopped), &connect).await?;
    old.subscribe(9, &[(&own_topic, 2)]).await?;
    let mut feeder =
        Client::connect(cluster.address(other), &Connect::clean(version, unique("feeder"))).await?;
    feeder.publish(&own_topic, "in", 2, 1).await?;
    let id = old.receive_publish().await?.id.context("no identifier")?;
    old.send(&frame::publish(version, &topic, numbered("p", 1, 0), 2, Some(1), false)).await?;
    old.receive_ack(AckKind::PubRec, 1).await?;

    cluster.pause(stopped).await?;
    // These wait in the socket of the process that stands still.
    let mut late = frame::pubrel(1);
    late.extend(frame::publish(version, &topic, "smuggled", 2, Some(2), false));
    late.extend(frame::publish(version, &topic, "smuggled too", 1, Some(3), false));
    late.extend(frame::pubrec(id));
    late.extend(frame::subscribe(version, 10, &[(&topic, 2)]));
    old.send(&late).await?;

    let mut new = Client::connect_within(cluster.address(other), &connect, Duration::from_secs(20)).await?;
    ensure!(new.session_present(), "the session is not found on the other node");
    let again = new.receive_publish().await?;
    ensure!((again.id, again.dup) == (Some(id), true), "{again} in place of message {id} again");
    new.send(&frame::pubrel(1)).await?;
    ensure!(new.receive_ack(AckKind::PubComp, 1).await? == 0, "PUBREL 1 was not answered with success");
    new.send(&frame::publish(version, &topic, numbered("p", 2, 0), 2, Some(1), false)).await?;
    new.receive_ack(AckKind::PubRec, 1).await?;

    cluster.go_on(stopped)?;
    // The old connection learns that it is one: nothing but a goodbye, or what was written before the stop.
    let (_, packets) = closed_with_packets(&mut old).await?;
    let acknowledged = packets.iter().any(|packet| matches!(packet, quartet_tests::Packet::Ack { .. }));
    ensure!(!acknowledged, "the old connection was acknowledged: {packets:?}");

    // If its PUBREL or PUBREC had counted, these answers would be other ones.
    new.send(&frame::publish(version, &topic, numbered("p", 2, 0), 2, Some(1), true)).await?;
    new.receive_ack(AckKind::PubRec, 1).await?;
    new.send(&frame::pubrel(1)).await?;
    ensure!(
        new.receive_ack(AckKind::PubComp, 1).await? == 0,
        "the second PUBREL was not answered with success"
    );
    new.send(&frame::pubrec(id)).await?;
    ensure!(new.receive_ack(AckKind::PubRel, id).await? == 0, "the PUBREC was not answered with success");
    new.send(&frame::pubcomp(id)).await?;
    new.publish(&topic, numbered("p", 3, 0), 2, 1).await?;
    new.silence().await.context("the late SUBSCRIBE counted")?;

    witness.drain(3).await?;
    History::of(witness.delivered()).judge("p", Expected::ExactlyOnce(3))?;
    cluster.node_serves(stopped).await?;
    cluster.healthy().await
}

/// Reads until the broker closes; its last code and the packets before.
async fn closed_with_packets(client: &mut Client) -> Result<(Option<u8>, Vec<quartet_tests::Packet>)> {
    let (mut code, mut packets) = (None, Vec::new());
    loop {
        match client.next(Duration::from_secs(30)).await? {
            quartet_tests::Event::Closed => return Ok((code, packets)),
            quartet_tests::Event::Packet(quartet_tests::Packet::Disconnect { code: last }) => {
                code = Some(last)
            }
            quartet_tests::Event::Packet(packet) => packets.push(packet),
            quartet_tests::Event::Quiet => {
                return Err(client.fault("the old connection is not closed".to_owned()));
            }
        }
    }
}

/// A publisher hops from node to node in the middle of everything, leaving half-open sockets behind, again and
/// again; a subscriber does the same. Each message arrives exactly once and in order.
#[test]
fn takeover_races_lose_and_repeat_nothing() -> Result<()> {
    story(LIMIT, async {
        let rounds = size(150, 2_000);
        // As fast as it can: the limit of CONNECTs of one client id, which is tried elsewhere, is lifted.
        let toml = "[limits]\nconnects_per_second = 10000\nconnect_burst = 10000".to_owned();
        let cluster = Cluster::start_with(ClusterOptions { toml, ..ClusterOptions::default() }).await?;
        let topic = unique("race");
        let last = numbered("p", 5 * rounds, 0);
        let addresses: Vec<_> = (0..3).map(|node| cluster.address(node)).collect();

        let mut subscriber = Subscriber::new(Connect::kept(Version::V5, unique("s")));
        subscriber.join(addresses[0]).await?;
        subscriber.subscribe(&topic, 2).await?;
        let (nodes, wanted) = (addresses.clone(), last.clone());
        let hopping = tokio::spawn(async move {
            let mut hops = 0;
            let mut half_open = None;
            loop {
                for _ in 0..7 {
                    let done = subscriber.delivered().iter().any(|delivery| delivery.payload == wanted);
                    if done && subscriber.open_handshakes().is_empty() {
                        return Ok((subscriber, hops));
                    }
                    match subscriber.read_within(Duration::from_millis(200)).await {
                        Ok(Some(id)) => subscriber.answer(id).await?,
                        Ok(None) => {}
                        Err(error) if is_lost(&error) => break,
                        Err(error) => return Err(error),
                    }
                }
                hops += 1;
                // The old socket is closed only when the next hop replaces it.
                drop(half_open.take());
                half_open = subscriber.detach();
                subscriber.join(nodes[hops % 3]).await?;
            }
        });

        let mut publisher = Publisher::with_ids(Connect::kept(Version::V311, unique("p")), 8);
        publisher.join(addresses[1]).await?;
        let mut half_open = Vec::new();
        for round in 0..rounds {
            for number in 1..=5 {
                publisher.publish(&topic, numbered("p", 5 * round + number, 0), 2).await?;
            }
            // Stops in the middle: some PUBRECs read and answered, some not.
            for _ in 0..round % 5 {
                publisher.turn().await?;
            }
            half_open.extend(publisher.detach());
            if half_open.len() > 2 {
                half_open.remove(0);
            }
            publisher.join(addresses[usize::try_from(round)? % 3]).await?;
            publisher.finish_down_to(usize::try_from(round % 3)?).await?;
        }
        publisher.finish_down_to(0).await?;
        let (subscriber, hops) = hopping.await??;
        History::of(subscriber.delivered()).judge("p", Expected::ExactlyOnce(5 * rounds))?;
        tell(format!(
            "    {rounds} takeovers of the publisher and {hops} of the subscriber, {} messages",
            5 * rounds
        ));
        Ok(())
    })
}

/// Two devices with one name, each sure that it is the right one, for a while: the session has one owner at a
/// time, a witness gets each acknowledged message, and another client's traffic goes on.
#[test]
fn two_devices_with_one_name_share_no_message() -> Result<()> {
    story(LIMIT, async {
        let cluster = Cluster::start().await?;
        let topic = unique("twins");
        let mut witness = Subscriber::new(Connect::kept(Version::V5, unique("witness")));
        witness.join(cluster.address(2)).await?;
        witness.subscribe(&topic, 1).await?;
        let name = unique("twin");
        let mut devices = tokio::task::JoinSet::new();
        for (device, version) in BOTH.into_iter().enumerate() {
            let (address, topic, name) = (cluster.address(device), topic.clone(), name.clone());
            devices.spawn(async move {
                let connect = Connect::kept(version, &name);
                let mut acknowledged = Vec::new();
                for number in 0..40_u32 {
                    // Being thrown out, also before CONNACK, is what both must expect.
                    let Ok(mut client) = Client::connect_once(address, &connect).await else {
                        sleep(Duration::from_millis(20)).await;
                        continue;
                    };
                    let payload = format!("{device}/{number}");
                    if client.publish(&topic, &payload, 1, 1 + device as u16).await.is_ok() {
                        acknowledged.push(payload);
                    }
                }
                acknowledged
            });
        }
        let mut other =
            Client::connect(cluster.address(0), &Connect::clean(Version::V5, unique("other"))).await?;
        for _ in 0..100 {
            other.publish("elsewhere", "x", 1, 1).await?;
        }
        let acknowledged: Vec<String> = devices.join_all().await.into_iter().flatten().collect();
        ensure!(!acknowledged.is_empty(), "neither device ever got a message through");
        other.publish(&topic, "last", 1, 2).await?;
        witness.drain_to(b"last").await?;
        for payload in &acknowledged {
            let came = witness.delivered().iter().any(|delivery| delivery.payload == payload.as_bytes());
            ensure!(came, "`{payload}` was acknowledged and lost");
        }
        tell(format!("    two devices with one name: {} of 80 messages acknowledged", acknowledged.len()));
        Ok(())
    })
}
