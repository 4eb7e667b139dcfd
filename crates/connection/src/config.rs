//! What a node tells its connections: time-outs, and the limits that CONNACK announces.

use core::num::NonZeroU16;
use core::time::Duration;

/// Limits of one connection. Checked at the start of the node, then never changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// How long a client may take to send its CONNECT. An idle socket costs a descriptor and shows no name.
    pub connect_timeout: Duration,
    /// Largest packet that is read, in bytes, fixed header included; larger ones are refused by their header, before
    /// anything is allocated. It bounds what a half-sent packet costs, and must fit one batch of the log.
    pub maximum_packet_size: u32,
    /// Unfinished QoS 1 and 2 messages of one client. It bounds the identifiers its session holds, and, for every
    /// version, how much of one connection waits for its commit.
    pub receive_maximum: NonZeroU16,
    /// Topic aliases a client may set; 0 turns them off. Each keeps a topic name, up to 64 KiB, per connection.
    pub topic_alias_maximum: u16,
    /// Longest keep alive in seconds; 0 leaves it to the client. It bounds how long a dead 5.0 client looks alive.
    /// Earlier versions have no way to be told, so their own value holds there.
    pub maximum_keep_alive: u16,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(10),
            maximum_packet_size: 1 << 20,
            receive_maximum: NonZeroU16::new(1024).unwrap_or(NonZeroU16::MAX),
            topic_alias_maximum: 16,
            maximum_keep_alive: 0,
        }
    }
}
