//! A small MQTT client, for `quartet pub` and `quartet sub`.
//!
//! ```text
//!   publisher, subscriber    what the commands want, connection after connection
//!     exchange               what is owed in each direction, a value without I/O; outlives connections
//!     link                   one connection: bytes to packets and back
//! ```
//!
//! Handshakes are kept for as long as the process lives, so a lost connection costs nothing but time: the next one,
//! to whichever node, goes on where the last one ended.

mod backoff;
mod exchange;
mod link;
pub(crate) mod publisher;
pub(crate) mod subscriber;

use std::time::Duration;

use quartet_packet::{Utf8String, Version};

/// Whom to connect to, and as whom.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// Host name or IP address.
    pub(crate) host: String,
    /// TCP port.
    pub(crate) port: u16,
    /// Protocol version.
    pub(crate) version: Version,
    /// Client id.
    pub(crate) client_id: Utf8String,
    /// Keep alive; whole seconds, 0 turns it off.
    pub(crate) keep_alive: Duration,
}

impl Options {
    /// `host:port`, as errors name it.
    pub(crate) fn address(&self) -> String {
        match self.host.contains(':') {
            true => format!("[{}]:{}", self.host, self.port),
            false => format!("{}:{}", self.host, self.port),
        }
    }
}

/// Tells a person what happens on the way.
pub(crate) type Tell<'a> = dyn FnMut(&str) + Send + 'a;

/// Why a command ends without success.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// Nothing listens there, or no such host.
    #[error(
        "{address}: {cause}; is a broker running there? `quartet dev` starts one on port 1883, -h and -p name another"
    )]
    Unreachable {
        /// Whom we tried.
        address: String,
        /// What the system says.
        cause: std::io::Error,
    },
    /// The broker says no to CONNECT.
    #[error("{address}: the broker refuses the connection: {reason}")]
    Refused {
        /// Whom we asked.
        address: String,
        /// Its reason, in the standard's words.
        reason: String,
    },
    /// The broker cannot be understood.
    #[error("{address}: what came is not what an MQTT broker sends: {what}")]
    Protocol {
        /// Who said it.
        address: String,
        /// What is wrong.
        what: String,
    },
    /// The connection could not be had again in time.
    #[error("{address}: no connection for {0} s: {last}; unacknowledged messages may or may not have been published", .patience.as_secs())]
    Lost {
        /// Whom we tried.
        address: String,
        /// How long we tried.
        patience: Duration,
        /// The last reason.
        last: String,
    },
    /// The broker refuses some messages or subscriptions; each was said already.
    #[error("{0}")]
    Denied(String),
    /// Reading input or writing output failed.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

#[cfg(test)]
mod tests;
