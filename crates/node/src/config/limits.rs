//! `[limits]`: what one client, and all clients of this node together, may ask of it.

use super::reader::{Reader, Section};
use super::units::{ByteSize, Span};

/// Limits of a node's client side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Config {
    /// Largest MQTT packet from a client, fixed header included; told to 5.0 clients in CONNACK.
    pub(crate) maximum_packet_size: ByteSize,
    /// Most QoS 1 and 2 messages one client may have in flight to us; told to 5.0 clients in CONNACK.
    pub(crate) receive_maximum: u16,
    /// Topic aliases one client may set; 0 turns them off. Each keeps a topic name for the connection's life.
    pub(crate) topic_alias_maximum: u16,
    /// Longest keep alive a 5.0 client is granted; zero leaves it to the client.
    pub(crate) maximum_keep_alive: Span,
    /// From the accepted socket to a complete CONNECT.
    pub(crate) connect_timeout: Span,
    /// A socket that takes nothing for this long is closed; its session stays.
    pub(crate) write_timeout: Span,
    /// Most client connections of this node; further ones wait until one ends.
    pub(crate) maximum_connections: u32,
    /// CONNECTs a second for one client id, sustained: two clients that share an id by mistake take each other's
    /// session over as fast as they can.
    pub(crate) connects_per_second: u32,
    /// CONNECTs of one client id at once, above the sustained rate.
    pub(crate) connect_burst: u32,
    /// How long a stop in order may take before the process ends anyway.
    pub(crate) shutdown_timeout: Span,
}

impl Config {
    /// Reads the section.
    pub(super) fn read(reader: &mut Reader) -> Self {
        let mut section = reader.section("limits");
        let above_zero = |span: &Span| match span.0.is_zero() {
            true => Err("zero would end every connection at once; write at least \"1s\"".to_owned()),
            false => Ok(()),
        };
        let some_client = |count: &u32| match count {
            0 => Err("no client could connect; write at least 1".to_owned()),
            _ => Ok(()),
        };
        Self {
            maximum_packet_size: packet_size(&mut section, "maximum_packet_size", ByteSize::mib(1)),
            receive_maximum: section.get_if("receive_maximum", 1024, |value| match value {
                0 => Err("the standard forbids 0; write 1 to 65535".to_owned()),
                _ => Ok(()),
            }),
            topic_alias_maximum: section.get("topic_alias_maximum", 16),
            maximum_keep_alive: section.get_if("maximum_keep_alive", Span::seconds(0), |span| {
                match span.0.as_millis().is_multiple_of(1000) && span.0.as_secs() <= u64::from(u16::MAX) {
                    true => Ok(()),
                    false => Err("MQTT says whole seconds, 65535 at most; write such a span".to_owned()),
                }
            }),
            connect_timeout: section.get_if("connect_timeout", Span::seconds(10), above_zero),
            write_timeout: section.get_if("write_timeout", Span::seconds(30), above_zero),
            maximum_connections: section.get_if("maximum_connections", 10_000, some_client),
            connects_per_second: section.get_if("connects_per_second", 10, some_client),
            connect_burst: section.get_if("connect_burst", 20, some_client),
            shutdown_timeout: section.get_if("shutdown_timeout", Span::seconds(10), above_zero),
        }
    }
}

/// The largest packet the standard can say: four bytes of Remaining Length and the fixed header.
const LARGEST_PACKET: u64 = 268_435_455 + 5;

/// Below this not even a CONNECT with a usual client id and a will passes.
const SMALLEST_PACKET: u64 = 256;

fn packet_size(section: &mut Section<'_>, key: &str, default: ByteSize) -> ByteSize {
    section.get_if(key, default, |size| match size.0 {
        SMALLEST_PACKET..=LARGEST_PACKET => Ok(()),
        0..SMALLEST_PACKET => Err(format!("no usual CONNECT fits; write at least \"{SMALLEST_PACKET} B\"")),
        _ => Err("MQTT packets are never larger than 256 MiB; write at most that".to_owned()),
    })
}
