//! Whole clusters simulated, their invariants, and the model check.
//!
//! Two drivers of the one core, [`quartet_broker::Broker`], that need no process, socket or disk:
//!
//! - [`Run`]: a cluster of three to five nodes and its clients on virtual time. One seed decides everything: who
//!   publishes and subscribes how, and when nodes crash, pause, fall behind or jump to a snapshot, clients hop and cut
//!   connections, and proposals are lost, late, repeated and reordered. Millions of steps a minute; a failure prints
//!   its seed.
//! - [`model`]: a tiny cluster, all of whose interleavings are walked through up to stated bounds (`MODEL.md`).
//!
//! Both judge what clients saw, not what the code meant; and both must find each bug of [`Sin`] when it is planted.
//!
//! Raft, RocksDB and sockets are not here: the log is ideal (total order, what is appended stays), and what Raft leaves
//! to the layers above is what goes wrong.

mod checkers;
mod client;
mod cluster;
mod faults;
mod front_end;
mod heal;
mod history;
mod link;
mod log;
pub mod model;
mod node;
mod options;
mod publisher;
mod run;
mod seed;
mod sin;
mod snapshot;
mod subscriber;
mod trace;
mod violation;
mod window;
mod wire;
mod wired;

pub use run::{DEFAULT_STEPS, Outcome, Run};
pub use sin::Sin;
pub use violation::Violation;
