//! How connections end, and what is said and proposed then (MQTT 5.0 sections 3.14 and 4.13).

use quartet_broker::{CloseReason, Command};
use quartet_connection::{Config, Ending, Error, Input, Reading, Stop};
use quartet_packet::{Disconnect, Packet, PingReq, PubAck, ReasonCode, Version};

use crate::pair::{Pair, client, connack, id, publish};

fn disconnect(reason: ReasonCode, session_expiry: Option<u32>) -> Packet {
    Packet::Disconnect(Disconnect { session_expiry, ..Disconnect::new(reason) })
}

/// [MQTT-3.14.4-3]: a normal DISCONNECT drops the will; any other reason leaves it due.
#[test]
fn disconnect_by_the_client() {
    for (version, reason, will_due) in [
        (Version::V3_1_1, ReasonCode::Success, false),
        (Version::V5, ReasonCode::Success, false),
        (Version::V5, ReasonCode::DisconnectWithWillMessage, true),
        (Version::V5, ReasonCode::UnspecifiedError, true),
    ] {
        let mut pair = Pair::usual(version);
        pair.send(disconnect(reason, None));
        assert_eq!(pair.disconnects(), [(None, will_due)]);
        assert_eq!(pair.ending, Some(Ending::Disconnected(reason)));
        assert!(pair.written.is_empty() && pair.connection.is_over());
        assert_eq!(pair.connection.reading(), Reading::Shut);
    }
}

/// Section 3.14.2.2.2: DISCONNECT may change the session expiry, but not raise it from 0.
#[test]
fn session_expiry_of_disconnect() {
    for (of_connect, of_disconnect, allowed) in [
        (Some(60), 0, true),
        (Some(60), u32::MAX, true),
        (None, 0, true),
        (None, 10, false),
        (Some(0), 10, false),
    ] {
        let mut connect = client(Version::V5);
        connect.session_expiry = of_connect;
        let mut pair = Pair::connected(Version::V5, Config::default(), connect);
        pair.send(disconnect(ReasonCode::Success, Some(of_disconnect)));
        if allowed {
            assert_eq!(pair.disconnects(), [(Some(of_disconnect), false)]);
        } else {
            assert_eq!(pair.disconnects(), [(None, true)]);
            assert_eq!(pair.disconnect_code(), Some(0x82));
        }
    }
}

/// [MQTT-3.14.2-1]: reasons that only servers give.
#[test]
fn disconnect_with_a_servers_reason() {
    for code in [ReasonCode::SessionTakenOver, ReasonCode::ServerShuttingDown, ReasonCode::KeepAliveTimeout] {
        let mut pair = Pair::usual(Version::V5);
        pair.send(disconnect(code, None));
        assert_eq!(pair.ending, Some(Ending::Broken(Error::DisconnectReason(code))));
        assert_eq!(pair.disconnect_code(), Some(0x82));
    }
}

/// Data after DISCONNECT is not looked at; what came before it counts.
#[test]
fn nothing_after_disconnect() {
    let mut pair = Pair::usual(Version::V5);
    let mut bytes = bytes::BytesMut::new();
    for packet in [
        Packet::PubAck(PubAck::new(id(1))),
        publish(1, 2, "t"),
        disconnect(ReasonCode::Success, None),
        publish(1, 3, "t"),
    ] {
        quartet_packet::encode(&packet, Version::V5, &mut bytes).expect("encodes");
    }
    pair.bytes(&bytes);
    assert!(matches!(
        pair.proposed.as_slice(),
        [Command::Acknowledge(_), Command::Publish(_), Command::Disconnect(_)]
    ));
}

/// A lost socket ends the session's ownership once, with its will due.
#[test]
fn peer_closed() {
    let mut pair = Pair::usual(Version::V5);
    pair.input(Input::PeerClosed);
    pair.input(Input::PeerClosed);
    pair.input(Input::Stop(Stop::ServerStopping));
    pair.input(Input::Timer { drained: true });
    assert_eq!(pair.disconnects(), [(None, true)]);
    assert_eq!(pair.ending, Some(Ending::PeerClosed));
}

/// [MQTT-3.1.4-3] and the other reasons of the core: the state has let go already, so nothing is proposed.
#[test]
fn closed_by_the_core() {
    for (reason, code) in [
        (CloseReason::SessionTakenOver, Some(0x8E)),
        (CloseReason::NotAuthorized, Some(0x87)),
        (CloseReason::QuotaExceeded, Some(0x97)),
        (CloseReason::Poisoned, Some(0x83)),
        (CloseReason::ProtocolError, Some(0x82)),
        (CloseReason::Superseded, None),
    ] {
        for version in [Version::V3_1_1, Version::V5] {
            let mut pair = Pair::usual(version);
            pair.input(Input::Closed(reason));
            assert_eq!(pair.disconnect_code(), code.filter(|_| version.is_v5()));
            assert_eq!(pair.ending, Some(Ending::Closed(reason)));
            assert!(pair.proposed.is_empty() && pair.connection.is_over());
        }
    }
}

/// What the node ends: a word to 5.0 clients, and a Disconnect unless the whole boot is over.
#[test]
fn stopped_by_the_node() {
    for (stop, code, proposed) in [
        (Stop::ServerStopping, Some(0x8B), 1),
        (Stop::NotServing, Some(0x89), 1),
        (Stop::BootEnded, Some(0x89), 0),
        (Stop::SnapshotInstalled, Some(0x89), 1),
        (Stop::SlowPeer, None, 1),
    ] {
        for version in [Version::V3_1_1, Version::V5] {
            let mut pair = Pair::usual(version);
            pair.input(Input::Stop(stop));
            assert_eq!(pair.disconnect_code(), code.filter(|_| version.is_v5()));
            assert_eq!(pair.disconnects().len(), proposed);
            assert!(pair.connection.is_over());
        }
    }
}

/// A boot that ends takes waiting connections with it: their CONNECT will never be applied.
#[test]
fn boot_ends_before_connack() {
    for peer_closed_first in [false, true] {
        let mut pair = Pair::new(Version::V5, Config::default());
        pair.send(Packet::Connect(client(Version::V5).into()));
        if peer_closed_first {
            pair.input(Input::PeerClosed);
        }
        pair.input(Input::Stop(Stop::BootEnded));
        assert!(pair.connection.is_over());
        pair.deliver(connack(300));
        assert!(pair.disconnects().is_empty());
    }
}

/// [MQTT-3.14.2-2]: our DISCONNECT has no session expiry; it has a text where the client takes it.
#[test]
fn our_disconnect() {
    let mut pair = Pair::usual(Version::V5);
    pair.input(Input::Stop(Stop::ServerStopping));
    let Some(Packet::Disconnect(disconnect)) = pair.received.last() else { panic!("{:?}", pair.received) };
    assert_eq!(disconnect.session_expiry, None);
    assert!(disconnect.reason_string.is_some());
}

/// [MQTT-3.12.4-1]: as many PINGRESP as PINGREQ, at once.
#[test]
fn pings() {
    for version in [Version::V3_1, Version::V3_1_1, Version::V5] {
        let mut pair = Pair::usual(version);
        pair.bytes(&b"\xc0\x00".repeat(1000));
        assert_eq!(pair.received.len(), 1000);
        assert!(pair.proposed.is_empty());
        pair.send(Packet::PingReq(PingReq));
        assert_eq!(pair.received.len(), 1001);
    }
}

/// [MQTT-4.12.0-7]: AUTH without a method in CONNECT.
#[test]
fn unexpected_auth() {
    let mut pair = Pair::usual(Version::V5);
    pair.bytes(b"\xf0\x00");
    assert_eq!(pair.disconnect_code(), Some(0x82));
    let mut pair = Pair::usual(Version::V3_1_1);
    pair.bytes(b"\xf0\x00");
    assert!(pair.ending.is_some() && pair.written.is_empty());
}
