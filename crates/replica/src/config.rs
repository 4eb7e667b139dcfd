//! What a replica is told at its start. Read once, then fixed.
//!
//! Settings that `apply` reads are not here: [`Config::settings`] only proposes them when the cluster is formed.

use std::path::PathBuf;
use std::time::Duration;

use quartet_broker::Settings;

use crate::Error;

/// One of the nodes that form the cluster; its Raft id is its place in the list, from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seed {
    /// The node's name.
    pub name: String,
    /// Where its peers reach it, `host:port`.
    pub peer_address: String,
    /// Where MQTT clients reach it, `host:port`; may be empty.
    pub client_address: String,
}

/// The configuration of a replica. [`Config::new`] has all defaults.
#[derive(Clone, Debug)]
pub struct Config {
    /// This node's name; one of the seeds when it forms a cluster.
    pub name: String,
    /// Where log and checkpoints live; made if it does not exist.
    pub data_dir: PathBuf,
    /// The first members, the same list in the same order on each of them.
    pub seeds: Vec<Seed>,
    /// Proposed once, when the cluster is formed.
    pub settings: Settings,
    /// Sizes; see [`Limits`].
    pub limits: Limits,
    /// Times; see [`Timing`].
    pub timing: Timing,
    /// Threads of the runtime that Raft, apply and peers' calls run on. Two, so that a long apply leaves one for
    /// heartbeats.
    pub threads: usize,
    /// Bytes of log applied since the last checkpoint that make the next one due. A restart replays up to twice that.
    pub checkpoint_bytes: u64,
    /// A test's hook: applying a PUBLISH to this topic panics. From `QUARTET_TEST_PANIC_ON_TOPIC`.
    pub panic_on_topic: Option<String>,
}

/// Bounds in bytes and counts. A packet must fit a batch, a batch must fit a gRPC message, and a window must hold a few
/// batches; [`Config::check`] refuses anything else.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Largest MQTT packet that this node takes from a client.
    pub maximum_packet: usize,
    /// Most bytes of commands in one log entry.
    pub batch_bytes: usize,
    /// Most commands in one log entry: bounds how long one entry holds up the apply of others.
    pub batch_commands: u32,
    /// Entries that the leader proposes before the first of them is applied. More only makes smaller batches.
    pub entries_in_flight: usize,
    /// Largest gRPC message between peers.
    pub grpc_message: usize,
    /// Bytes of commands that this node may have proposed and not yet seen applied.
    pub window: usize,
    /// Bytes of QoS 0 messages that wait for one peer; beyond, the newest is dropped.
    pub qos0_queue: usize,
}

/// Time-outs.
#[derive(Clone, Debug)]
pub struct Timing {
    /// Between heartbeats.
    pub heartbeat: Duration,
    /// Shortest time from the end of the leader's lease until a follower stands for election.
    pub election_min: Duration,
    /// Longest such time, and the lease itself: for so long after a leader was heard nobody votes for another. So a dead
    /// leader is replaced after the lease and one of these times.
    pub election_max: Duration,
    /// Without a leader for so long, a node closes its clients.
    pub leaderless: Duration,
    /// Silence after which the leader declares a node's boot over: longer than any stalled fsync.
    pub silence: Duration,
    /// How long a node that stops waits for a successor, the end of its boot, and its checkpoint; each.
    pub shutdown: Duration,
}

impl Config {
    /// Defaults for a node of these seeds.
    #[must_use]
    pub fn new(name: impl Into<String>, data_dir: impl Into<PathBuf>, seeds: Vec<Seed>) -> Self {
        Self {
            name: name.into(),
            data_dir: data_dir.into(),
            seeds,
            settings: Settings::default(),
            limits: Limits::default(),
            timing: Timing::default(),
            threads: 2,
            checkpoint_bytes: 128 << 20,
            panic_on_topic: std::env::var("QUARTET_TEST_PANIC_ON_TOPIC")
                .ok()
                .filter(|topic| !topic.is_empty()),
        }
    }

    /// Refuses what contradicts itself.
    ///
    /// # Errors
    /// [`Error::Config`].
    pub fn check(&self) -> Result<(), Error> {
        let refuse = |what: String, remedy| Err(Error::Config { what, remedy });
        let Limits {
            maximum_packet,
            batch_bytes,
            batch_commands,
            entries_in_flight,
            grpc_message,
            window,
            ..
        } = self.limits;
        if maximum_packet.saturating_add(PACKET_MARGIN) > batch_bytes {
            let what = format!("a packet of {maximum_packet} bytes does not fit a batch of {batch_bytes}");
            return refuse(what, "raise the batch's bytes or lower the maximum packet size");
        }
        if batch_bytes.saturating_add(BATCH_MARGIN) > grpc_message {
            let what =
                format!("a batch of {batch_bytes} bytes does not fit a gRPC message of {grpc_message}");
            return refuse(what, "raise the gRPC message's bytes or lower the batch's");
        }
        if batch_bytes.saturating_mul(2) > window {
            let what = format!("a window of {window} bytes holds fewer than two batches of {batch_bytes}");
            return refuse(what, "raise the window's bytes or lower the batch's");
        }
        if batch_commands == 0 || entries_in_flight == 0 || self.threads == 0 {
            return refuse("a batch, the entries in flight or the threads are zero".into(), "use at least 1");
        }
        let Timing { heartbeat, election_min, election_max, leaderless, silence, .. } = self.timing;
        if heartbeat.saturating_mul(2) > election_min || election_min >= election_max {
            let what = format!(
                "election between {election_min:?} and {election_max:?} with heartbeats of {heartbeat:?}"
            );
            return refuse(
                what,
                "keep two heartbeats below the shortest election time-out, and that below the longest",
            );
        }
        if leaderless <= election_max || silence <= leaderless {
            let what =
                format!("clients are closed after {leaderless:?} and a node declared down after {silence:?}");
            return refuse(what, "keep election below leaderless below silence");
        }
        let mut names: Vec<_> = self.seeds.iter().map(|seed| seed.name.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        if names.len() != self.seeds.len() {
            return refuse("two seeds have the same name".into(), "give every node its own name");
        }
        Ok(())
    }
}

/// What the topic behind an alias, and a command's own fields, can add to a packet's bytes.
const PACKET_MARGIN: usize = 128 << 10;
/// What heads of segments, entries and messages add to a batch's bytes.
const BATCH_MARGIN: usize = 64 << 10;

impl Default for Limits {
    fn default() -> Self {
        Self {
            maximum_packet: 1 << 20,
            batch_bytes: 2 << 20,
            batch_commands: 4096,
            entries_in_flight: 4,
            grpc_message: 16 << 20,
            window: 64 << 20,
            qos0_queue: 8 << 20,
        }
    }
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            heartbeat: Duration::from_millis(250),
            election_min: Duration::from_millis(500),
            election_max: Duration::from_millis(750),
            leaderless: Duration::from_secs(5),
            silence: Duration::from_secs(10),
            shutdown: Duration::from_secs(5),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_hold_together() {
        Config::new("a", "/nowhere", Vec::new()).check().expect("defaults");
    }

    #[test]
    fn sizes_that_do_not_nest_are_refused() {
        let mut config = Config::new("a", "/nowhere", Vec::new());
        config.limits.maximum_packet = config.limits.batch_bytes;
        assert!(config.check().unwrap_err().to_string().contains("does not fit a batch"));
        let mut config = Config::new("a", "/nowhere", Vec::new());
        config.limits.grpc_message = config.limits.batch_bytes;
        assert!(config.check().unwrap_err().to_string().contains("does not fit a gRPC message"));
    }
}
