//! The connections to each peer, and the check of whoever answers on them.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use quartet_broker::NodeId;
use tonic::metadata::MetadataMap;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Response, Status};

use super::passport::{Passport, PassportControl, stale_boot};
use super::proto::peer_client::PeerClient;
use crate::Error;
use crate::applier::Applier;
use crate::counters::Counters;

/// A peer that is there answers on a local network in far less; one that is not must not hold up an election.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(500);

/// An idle connection is probed so often, to find a peer that froze or a cable that was cut.
const KEEP_ALIVE: Duration = Duration::from_secs(1);

/// A connection whose probe is not answered for so long is given up.
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(2);

/// HTTP/2 windows: a few of the largest messages a stream, so that a batch is not cut into round trips.
const STREAM_WINDOW: u32 = 8 << 20;
const CONNECTION_WINDOW: u32 = 32 << 20;

/// A refused peer calls again and again; it is told of so often, and counted each time.
const SAY: Duration = Duration::from_secs(5);

/// All peers of this node.
pub(crate) struct Peers {
    pub(crate) passport: Arc<PassportControl>,
    pub(crate) counters: Arc<Counters>,
    applier: Arc<Mutex<Applier>>,
    /// What to do when peers say that this node's disk has gone back in time.
    on_stale: Box<dyn Fn(Error) + Send + Sync>,
    grpc_message: usize,
    links: Mutex<HashMap<NodeId, Arc<Link>>>,
    refusal_said: Mutex<Option<Instant>>,
}

/// The connections to one peer; each connects when it is first used, and again after it broke.
pub(crate) struct Link {
    pub(crate) node: NodeId,
    pub(crate) address: String,
    pub(crate) control: PeerClient<Channel>,
    pub(crate) log: PeerClient<Channel>,
    pub(crate) snapshot: PeerClient<Channel>,
    pub(crate) proposals: PeerClient<Channel>,
}

impl Peers {
    pub(crate) fn new(
        passport: Arc<PassportControl>,
        applier: Arc<Mutex<Applier>>,
        counters: Arc<Counters>,
        grpc_message: usize,
        on_stale: Box<dyn Fn(Error) + Send + Sync>,
    ) -> Self {
        Self {
            passport,
            counters,
            applier,
            on_stale,
            grpc_message,
            links: Mutex::default(),
            refusal_said: Mutex::default(),
        }
    }

    /// The connections to `node` at `address`; others than before if it has moved.
    pub(crate) fn link(&self, node: NodeId, address: &str) -> Result<Arc<Link>, Status> {
        let mut links = self.links.lock();
        if let Some(link) = links.get(&node).filter(|link| link.address == address) {
            return Ok(Arc::clone(link));
        }
        let connect = || client(address, self.grpc_message);
        let link = Arc::new(Link {
            node,
            address: address.to_owned(),
            control: connect()?,
            log: connect()?,
            snapshot: connect()?,
            proposals: connect()?,
        });
        links.insert(node, Arc::clone(&link));
        Ok(link)
    }

    /// A request that says who calls.
    pub(crate) fn request<T>(&self, message: T) -> Request<T> {
        self.passport.request(message)
    }

    /// Checks who calls.
    pub(crate) fn admit(&self, metadata: &MetadataMap) -> Result<Passport, Status> {
        let replicated = |node| self.applier.lock().broker.highest_boot(node).map(|(boot, _)| boot);
        self.passport.check(metadata, replicated).map_err(|refusal| {
            self.counters.peers_refused.one();
            if let Some(error) = self.passport.called_by_other_cluster(refusal) {
                (self.on_stale)(error);
            }
            let now = Instant::now();
            let mut said = self.refusal_said.lock();
            if said.is_none_or(|said| now.duration_since(said) >= SAY) {
                *said = Some(now);
                tracing::warn!("a peer was refused: {refusal}");
            }
            refusal.into()
        })
    }

    /// Checks that `node` itself answered, and takes the answer out.
    pub(crate) fn answer<T>(&self, node: NodeId, response: Result<Response<T>, Status>) -> Result<T, Status> {
        match response {
            Ok(response) => {
                let answered = self.admit(response.metadata())?;
                if answered.node != node {
                    let message =
                        format!("node {} answers at the address of node {}", answered.node.0, node.0);
                    return Err(Status::unavailable(message));
                }
                Ok(response.into_inner())
            }
            Err(status) => {
                let stale = stale_boot(&status, self.passport.boot());
                if let Some(error) = stale.or_else(|| self.passport.refused_by_other_cluster(&status)) {
                    (self.on_stale)(error);
                }
                Err(status)
            }
        }
    }
}

/// A client that connects when it is first used. To be called within the runtime that its connection shall live on.
pub(crate) fn client(address: &str, grpc_message: usize) -> Result<PeerClient<Channel>, Status> {
    let endpoint = Endpoint::from_shared(format!("http://{address}"))
        .map_err(|error| Status::invalid_argument(format!("{address:?} is no address of a peer: {error}")))?
        .connect_timeout(CONNECT_TIMEOUT)
        .tcp_nodelay(true)
        .http2_keep_alive_interval(KEEP_ALIVE)
        .keep_alive_timeout(KEEP_ALIVE_TIMEOUT)
        .keep_alive_while_idle(true)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW);
    Ok(PeerClient::new(endpoint.connect_lazy())
        .max_decoding_message_size(grpc_message)
        .max_encoding_message_size(grpc_message))
}
