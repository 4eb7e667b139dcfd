//! Every way in which this crate can refuse or fail, each as one line for an operator.
//!
//! All are `Clone`: once the log has failed, every later call returns the same first error. None is
//! to be retried by the caller. A failed write or fsync leaves the page cache in an unknown state,
//! so the process must stop, and the node starts again from what is really on its disk.

use std::io;
use std::path::PathBuf;

/// What went wrong, where, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// There is nothing of ours in the directory.
    #[error("{} holds no raft log: format it first, or name the directory that this node was formatted in", .dir.display())]
    NotFormatted {
        /// The directory given.
        dir: PathBuf,
    },
    /// `format` is allowed once.
    #[error("{} is already formatted: a node keeps its identity, use an empty directory for a new node", .dir.display())]
    AlreadyFormatted {
        /// The directory given.
        dir: PathBuf,
    },
    /// The directory holds files that are not a raft log.
    #[error("{} holds {found:?}, which is not part of a raft log: use an empty directory", .dir.display())]
    Foreign {
        /// The directory given.
        dir: PathBuf,
        /// The first foreign name, in sorted order.
        found: String,
    },
    /// Written by a release with another layout.
    #[error("{} has format version {found}, this release reads {supported}: run the release that wrote it", .dir.display())]
    FormatVersion {
        /// The directory given.
        dir: PathBuf,
        /// Version on disk.
        found: u32,
        /// Version of this release.
        supported: u32,
    },
    /// The directory belongs to another cluster than the one expected.
    #[error("{} belongs to cluster {found:032x}, not to {expected:032x}: check the directory and the configured cluster id", .dir.display())]
    OtherCluster {
        /// The directory given.
        dir: PathBuf,
        /// Cluster id on disk.
        found: u128,
        /// Cluster id asked for.
        expected: u128,
    },
    /// There is data but it does not say whose.
    #[error("{} has data but no node identity: it is damaged, rebuild this node from its peers under a new node id", .dir.display())]
    NoIdentity {
        /// The directory given.
        dir: PathBuf,
    },
    /// Another process (or another handle in this one) has it open.
    #[error("{} is in use by another process: stop that one first", .dir.display())]
    Locked {
        /// The directory given.
        dir: PathBuf,
    },
    /// Something on disk does not read as it was written.
    #[error("{} is damaged ({why}): do not restart this node on it, rebuild it from its peers", .dir.display())]
    Damaged {
        /// The directory given.
        dir: PathBuf,
        /// What was found.
        why: String,
    },
    /// One entry does not read as it was written, or is missing.
    #[error("log entry {index} in {} is damaged ({why}): do not restart this node on it, rebuild it from its peers", .dir.display())]
    DamagedEntry {
        /// The directory given.
        dir: PathBuf,
        /// Index of the entry.
        index: u64,
        /// What was found.
        why: String,
    },
    /// The log ends before a write that was synced and acknowledged.
    #[error(
        "{} lost synced writes (write {durable} was on disk, the log ends at write {found}): the node may break its votes, rebuild it from its peers under a new node id", .dir.display()
    )]
    LostTail {
        /// The directory given.
        dir: PathBuf,
        /// Number of the last write that is known to have been synced.
        durable: u64,
        /// Number of the last write found.
        found: u64,
    },
    /// The file system has no room.
    #[error("disk full at {} while {doing}: free some space, then start this node again", .dir.display())]
    DiskFull {
        /// The directory given.
        dir: PathBuf,
        /// What was being done.
        doing: &'static str,
    },
    /// Any other refusal of the operating system or of RocksDB.
    #[error("i/o error at {} while {doing}: {why}", .dir.display())]
    Io {
        /// The directory given.
        dir: PathBuf,
        /// What was being done.
        doing: &'static str,
        /// As the system says it.
        why: String,
    },
    /// The writer thread ended without being asked to: a bug.
    #[error("the log writer of {} has died: stop this process and report the panic printed before", .dir.display())]
    WriterGone {
        /// The directory given.
        dir: PathBuf,
    },
    /// An append that would leave a hole or overwrite: a bug of the caller. Nothing was written.
    #[error("append of entry {got} to the log in {}, which expects {expected}: a bug, stop this process", .dir.display())]
    Gap {
        /// The directory given.
        dir: PathBuf,
        /// The index that would continue the log.
        expected: u64,
        /// The index given.
        got: u64,
    },
    /// More poisoned commands than [`crate::MAX_POISONED`] since the last purge.
    #[error("more than {limit} commands panicked since the last checkpoint in {}: this build is broken, stop it", .dir.display())]
    TooManyPoisoned {
        /// The directory given.
        dir: PathBuf,
        /// The bound.
        limit: usize,
    },
    /// A slot number or value beyond its bound.
    #[error(
        "slot {slot} with {bytes} bytes: slots are numbered below {slots} and hold at most {limit} bytes"
    )]
    Slot {
        /// The slot asked for.
        slot: u8,
        /// Length of the value.
        bytes: usize,
        /// Number of slots.
        slots: u8,
        /// Longest value.
        limit: usize,
    },
    /// Bytes that this release did not write, or that were changed since; from a decoder, which
    /// does not know where they come from.
    #[error("{what} cannot be decoded: {why}")]
    Malformed {
        /// What it should have been.
        what: &'static str,
        /// The first thing wrong.
        why: &'static str,
    },
}

impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        let kind = match &error {
            Error::DiskFull { .. } => io::ErrorKind::StorageFull,
            Error::Damaged { .. }
            | Error::DamagedEntry { .. }
            | Error::LostTail { .. }
            | Error::Malformed { .. } => io::ErrorKind::InvalidData,
            Error::Gap { .. } | Error::Slot { .. } => io::ErrorKind::InvalidInput,
            Error::NotFormatted { .. }
            | Error::AlreadyFormatted { .. }
            | Error::Foreign { .. }
            | Error::FormatVersion { .. }
            | Error::OtherCluster { .. }
            | Error::NoIdentity { .. }
            | Error::Locked { .. }
            | Error::Io { .. }
            | Error::WriterGone { .. }
            | Error::TooManyPoisoned { .. } => io::ErrorKind::Other,
        };
        Self::new(kind, error)
    }
}
