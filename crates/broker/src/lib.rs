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
//!
//! ```
//! use quartet_broker::{AdvanceTime, Admission, Boot, Broker, Command, Effect, LogIndex, NodeId, NodeUp, Number, Origin};
//! use quartet_broker::{Settings, Timestamp};
//!
//! let mut broker = Broker::new(42, Settings::default());
//! let mut effects: Vec<Effect> = Vec::new();
//! let origin = Origin { node: NodeId(1), boot: Boot(1) };
//!
//! broker.begin_entry(LogIndex(1), Timestamp(1_000));
//! broker.apply(Command::NodeUp(NodeUp { origin }), &mut effects); // travels without a number
//! broker.end_entry(&mut effects);
//!
//! broker.begin_entry(LogIndex(2), Timestamp(2_000));
//! assert_eq!(broker.admit(origin, Number(2)), Admission::Gap); // number 1 is missing: take nothing
//! assert_eq!(broker.admit(origin, Number(1)), Admission::Next); // … then broker.apply(the command, …)
//! broker.apply(Command::AdvanceTime(AdvanceTime), &mut effects);
//! broker.end_entry(&mut effects);
//!
//! assert_eq!(broker.digest(), broker.recompute_digest());
//! ```
//!
//! Where to look: one file a command under `command/`; the two halves of a QoS 2 handshake, drawn, in
//! `session/inbound.rs` and `session/outbound.rs`; the numbered stream and boots, drawn, in `stream.rs`; the fence in
//! `ownership.rs`; left-over work in `work.rs`; what must always hold in [`invariants`]; what the standard says, played,
//! under `scripts/`. Not here: retained messages, wills, shared subscriptions (refused with 0x9E), authorization (a
//! verdict comes with the command), bytes of messages (a store follows the effects), topic aliases and packet sizes (the
//! front end's).

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
mod ownership;
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

pub use broker::{Broker, NEWEST_BEHAVIOUR};
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
