//! CONNECT and CONNACK (MQTT 5.0 sections 3.1 and 3.2).

use std::num::{NonZeroU16, NonZeroU32};
use std::time::Duration;

use quartet_broker::{CloseReason, Command, Connect, Outgoing, Principal};
use quartet_connection::{Config, Ending, Error, Input, Reading, Refusal, Stop};
use quartet_packet::{Packet, PingReq, QoS, Utf8String, Version, Will};

use crate::pair::{APPLIED, ID, Pair, SESSION, client, connack, publish, text, topic};

const ALL: [Version; 3] = [Version::V3_1, Version::V3_1_1, Version::V5];

fn will(retain: bool) -> Will {
    Will {
        qos: QoS::AtLeastOnce,
        retain,
        topic: topic("w"),
        payload: "gone".into(),
        delay_interval: 0,
        message_expiry: None,
        properties: quartet_packet::PublishProperties::default(),
    }
}

/// Invariant 1: CONNECT goes into the log, and CONNACK comes from there.
#[test]
fn connect_is_proposed_and_not_answered() {
    for version in ALL {
        let mut pair = Pair::new(version, Config::default());
        pair.send(Packet::Connect(client(version).into()));
        let expected = Connect {
            connection: ID,
            read_at: APPLIED,
            client_id: text("c"),
            principal: Principal(Utf8String::default()),
            version,
            clean_start: false,
            session_expiry: if version.is_v5() { 300 } else { u32::MAX },
            receive_maximum: 65_535,
        };
        assert_eq!(pair.proposed, [Command::Connect(expected)]);
        assert!(pair.received.is_empty());
        assert_eq!(pair.connection.reading(), Reading::Ahead);
        pair.deliver(connack(if version.is_v5() { 300 } else { u32::MAX }));
        assert_eq!(pair.connack_code(), Some(0));
        assert!(pair.connection.is_connected());
    }
}

/// [MQTT-3.2.2-13], [MQTT-3.2.2-15], [MQTT-3.2.2-21], section 3.2.2.3: what CONNACK tells of this server.
#[test]
fn connack_says_what_there_is() {
    let config = Config { maximum_keep_alive: 60, ..Config::default() };
    let mut pair = Pair::new(Version::V5, config);
    let mut connect = client(Version::V5);
    connect.keep_alive = 600;
    pair.send(Packet::Connect(connect.into()));
    pair.deliver(Outgoing::ConnAck {
        session: SESSION,
        session_present: true,
        session_expiry: 200,
        unreleased: 0,
    });
    let Some(Packet::ConnAck(connack)) = pair.received.last() else { panic!("{:?}", pair.received) };
    assert!(connack.session_present);
    assert_eq!(connack.session_expiry, Some(200), "it was lowered");
    assert_eq!(connack.receive_maximum, Some(config.receive_maximum));
    assert_eq!(connack.maximum_packet_size, NonZeroU32::new(config.maximum_packet_size));
    assert_eq!(connack.topic_alias_maximum, config.topic_alias_maximum);
    assert_eq!(connack.maximum_qos, QoS::ExactlyOnce);
    assert_eq!(connack.server_keep_alive, Some(60));
    assert_eq!(connack.assigned_client_identifier, None, "[MQTT-3.2.2-16]");
    assert!(!connack.retain_available && !connack.shared_subscription_available);
    assert!(connack.wildcard_subscription_available && connack.subscription_identifiers_available);
}

/// The session expiry is told only when it is not the client's own.
#[test]
fn connack_is_silent_on_what_the_client_said() {
    let mut pair = Pair::new(Version::V5, Config::default());
    pair.send(Packet::Connect(client(Version::V5).into()));
    pair.deliver(connack(300));
    let Some(Packet::ConnAck(connack)) = pair.received.last() else { panic!("{:?}", pair.received) };
    assert_eq!((connack.session_expiry, connack.server_keep_alive), (None, None));
}

/// [MQTT-3.1.3-6], [MQTT-3.1.3-7], [MQTT3-3.1.3-7], [MQTT3-3.1.3-8]: a client without an id.
#[test]
fn empty_client_id() {
    for (version, clean, code) in [
        (Version::V5, true, None),
        (Version::V5, false, None),
        (Version::V3_1_1, true, None),
        (Version::V3_1_1, false, Some(0x85)),
        (Version::V3_1, true, Some(0x85)),
    ] {
        let mut pair = Pair::new(version, Config::default());
        let mut connect = client(version);
        connect.client_id = Utf8String::default();
        connect.clean_start = clean;
        pair.send(Packet::Connect(connect.into()));
        if code.is_some() {
            assert_eq!(pair.connack_code(), code, "return code 2 reads as 0x85");
            assert_eq!(pair.ending, Some(Ending::Broken(Error::NoClientId)));
            assert!(pair.proposed.is_empty() && pair.connection.is_over());
            continue;
        }
        let [Command::Connect(proposed)] = pair.proposed.as_slice() else { panic!("{:?}", pair.proposed) };
        assert_eq!(proposed.client_id, text("assigned-1"));
        pair.deliver(connack(0));
        let Some(Packet::ConnAck(connack)) = pair.received.last() else { panic!("{:?}", pair.received) };
        let told = connack.assigned_client_identifier.as_ref();
        assert_eq!(told, version.is_v5().then(|| text("assigned-1")).as_ref());
    }
}

/// [MQTT-3.1.4-6], [MQTT-3.2.2-7]: what is not here is refused, and nothing behind it is looked at.
#[test]
fn what_is_not_available_is_refused() {
    let method = |connect: &mut quartet_packet::Connect| connect.authentication_method = Some(text("SCRAM"));
    let plain_will = |connect: &mut quartet_packet::Connect| connect.will = Some(will(false));
    let retained_will = |connect: &mut quartet_packet::Connect| connect.will = Some(will(true));
    type Change<'a> = &'a dyn Fn(&mut quartet_packet::Connect);
    let cases: [(Version, Change<'_>, u8); 5] = [
        (Version::V5, &method, 0x8C),
        (Version::V5, &plain_will, 0x83),
        (Version::V5, &retained_will, 0x9A),
        (Version::V3_1_1, &plain_will, 0x88),
        (Version::V3_1_1, &retained_will, 0x88),
    ];
    for (version, change, code) in cases {
        let mut pair = Pair::new(version, Config::default());
        let mut connect = client(version);
        change(&mut connect);
        pair.send(Packet::Connect(connect.into()));
        pair.send(publish(1, 1, "t"));
        assert_eq!(pair.connack_code(), Some(code), "{version:?}");
        assert_eq!(pair.received.len(), 1, "[MQTT-3.14.0-1], [MQTT-3.2.0-2]");
        assert!(pair.proposed.is_empty() && pair.connection.is_over());
        let Some(Packet::ConnAck(connack)) = pair.received.last() else { panic!() };
        assert!(!connack.session_present, "[MQTT-3.2.2-6]");
        assert_eq!(connack.reason_string.is_some(), version.is_v5());
    }
}

/// [MQTT-3.1.2-2], [MQTT3-3.1.2-2]: unknown levels are answered, unknown names are not.
#[test]
fn unknown_versions() {
    for (bytes, answer) in [
        (&b"\x10\x0d\x00\x04MQTT\x00\x02\x00\x00\x00\x01c"[..], &b"\x20\x02\x00\x01"[..]),
        (&b"\x10\x0d\x00\x04MQTT\x06\x02\x00\x00\x00\x01c"[..], &b"\x20\x02\x00\x01"[..]),
        (&b"\x10\x0d\x00\x04MQTT\x03\x02\x00\x00\x00\x01c"[..], &b"\x20\x02\x00\x01"[..]),
        (&b"\x10\x0d\x00\x04MQTt\x04\x02\x00\x00\x00\x01c"[..], &b""[..]),
    ] {
        let mut pair = Pair::new(Version::V3_1_1, Config::default());
        pair.bytes(bytes);
        let written: Vec<u8> = pair.written.concat();
        assert_eq!(written, answer);
        assert!(matches!(pair.ending, Some(Ending::Broken(Error::Packet(_)))));
        assert!(pair.connection.is_over());
    }
}

/// [MQTT-3.1.0-1]: anything else first closes without a word.
#[test]
fn first_packet_is_connect() {
    for bytes in
        [&b"\xc0\x00"[..], b"\x30\x03\x00\x01t", b"\x82\x06\x00\x01\x00\x01t\x00", b"\xe0\x00", b"\xf0\x00"]
    {
        let mut pair = Pair::new(Version::V3_1_1, Config::default());
        pair.bytes(bytes);
        assert!(pair.ending.is_some() && pair.written.is_empty() && pair.proposed.is_empty());
    }
}

/// [MQTT-3.1.0-2]: a second CONNECT is a protocol error, and the will is due.
#[test]
fn second_connect() {
    for version in ALL {
        let mut pair = Pair::usual(version);
        pair.send(Packet::Connect(client(version).into()));
        assert_eq!(pair.disconnect_code(), version.is_v5().then_some(0x82));
        assert_eq!(pair.disconnects(), [(None, true)]);
    }
}

/// A client that sends nothing, or half a CONNECT, is closed in time; one that is through is not.
#[test]
fn connect_timeout() {
    let mut pair = Pair::new(Version::V5, Config::default());
    pair.bytes(b"\x10\x0d\x00\x04MQ");
    pair.pass(Duration::from_millis(9_999));
    assert_eq!(pair.ending, None);
    pair.pass(Duration::from_millis(1));
    assert_eq!(pair.ending, Some(Ending::Broken(Error::ConnectTimeout)));
    assert!(pair.written.is_empty());

    let mut pair = Pair::usual(Version::V5);
    pair.pass(Duration::from_secs(86_400));
    assert_eq!(pair.ending, None, "keep alive is off");
}

/// [MQTT-3.2.0-1], invariant 8: what is pipelined waits for CONNACK, then counts in order.
#[test]
fn pipelined_packets_wait() {
    let mut pair = Pair::new(Version::V5, Config::default());
    pair.send(Packet::Connect(client(Version::V5).into()));
    pair.send(publish(2, 1, "t"));
    pair.send(Packet::PingReq(PingReq));
    assert_eq!(pair.proposed.len(), 1);
    assert!(pair.received.is_empty());
    pair.deliver(connack(300));
    assert!(matches!(pair.proposed.as_slice(), [Command::Connect(_), Command::Publish(_)]));
    assert!(matches!(pair.received.as_slice(), [Packet::ConnAck(_), Packet::PingResp(_)]));
}

/// Invariant 8: nothing pipelined counts once the peer has closed; the session is ended when it is known.
#[test]
fn peer_closed_before_connack() {
    let mut pair = Pair::new(Version::V5, Config::default());
    pair.send(Packet::Connect(client(Version::V5).into()));
    pair.send(publish(2, 1, "t"));
    pair.input(Input::PeerClosed);
    assert_eq!(pair.ending, Some(Ending::PeerClosed));
    assert!(!pair.connection.is_over(), "its CONNECT is on the way");
    assert_eq!(pair.proposed.len(), 1);
    pair.deliver(connack(300));
    assert_eq!(pair.disconnects(), [(None, true)]);
    assert_eq!(pair.proposed.len(), 2);
    assert!(pair.connection.is_over() && pair.received.is_empty());
}

/// A CONNECT that the core refuses after its socket ended leaves nothing to propose.
#[test]
fn peer_closed_before_refusal() {
    let mut pair = Pair::new(Version::V5, Config::default());
    pair.send(Packet::Connect(client(Version::V5).into()));
    pair.input(Input::PeerClosed);
    pair.input(Input::Closed(CloseReason::Superseded));
    assert!(pair.connection.is_over());
    assert!(pair.disconnects().is_empty());
}

/// What the core says instead of CONNACK, by version (section 3.2.2.2, [MQTT3-3.2.2-6]).
#[test]
fn core_refuses_connect() {
    for (reason, v5, v3) in [
        (CloseReason::NotAuthorized, Some(0x87), Some(0x87)),
        (CloseReason::QuotaExceeded, Some(0x97), Some(0x88)),
        (CloseReason::Poisoned, Some(0x83), Some(0x88)),
        (CloseReason::Superseded, None, None),
    ] {
        for (version, code) in [(Version::V5, v5), (Version::V3_1_1, v3)] {
            let mut pair = Pair::new(version, Config::default());
            pair.send(Packet::Connect(client(version).into()));
            pair.input(Input::Closed(reason));
            assert_eq!(pair.connack_code(), code, "{reason:?} {version:?}");
            assert_eq!(pair.ending, Some(Ending::Closed(reason)));
            assert!(pair.connection.is_over() && pair.disconnects().is_empty());
        }
    }
}

/// Invariant 10 and the rate limit: a CONNECT that the node does not propose leaves nothing behind.
#[test]
fn node_refuses_connect() {
    for (refusal, v5) in [(Refusal::NotServing, 0x88), (Refusal::ConnectionRateExceeded, 0x9F)] {
        for (version, code) in [(Version::V5, v5), (Version::V3_1_1, 0x88)] {
            let mut pair = Pair::new(version, Config::default());
            pair.send(Packet::Connect(client(version).into()));
            pair.input(Input::Refused(refusal));
            assert_eq!(pair.connack_code(), Some(code));
            assert!(pair.connection.is_over() && pair.disconnects().is_empty());
        }
    }
}

/// [MQTT-3.14.0-1]: a node that stops tells a waiting client by CONNACK, and still ends its session later.
#[test]
fn node_stops_before_connack() {
    let mut pair = Pair::new(Version::V5, Config::default());
    pair.send(Packet::Connect(client(Version::V5).into()));
    pair.input(Input::Stop(Stop::ServerStopping));
    assert_eq!(pair.connack_code(), Some(0x88));
    pair.deliver(connack(300));
    assert_eq!(pair.disconnects(), [(None, true)]);
    assert!(pair.connection.is_over());
}

/// [MQTT-3.1.2-24]: a CONNACK that does not fit is not sent, and the session is let go.
#[test]
fn connack_does_not_fit() {
    let mut pair = Pair::new(Version::V5, Config::default());
    let mut connect = client(Version::V5);
    connect.maximum_packet_size = NonZeroU32::new(8);
    pair.send(Packet::Connect(connect.into()));
    pair.deliver(connack(300));
    assert!(pair.written.is_empty());
    assert!(matches!(pair.ending, Some(Ending::Broken(Error::AnswerTooLarge { .. }))));
    assert_eq!(pair.disconnects(), [(None, true)]);
}

/// [MQTT-3.2.2-19]: a refusal is told within the client's limit, without its text if need be.
#[test]
fn refusal_fits_a_small_client() {
    let mut pair = Pair::new(Version::V5, Config::default());
    let mut connect = client(Version::V5);
    connect.maximum_packet_size = NonZeroU32::new(20);
    connect.will = Some(will(false));
    pair.send(Packet::Connect(connect.into()));
    assert_eq!(pair.connack_code(), Some(0x83));
    assert!(pair.written.concat().len() <= 20);
}

/// Clean Session of 3.x ends with its connection; the client's window goes into the log.
#[test]
fn expiry_and_window_of_connect() {
    let mut connect = client(Version::V3_1_1);
    connect.clean_start = true;
    let mut pair = Pair::new(Version::V3_1_1, Config::default());
    pair.send(Packet::Connect(connect.into()));
    assert!(matches!(&pair.proposed[..], [Command::Connect(c)] if c.session_expiry == 0 && c.clean_start));

    let mut connect = client(Version::V5);
    connect.session_expiry = None;
    connect.receive_maximum = NonZeroU16::new(5);
    let mut pair = Pair::new(Version::V5, Config::default());
    pair.send(Packet::Connect(connect.into()));
    assert!(
        matches!(&pair.proposed[..], [Command::Connect(c)] if c.session_expiry == 0 && c.receive_maximum == 5)
    );
}
