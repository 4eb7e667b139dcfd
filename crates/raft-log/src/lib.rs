//! The Raft log, vote and committed marker of one node, in one RocksDB, with group commit; and the
//! types that openraft is instantiated with.
//!
//! ```text
//!            format(dir, identity)             open(config)
//!                     │                             │
//!                     ▼                             ▼
//!   ┌──────────── data directory ───────────┐    Opened { identity, log: RaftLog }
//!   │ lock   durable.mark   rocksdb/        │◄──────────────┐
//!   │        (how far       (entries, vote, │   one synced  │
//!   │         it was         committed,     │   write for   │
//!   │         on disk)       identity, boot)│   all that    │
//!   └───────────────────────────────────────┘   waits       │
//!                                                     writer thread ──► callbacks
//!                                                           ▲
//!   append, vote, truncate, purge ──► tail (memory) ──► bounded queue
//!                                       ▲
//!   LogReader ──────────────────────────┘ and, for what is older, RocksDB
//! ```
//!
//! What it promises:
//! - A callback or an awaited call that returned `Ok` is on disk, synced.
//! - `append` returns at once; what it appended is read back at once.
//! - Votes and entries reach the disk in the order in which they were asked for.
//! - A node that cannot trust its disk does not run: a failed write or sync, a bad checksum or a
//!   missing synced write is an [`Error`] that says what and where, and stays.
//!
//! Left out: the state machine, its checkpoints and snapshots, and everything between nodes.

pub mod codec;

mod batch;
mod config;
mod database;
mod directory;
mod error;
mod identity;
mod keys;
mod log;
mod mark;
mod member;
mod poisoned;
mod queue;
mod reader;
mod shared;
mod statistics;
mod tail;
mod type_config;
mod writer;

pub use batch::Batch;
pub use config::Config;
pub use directory::format;
pub use error::Error;
pub use identity::Identity;
pub use log::{Opened, RaftLog, SLOT_BYTES, SLOTS, open};
pub use member::Member;
pub use poisoned::{MAX_POISONED, Poisoned};
pub use reader::LogReader;
pub use statistics::Statistics;
pub use type_config::{
    CommittedLeaderId, Entry, EntryPayload, IOFlushed, LeaderId, LogId, Membership, StoredMembership,
    TypeConfig, Vote,
};
