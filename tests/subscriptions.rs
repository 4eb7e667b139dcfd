//! Topic filters and what they match, SUBACK and UNSUBACK codes, overlapping and repeated subscriptions.
//!
//! The matching table is tried live (the subscription is there before the message) and offline (the message
//! waits in a kept session), publisher and subscriber on different nodes.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use quartet_tests::{
    AckKind, BOTH, Brokers, Client, Connect, DEADLINE, Event, Packet, PropertyValue, Version, frame, story,
    unique,
};

const LIMIT: Duration = Duration::from_secs(120);

fn with_brokers<F: Future<Output = Result<()>>>(test: impl FnOnce(Brokers) -> F) -> Result<()> {
    story(LIMIT, async { test(Brokers::find().await?).await })
}

/// Filter, topic, whether they match (4.7). `R` stands for a first level of the test's own.
const MATCHING: [(&str, &str, bool); 34] = [
    ("R/sport/#", "R/sport", true),
    ("R/sport/#", "R/sport/", true),
    ("R/sport/#", "R/sport/tennis/player", true),
    ("R/sport/#", "R/sports", false),
    ("R/#", "R", true),
    ("R/#", "R/", true),
    ("R/sport/+", "R/sport", false),
    ("R/sport/+", "R/sport/", true),
    ("R/sport/+", "R/sport/tennis", true),
    ("R/sport/+", "R/sport/tennis/player", false),
    ("+", "R", true),
    ("+", "/R", false),
    ("+", "R/", false),
    ("/+", "/R", true),
    ("+/+", "/R", true),
    ("+/+", "R/x", true),
    ("+/+", "R", false),
    ("R/+/c", "R/b/c", true),
    ("R/+/c", "R//c", true),
    ("R/+/c", "R/b/b/c", false),
    ("R/+/+/#", "R/a", false),
    ("R/+/+/#", "R/a/b", true),
    ("R/+/+/#", "R/a/b/c/d", true),
    ("R/a", "R/A", false),
    ("R/a", "R/a/", false),
    ("R/a", "R//a", false),
    ("R//a", "R//a", true),
    ("R/\u{e9}", "R/e\u{301}", false),
    ("R/ ", "R/ ", true),
    ("R/ ", "R/", false),
    ("#", "R", true),
    ("#", "/R", true),
    ("R/\u{feff}x", "R/\u{feff}x", true),
    ("R/x", "R/\u{feff}x", false),
];

#[test]
fn filters_match_as_the_standard_says() -> Result<()> {
    with_brokers(|brokers| async move {
        for (live, version) in [(true, BOTH[0]), (true, BOTH[1]), (false, BOTH[1])] {
            let root = unique("match");
            let mut publisher =
                Client::connect(brokers.address(1), &Connect::clean(version, unique("p"))).await?;
            // A session for each filter: what a message reached is then known.
            for (place, (filter, topic, expected)) in MATCHING.iter().enumerate() {
                let (filter, topic) = (filter.replace('R', &root), topic.replace('R', &root));
                let kept = Connect::kept(version, unique("matcher"));
                let mut client = Client::connect(brokers.address(place), &kept).await?;
                let marker = format!("{root}-marker");
                let codes = client.subscribe(1, &[(&filter, 1), (&marker, 1)]).await?;
                ensure!(codes == [1, 1], "`{filter}`: {codes:02x?}");
                if !live {
                    client.send(&frame::disconnect()).await?;
                    client.closed().await?;
                }
                publisher.publish(&topic, "hit", 1, 1).await?;
                publisher.publish(&marker, "marker", 1, 2).await?;
                if !live {
                    client = Client::connect(brokers.address(place + 1), &kept).await?;
                }
                let mut hit = false;
                loop {
                    let publish = client.receive_publish().await?;
                    if publish.payload == b"marker" && publish.topic == marker {
                        break;
                    }
                    // `#` also sees other tests' messages.
                    hit |= publish.topic == topic;
                    if let Some(id) = publish.id {
                        client.send(&frame::puback(id)).await?;
                    }
                }
                // Not kept any longer: `#` would go on collecting.
                client.unsubscribe(2, &[&filter, &marker]).await?;
                ensure!(hit == *expected, "{version}: `{filter}` and `{topic}`: matched {hit}");
            }
        }
        Ok(())
    })
}

/// Topics that begin with `$` are hidden from filters that begin with a wildcard `[MQTT-4.7.2-1]`. A broker may
/// refuse them from a client altogether, as this one does.
#[test]
fn wildcards_do_not_see_dollar_topics() -> Result<()> {
    with_brokers(|brokers| async move {
        let own = format!("${}", unique("own"));
        let mut hidden =
            Client::connect(brokers.address(0), &Connect::clean(Version::V5, unique("hidden"))).await?;
        let marker = unique("marker");
        hidden.subscribe(1, &[("#", 1), ("+/#", 1), ("+/y", 1), (&marker, 1)]).await?;
        let mut seeing =
            Client::connect(brokers.address(1), &Connect::clean(Version::V5, unique("seeing"))).await?;
        seeing.subscribe(1, &[(&format!("{own}/+"), 1), (&marker, 1)]).await?;
        let mut publisher =
            Client::connect(brokers.address(2), &Connect::clean(Version::V5, unique("p"))).await?;
        publisher.send(&frame::publish(Version::V5, format!("{own}/y"), "hidden", 1, Some(1), false)).await?;
        let refused = publisher.receive_ack(AckKind::PubAck, 1).await? >= 0x80;
        publisher.publish(&marker, "marker", 1, 2).await?;
        let seen = seeing.receive_publish().await?.payload;
        ensure!(seen == if refused { "marker" } else { "hidden" }.as_bytes(), "its own filter saw {seen:?}");
        loop {
            let publish = hidden.receive_publish().await?;
            ensure!(!publish.topic.starts_with('$'), "a wildcard saw `{}`", publish.topic);
            if publish.topic == marker {
                return Ok(());
            }
            hidden.send(&frame::puback(publish.id.context("QoS 1 without an identifier")?)).await?;
        }
    })
}

/// One code for each filter, in order `[MQTT-3.8.4-6]`; the same filter twice counts the second time.
#[test]
fn suback_answers_each_filter_in_order() -> Result<()> {
    with_brokers(|brokers| async move {
        for version in BOTH {
            let root = unique("codes");
            let mut client =
                Client::connect(brokers.address(0), &Connect::clean(version, unique("many"))).await?;
            let filters: Vec<(String, u8)> =
                (0..500).map(|n| (format!("{root}/{n}"), (n % 3) as u8)).collect();
            let filters: Vec<(&str, u8)> =
                filters.iter().map(|(filter, qos)| (filter.as_str(), *qos)).collect();
            let codes = client.subscribe(7, &filters).await?;
            let asked: Vec<u8> = filters.iter().map(|(_, qos)| *qos).collect();
            ensure!(codes == asked, "{version}: 500 filters got {codes:?}");

            let twice = format!("{root}/twice");
            let codes = client.subscribe(8, &[(&twice, 2), (&twice, 0)]).await?;
            ensure!(codes == [2, 0], "{version}: the same filter twice: {codes:?}");
            let mut publisher =
                Client::connect(brokers.address(1), &Connect::clean(version, unique("p"))).await?;
            publisher.publish(&twice, "once", 2, 1).await?;
            let publish = client.receive_publish().await?;
            ensure!(
                publish.qos == 0,
                "{version}: the last subscription asked for QoS 0, not {}",
                publish.qos
            );
            client.silence().await?;
        }
        Ok(())
    })
}

/// An invalid filter is answered alone (0x8F, before 5.0 0x80) or closes the connection; a valid one beside it
/// is not lost without a word.
#[test]
fn invalid_filters_are_refused() -> Result<()> {
    with_brokers(|brokers| async move {
        for version in BOTH {
            for filter in ["a#", "a/#/b", "#/a", "+a", "a+", "a/b+/c", "a/+b", "##", "++", ""] {
                let mut client =
                    Client::connect(brokers.address(0), &Connect::clean(version, unique("bad"))).await?;
                client.send(&frame::subscribe(version, 1, &[("good", 1), (filter, 1)])).await?;
                match client.next(DEADLINE).await? {
                    Event::Packet(Packet::SubAck { id: 1, codes }) => {
                        let refusal = if version.is_v5() { 0x8f } else { 0x80 };
                        ensure!(
                            codes == [1, refusal],
                            "{version}: `{filter}` was answered with {codes:02x?}"
                        );
                    }
                    Event::Packet(Packet::Disconnect { code }) => {
                        ensure!(
                            [0x81, 0x82, 0x8f].contains(&code),
                            "{version}: `{filter}` closed with {code:02x}"
                        );
                    }
                    Event::Closed => {}
                    other => ensure!(false, "{version}: `{filter}` was answered with {other:?}"),
                }
            }
            for filter in ["/", "//", "/#", "+/+", "+", "#", " ", "a/+/#"] {
                let mut client =
                    Client::connect(brokers.address(0), &Connect::clean(version, unique("good"))).await?;
                let codes = client.subscribe(1, &[(filter, 1)]).await?;
                ensure!(codes == [1], "{version}: `{filter}` was answered with {codes:02x?}");
            }
        }
        Ok(())
    })
}

/// A delivery's QoS is the lower of the publisher's and the granted one.
#[test]
fn the_lower_qos_counts() -> Result<()> {
    with_brokers(|brokers| async move {
        for version in BOTH {
            for granted in 0..=2 {
                let topic = unique("lower");
                let mut client =
                    Client::connect(brokers.address(0), &Connect::clean(version, unique("s"))).await?;
                client.subscribe(1, &[(&topic, granted)]).await?;
                let mut publisher =
                    Client::connect(brokers.address(1), &Connect::clean(version, unique("p"))).await?;
                for published in [2, 1, 0] {
                    publisher.publish(&topic, "x", published, 1).await?;
                    let publish = client.receive_publish().await?;
                    let lower = published.min(granted);
                    ensure!(
                        publish.qos == lower,
                        "{version}: {published} to {granted} came at {}",
                        publish.qos
                    );
                }
            }
        }
        Ok(())
    })
}

/// Overlapping filters of one client: one copy at the highest QoS, or one for each filter at its own; never
/// none at the highest.
#[test]
fn overlapping_filters_deliver_at_the_highest_qos() -> Result<()> {
    with_brokers(|brokers| async move {
        for version in BOTH {
            for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0]] {
                let root = unique("overlap");
                let mut client =
                    Client::connect(brokers.address(0), &Connect::clean(version, unique("s"))).await?;
                let filters = [format!("{root}/x"), format!("{root}/+"), format!("{root}/#")];
                for (id, (filter, qos)) in filters.iter().zip(order).enumerate() {
                    client.subscribe(id as u16 + 1, &[(filter, qos)]).await?;
                }
                client.subscribe(9, &[(&format!("{root}-marker"), 1)]).await?;
                let mut publisher =
                    Client::connect(brokers.address(1), &Connect::clean(version, unique("p"))).await?;
                publisher.publish(&format!("{root}/x"), "x", 2, 1).await?;
                publisher.publish(&format!("{root}-marker"), "marker", 1, 2).await?;
                let mut levels = Vec::new();
                loop {
                    let publish = client.receive_publish().await?;
                    if publish.payload == b"marker" {
                        break;
                    }
                    levels.push(publish.qos);
                }
                levels.sort_unstable();
                ensure!(
                    levels == [2] || levels == [0, 1, 2],
                    "{version}, order {order:?}: copies at {levels:?}"
                );
            }
        }
        Ok(())
    })
}

/// UNSUBACK says what there was (5.0), removes that filter byte by byte and no other `[MQTT-3.10.4-1]`, and
/// nothing published after it is delivered `[MQTT-3.10.4-2]`; also not to the session taken up elsewhere.
#[test]
fn unsubscribe_removes_exactly_its_filter() -> Result<()> {
    with_brokers(|brokers| async move {
        for version in BOTH {
            let root = unique("unsub");
            let (exact, plus, hash) = (format!("{root}/b"), format!("{root}/+"), format!("{root}/#"));
            let connect = Connect::kept(version, unique("s"));
            let mut client = Client::connect(brokers.address(0), &connect).await?;
            client.subscribe(1, &[(&exact, 1), (&hash, 1)]).await?;
            let codes = client.unsubscribe(2, &[&plus, &hash, &hash]).await?;
            let expected: &[u8] = if version.is_v5() { &[0x11, 0x00, 0x11] } else { &[] };
            ensure!(codes == expected, "{version}: UNSUBACK codes {codes:02x?}");
            let mut publisher =
                Client::connect(brokers.address(1), &Connect::clean(version, unique("p"))).await?;
            publisher.publish(&format!("{root}/other"), "gone", 1, 1).await?;
            publisher.publish(&exact, "stays", 1, 2).await?;
            let publish = client.receive_publish().await?;
            ensure!(publish.payload == b"stays", "{version}: {publish}");
            client.send(&frame::puback(publish.id.context("QoS 1 without an identifier")?)).await?;
            client.unsubscribe(3, &[&exact]).await?;
            client.reset()?;
            publisher.publish(&exact, "nobody", 1, 3).await?;
            let mut client = Client::connect(brokers.address(2), &connect).await?;
            client.silence().await?;
        }
        Ok(())
    })
}

/// SUBACK means that the subscription counts everywhere: what another node takes after it arrives.
#[test]
fn a_subscription_counts_on_every_node_at_once() -> Result<()> {
    with_brokers(|brokers| async move {
        let connect = Connect::clean(Version::V5, unique("p"));
        let mut publisher = Client::connect(brokers.address(2), &connect).await?;
        let mut client =
            Client::connect(brokers.address(0), &Connect::clean(Version::V5, unique("s"))).await?;
        for round in 1..=100_u16 {
            let topic = unique("at-once");
            client.subscribe(round, &[(&topic, 1)]).await?;
            publisher.publish(&topic, round.to_string(), 1, round).await?;
            let publish = client.receive_publish().await?;
            ensure!(publish.topic == topic, "{publish} in place of round {round}");
            client.send(&frame::puback(publish.id.context("QoS 1 without an identifier")?)).await?;
        }
        Ok(())
    })
}

/// Own publishes do not come back with No Local `[MQTT-3.8.3-3]`, also not after a resume on another node;
/// Subscription Identifiers come with every copy `[MQTT-3.3.4-3]`, and a subscription without one has none.
#[test]
fn no_local_and_subscription_identifiers() -> Result<()> {
    with_brokers(|brokers| async move {
        const NO_LOCAL: u8 = 0x04;
        const LARGEST: [u8; 5] = [0x0b, 0xff, 0xff, 0xff, 0x7f];
        let (local, identified) = (unique("local"), unique("identified"));
        let connect = Connect::kept(Version::V5, unique("s"));
        let mut client = Client::connect(brokers.address(0), &connect).await?;
        client.subscribe(1, &[(&local, 1 | NO_LOCAL)]).await?;
        client.send(&frame::subscribe_with(Version::V5, 2, &[(&identified, 1)], &LARGEST)).await?;
        ensure!(client.receive_suback(2).await? == [1], "a subscription with the largest identifier");
        for (turn, identifiers) in [(1, 1), (2, 0)] {
            client.publish(&local, "own", 1, 10).await?;
            client.publish(&identified, "marker", 1, 11).await?;
            let publish = client.receive_publish().await?;
            ensure!(publish.payload == b"marker", "No Local: {publish}");
            let got: Vec<&PropertyValue> =
                publish.properties.iter().filter(|p| p.id == 0x0b).map(|p| &p.value).collect();
            let expected = vec![&PropertyValue::Number(268_435_455); identifiers];
            ensure!(got == expected, "Subscription Identifiers {got:?}");
            client.send(&frame::puback(publish.id.context("QoS 1 without an identifier")?)).await?;
            client.ping().await?;
            client.reset()?;
            client = Client::connect(brokers.address(turn), &connect).await?;
            ensure!(client.session_present(), "the session is gone");
            if turn == 1 {
                client.subscribe(3, &[(&identified, 1)]).await?;
            }
        }
        Ok(())
    })
}

/// A message goes unaltered through the cluster: every byte value in the payload and in Correlation Data, user
/// properties in order with repeated keys and empty values `[MQTT-3.3.2-18]`.
#[test]
fn messages_arrive_unaltered() -> Result<()> {
    with_brokers(|brokers| async move {
        let bytes: Vec<u8> = (0..=255).collect();
        let mut sent = vec![0x01, 0x00, 0x03];
        sent.extend(frame::field("text/plain"));
        sent.push(0x08);
        sent.extend(frame::field("answer/here"));
        sent.push(0x09);
        sent.extend(frame::field(&bytes));
        let pairs: Vec<(String, String)> = (0..30)
            .map(|n| (format!("key{}", n % 5), if n % 3 == 0 { String::new() } else { n.to_string() }))
            .collect();
        for (key, value) in &pairs {
            sent.push(0x26);
            sent.extend([frame::field(key), frame::field(value)].concat());
        }
        let topic = unique("unaltered");
        let kept = Connect::kept(Version::V5, unique("s5"));
        let mut client = Client::connect(brokers.address(0), &kept).await?;
        client.subscribe(1, &[(&topic, 2)]).await?;
        let mut old =
            Client::connect(brokers.address(1), &Connect::clean(Version::V311, unique("s311"))).await?;
        old.subscribe(1, &[(&topic, 2)]).await?;
        let mut publisher =
            Client::connect(brokers.address(2), &Connect::clean(Version::V5, unique("p"))).await?;
        for round in 1..=2_u16 {
            // The second time it waits in the session and goes out through another node.
            publisher
                .send(&frame::publish_with(Version::V5, &topic, &bytes, 1, Some(round), false, false, &sent))
                .await?;
            publisher.receive_ack(AckKind::PubAck, round).await?;
            if round == 2 {
                client = Client::connect(brokers.address(2), &kept).await?;
            }
            let publish = client.receive_publish().await?;
            ensure!(publish.payload == bytes, "round {round}: the payload was altered");
            let got: Vec<(String, String)> = publish
                .properties
                .iter()
                .filter_map(|property| match &property.value {
                    PropertyValue::Pair(key, value) => Some((key.clone(), value.clone())),
                    PropertyValue::Number(_) | PropertyValue::Bytes(_) => None,
                })
                .collect();
            ensure!(got == pairs, "round {round}: user properties {got:?}");
            let value = |id| publish.properties.iter().find(|p| p.id == id).map(|p| p.value.clone());
            ensure!(
                value(0x03) == Some(PropertyValue::Bytes(b"text/plain".to_vec())),
                "Content Type was altered"
            );
            ensure!(
                value(0x08) == Some(PropertyValue::Bytes(b"answer/here".to_vec())),
                "Response Topic was altered"
            );
            ensure!(value(0x09) == Some(PropertyValue::Bytes(bytes.clone())), "Correlation Data was altered");
            let old_publish = old.receive_publish().await?;
            ensure!(old_publish.payload == bytes, "round {round}: the payload was altered for 3.1.1");
            client.send(&frame::puback(publish.id.context("QoS 1 without an identifier")?)).await?;
            client.ping().await?;
            if round == 1 {
                client.send(&frame::disconnect()).await?;
                client.closed().await?;
            }
        }
        Ok(())
    })
}
