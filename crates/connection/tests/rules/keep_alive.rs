//! Keep alive (MQTT 5.0 section 3.1.2.10).

use std::time::Duration;

use quartet_connection::{Config, Ending, Error};
use quartet_packet::{Packet, PingReq, Version};

use crate::pair::{Pair, client, delivery, message};

fn with_keep_alive(version: Version, seconds: u16, config: Config) -> Pair {
    let mut connect = client(version);
    connect.keep_alive = seconds;
    Pair::connected(version, config, connect)
}

/// [MQTT-3.1.2-22], [MQTT3-3.1.2-24]: closed after one and a half times the interval, not before.
#[test]
fn silence_closes() {
    for version in [Version::V3_1_1, Version::V5] {
        let mut pair = with_keep_alive(version, 2, Config::default());
        pair.pass(Duration::from_millis(2_999));
        assert_eq!(pair.ending, None);
        pair.pass(Duration::from_millis(1));
        assert_eq!(pair.ending, Some(Ending::Broken(Error::KeepAliveTimeout)));
        assert_eq!(pair.disconnect_code(), version.is_v5().then_some(0x8D));
        assert_eq!(pair.disconnects(), [(None, true)]);
    }
}

/// Any packet counts, at its own moment and not at that of the alarm.
#[test]
fn packets_keep_alive() {
    let mut pair = with_keep_alive(Version::V5, 2, Config::default());
    for _ in 0..100 {
        pair.pass(Duration::from_millis(2_900));
        pair.send(Packet::PingReq(PingReq));
    }
    pair.pass(Duration::from_millis(2_999));
    assert_eq!(pair.ending, None);
    pair.pass(Duration::from_millis(1));
    assert_eq!(pair.ending, Some(Ending::Broken(Error::KeepAliveTimeout)));
}

/// Half a packet is none, and what the server sends does not count.
#[test]
fn only_whole_packets_of_the_client_count() {
    let mut pair = with_keep_alive(Version::V5, 2, Config::default());
    for part in [b"\x30", b"\x05", b"\x00"] {
        pair.pass(Duration::from_millis(900));
        pair.bytes(part);
        pair.deliver_message(delivery(0, 0), &message(vec![1]));
    }
    pair.pass(Duration::from_millis(300));
    assert_eq!(pair.ending, Some(Ending::Broken(Error::KeepAliveTimeout)));
}

/// [MQTT-3.2.2-21]: the server's limit holds for 5.0, which is told of it; the client's own for 3.1.1.
#[test]
fn server_keep_alive() {
    let config = Config { maximum_keep_alive: 10, ..Config::default() };
    for given in [0, 600] {
        let mut pair = with_keep_alive(Version::V5, given, config);
        pair.pass(Duration::from_millis(14_999));
        assert_eq!(pair.ending, None);
        pair.pass(Duration::from_millis(1));
        assert_eq!(pair.ending, Some(Ending::Broken(Error::KeepAliveTimeout)));
    }
    let mut pair = with_keep_alive(Version::V3_1_1, 600, config);
    pair.pass(Duration::from_millis(899_999));
    assert_eq!(pair.ending, None);
}

/// A PINGREQ that lies unread because this server does not read is no silence.
#[test]
fn our_own_delay_is_not_the_clients() {
    let mut pair = with_keep_alive(Version::V5, 2, Config::default());
    pair.ring_undrained();
    assert_eq!(pair.ending, None);
    pair.pass(Duration::from_millis(2_999));
    assert_eq!(pair.ending, None);
    pair.pass(Duration::from_millis(1));
    assert_eq!(pair.ending, Some(Ending::Broken(Error::KeepAliveTimeout)));
}
