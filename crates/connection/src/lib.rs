//! One network connection of an MQTT client as a value: bytes, time and effects in; bytes, commands and alarms out.
//!
//! [`Connection`] has no socket, no clock and no task (`no_std` makes the compiler refuse them). The task beside it
//! is this loop and little else:
//!
//! ```text
//! loop {
//!     input = first of: bytes, if reading() says so, after taking room for what they may propose
//!                       what the core sends or closes
//!                       the alarm, the node's stop
//!     connection.handle(now, input, &mut outputs)
//!     carry out every output, in order: propose, route, write, set the alarm, close
//! }
//! ```
//!
//! The words: the *core* is the replicated state (`quartet-broker`); a *command* is what a packet asks of it; an
//! *answer* is a packet the core owes for one. Every answer but PINGRESP comes back from the log. The value checks
//! what one connection can know (CONNECT, keep alive, sizes, receive maximum, aliases, what is not available here)
//! and leaves sessions, packet identifiers of the server, routing and takeover to the core.
//!
//! Left out: TLS, WebSocket and sockets (the node's); retained messages, wills, shared subscriptions and
//! authentication, which are answered as the standard provides, never ignored.

#![no_std]
#![deny(clippy::wildcard_enum_match_arm, clippy::iter_over_hash_type, clippy::as_conversions)]

extern crate alloc;

mod acknowledgements;
mod config;
mod connect;
mod connection;
mod ending;
mod error;
mod input;
mod instant;
mod keep_alive;
mod outbox;
mod output;
mod reading;
mod receive;
mod receive_maximum;
mod send;
mod topic_alias;

pub use config::Config;
pub use connection::Connection;
pub use ending::Ending;
pub use error::Error;
pub use input::{Input, Refusal, Stop};
pub use instant::Instant;
pub use output::{Dropped, Output};
pub use reading::{PIPELINED, Reading};
