//! Hostile packets close their own connection, with the reason the standard gives (MQTT 5.0 section 4.13).

use quartet_connection::{Config, Ending, Error};
use quartet_packet::Version;

use crate::pair::{Pair, client};

/// Each row: the bytes, and the reason code of the DISCONNECT to a 5.0 client. A 3.1.1 client gets none
/// [MQTT3-3.1.4-1]; rows with properties are for 5.0 only.
#[test]
fn hostile_packets() {
    let rows: &[(&str, &[u8], u8)] = &[
        ("remaining length of five bytes [MQTT-1.5.5-1]", b"\x30\xff\xff\xff\xff\x7f", 0x81),
        ("qos 3 [MQTT-3.3.1-4]", b"\x36\x06\x00\x01t\x00\x01\x00", 0x81),
        ("dup at qos 0 [MQTT-3.3.1-2]", b"\x38\x04\x00\x01t\x00", 0x81),
        ("packet identifier 0 [MQTT-2.2.1-3]", b"\x32\x06\x00\x01t\x00\x00\x00", 0x82),
        ("wildcard in a topic name [MQTT-3.3.2-2]", b"\x30\x04\x00\x01#\x00", 0x90),
        ("ill-formed topic name [MQTT-1.5.4-1]", b"\x30\x04\x00\x01\x80\x00", 0x81),
        ("u+0000 in a topic name [MQTT-1.5.4-2]", b"\x30\x04\x00\x01\x00\x00", 0x81),
        ("pubrel with wrong flags [MQTT-3.6.1-1]", b"\x60\x02\x00\x01", 0x81),
        ("subscribe with wrong flags [MQTT-3.8.1-1]", b"\x80\x07\x00\x01\x00\x00\x01t\x00", 0x81),
        ("unsubscribe with wrong flags [MQTT-3.10.1-1]", b"\xa0\x06\x00\x01\x00\x00\x01t", 0x81),
        ("a packet only servers send", b"\xd0\x00", 0x82),
        ("type 0", b"\x00\x00", 0x81),
        ("pingreq with a body", b"\xc0\x01\x00", 0x81),
        ("disconnect with wrong flags [MQTT-3.14.1-1]", b"\xe1\x00", 0x81),
        ("packet of 2 MiB [MQTT-3.2.2-15]", b"\x30\x80\x80\x80\x01", 0x95),
    ];
    for (name, bytes, code) in rows {
        let mut pair = Pair::usual(Version::V5);
        pair.bytes(bytes);
        assert_eq!(pair.disconnect_code(), Some(*code), "{name}");
        assert!(matches!(pair.ending, Some(Ending::Broken(Error::Packet(_)))), "{name}");
        assert_eq!(pair.disconnects(), [(None, true)], "{name}");
        assert_eq!((pair.proposed.len(), pair.routed.len()), (1, 0), "{name}");

        let mut pair = Pair::usual(Version::V3_1_1);
        pair.bytes(bytes);
        assert!(pair.ending.is_some() && pair.written.is_empty(), "{name}");
        assert_eq!(pair.disconnects(), [(None, true)], "{name}");
    }
    let only_v5: &[(&str, &[u8], u8)] = &[
        ("neither topic nor alias", b"\x30\x03\x00\x00\x00", 0x82),
        ("property twice", b"\x30\x08\x00\x01t\x04\x01\x00\x01\x00", 0x82),
        ("subscription identifier from a client [MQTT-3.3.4-6]", b"\x30\x06\x00\x01t\x02\x0b\x01", 0x82),
        ("unknown property", b"\x30\x06\x00\x01t\x02\x7f\x01", 0x81),
        ("reserved subscription options [MQTT-3.8.3-5]", b"\x82\x07\x00\x01\x00\x00\x01t\xc0", 0x81),
    ];
    for (name, bytes, code) in only_v5 {
        let mut pair = Pair::usual(Version::V5);
        pair.bytes(bytes);
        assert_eq!(pair.disconnect_code(), Some(*code), "{name}");
    }
}

/// A hostile packet ends the connection where it stands: what came before it counts, what follows does not.
#[test]
fn hostile_packet_in_the_middle() {
    let mut pair = Pair::usual(Version::V5);
    pair.bytes(b"\x32\x07\x00\x01t\x00\x01\x00x\x36\x00\x32\x07\x00\x01t\x00\x02\x00x");
    assert_eq!(pair.proposed.len(), 2, "one message and the end");
    assert_eq!(pair.disconnect_code(), Some(0x81));
}

/// [MQTT-3.1.4-1]: a CONNECT larger than a stranger may send is refused by its header.
#[test]
fn huge_connect() {
    let mut pair = Pair::new(Version::V5, Config::default());
    pair.bytes(b"\x10\xff\xff\xff\x7f");
    assert!(pair.ending.is_some());
    assert!(pair.proposed.is_empty());
}

/// The limit of CONNECT does not hold after it, and the announced one does.
#[test]
fn maximum_packet_size_after_connack() {
    let config = Config { maximum_packet_size: 300_000, ..Config::default() };
    let mut pair = Pair::connected(Version::V5, config, client(Version::V5));
    // Fixed header 4, topic 3, properties 1, payload the rest.
    let mut packet = b"\x30\xdc\xa7\x12\x00\x01t\x00".to_vec();
    packet.resize(300_000, b'x');
    pair.bytes(&packet);
    assert_eq!((pair.routed.len(), pair.ending), (1, None));
    pair.bytes(b"\x30\xdd\xa7\x12");
    assert_eq!(pair.disconnect_code(), Some(0x95));
}
