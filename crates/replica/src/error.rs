//! Every way in which a replica can refuse to start or fail while running, each as one line for an operator.
//!
//! A replica that fails stops applying and answering; the process should end with the line and start again from what is
//! on its disk, or be rebuilt from its peers where the line says so.

use std::path::PathBuf;

use quartet_broker::{Boot, LogIndex};

/// What went wrong, where, and what to do.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// The configuration contradicts itself.
    #[error("configuration: {what}; {remedy}")]
    Config {
        /// What is wrong.
        what: String,
        /// What to change.
        remedy: &'static str,
    },
    /// The log refused or failed.
    #[error("raft log: {0}")]
    Log(#[from] quartet_raft_log::Error),
    /// Raft stopped by itself; mostly the log failed under it.
    #[error("raft stopped: {why}; start this node again")]
    Raft {
        /// As openraft says it.
        why: String,
    },
    /// A checkpoint could not be written or read.
    #[error("checkpoint {}: {why}; {remedy}", .path.display())]
    Checkpoint {
        /// The file or directory.
        path: PathBuf,
        /// What was found.
        why: String,
        /// What to do.
        remedy: &'static str,
    },
    /// The log begins behind what the newest readable checkpoint holds.
    #[error(
        "the log begins at entry {first} but the newest checkpoint that reads ends at {checkpoint}; rebuild this node from its peers under a new node id"
    )]
    Hole {
        /// Last entry in the checkpoint; 0 without one.
        checkpoint: u64,
        /// First entry in the log.
        first: u64,
    },
    /// A committed entry does not decode.
    #[error("entry {} cannot be applied: {why}; run the release that its leader runs", .index.0)]
    Entry {
        /// Which.
        index: LogIndex,
        /// What is wrong with it.
        why: String,
    },
    /// The disk's boot counter is behind what the cluster knows of this node.
    #[error("this node begins boot {}, but the cluster knows boot {} of it: its disk was restored from an old copy and must not vote; rebuild it under a new node id", .own.0, .known.0)]
    StaleBoot {
        /// The boot made from this disk.
        own: Boot,
        /// The boot that the cluster knows.
        known: Boot,
    },
    /// The data directory belongs to another cluster than the peers.
    #[error(
        "this node's disk belongs to cluster {own:032x}, but its peers are of cluster {theirs:032x}; check data_dir and seeds"
    )]
    OtherCluster {
        /// Of the data directory.
        own: u128,
        /// Of the peers that answer.
        theirs: u128,
    },
    /// The data directory holds what is not ours.
    #[error("{} holds {found:?}, which is not quartet's; set data_dir to an empty directory", .dir.display())]
    Foreign {
        /// The data directory.
        dir: PathBuf,
        /// The first foreign name, in sorted order.
        found: String,
    },
    /// This node's state differs from the majority's.
    #[error("the state after entry {} differs from that of most nodes; rebuild this node from its peers under a new node id and report this", .index.0)]
    Diverged {
        /// Where the digests were taken.
        index: LogIndex,
    },
    /// The operating system gave no thread.
    #[error("no thread for raft: {why}; raise the limit of threads")]
    Threads {
        /// As the system says it.
        why: String,
    },
    /// The replica was shut down.
    #[error("this replica was shut down")]
    Stopped,
}
