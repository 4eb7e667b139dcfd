//! The service that peers call; mounted by the node on its gRPC server, beside its own services.
//!
//! Until this node is formatted only Hello and Format are answered.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures::{Stream, StreamExt};
use openraft::raft::TransferLeaderRequest;
use openraft::storage::{Snapshot, SnapshotMeta};
use quartet_broker::NodeId;
use quartet_raft_log::Identity;
use quartet_raft_log::codec::decode_stored_membership;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use super::proto::peer_server::{Peer, PeerServer};
use super::{proto, wire};
use crate::codec::message::decode_message;
use crate::formation::Formation;
use crate::shared::{Formed, Shared};

/// How often a leader tells a streaming node that it still takes what comes.
const LIVENESS: Duration = Duration::from_secs(1);

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// Answers peers.
#[derive(Clone)]
pub struct PeerService {
    shared: Arc<Shared>,
    formation: Arc<Formation>,
}

/// The service as it is mounted on a tonic server.
pub type PeerServiceServer = PeerServer<PeerService>;

impl PeerService {
    pub(crate) fn server(shared: Arc<Shared>, formation: Arc<Formation>) -> PeerServiceServer {
        let limit = shared.config.limits.grpc_message;
        PeerServer::new(Self { shared, formation })
            .max_decoding_message_size(limit)
            .max_encoding_message_size(limit)
    }

    fn formed(&self) -> Result<Arc<Formed>, Status> {
        if self.shared.has_failed() || self.shared.stopping.is_cancelled() {
            return Err(Status::unavailable("this node is stopping"));
        }
        self.shared.formed().ok_or_else(|| Status::unavailable("this node does not belong to a cluster yet"))
    }

    /// Lets a member of the own cluster in.
    fn enter<T>(&self, request: &Request<T>) -> Result<(Arc<Formed>, NodeId), Status> {
        let formed = self.formed()?;
        let caller = formed.peers.admit(request.metadata())?;
        Ok((formed, caller.node))
    }
}

#[tonic::async_trait]
impl Peer for PeerService {
    type AppendStream = Answers<proto::AppendResponse>;
    type ProposeStream = Answers<proto::ProposeResponse>;

    async fn hello(
        &self,
        request: Request<proto::HelloRequest>,
    ) -> Result<Response<proto::HelloResponse>, Status> {
        tracing::debug!("hello from {}", request.into_inner().name);
        Ok(Response::new(self.formation.hello()))
    }

    async fn format(
        &self,
        request: Request<proto::FormatRequest>,
    ) -> Result<Response<proto::FormatResponse>, Status> {
        let proto::FormatRequest { cluster_id, node_id, name } = request.into_inner();
        let cluster_id = <[u8; 16]>::try_from(&cluster_id[..])
            .map_err(|_| wire::malformed("a cluster id of other than 16 bytes"))?;
        let identity = Identity { cluster_id: u128::from_be_bytes(cluster_id), node_id, name };
        self.formation.format(identity).await.map_err(Status::failed_precondition)?;
        Ok(Response::new(proto::FormatResponse {}))
    }

    async fn append(
        &self,
        request: Request<Streaming<proto::AppendRequest>>,
    ) -> Result<Response<Self::AppendStream>, Status> {
        let (formed, _) = self.enter(&request)?;
        // A request that does not arrive ends the stream, and so do the answers: the leader opens another.
        let requests = request.into_inner().scan((), |(), request| {
            let decoded = request.and_then(wire::append).inspect_err(|error| {
                tracing::debug!("a stream of appended entries ends: {error}");
            });
            std::future::ready(decoded.ok())
        });
        let shared = Arc::clone(&self.shared);
        let answers = formed.raft.stream_append(requests).map(move |result| match result {
            Ok(result) => {
                if result.is_ok() {
                    shared.leader_heard();
                }
                Ok(wire::put_append_result(result))
            }
            Err(fatal) => Err(Status::unavailable(fatal.to_string())),
        });
        Ok(formed.peers.passport.answer(answers.boxed()))
    }

    async fn vote(
        &self,
        request: Request<proto::VoteRequest>,
    ) -> Result<Response<proto::VoteResponse>, Status> {
        let (formed, _) = self.enter(&request)?;
        let request = request.into_inner();
        let vote = wire::vote_request(&request)?;
        let answer =
            if request.pre_vote { formed.raft.pre_vote(vote).await } else { formed.raft.vote(vote).await };
        let answer = answer.map_err(|error| Status::unavailable(error.to_string()))?;
        Ok(formed.peers.passport.answer(wire::put_vote_response(&answer)))
    }

    async fn transfer_leader(
        &self,
        request: Request<proto::TransferLeaderRequest>,
    ) -> Result<Response<proto::TransferLeaderResponse>, Status> {
        let (formed, _) = self.enter(&request)?;
        let proto::TransferLeaderRequest { vote, to, last } = request.into_inner();
        let request = TransferLeaderRequest::new(wire::vote(&vote)?, to, wire::log_id(&last)?);
        let answer = formed.raft.handle_transfer_leader(request).await;
        let answer = answer.map_err(|fatal| Status::unavailable(fatal.to_string()))?;
        let refusal = answer.err().map(|refusal| refusal.to_string()).unwrap_or_default();
        Ok(formed.peers.passport.answer(proto::TransferLeaderResponse { refusal }))
    }

    async fn snapshot(
        &self,
        request: Request<Streaming<proto::SnapshotRequest>>,
    ) -> Result<Response<proto::SnapshotResponse>, Status> {
        use proto::snapshot_request::Part;
        let (formed, _) = self.enter(&request)?;
        let mut parts = request.into_inner();
        let Some(proto::SnapshotRequest { part: Some(Part::Head(head)) }) = parts.message().await? else {
            return Err(wire::malformed("a snapshot without a head"));
        };
        let vote = wire::vote(&head.vote)?;
        let meta = SnapshotMeta {
            last_log_id: wire::log_id(&head.last)?,
            last_membership: decode_stored_membership(&head.membership).map_err(wire::malformed)?,
        };
        let failed = |error: crate::Error| Status::internal(error.to_string());
        let mut incoming = formed.checkpoints.receive(head.length).map_err(failed)?;
        while let Some(request) = parts.message().await? {
            let Some(Part::Chunk(chunk)) = request.part else {
                return Err(wire::malformed("a second head in a snapshot"));
            };
            // The file is written in its own thread: a slow disk must not hold up heartbeats.
            incoming = blocking(move || incoming.write(&chunk).map(|()| incoming)).await?.map_err(failed)?;
            self.shared.leader_heard();
        }
        // Raft would stop this node for a snapshot that does not read; here it is only refused, and sent again.
        let cluster_id = formed.identity.cluster_id;
        let received = blocking(move || {
            let snapshot = incoming.finish()?;
            snapshot.verify(cluster_id).map(|()| snapshot)
        });
        let snapshot = received.await?.map_err(failed)?;
        let answer = formed.raft.install_full_snapshot(vote, Snapshot { meta, snapshot }).await;
        let answer = answer.map_err(|fatal| Status::unavailable(fatal.to_string()))?;
        Ok(formed.peers.passport.answer(proto::SnapshotResponse { vote: wire::put_vote(&answer.vote) }))
    }

    async fn propose(
        &self,
        request: Request<Streaming<proto::ProposeRequest>>,
    ) -> Result<Response<Self::ProposeStream>, Status> {
        let (formed, node) = self.enter(&request)?;
        let term = formed.leadership.borrow().own_term().ok_or_else(not_leading)?;
        let (answers, told) = mpsc::channel(2);
        let taking = take_proposals(
            Arc::clone(&self.shared),
            Arc::clone(&formed),
            node,
            term,
            request.into_inner(),
            answers,
        );
        tokio::spawn(taking);
        Ok(formed.peers.passport.answer(ReceiverStream::new(told).boxed()))
    }

    async fn qo_s0(
        &self,
        request: Request<Streaming<proto::QoS0Batch>>,
    ) -> Result<Response<proto::QoS0Response>, Status> {
        let (formed, _) = self.enter(&request)?;
        let mut batches = request.into_inner();
        while let Some(batch) = batches.message().await? {
            let messages: Vec<_> =
                batch.messages.into_iter().filter_map(|bytes| decode_message(bytes).ok()).collect();
            self.shared.counters.qos0_received.add(messages.len() as u64);
            self.shared.sink.qos0(messages);
        }
        Ok(formed.peers.passport.answer(proto::QoS0Response {}))
    }
}

/// Takes one node's stream while this node leads in `term`. The stream ends when it does not, when a later stream of
/// that node begins, or when an entry was refused: the node opens another and begins at its cursor.
async fn take_proposals(
    shared: Arc<Shared>,
    formed: Arc<Formed>,
    node: NodeId,
    term: u64,
    mut requests: Streaming<proto::ProposeRequest>,
    answers: mpsc::Sender<Result<proto::ProposeResponse, Status>>,
) {
    let mut leadership = formed.leadership.clone();
    let mut refusals = shared.batcher.refusals();
    let stream = shared.batcher.open(node);
    let mut alive = tokio::time::interval(LIVENESS);
    let ended = loop {
        tokio::select! {
            request = requests.next() => {
                let request = match request {
                    Some(Ok(request)) => request,
                    Some(Err(error)) => break error,
                    None => return,
                };
                for command in request.cluster {
                    shared.batcher.offer_cluster_bytes(command);
                }
                let mut taken = Ok(true);
                for segment in request.segments {
                    taken = match wire::segment(node, segment) {
                        Ok(segment) => tokio::select! {
                            taken = shared.batcher.offer(stream, segment) => Ok(taken),
                            () = lost(&mut leadership, term) => Ok(false),
                        },
                        Err(error) => Err(error),
                    };
                    if !matches!(taken, Ok(true)) {
                        break;
                    }
                }
                match taken {
                    Ok(true) => {}
                    Ok(false) => break not_leading(),
                    Err(error) => break error,
                }
            }
            _ = alive.tick() => {
                // A full channel means that the node has not read the last ones: it is told often enough.
                if let Err(mpsc::error::TrySendError::Closed(_)) = answers.try_send(Ok(proto::ProposeResponse { term })) {
                    return;
                }
            }
            () = lost(&mut leadership, term) => break not_leading(),
            _ = refusals.changed() => break Status::aborted("an entry was refused: send again"),
            () = shared.stopping.cancelled() => break Status::unavailable("this node is stopping"),
        }
    };
    tracing::debug!("the stream of node {} ends: {ended}", node.0);
    answers.send(Err(ended)).await.ok();
}

/// Waits until this node does not lead in `term` any more.
async fn lost(leadership: &mut tokio::sync::watch::Receiver<crate::leadership::Leadership>, term: u64) {
    leadership.wait_for(|now| now.own_term() != Some(term)).await.ok();
}

fn not_leading() -> Status {
    Status::failed_precondition("this node does not lead")
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Status> {
    tokio::task::spawn_blocking(work).await.map_err(|error| Status::internal(error.to_string()))
}
