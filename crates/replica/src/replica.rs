//! [`Replica`]: the handle by which the node uses its member of the cluster.

mod lifetime;
mod read_status;

use std::sync::Arc;
use std::time::Duration;

use parking_lot::RwLock;
use quartet_broker::{Broker, Command, LogIndex, Message, NodeDown, NodeId, Origin, Routes};
use tokio::sync::watch;

use crate::config::Config;
use crate::disk::{self, Disk};
use crate::formation::Formation;
use crate::peer::server::{PeerService, PeerServiceServer};
use crate::purge;
use crate::serving::Serving;
use crate::shared::{Formed, Shared};
use crate::sink::Sink;
use crate::status::Status;
use crate::window::Room;
use crate::{Error, run};
use lifetime::Lifetime;

/// This node's member of the cluster. Cloning it is cheap.
///
/// It runs on threads of its own until [`shutdown`](Self::shutdown), [`abort`](Self::abort), or until the last clone is
/// gone, which is like `abort`.
#[derive(Clone)]
pub struct Replica {
    shared: Arc<Shared>,
    formation: Arc<Formation>,
    lifetime: Arc<Lifetime>,
}

impl Replica {
    /// Opens the data directory, loads the newest checkpoint, and starts. Returns before the log's tail is replayed and
    /// before a cluster is formed: wait for [`serving`](Self::serving). Blocks while it reads the disk.
    ///
    /// The owner must mount [`peer_service`](Self::peer_service) on a gRPC server at this node's peer address, best on
    /// [`runtime`](Self::runtime); without it the node hears no leader and no seed.
    ///
    /// # Errors
    /// [`Error::Config`], [`Error::Threads`], and whatever makes the disk one that is not to be trusted.
    pub fn start(config: Config, sink: Arc<dyn Sink>) -> Result<Self, Error> {
        config.check()?;
        let shared = Arc::new(Shared::new(config, sink));
        let disk: Option<Disk> = disk::open(&shared.config, &shared.counters)?;
        let identity = disk.as_ref().map(|disk| disk.identity.clone());
        let formation = Arc::new(Formation::new(Arc::clone(&shared), identity));
        let lifetime = Lifetime::begin(shared.config.threads, shared.stopping.clone())?;
        lifetime.runtime().spawn(run::run(Arc::clone(&shared), Arc::clone(&formation), disk));
        Ok(Self { shared, formation, lifetime: Arc::new(lifetime) })
    }

    /// The service that peers call. To be served with TCP_NODELAY and the message limits that it brings.
    #[must_use]
    pub fn peer_service(&self) -> PeerServiceServer {
        PeerService::server(Arc::clone(&self.shared), Arc::clone(&self.formation))
    }

    /// The runtime that Raft runs on. The gRPC server belongs on it: on the clients' runtime a storm of them would delay
    /// heartbeats. Nothing that may be slow belongs here.
    #[must_use]
    pub fn runtime(&self) -> tokio::runtime::Handle {
        self.lifetime.runtime().clone()
    }

    /// Waits for room in the proposal window for what `bytes` of a client's packets may become. Take it before reading
    /// that much from the socket; a packet larger than the read needs room for the rest of it before it is read on.
    /// What is left goes back when the room is dropped.
    pub async fn room(&self, bytes: usize) -> Room {
        self.shared.window.room(bytes).await
    }

    /// Room for the end of one connection, for its `Disconnect` alone. Never waits; each connection takes one when it
    /// begins and keeps it.
    #[must_use]
    pub fn room_for_end(&self) -> Room {
        self.shared.window.room_for_end()
    }

    /// Proposes a command of a connection: it is encoded and numbered before this returns, and is applied once unless
    /// this node's boot ends first. Commands are applied in the order in which they are proposed. A command whose
    /// connection belongs to another boot than the live one is dropped and counted: it could change nothing.
    ///
    /// Commands of the cluster have no number and do not belong here; they are dropped and counted too.
    pub fn propose(&self, room: &mut Room, command: &Command) {
        self.shared.window.propose(room, command);
    }

    /// Proposes a command of the cluster (new settings, an upgrade) once, without a number: whoever wants it applied
    /// looks at the state and proposes it again.
    pub fn propose_cluster(&self, command: &Command) {
        self.shared.proposals.cluster(command);
    }

    /// The last entry applied here: what CONNECT carries as the index at which it was read.
    #[must_use]
    pub fn applied(&self) -> LogIndex {
        self.shared.applied()
    }

    /// The live boot of this node, which connections are named after; `None` while the start of one is not applied.
    #[must_use]
    pub fn origin(&self) -> watch::Receiver<Option<Origin>> {
        self.shared.origin.subscribe()
    }

    /// Whether clients are to be served.
    #[must_use]
    pub fn serving(&self) -> watch::Receiver<Serving> {
        self.shared.serving.subscribe()
    }

    /// Waits until this replica has failed for good: the process is to say so and stop.
    pub async fn failed(&self) -> Error {
        let mut failure = self.shared.failure();
        match failure.wait_for(Option::is_some).await.map(|failure| failure.clone()) {
            Ok(Some(error)) => error,
            Ok(None) | Err(_) => Error::Stopped,
        }
    }

    /// The subscriptions and owners of sessions, for matching QoS 0 and for inspection.
    #[must_use]
    pub fn routes(&self) -> Arc<RwLock<Routes>> {
        Arc::clone(&self.shared.routes)
    }

    /// Sends a message at QoS 0 to a peer, at most once; drops it if too much waits already. Returns at once.
    pub fn send_qos0(&self, node: NodeId, message: &Message) {
        let Some(formed) = self.shared.formed().filter(|formed| formed.node() != node) else {
            self.shared.counters.qos0_dropped.one();
            return;
        };
        let address = || {
            let applier = self.shared.applier.lock();
            applier.membership.membership().get_node(&node.0).map(|member| member.peer_address.clone())
        };
        formed.qos0.send(node, address, message);
    }

    /// Looks at the state between two entries. `look` holds up apply: it must be short.
    pub async fn inspect<R: Send + 'static>(&self, look: impl FnOnce(&Broker) -> R + Send + 'static) -> R {
        // The lock is held by apply for one entry at a time, so this never waits long enough to need another thread.
        look(&self.shared.applier.lock().broker)
    }

    /// How the replica is doing.
    #[must_use]
    pub fn status(&self) -> Status {
        read_status::read(&self.shared)
    }

    /// Makes a checkpoint now and waits until it is complete.
    ///
    /// # Errors
    /// [`Error::Stopped`] before the node belongs to a cluster, [`Error::Raft`].
    pub async fn checkpoint(&self) -> Result<(), Error> {
        let formed = self.shared.formed().ok_or(Error::Stopped)?;
        purge::checkpoint(&self.shared, &formed).await
    }

    /// If this node leads: hands over to the voter that is furthest, and waits until another one leads. Says whether this
    /// node does not lead any more.
    pub async fn transfer_leadership(&self) -> bool {
        let Some(formed) = self.shared.formed() else { return true };
        let mut leadership = formed.leadership.clone();
        let Some(term) = leadership.borrow().own_term() else { return true };
        let Some(successor) = read_status::furthest_voter(&formed) else { return false };
        if formed.raft.trigger().transfer_leader(successor.0).await.is_err() {
            return true;
        }
        let gone = leadership.wait_for(|now| now.own_term() != Some(term) && now.leader.is_some());
        tokio::time::timeout(self.shared.config.timing.shutdown, gone).await.is_ok()
    }

    /// Stops in good order: hands over leadership, ends its boot in the log, makes a checkpoint, closes the log. The
    /// clients' connections should be closed before. Each step is given [`Timing::shutdown`](crate::Timing::shutdown);
    /// what is not done by then is made up for by the others, or by the next start.
    pub async fn shutdown(&self) {
        let step = self.shared.config.timing.shutdown;
        self.shared.serving.send_replace(Serving::Stopping);
        if let Some(formed) = self.shared.formed().filter(|_| !self.shared.has_failed()) {
            if !self.transfer_leadership().await {
                tracing::warn!("no other node took over the leadership");
            }
            if tokio::time::timeout(step, self.end_boot(&formed)).await.is_err() {
                tracing::warn!(
                    "the end of this boot was not committed in time: the leader will notice the silence"
                );
            }
            match tokio::time::timeout(step, self.checkpoint()).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::warn!("no last checkpoint: {error}"),
                Err(_) => {
                    tracing::warn!("the last checkpoint was not complete in time; the log has all of it")
                }
            }
        }
        self.stop().await;
    }

    /// Proposes the end of the own boot until it is applied here.
    async fn end_boot(&self, formed: &Formed) {
        self.shared.retiring.cancel();
        let mut live = self.shared.origin.subscribe();
        let Some(origin) = *live.borrow_and_update() else { return };
        if origin.node != formed.node() {
            return;
        }
        loop {
            self.shared.proposals.cluster(&Command::NodeDown(NodeDown { origin }));
            let ended = live.wait_for(|live| *live != Some(origin));
            if tokio::time::timeout(Duration::from_millis(500), ended).await.is_ok() {
                return;
            }
        }
    }

    /// Stops at once, as a crash of the process would: nothing is handed over or written.
    pub async fn abort(&self) {
        self.stop().await;
    }

    async fn stop(&self) {
        self.shared.stopping.cancel();
        // Raft's handles hold the log open, which the next start must be able to lock.
        let formed = self.shared.formed.send_replace(None);
        if let Some(formed) = &formed {
            let step = self.shared.config.timing.shutdown;
            if tokio::time::timeout(step, formed.raft.shutdown()).await.is_err() {
                tracing::warn!("raft did not stop in time: its threads are ended");
            }
        }
        drop(formed);
        self.lifetime.end().await;
    }
}
