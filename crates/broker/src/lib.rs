//! The core of Quartet: every session, subscription and open handshake of the whole cluster as one value.
//!
//! [`Broker`] changes only by committed commands, one after another, the same on every node (Raft §8, state
//! machine). It returns what must be done outside as data ([`Effect`]); it never sends, waits, reads a clock,
//! draws a random number or touches a file, and `no_std` makes the compiler refuse most ways to do so.
//!
//! One log entry is applied in four calls:
//!
//! ```text
//! begin_entry(index, time)        replicated time moves forward, never back
//!   admit(origin, number)         the numbered stream: next, repeated, gap, or a boot that is not alive
//!   apply(command, &mut effects)  the command, if it was admitted
//! end_entry(&mut effects)         a bounded step of whatever work is left over (ends of nodes, expiry, …)
//! ```
//!
//! What a node knows besides this value dies with a socket.

#![no_std]
#![deny(clippy::wildcard_enum_match_arm, clippy::iter_over_hash_type, clippy::as_conversions)]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod broker;
mod command;
mod connection_id;
mod digest;
mod effect;
mod ends;
mod error;
mod frozen;
pub mod invariants;
mod message;
mod messages;
mod parts;
mod routes;
mod session;
mod sessions;
mod settings;
mod statistics;
mod stream;
mod subscriptions;
mod thaw;
mod timestamp;
mod view;
mod votes;
mod weaknesses;
mod work;

pub use broker::Broker;
pub use command::Command;
pub use command::acknowledge::{Ack, AckKind, Acknowledge};
pub use command::advance_time::AdvanceTime;
pub use command::configure::Configure;
pub use command::connect::{Connect, Principal};
pub use command::disconnect::Disconnect;
pub use command::node_down::NodeDown;
pub use command::node_up::NodeUp;
pub use command::publish::{Publish, Verdict};
pub use command::subscribe::{FilterRequest, Subscribe};
pub use command::unsubscribe::Unsubscribe;
pub use command::upgrade::Upgrade;
pub use command::vote_digest::VoteDigest;
pub use connection_id::{Boot, ConnectionId, NodeId, Origin};
pub use effect::{CloseReason, Effect, Outgoing, RouteChange, SessionSlot};
pub use error::Error;
pub use frozen::Frozen;
pub use message::{Message, MessageHandle};
pub use parts::{Header, Parts, SessionPart};
pub use routes::{Merged, Routes};
pub use session::inflight::{Inflight, InflightMessage};
pub use session::queue::{Delivery, QueueItem};
pub use settings::Settings;
pub use statistics::{Counters, Statistics};
pub use stream::{Admission, Number, Stream};
pub use subscriptions::Subscription;
pub use thaw::Thaw;
pub use timestamp::{LogIndex, Timestamp};
pub use view::SessionView;
pub use votes::DigestVerdict;
pub use weaknesses::Weaknesses;

/// Whether this build has the feature `weakened`, by which tests take guards away. Not for use.
pub const WEAKENED: bool = cfg!(feature = "weakened");
