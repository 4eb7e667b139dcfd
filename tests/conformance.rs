//! Connections and sessions as the standard has them: CONNECT and CONNACK, Session Present, expiry, takeover,
//! keep alive, and what this broker says it does not have yet.
//!
//! Every client connects to the next node in turn, so that each rule is also tried across nodes. Both versions
//! run every test that is not about a property of 5.0.

use std::time::Duration;

use anyhow::{Result, ensure};
use quartet_tests::{
    AckKind, BOTH, Brokers, Client, Connect, Event, Packet, QUIET, Version, Will, frame, story, unique,
};
use tokio::time::{Instant, sleep};

const LIMIT: Duration = Duration::from_secs(120);

const SESSION_EXPIRY: u8 = 0x11;
const ASSIGNED_CLIENT_ID: u8 = 0x12;
const RETAIN_AVAILABLE: u8 = 0x25;
const SHARED_AVAILABLE: u8 = 0x2a;

/// The three lines at the head of every test here.
fn with_brokers<F: Future<Output = Result<()>>>(test: impl FnOnce(Brokers) -> F) -> Result<()> {
    story(LIMIT, async { test(Brokers::find().await?).await })
}

/// Session Present is 1 only where a kept session is taken up `[MQTT-3.2.2-2]` `[MQTT-3.2.2-3]`.
#[test]
fn session_present_is_told_rightly() -> Result<()> {
    with_brokers(|brokers| async move {
        for version in BOTH {
            let name = unique("present");
            let kept = Connect::kept(version, &name);
            let clean = Connect::clean(version, &name);
            let kept_but_clean_start = Connect { clean: true, ..kept.clone() };
            // In 3.1.1 Clean Session 1 also ends the session with the connection [MQTT3-3.1.2-6].
            let after_clean_start = version.is_v5();
            let steps = [
                (&kept, false, "first connect"),
                (&kept, true, "kept after kept"),
                (&clean, false, "clean after kept"),
                (&kept, false, "kept after clean"),
                (&kept_but_clean_start, false, "clean start after kept"),
                (&kept, after_clean_start, "kept after clean start with an expiry"),
                (&clean, false, "clean again"),
            ];
            for (turn, (connect, expected, what)) in steps.into_iter().enumerate() {
                let mut client = Client::connect(brokers.address(turn), connect).await?;
                ensure!(
                    client.session_present() == expected,
                    "{version}, {what}: {}",
                    client.session_present()
                );
                client.send(&frame::disconnect()).await?;
                client.closed().await?;
            }
        }
        Ok(())
    })
}

/// What a client sends before its CONNACK is worked off after it, in order `[MQTT-3.2.0-1]`, however the bytes
/// are cut.
#[test]
fn packets_before_connack_are_worked_off_after_it() -> Result<()> {
    with_brokers(|brokers| async move {
        for (turn, version) in [Version::V31, Version::V311, Version::V5].into_iter().enumerate() {
            for byte_by_byte in [false, true] {
                let name = unique("pipeline");
                let mut bytes = Connect::clean(version, &name).bytes();
                bytes.extend(frame::subscribe(version, 1, &[(&name, 1)]));
                bytes.extend(frame::publish(version, &name, "early", 1, Some(2), false));
                bytes.extend(frame::pingreq());
                let mut client = Client::open(brokers.address(turn), version, &name).await?;
                if byte_by_byte {
                    for byte in bytes {
                        client.send(&[byte]).await?;
                    }
                } else {
                    client.send(&bytes).await?;
                }
                let first = client.receive().await?;
                ensure!(matches!(first, Packet::ConnAck { code: 0, .. }), "{version}: {first} came first");
                ensure!(client.receive_suback(1).await? == [1], "{version}: not subscribed");
                ensure!(client.receive_ack(AckKind::PubAck, 2).await? == 0, "{version}: not published");
                ensure!(client.receive_publish().await?.payload == b"early", "{version}: not delivered");
                client.receive_where("PINGRESP", |packet| *packet == Packet::PingResp).await?;
            }
        }
        Ok(())
    })
}

/// Nothing that comes after DISCONNECT in the same segment is worked off.
#[test]
fn packets_after_disconnect_are_not_worked_off() -> Result<()> {
    with_brokers(|brokers| async move {
        for version in BOTH {
            let name = unique("after-disconnect");
            let mut witness =
                Client::connect(brokers.address(0), &Connect::clean(version, unique("witness"))).await?;
            witness.subscribe(1, &[(&name, 1)]).await?;
            let mut client = Client::connect(brokers.address(0), &Connect::clean(version, &name)).await?;
            let late = frame::publish(version, &name, "late", 1, Some(1), false);
            client.send(&[frame::disconnect(), late].concat()).await?;
            client.closed().await?;
            let mut other =
                Client::connect(brokers.address(0), &Connect::clean(version, unique("other"))).await?;
            other.publish(&name, "marker", 1, 1).await?;
            ensure!(witness.receive_publish().await?.payload == b"marker", "{version}: `late` was delivered");
        }
        Ok(())
    })
}

/// Client identifiers that must be taken `[MQTT-3.1.3-5]`, and names that differ in one byte are different.
#[test]
fn client_identifiers_are_taken_byte_by_byte() -> Result<()> {
    with_brokers(|brokers| async move {
        let stem = unique("name");
        let composed = format!("{stem}\u{e9}");
        let decomposed = format!("{stem}e\u{301}");
        let names = [stem.clone(), stem.to_uppercase(), format!("{stem} "), composed, decomposed];
        let mut clients = Vec::new();
        for (turn, name) in names.iter().enumerate() {
            clients
                .push(Client::connect(brokers.address(turn), &Connect::clean(BOTH[turn % 2], name)).await?);
        }
        for client in &mut clients {
            client.ping().await?;
        }
        let longest: String = "0123456789abcdefghijABC".to_owned();
        Client::connect(brokers.address(0), &Connect::clean(Version::V311, "x")).await?;
        Client::connect(brokers.address(0), &Connect::clean(Version::V311, longest)).await?;
        Ok(())
    })
}

/// A client without a name: 3.1.1 takes it only with a clean session `[MQTT3-3.1.3-8]`, 5.0 gives it one
/// `[MQTT-3.1.3-6]` under which its session is found again.
#[test]
fn an_empty_client_identifier_gets_a_name() -> Result<()> {
    with_brokers(|brokers| async move {
        let mut first = Client::connect(brokers.address(0), &Connect::clean(Version::V311, "")).await?;
        let mut second = Client::connect(brokers.address(1), &Connect::clean(Version::V311, "")).await?;
        first.ping().await?;
        second.ping().await?;
        let mut refused = Client::open(brokers.address(0), Version::V311, "no name, kept").await?;
        refused.send(&Connect::kept(Version::V311, "").bytes()).await?;
        ensure!(
            refused.closed().await? == Some(2),
            "3.1.1 without a name and with a kept session [MQTT3-3.1.3-8]"
        );

        let mut names = Vec::new();
        for turn in 0..6 {
            let connect = Connect { clean: turn % 2 == 0, ..Connect::kept(Version::V5, "") };
            let client = Client::connect(brokers.address(turn), &connect).await?;
            let name = assigned_name(client.connack());
            let Some(name) = name else {
                return Err(client.fault("no Assigned Client Identifier".to_owned()));
            };
            names.push(name);
        }
        let mut different = names.clone();
        different.sort();
        different.dedup();
        ensure!(different.len() == names.len(), "a name was given twice: {names:?}");
        let again = Client::connect(brokers.address(1), &Connect::kept(Version::V5, &names[0])).await?;
        ensure!(again.session_present(), "the session of the given name `{}` is not there", names[0]);
        ensure!(assigned_name(again.connack()).is_none(), "a name was assigned to a client that has one");
        Ok(())
    })
}

fn assigned_name(connack: Option<&Packet>) -> Option<String> {
    let Some(Packet::ConnAck { properties, .. }) = connack else { return None };
    let property = properties.iter().find(|property| property.id == ASSIGNED_CLIENT_ID)?;
    match &property.value {
        quartet_tests::PropertyValue::Bytes(bytes) => String::from_utf8(bytes.clone()).ok(),
        quartet_tests::PropertyValue::Number(_) | quartet_tests::PropertyValue::Pair(..) => None,
    }
}

/// The session ends when its expiry has passed since the close, not before; the last CONNECT or DISCONNECT
/// says how long `[MQTT-3.1.2-23]`.
#[test]
fn sessions_expire_when_the_client_says() -> Result<()> {
    with_brokers(|brokers| async move {
        let reconnect = |name: String, turn: usize| {
            let address = brokers.address(turn);
            async move {
                let client = Client::connect(address, &Connect::kept(Version::V5, name)).await?;
                anyhow::Ok(client.session_present())
            }
        };
        let with_expiry =
            |expiry| Connect { session_expiry: expiry, ..Connect::kept(Version::V5, unique("expiry")) };

        let none = with_expiry(None);
        Client::connect(brokers.address(0), &none).await?.send(&frame::disconnect()).await?;
        let zero = with_expiry(Some(0));
        Client::connect(brokers.address(0), &zero).await?.reset()?;
        let short = with_expiry(Some(2));
        let mut client = Client::connect(brokers.address(0), &short).await?;
        let connected_longer_than_that = with_expiry(Some(2));
        let mut stays = Client::connect(brokers.address(1), &connected_longer_than_that).await?;
        let shortened = with_expiry(Some(3600));
        let mut shortens = Client::connect(brokers.address(2), &shortened).await?;
        let lengthened = with_expiry(Some(2));
        let mut lengthens = Client::connect(brokers.address(0), &lengthened).await?;
        let for_ever = with_expiry(Some(u32::MAX));
        let ever = Client::connect(brokers.address(1), &for_ever).await?;
        let agreed = ever.connack().and_then(|connack| connack.connack_number(SESSION_EXPIRY));
        ensure!(agreed.is_none_or(|seconds| seconds > 3600), "an expiry of for ever became {agreed:?} s");

        client.send(&frame::disconnect()).await?;
        shortens.send(&frame::disconnect_with_expiry(1)).await?;
        lengthens.send(&frame::disconnect_with_expiry(3600)).await?;
        drop(ever);
        // Replicated time moves in steps; three times the expiry is late enough for any of them.
        sleep(Duration::from_secs(6)).await;
        stays.ping().await?;
        stays.reset()?;

        ensure!(!reconnect(none.client_id, 1).await?, "a session without expiry was kept [MQTT-4.1.0-2]");
        ensure!(!reconnect(zero.client_id, 1).await?, "a session with expiry 0 was kept");
        ensure!(!reconnect(short.client_id, 1).await?, "a session with expiry 2 was kept for 6 s");
        ensure!(
            reconnect(connected_longer_than_that.client_id, 2).await?,
            "the clock must start at the close"
        );
        ensure!(!reconnect(shortened.client_id, 0).await?, "the expiry in DISCONNECT did not count");
        ensure!(reconnect(lengthened.client_id, 1).await?, "the longer expiry in DISCONNECT did not count");
        ensure!(reconnect(for_ever.client_id, 2).await?, "a session for ever was not kept");
        Ok(())
    })
}

/// An expiry cannot be made out of none at the end (3.14.2.2.2).
#[test]
fn disconnect_may_not_give_an_expiry_to_a_session_without() -> Result<()> {
    with_brokers(|brokers| async move {
        let connect = Connect { session_expiry: Some(0), ..Connect::kept(Version::V5, unique("none")) };
        let mut client = Client::connect(brokers.address(0), &connect).await?;
        client.send(&frame::disconnect_with_expiry(10)).await?;
        let reason = client.closed().await?;
        ensure!(matches!(reason, None | Some(0x82)), "closed with {reason:02x?}");
        let again =
            Client::connect(brokers.address(1), &Connect { session_expiry: Some(1), ..connect }).await?;
        ensure!(!again.session_present(), "the session was kept");
        Ok(())
    })
}

/// What waits for a kept session comes on resume in publishing order, at the granted QoS `[MQTT-4.6.0-6]`; a
/// clean start takes it away `[MQTT-3.1.2-4]`.
#[test]
fn a_kept_session_keeps_its_messages_and_a_clean_one_nothing() -> Result<()> {
    with_brokers(|brokers| async move {
        for version in BOTH {
            for clean in [false, true] {
                let name = unique("offline");
                let kept = Connect::kept(version, &name);
                let mut client = Client::connect(brokers.address(0), &kept).await?;
                client.subscribe(1, &[(&format!("{name}/#"), 2)]).await?;
                client.send(&frame::disconnect()).await?;
                client.closed().await?;
                let mut publisher =
                    Client::connect(brokers.address(1), &Connect::clean(version, unique("p"))).await?;
                for (id, qos) in [(1, 1), (2, 2), (3, 1), (4, 2)] {
                    publisher.publish(&format!("{name}/{id}"), id.to_string(), qos, id).await?;
                }
                let mut client =
                    Client::connect(brokers.address(2), &Connect { clean, ..kept.clone() }).await?;
                ensure!(client.session_present() != clean, "{version}: session present {}", !clean);
                if clean {
                    publisher.publish(&format!("{name}/5"), "5", 1, 5).await?;
                    client.silence().await?;
                    continue;
                }
                for (id, qos) in [(1, 1), (2, 2), (3, 1), (4, 2)] {
                    let publish = client.receive_publish().await?;
                    let came = (publish.payload, publish.qos, publish.dup);
                    ensure!(
                        came == (id.to_string().into_bytes(), qos, false),
                        "{version}: {came:?} in place of {id}"
                    );
                }
            }
        }
        Ok(())
    })
}

/// A session belongs to its name, whichever version speaks; nothing of 5.0 reaches a 3.1.1 client.
#[test]
fn a_session_is_taken_up_by_the_other_version() -> Result<()> {
    with_brokers(|brokers| async move {
        for (first, second) in [(Version::V311, Version::V5), (Version::V5, Version::V311)] {
            let name = unique("cross");
            let mut client = Client::connect(brokers.address(0), &Connect::kept(first, &name)).await?;
            client.subscribe(1, &[(&name, 2)]).await?;
            client.reset()?;
            let mut publisher =
                Client::connect(brokers.address(1), &Connect::clean(Version::V5, unique("p"))).await?;
            let content_type = [&[0x03][..], &frame::field("text")].concat();
            let bytes =
                frame::publish_with(Version::V5, &name, "queued", 1, Some(1), false, false, &content_type);
            publisher.send(&bytes).await?;
            publisher.receive_ack(AckKind::PubAck, 1).await?;
            let mut client = Client::connect(brokers.address(2), &Connect::kept(second, &name)).await?;
            ensure!(client.session_present(), "from {first} to {second}: no session");
            let publish = client.receive_publish().await?;
            ensure!(publish.payload == b"queued", "from {first} to {second}: {publish}");
            ensure!(publish.properties.len() == usize::from(second.is_v5()), "{:?}", publish.properties);
        }
        Ok(())
    })
}

/// One owner: a second connection closes the first `[MQTT-3.1.4-3]`, on the same node and on another.
#[test]
fn a_second_connection_takes_the_session_over() -> Result<()> {
    with_brokers(|brokers| async move {
        for (old_version, new_version) in [(BOTH[0], BOTH[1]), (BOTH[1], BOTH[0]), (BOTH[1], BOTH[1])] {
            for other_node in [0, 1] {
                let name = unique("takeover");
                let mut old = Client::connect(brokers.address(0), &Connect::kept(old_version, &name)).await?;
                old.subscribe(1, &[(&name, 1)]).await?;
                let new = Connect::kept(new_version, &name);
                let mut new = Client::connect(brokers.address(other_node), &new).await?;
                ensure!(new.session_present(), "the new connection does not find the session");
                new.publish(&name, "to the new one", 1, 1).await?;
                ensure!(
                    new.receive_publish().await?.payload == b"to the new one",
                    "not delivered to the new one"
                );
                let first = old.next(Duration::from_secs(5)).await?;
                let expected = match old_version.is_v5() {
                    true => Event::Packet(Packet::Disconnect { code: 0x8e }),
                    false => Event::Closed,
                };
                ensure!(
                    first == expected,
                    "the old connection ({old_version}) got {first:?}, not {expected:?}"
                );
                old.closed().await?;
            }
        }
        Ok(())
    })
}

/// A crowd with one name: in the end one connection is alive and each message reaches it once.
#[test]
fn of_fifty_connections_with_one_name_one_survives() -> Result<()> {
    with_brokers(|brokers| async move {
        let name = unique("crowd");
        let mut crowd = tokio::task::JoinSet::new();
        for turn in 0..50 {
            let address = brokers.address(turn);
            let connect = Connect::kept(BOTH[turn % 2], &name);
            // A connection that lost the race before its CONNACK is closed instead of accepted.
            crowd.spawn(async move { Client::connect_once(address, &connect).await.ok() });
        }
        let mut accepted: Vec<Client> = crowd.join_all().await.into_iter().flatten().collect();
        ensure!(!accepted.is_empty(), "nobody was accepted");
        let mut alive = Vec::new();
        let until = Instant::now() + Duration::from_secs(20);
        while accepted.len() + alive.len() > 1 && Instant::now() < until {
            for mut client in std::mem::take(&mut accepted) {
                client.send_regardless(&frame::pingreq()).await;
                match client.next(QUIET).await? {
                    Event::Packet(Packet::PingResp) | Event::Quiet => alive.push(client),
                    Event::Packet(_) | Event::Closed => {}
                }
            }
            accepted = std::mem::take(&mut alive);
        }
        ensure!(accepted.len() == 1, "{} connections with one name are alive", accepted.len());
        accepted[0].ping().await
    })
}

/// Two clients that share a name by mistake would throw each other out as fast as they can; beyond a rate one name
/// is refused for a moment (5.0: 0x9F), and others are not.
#[test]
fn one_name_that_connects_too_often_is_slowed_down() -> Result<()> {
    with_brokers(|brokers| async move {
        if !brokers.are_ours() {
            return Ok(());
        }
        let name = unique("often");
        let mut refused = None;
        for _ in 0..200 {
            let mut client = Client::open(brokers.address(0), Version::V5, &name).await?;
            client.send(&Connect::clean(Version::V5, &name).bytes()).await?;
            if let Packet::ConnAck { code: code @ 1.., .. } = client.receive().await? {
                refused = Some(code);
                break;
            }
        }
        ensure!(refused == Some(0x9f), "200 CONNECTs of one name at once were answered with {refused:02x?}");
        Client::connect(brokers.address(0), &Connect::clean(Version::V5, unique("other")))
            .await?
            .ping()
            .await?;
        let connect = Connect::clean(Version::V5, &name);
        Client::connect_within(brokers.address(0), &connect, Duration::from_secs(10)).await?.ping().await
    })
}

/// A silent client is closed after one and a half times its Keep Alive `[MQTT-3.1.2-22]`; what the broker sends
/// does not count, and Keep Alive 0 means never.
#[test]
fn keep_alive_is_kept() -> Result<()> {
    with_brokers(|brokers| async move {
        for version in BOTH {
            let name = unique("keep-alive");
            let connect = |stem, keep_alive| Connect { keep_alive, ..Connect::clean(version, unique(stem)) };
            let mut never = Client::connect(brokers.address(0), &connect("never", 0)).await?;
            let mut talks = Client::connect(brokers.address(1), &connect("talks", 1)).await?;
            let mut silent = Client::connect(brokers.address(2), &connect("silent", 1)).await?;
            silent.subscribe(1, &[(&name, 0)]).await?;
            let since = Instant::now();
            let closed = loop {
                // Traffic towards the silent one, and from the talking one.
                talks.publish(&name, "still here", 0, 0).await?;
                match silent.next(Duration::from_millis(500)).await? {
                    Event::Closed => break since.elapsed(),
                    Event::Packet(Packet::Disconnect { code }) => {
                        ensure!(code == 0x8d, "{version}: closed with {code:02x}")
                    }
                    Event::Packet(_) | Event::Quiet => {}
                }
                ensure!(
                    since.elapsed() < Duration::from_secs(10),
                    "{version}: the silent client is not closed"
                );
                sleep(Duration::from_millis(300)).await;
            };
            ensure!(
                closed >= Duration::from_secs(1),
                "{version}: closed after {closed:?}, before 1 s was over"
            );
            talks.ping().await?;
            never.ping().await?;
        }
        Ok(())
    })
}

/// As many PINGRESP as PINGREQ `[MQTT-3.12.4-1]`.
#[test]
fn every_ping_is_answered() -> Result<()> {
    with_brokers(|brokers| async move {
        let mut client =
            Client::connect(brokers.address(0), &Connect::clean(Version::V311, unique("ping"))).await?;
        client.send(&frame::pingreq().repeat(1000)).await?;
        for _ in 0..1000 {
            let packet = client.receive().await?;
            ensure!(packet == Packet::PingResp, "{packet} in place of PINGRESP");
        }
        client.silence().await
    })
}

/// What is not there yet is refused as the standard provides, never ignored: RETAIN, wills, shared
/// subscriptions. CONNACK says so beforehand `[MQTT-3.2.2-14]`.
#[test]
fn what_is_missing_is_refused() -> Result<()> {
    with_brokers(|brokers| async move {
        if !brokers.are_ours() {
            return Ok(());
        }
        for version in BOTH {
            let v5 = version.is_v5();
            let mut client =
                Client::connect(brokers.address(0), &Connect::clean(version, unique("missing"))).await?;
            if v5 {
                let said = |property| client.connack().and_then(|connack| connack.connack_number(property));
                ensure!(said(RETAIN_AVAILABLE) == Some(0), "Retain Available is not 0");
                ensure!(said(SHARED_AVAILABLE) == Some(0), "Shared Subscription Available is not 0");
            }
            let codes = client.subscribe(1, &[("$share/group/topic", 1), ("plain", 1)]).await?;
            ensure!(codes == [if v5 { 0x9e } else { 0x80 }, 1], "{version}: SUBACK codes {codes:02x?}");
            client.send(&frame::publish_with(version, "r", "retained", 1, Some(2), false, true, &[])).await?;
            let reason = client.closed().await?;
            ensure!(reason == v5.then_some(0x9a), "{version}: closed with {reason:02x?} after RETAIN 1");

            let will = Will { topic: "will".to_owned(), payload: b"gone".to_vec(), qos: 1, retain: false };
            let connect = Connect { will: Some(will), ..Connect::clean(version, unique("will")) };
            let mut client = Client::open(brokers.address(1), version, "with a will").await?;
            client.send(&connect.bytes()).await?;
            let reason = client.closed().await?;
            ensure!(
                reason.is_some_and(|code| code != 0),
                "{version}: a will was not refused but {reason:02x?}"
            );
        }
        Ok(())
    })
}
