//! Handshakes without interruption, and the limits on what may be on its way: packet identifiers, repeated
//! and misplaced acknowledgements, Receive Maximum and Maximum Packet Size in both directions.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use quartet_tests::{
    AckKind, BOTH, Brokers, Client, Connect, DEADLINE, Event, Packet, Publish, QUIET, Version, frame, story,
    unique,
};
use tokio::time::{Instant, sleep};

const LIMIT: Duration = Duration::from_secs(120);

const RECEIVE_MAXIMUM: u8 = 0x21;
const MAXIMUM_PACKET_SIZE: u8 = 0x27;
const NOT_FOUND: u8 = 0x92;

fn with_brokers<F: Future<Output = Result<()>>>(test: impl FnOnce(Brokers) -> F) -> Result<()> {
    story(LIMIT, async { test(Brokers::find().await?).await })
}

/// A subscriber at QoS 2 to one topic, and a publisher on another node.
async fn pair(brokers: &Brokers, version: Version, topic: &str) -> Result<(Client, Client)> {
    let mut subscriber = Client::connect(brokers.address(0), &Connect::kept(version, unique("s"))).await?;
    subscriber.subscribe(1, &[(topic, 2)]).await?;
    let publisher = Client::connect(brokers.address(1), &Connect::kept(version, unique("p"))).await?;
    Ok((subscriber, publisher))
}

/// Takes the next message through its handshake.
async fn take(client: &mut Client) -> Result<Publish> {
    let publish = client.receive_publish().await?;
    let id = publish.id.unwrap_or_default();
    match publish.qos {
        1 => client.send(&frame::puback(id)).await?,
        2 => {
            client.send(&frame::pubrec(id)).await?;
            client.receive_ack(AckKind::PubRel, id).await?;
            client.send(&frame::pubcomp(id)).await?;
        }
        _ => {}
    }
    Ok(publish)
}

/// The same identifier right after PUBACK or PUBCOMP is a new message, DUP or not `[MQTT-4.3.2-5]`
/// `[MQTT-4.3.3-12]`; the forwarded copy never inherits DUP `[MQTT-3.3.1-3]`.
#[test]
fn an_identifier_that_is_free_names_a_new_message() -> Result<()> {
    with_brokers(|brokers| async move {
        for version in BOTH {
            for qos in [1, 2] {
                let topic = unique("again");
                let (mut subscriber, mut publisher) = pair(&brokers, version, &topic).await?;
                for (round, dup) in [false, false, true, true].into_iter().enumerate() {
                    let payload = if round < 3 { "same" } else { "other" };
                    publisher.send(&frame::publish(version, &topic, payload, qos, Some(7), dup)).await?;
                    if qos == 1 {
                        publisher.receive_ack(AckKind::PubAck, 7).await?;
                    } else {
                        publisher.receive_ack(AckKind::PubRec, 7).await?;
                        publisher.send(&frame::pubrel(7)).await?;
                        publisher.receive_ack(AckKind::PubComp, 7).await?;
                    }
                    let publish = take(&mut subscriber).await?;
                    let came = (publish.payload.as_slice(), publish.dup);
                    ensure!(came == (payload.as_bytes(), false), "{version} round {round}: {publish}");
                }
            }
        }
        Ok(())
    })
}

/// While its identifier is held, a repeated PUBLISH is answered each time and delivered once
/// `[MQTT-4.3.3-10]`; so is a repeated PUBREL.
#[test]
fn repeated_steps_are_answered_and_deliver_once() -> Result<()> {
    with_brokers(|brokers| async move {
        for version in BOTH {
            let topic = unique("repeat");
            let (mut subscriber, mut publisher) = pair(&brokers, version, &topic).await?;
            publisher.send(&frame::publish(version, &topic, "once", 2, Some(3), false)).await?;
            publisher.receive_ack(AckKind::PubRec, 3).await?;
            for dup in [true, true, false, true, true, true, true, true, true, true] {
                publisher.send(&frame::publish(version, &topic, "once", 2, Some(3), dup)).await?;
                publisher.receive_ack(AckKind::PubRec, 3).await?;
            }
            publisher.send(&[frame::pubrel(3), frame::pubrel(3)].concat()).await?;
            ensure!(publisher.receive_ack(AckKind::PubComp, 3).await? == 0, "{version}: the first PUBREL");
            let second = publisher.receive_ack(AckKind::PubComp, 3).await?;
            ensure!(
                second == 0 || second == NOT_FOUND,
                "{version}: the second PUBREL was answered 0x{second:02x}"
            );
            publisher.publish(&topic, "marker", 2, 4).await?;
            ensure!(take(&mut subscriber).await?.payload == b"once", "{version}: not delivered");
            ensure!(take(&mut subscriber).await?.payload == b"marker", "{version}: delivered more than once");
        }
        Ok(())
    })
}

/// A PUBREL for an identifier that is not held gets its PUBCOMP (5.0: 0x92), and the connection stays.
#[test]
fn an_unknown_pubrel_is_answered() -> Result<()> {
    with_brokers(|brokers| async move {
        for version in BOTH {
            let mut client =
                Client::connect(brokers.address(0), &Connect::kept(version, unique("p"))).await?;
            client.send(&frame::pubrel(99)).await?;
            let code = client.receive_ack(AckKind::PubComp, 99).await?;
            ensure!(code == if version.is_v5() { NOT_FOUND } else { 0 }, "{version}: answered 0x{code:02x}");
            client.silence().await?;
        }
        Ok(())
    })
}

/// An acknowledgement of the wrong kind closes the connection or is ignored; it never counts.
#[test]
fn a_misplaced_acknowledgement_never_counts() -> Result<()> {
    with_brokers(|brokers| async move {
        for version in BOTH {
            for (granted, wrong) in [(2, 0x40), (1, 0x50), (2, 0x70), (1, 0x70)] {
                let topic = unique("misplaced");
                let name = unique("s");
                let connect = Connect::kept(version, &name);
                let mut subscriber = Client::connect(brokers.address(0), &connect).await?;
                subscriber.subscribe(1, &[(&topic, granted)]).await?;
                let mut publisher =
                    Client::connect(brokers.address(1), &Connect::clean(version, unique("p"))).await?;
                publisher.publish(&topic, "owed", 2, 1).await?;
                let first = subscriber.receive_publish().await?;
                let id = first.id.context("no identifier")?;
                subscriber.send(&frame::packet(wrong, &id.to_be_bytes())).await?;
                subscriber.send_regardless(&frame::pingreq()).await;
                let mut answered = false;
                while let Event::Packet(packet) = subscriber.next(QUIET).await? {
                    answered |= matches!(packet, Packet::Ack { .. });
                }
                if answered && wrong == 0x50 {
                    // The unknown PUBREC was answered with a PUBREL, as 4.3.3 allows; the message stays owed.
                    subscriber.send_regardless(&frame::pubcomp(id)).await;
                }
                let mut subscriber = Client::connect(brokers.address(2), &connect).await?;
                let again = subscriber.receive_publish().await.with_context(|| {
                    format!("{version}: a packet {wrong:02x} ended a handshake at QoS {granted}")
                })?;
                ensure!((again.id, again.dup) == (Some(id), true), "{version}: {again} in place of {first}");
            }
        }
        Ok(())
    })
}

/// A subscriber that refuses (PUBACK or PUBREC with 0x80 and more) has had the message: its slot is free, it
/// never comes again `[MQTT-4.4.0-2]`, and no PUBREL follows `[MQTT-4.3.3-4]`.
#[test]
fn a_refused_message_is_done_with() -> Result<()> {
    with_brokers(|brokers| async move {
        for (qos, first, code) in [(1, 0x40, 0x80), (1, 0x40, 0x97), (2, 0x50, 0x83), (2, 0x50, 0x87)] {
            let topic = unique("refused");
            let connect = Connect { receive_maximum: Some(1), ..Connect::kept(Version::V5, unique("s")) };
            let mut subscriber = Client::connect(brokers.address(0), &connect).await?;
            subscriber.subscribe(1, &[(&topic, qos)]).await?;
            let mut publisher =
                Client::connect(brokers.address(1), &Connect::clean(Version::V5, unique("p"))).await?;
            publisher.publish(&topic, "refused", 2, 1).await?;
            publisher.publish(&topic, "next", 2, 2).await?;
            let id = subscriber.receive_publish().await?.id.context("no identifier")?;
            let [high, low] = id.to_be_bytes();
            subscriber.send(&frame::packet(first, &[high, low, code])).await?;
            let next = subscriber.receive().await?;
            let came =
                matches!(&next, Packet::Publish(publish) if publish.payload == b"next" && !publish.dup);
            ensure!(came, "after refusing with 0x{code:02x}: {next}");
            let mut subscriber = Client::connect(brokers.address(2), &connect).await?;
            let publish = take(&mut subscriber).await?;
            ensure!(publish.payload == b"next" && publish.dup, "after a reconnect: {publish}");
            subscriber.silence().await?;
        }
        Ok(())
    })
}

/// PUBRELs in another order than the PUBLISHes: all complete, and the subscriber sees publishing order if the
/// broker forwards on PUBLISH, as this one does `[MQTT-4.6.0-5]`.
#[test]
fn pubrels_may_come_in_another_order() -> Result<()> {
    with_brokers(|brokers| async move {
        for version in BOTH {
            let topic = unique("order");
            let (mut subscriber, mut publisher) = pair(&brokers, version, &topic).await?;
            for id in 1..=10_u16 {
                publisher.send(&frame::publish(version, &topic, id.to_string(), 2, Some(id), false)).await?;
            }
            for id in 1..=10_u16 {
                let packet = publisher.receive().await?;
                ensure!(
                    packet == Packet::Ack { kind: AckKind::PubRec, id, code: 0 },
                    "{version}: {packet} for {id}"
                );
            }
            for id in [10, 1, 9, 2, 8, 3, 7, 4, 6, 5] {
                publisher.send(&frame::pubrel(id)).await?;
                ensure!(publisher.receive_ack(AckKind::PubComp, id).await? == 0, "{version}: PUBREL {id}");
            }
            let mut came = Vec::new();
            for _ in 1..=10 {
                came.push(String::from_utf8(take(&mut subscriber).await?.payload)?);
            }
            if brokers.are_ours() {
                let sent: Vec<String> = (1..=10).map(|id| id.to_string()).collect();
                ensure!(came == sent, "{version}: came in the order {came:?}");
            }
        }
        Ok(())
    })
}

/// One number in use by the client, by the broker and for SUBSCRIBE at once: they are independent.
#[test]
fn identifiers_of_both_sides_are_independent() -> Result<()> {
    with_brokers(|brokers| async move {
        for version in BOTH {
            let topic = unique("both");
            let mut client =
                Client::connect(brokers.address(0), &Connect::kept(version, unique("c"))).await?;
            client.subscribe(1, &[(&topic, 2)]).await?;
            client.send(&frame::publish(version, &topic, "own", 2, Some(1), false)).await?;
            client.receive_ack(AckKind::PubRec, 1).await?;
            let id = client.receive_publish().await?.id.context("no identifier")?;
            client.send(&frame::subscribe(version, id, &[("elsewhere/too", 1)])).await?;
            client.send(&frame::pubrec(id)).await?;
            ensure!(client.receive_suback(id).await? == [1], "{version}: SUBSCRIBE under a number in use");
            client.receive_ack(AckKind::PubRel, id).await?;
            client.send(&frame::pubcomp(id)).await?;
            client.send(&frame::pubrel(1)).await?;
            ensure!(client.receive_ack(AckKind::PubComp, 1).await? == 0, "{version}: its own handshake");
        }
        Ok(())
    })
}

/// Acknowledgements in every legal form: 2, 3 and 4 bytes, with Reason String and User Property.
#[test]
fn acknowledgements_are_taken_in_every_form() -> Result<()> {
    with_brokers(|brokers| async move {
        let topic = unique("forms");
        let (mut subscriber, mut publisher) = pair(&brokers, Version::V5, &topic).await?;
        let mut reason = vec![0x1f];
        reason.extend(frame::field("fine"));
        reason.push(0x26);
        reason.extend([frame::field("k"), frame::field("v")].concat());
        let ends = [vec![], vec![0x00], vec![0x00, 0x00], [vec![0x00], frame::properties(&reason)].concat()];
        for (round, end) in ends.iter().enumerate() {
            let with = |first, id: u16| frame::packet(first, &[&id.to_be_bytes()[..], end].concat());
            publisher.send(&frame::publish(Version::V5, &topic, [], 2, Some(5), false)).await?;
            publisher.receive_ack(AckKind::PubRec, 5).await?;
            publisher.send(&with(0x62, 5)).await?;
            ensure!(publisher.receive_ack(AckKind::PubComp, 5).await? == 0, "form {round} of PUBREL");
            let id = subscriber.receive_publish().await?.id.context("no identifier")?;
            subscriber.send(&with(0x50, id)).await?;
            subscriber.receive_ack(AckKind::PubRel, id).await?;
            subscriber.send(&with(0x70, id)).await?;
        }
        subscriber.silence().await
    })
}

/// Never more unfinished than the client's Receive Maximum `[MQTT-3.3.4-9]`, a QoS 2 message counting until its
/// PUBCOMP; pings and subscriptions are answered meanwhile `[MQTT-4.9.0-3]`; all arrive in the end, in order.
#[test]
fn the_clients_receive_maximum_is_kept() -> Result<()> {
    with_brokers(|brokers| async move {
        for (maximum, qos) in [(1, 2), (2, 1), (10, 2), (10, 1)] {
            let topic = unique("window");
            let connect =
                Connect { receive_maximum: Some(maximum), ..Connect::kept(Version::V5, unique("s")) };
            let mut subscriber = Client::connect(brokers.address(0), &connect).await?;
            subscriber.subscribe(1, &[(&topic, qos)]).await?;
            let mut publisher =
                Client::connect(brokers.address(1), &Connect::clean(Version::V5, unique("p"))).await?;
            for id in 1..=40_u16 {
                publisher.publish(&topic, id.to_string(), qos, id).await?;
            }
            let mut held = Vec::new();
            while held.len() < usize::from(maximum) {
                held.push(subscriber.receive_publish().await?);
            }
            subscriber.silence().await.with_context(|| format!("over Receive Maximum {maximum}"))?;
            ensure!(subscriber.subscribe(2, &[("other", 0)]).await? == [0], "SUBSCRIBE at quota 0");
            if qos == 2 {
                // PUBREC alone frees nothing.
                let id = held[0].id.context("no identifier")?;
                subscriber.send(&frame::pubrec(id)).await?;
                subscriber.receive_ack(AckKind::PubRel, id).await?;
                subscriber.silence().await.context("a slot was freed by PUBREC")?;
                subscriber.send(&frame::pubcomp(id)).await?;
            } else {
                subscriber.send(&frame::puback(held[0].id.context("no identifier")?)).await?;
            }
            let mut came: Vec<String> = Vec::new();
            came.push(String::from_utf8(held.remove(0).payload)?);
            while came.len() < 40 {
                let publish =
                    if held.is_empty() { subscriber.receive_publish().await? } else { held.remove(0) };
                let id = publish.id.context("no identifier")?;
                came.push(String::from_utf8(publish.payload)?);
                if qos == 1 {
                    subscriber.send(&frame::puback(id)).await?;
                } else {
                    subscriber.send(&frame::pubrec(id)).await?;
                    subscriber.receive_ack(AckKind::PubRel, id).await?;
                    subscriber.send(&frame::pubcomp(id)).await?;
                }
            }
            let sent: Vec<String> = (1..=40).map(|id| id.to_string()).collect();
            ensure!(came == sent, "Receive Maximum {maximum}, QoS {qos}: came {came:?}");
        }
        Ok(())
    })
}

/// A client with more unreleased QoS 2 messages than the broker's Receive Maximum is closed with 0x93
/// `[MQTT-3.3.4-7]`.
#[test]
fn the_brokers_receive_maximum_is_enforced() -> Result<()> {
    with_brokers(|brokers| async move {
        if !brokers.are_ours() {
            return Ok(());
        }
        let mut client =
            Client::connect(brokers.address(0), &Connect::kept(Version::V5, unique("p"))).await?;
        let maximum =
            client.connack().and_then(|connack| connack.connack_number(RECEIVE_MAXIMUM)).unwrap_or(65_535);
        if maximum == 65_535 {
            // No identifier is left to exceed it with.
            return Ok(());
        }
        let maximum = u16::try_from(maximum)?;
        for id in 1..=maximum {
            client.send(&frame::publish(Version::V5, "flood", [], 2, Some(id), false)).await?;
        }
        for id in 1..=maximum {
            ensure!(
                client.receive_ack(AckKind::PubRec, id).await? < 0x80,
                "PUBLISH {id} of {maximum} was refused"
            );
        }
        // A held identifier may come again without taking a further place.
        client.send(&frame::publish(Version::V5, "flood", [], 2, Some(1), true)).await?;
        client.receive_ack(AckKind::PubRec, 1).await?;
        client.send(&frame::publish(Version::V5, "flood", [], 2, Some(maximum + 1), false)).await?;
        let reason = client.closed().await?;
        ensure!(reason == Some(0x93), "closed with {reason:02x?}");
        Ok(())
    })
}

/// A message that is larger than the client's Maximum Packet Size, the fixed header counted, is dropped for it
/// as if it were done `[MQTT-3.1.2-25]`; one that just fits arrives, and later ones flow.
#[test]
fn the_clients_maximum_packet_size_is_kept() -> Result<()> {
    with_brokers(|brokers| async move {
        for offline in [false, true] {
            for qos in [0, 1, 2] {
                if offline && qos == 0 {
                    continue;
                }
                let topic = unique("size");
                let connect = Connect {
                    maximum_packet_size: Some(100),
                    receive_maximum: Some(1),
                    ..Connect::kept(Version::V5, unique("s"))
                };
                let mut subscriber = Client::connect(brokers.address(0), &connect).await?;
                subscriber.subscribe(1, &[(&topic, qos)]).await?;
                if offline {
                    subscriber.send(&frame::disconnect()).await?;
                    subscriber.closed().await?;
                }
                let mut publisher =
                    Client::connect(brokers.address(1), &Connect::clean(Version::V5, unique("p"))).await?;
                // Two bytes of fixed header, two of topic length, one of property length, two of identifier.
                let fits = 100 - 2 - 2 - topic.len() - 1 - if qos > 0 { 2 } else { 0 };
                for (id, size) in [(1, fits), (2, fits + 1), (3, fits), (4, 5000), (5, 0)] {
                    publisher.publish(&topic, vec![b'x'; size], qos, id).await?;
                }
                if offline {
                    subscriber = Client::connect(brokers.address(2), &connect).await?;
                }
                for size in [fits, fits, 0] {
                    let publish = take(&mut subscriber).await?;
                    ensure!(
                        publish.payload.len() == size,
                        "QoS {qos}: {} in place of {size}",
                        publish.payload.len()
                    );
                }
                subscriber.silence().await?;
            }
        }
        Ok(())
    })
}

/// A packet larger than the broker's Maximum Packet Size closes the connection (5.0: 0x95) before its bytes
/// are there; one that just fits is taken.
#[test]
fn the_brokers_maximum_packet_size_is_enforced() -> Result<()> {
    with_brokers(|brokers| async move {
        let connect = Connect::clean(Version::V5, unique("probe"));
        let probe = Client::connect(brokers.address(0), &connect).await?;
        let maximum = probe.connack().and_then(|connack| connack.connack_number(MAXIMUM_PACKET_SIZE));
        let Some(maximum) = maximum else { return Ok(()) };
        let maximum = usize::try_from(maximum)?;
        for version in BOTH {
            let topic = unique("large");
            let (mut subscriber, mut publisher) = pair(&brokers, version, &topic).await?;
            let header = 1 + frame::variable(maximum - 5).len();
            let fits = maximum - header - 2 - topic.len() - 2 - usize::from(version.is_v5());
            let packet = frame::publish(version, &topic, vec![b'x'; fits], 1, Some(1), false);
            ensure!(packet.len() == maximum, "the test's own sum is wrong: {} and {maximum}", packet.len());
            publisher.send(&packet).await?;
            ensure!(
                publisher.receive_ack(AckKind::PubAck, 1).await? < 0x80,
                "{version}: the largest was refused"
            );
            ensure!(
                take(&mut subscriber).await?.payload.len() == fits,
                "{version}: the largest did not arrive whole"
            );
            let larger = frame::publish(version, &topic, vec![b'x'; fits + 1], 1, Some(2), false);
            publisher.send(&larger[..20]).await?;
            let reason = publisher.closed().await?;
            ensure!(matches!(reason, None | Some(0x95)), "{version}: closed with {reason:02x?}");
            subscriber.silence().await?;
        }
        Ok(())
    })
}

/// What is not acknowledged on a living connection is not sent again there `[MQTT-4.4.0-1]`; and a subscriber
/// that stops reading holds up nobody else.
#[test]
fn a_slow_subscriber_is_left_alone_and_harms_nobody() -> Result<()> {
    with_brokers(|brokers| async move {
        let topic = unique("slow");
        let (mut slow, mut publisher) = pair(&brokers, Version::V311, &topic).await?;
        let mut quick =
            Client::connect(brokers.address(0), &Connect::clean(Version::V311, unique("quick"))).await?;
        quick.subscribe(1, &[(&topic, 1)]).await?;
        let payload = vec![b'x'; 10_000];
        let began = Instant::now();
        for round in 1..=500_u16 {
            publisher.publish(&topic, &payload, 1, round).await?;
            take(&mut quick).await?;
        }
        ensure!(
            began.elapsed() < 3 * DEADLINE,
            "500 messages took {:?} beside a slow subscriber",
            began.elapsed()
        );
        // Only now does it read; each comes once.
        sleep(Duration::from_secs(2)).await;
        let mut identifiers = Vec::new();
        while let Event::Packet(packet) = slow.next(Duration::from_secs(1)).await? {
            if let Packet::Publish(publish) = packet {
                ensure!(!publish.dup, "sent again on a living connection: {publish}");
                identifiers.push(publish.id);
            }
        }
        let count = identifiers.len();
        identifiers.sort_unstable();
        identifiers.dedup();
        ensure!(identifiers.len() == count, "an identifier came twice without an acknowledgement");
        Ok(())
    })
}
