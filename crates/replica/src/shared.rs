//! What the parts of a running replica share.
//!
//! ```text
//!   Shared   exists from the start      window, batcher, routes, watches for the node
//!   Formed   once the disk is formatted log, Raft, state machine, peers
//! ```

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::{Mutex, RwLock};
use quartet_broker::{Broker, LogIndex, NodeId, Origin, Routes, Settings};
use quartet_raft_log::{Identity, RaftLog};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::applier::Applier;
use crate::batcher::Batcher;
use crate::checkpoint::Checkpoints;
use crate::config::Config;
use crate::counters::Counters;
use crate::leadership::Leadership;
use crate::peer::link::Peers;
use crate::peer::qos0::QoS0Links;
use crate::proposal_stream::ClusterProposals;
use crate::serving::Serving;
use crate::sink::Sink;
use crate::window::Window;
use crate::{Error, Raft};

/// Shared from the start.
pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) counters: Arc<Counters>,
    pub(crate) window: Arc<Window>,
    pub(crate) batcher: Arc<Batcher>,
    pub(crate) proposals: ClusterProposals,
    pub(crate) sink: Arc<dyn Sink>,
    /// Subscriptions and owners for concurrent readers.
    pub(crate) routes: Arc<RwLock<Routes>>,
    /// The state; that of a cluster where nothing has happened until this node is formatted.
    pub(crate) applier: Arc<Mutex<Applier>>,
    applied: AtomicU64,
    /// The live boot: set when its NodeUp is applied here.
    pub(crate) origin: watch::Sender<Option<Origin>>,
    pub(crate) serving: watch::Sender<Serving>,
    /// The first failure; the replica is of no use then.
    failed: watch::Sender<Option<Error>>,
    pub(crate) formed: watch::Sender<Option<Arc<Formed>>>,
    /// When a leader last sent something that was accepted.
    leader_heard: Mutex<Option<Instant>>,
    /// Bytes of log applied since the last checkpoint was begun.
    pub(crate) log_since_checkpoint: AtomicU64,
    /// Ends the care for this node's boot: it is to end.
    pub(crate) retiring: CancellationToken,
    /// Ends all tasks.
    pub(crate) stopping: CancellationToken,
}

/// What there is once this node belongs to a cluster.
pub(crate) struct Formed {
    pub(crate) identity: Identity,
    pub(crate) log: RaftLog,
    pub(crate) raft: Raft,
    pub(crate) checkpoints: Arc<Checkpoints>,
    pub(crate) peers: Arc<Peers>,
    pub(crate) qos0: QoS0Links,
    pub(crate) leadership: watch::Receiver<Leadership>,
}

impl Formed {
    pub(crate) fn node(&self) -> NodeId {
        NodeId(self.identity.node_id)
    }

    /// The boot that this node lives under, live or not yet.
    pub(crate) fn origin(&self) -> Origin {
        Origin { node: self.node(), boot: self.peers.passport.boot() }
    }
}

impl Shared {
    pub(crate) fn new(config: Config, sink: Arc<dyn Sink>) -> Self {
        let counters = Arc::new(Counters::default());
        let nothing = Broker::new(0, Settings::default()).routes();
        Self {
            window: Arc::new(Window::new(config.limits.window, Arc::clone(&counters))),
            batcher: Arc::new(Batcher::new(config.limits.clone(), Arc::clone(&counters))),
            proposals: ClusterProposals::default(),
            counters,
            config,
            sink,
            routes: Arc::new(RwLock::new(nothing)),
            applier: Arc::new(Mutex::new(Applier::new(0))),
            applied: AtomicU64::new(0),
            origin: watch::Sender::new(None),
            serving: watch::Sender::new(Serving::Forming),
            failed: watch::Sender::new(None),
            formed: watch::Sender::new(None),
            leader_heard: Mutex::new(None),
            log_since_checkpoint: AtomicU64::new(0),
            retiring: CancellationToken::new(),
            stopping: CancellationToken::new(),
        }
    }

    pub(crate) fn formed(&self) -> Option<Arc<Formed>> {
        self.formed.borrow().clone()
    }

    pub(crate) fn applied(&self) -> LogIndex {
        LogIndex(self.applied.load(Ordering::Acquire))
    }

    pub(crate) fn set_applied(&self, index: u64) {
        self.applied.store(index, Ordering::Release);
    }

    /// Notes that a leader's message was accepted just now.
    pub(crate) fn leader_heard(&self) {
        *self.leader_heard.lock() = Some(Instant::now());
    }

    pub(crate) fn leader_last_heard(&self) -> Option<Instant> {
        *self.leader_heard.lock()
    }

    /// Gives the replica up; the first reason stays.
    pub(crate) fn fail(&self, error: Error) {
        self.failed.send_if_modified(|failed| {
            let first = failed.is_none();
            if first {
                tracing::error!("this replica has failed: {error}");
                *failed = Some(error);
            }
            first
        });
        self.serving.send_replace(Serving::Stopping);
    }

    pub(crate) fn failure(&self) -> watch::Receiver<Option<Error>> {
        self.failed.subscribe()
    }

    pub(crate) fn has_failed(&self) -> bool {
        self.failed.borrow().is_some()
    }
}
