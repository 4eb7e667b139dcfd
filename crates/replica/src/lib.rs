//! This node's Raft member: propose, replicate, apply, read.
//!
//! ```text
//!             room ─► propose                                             Sink ◄── effects of own connections
//!                        │                                                  ▲
//!   ┌────────────────────▼──────────────────────────────────────────────────┴───────────────────┐
//!   │ window ─► proposal stream ─► (leader's) batcher ─► Raft ─► log ─► state machine ─► Applier │
//!   │    ▲            own node or over gRPC                                   │                 │
//!   │    └───────────────── own cursor has passed ◄───────────────────────────┤                 │
//!   │                                                    checkpoints ◄────────┘                 │
//!   └───────────────────────────────────────────────────────────────────────────────────────────┘
//! ```
//!
//! A node's front end sees only [`Replica`] and [`Sink`]. It takes room before it reads a socket, proposes commands that
//! are numbered at once and never fail, and learns what became of them only from the log: when its own replica applies
//! an entry, the effects on its own connections come out. There is no other way back.
//!
//! openraft and gRPC end here: nothing above names them. All of Raft, apply and the calls of peers run on threads of
//! their own, so that a storm of clients cannot start an election.
//!
//! Left out: changing the members after the cluster was formed.

mod applier;
mod batcher;
mod boot;
mod checkpoint;
pub mod codec;
mod config;
mod counters;
mod disk;
mod error;
mod formation;
mod leader_duties;
mod leadership;
mod message_store;
mod peer;
mod proposal_stream;
mod purge;
mod replica;
mod replicated_clock;
mod run;
mod serving;
mod shared;
mod sink;
mod state_machine;
mod status;
mod watch_serving;
mod window;

pub use config::{Config, Limits, Seed, Timing};
pub use counters::CounterValues;
pub use error::Error;
pub use peer::server::{PeerService, PeerServiceServer};
pub use replica::Replica;
pub use serving::Serving;
pub use sink::{AllClosed, Delivery, Sink};
pub use status::{MemberStatus, Role, Sizes, Status};
pub use window::Room;

/// Raft with our state machine.
type Raft = openraft::Raft<quartet_raft_log::TypeConfig, state_machine::StateMachine>;
