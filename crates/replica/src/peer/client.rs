//! Raft's calls to one peer (`RaftNetworkV2`).
//!
//! AppendEntries goes over one stream as long as Raft keeps it open, pipelined; answers come in order, and end when the
//! requests end. Heartbeats have a stream of their own on another connection.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::BoxStream;
use futures::{Stream, StreamExt};
use openraft::errors::{NetworkError, RPCError, ReplicationClosed, StreamingError, Unreachable};
use openraft::network::{RPCOption, RaftNetworkFactory, RaftNetworkV2};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, TransferLeaderRequest,
    TransferLeaderResponse, VoteRequest, VoteResponse,
};
use openraft::type_config::alias::SnapshotOf;
use quartet_broker::NodeId;
use quartet_raft_log::codec::encode_stored_membership;
use quartet_raft_log::{Member, TypeConfig, Vote};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status};

use super::link::{Link, Peers};
use super::proto;
use super::wire::{self, StreamAppendResult};
use crate::checkpoint::CheckpointFile;

/// Bytes of a snapshot in one message: large enough to keep the disk busy, small beside the gRPC message.
const CHUNK: usize = 1 << 20;

/// Between two attempts to open the stream to a peer that cannot be reached. Raft's own back-off waits inside the
/// stream of requests, which nobody reads before the stream is open: without this it would try again at once, for ever.
const REOPEN_AFTER: Duration = Duration::from_millis(100);

type Rpc<T> = Result<T, RPCError<TypeConfig>>;

/// Makes the clients that Raft asks for.
pub(crate) struct Network {
    pub(crate) peers: Arc<Peers>,
}

/// What a client is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    Replicate,
    Heartbeat,
}

/// Raft's way to one peer.
pub(crate) struct PeerNetwork {
    peers: Arc<Peers>,
    node: NodeId,
    address: String,
    purpose: Purpose,
}

impl Network {
    fn client(&self, target: u64, member: &Member, purpose: Purpose) -> PeerNetwork {
        let address = member.peer_address.clone();
        PeerNetwork { peers: Arc::clone(&self.peers), node: NodeId(target), address, purpose }
    }
}

impl RaftNetworkFactory<TypeConfig> for Network {
    type Network = PeerNetwork;

    async fn new_client(&mut self, target: u64, node: &Member) -> PeerNetwork {
        self.client(target, node, Purpose::Replicate)
    }

    async fn new_heartbeat_client(&mut self, target: u64, node: &Member) -> PeerNetwork {
        self.client(target, node, Purpose::Heartbeat)
    }
}

impl PeerNetwork {
    fn link(&self) -> Result<Arc<Link>, Status> {
        self.peers.link(self.node, &self.address)
    }

    async fn ask_vote(
        &self,
        request: VoteRequest<TypeConfig>,
        pre_vote: bool,
        option: RPCOption,
    ) -> Rpc<VoteResponse<TypeConfig>> {
        let ask = async {
            let mut client = self.link()?.control.clone();
            let request = self.peers.request(wire::put_vote_request(&request, pre_vote));
            let response = self.peers.answer(self.node, client.vote(request).await)?;
            wire::vote_response(&response)
        };
        within(option, ask).await.map_err(rpc_error)
    }
}

impl RaftNetworkV2<TypeConfig> for PeerNetwork {
    type SnapshotData = CheckpointFile;

    async fn append_entries(
        &mut self,
        rpc: AppendEntriesRequest<TypeConfig>,
        option: RPCOption,
    ) -> Rpc<AppendEntriesResponse<TypeConfig>> {
        let mut answers = self.stream_append(futures::stream::iter([rpc]), option).await?;
        match answers.next().await {
            Some(answer) => answer.map(AppendEntriesResponse::from),
            None => Err(rpc_error(Status::unavailable("the peer ended the stream without an answer"))),
        }
    }

    fn stream_append<'s, S>(
        &'s mut self,
        input: S,
        option: RPCOption,
    ) -> BoxFuture<'s, Rpc<BoxStream<'s, Rpc<StreamAppendResult>>>>
    where
        S: Stream<Item = AppendEntriesRequest<TypeConfig>> + Send + Unpin + 'static,
    {
        Box::pin(async move {
            let open = async {
                let link = self.link()?;
                let mut client = match self.purpose {
                    Purpose::Replicate => link.log.clone(),
                    Purpose::Heartbeat => link.control.clone(),
                };
                let request = self.peers.request(input.map(wire::put_append));
                self.peers.answer(self.node, client.append(request).await)
            };
            let answers = match within(option, open).await {
                Ok(answers) => answers,
                Err(status) => {
                    tokio::time::sleep(REOPEN_AFTER).await;
                    return Err(rpc_error(status));
                }
            };
            let results = answers.map(|answer| answer.and_then(wire::append_result).map_err(rpc_error));
            Ok(results.boxed())
        })
    }

    async fn vote(
        &mut self,
        rpc: VoteRequest<TypeConfig>,
        option: RPCOption,
    ) -> Rpc<VoteResponse<TypeConfig>> {
        self.ask_vote(rpc, false, option).await
    }

    async fn pre_vote(
        &mut self,
        rpc: VoteRequest<TypeConfig>,
        option: RPCOption,
    ) -> Rpc<VoteResponse<TypeConfig>> {
        self.ask_vote(rpc, true, option).await
    }

    async fn full_snapshot(
        &mut self,
        vote: Vote,
        snapshot: SnapshotOf<TypeConfig, CheckpointFile>,
        cancel: impl Future<Output = ReplicationClosed> + Send + 'static,
        _option: RPCOption,
    ) -> Result<SnapshotResponse<TypeConfig>, StreamingError<TypeConfig>> {
        let send = async {
            let mut client = self.link()?.snapshot.clone();
            let mut membership = Vec::new();
            encode_stored_membership(&snapshot.meta.last_membership, &mut membership);
            let head = proto::SnapshotHead {
                vote: wire::put_vote(&vote),
                last: wire::put_log_id(snapshot.meta.last_log_id.as_ref()),
                membership: membership.into(),
                length: snapshot.snapshot.length(),
            };
            let (parts, requests) = tokio::sync::mpsc::channel(4);
            let feed = feed(snapshot.snapshot, head, parts);
            let request = self.peers.request(ReceiverStream::new(requests));
            let (fed, response) = tokio::join!(feed, client.snapshot(request));
            let response = self.peers.answer(self.node, response)?;
            fed.map_err(read_failed)?;
            self.peers.counters.snapshots_sent.one();
            wire::vote(&response.vote).map(SnapshotResponse::new)
        };
        tokio::select! {
            closed = cancel => Err(StreamingError::Closed(closed)),
            sent = send => sent.map_err(|status| rpc_error(status).into()),
        }
    }

    async fn transfer_leader(
        &mut self,
        req: TransferLeaderRequest<TypeConfig>,
        option: RPCOption,
    ) -> Rpc<TransferLeaderResponse<TypeConfig>> {
        let ask = async {
            let mut client = self.link()?.control.clone();
            let request = self.peers.request(proto::TransferLeaderRequest {
                vote: wire::put_vote(req.from_leader()),
                to: *req.to_node_id(),
                last: wire::put_log_id(req.last_log_id()),
            });
            let response = self.peers.answer(self.node, client.transfer_leader(request).await)?;
            if response.refusal.is_empty() {
                Ok(())
            } else {
                Err(Status::failed_precondition(response.refusal))
            }
        };
        within(option, ask).await.map(Ok).map_err(rpc_error)
    }
}

/// Sends a head and then the file. That the other side hung up is told by its answer.
async fn feed(
    file: CheckpointFile,
    head: proto::SnapshotHead,
    parts: tokio::sync::mpsc::Sender<proto::SnapshotRequest>,
) -> io::Result<()> {
    use proto::snapshot_request::Part;
    let mut part = Part::Head(head);
    let mut offset = 0;
    while parts.send(proto::SnapshotRequest { part: Some(part) }).await.is_ok() {
        let file = file.clone();
        let read = tokio::task::spawn_blocking(move || file.chunk(offset, CHUNK)).await;
        let chunk = read.map_err(io::Error::other)??;
        if chunk.is_empty() {
            break;
        }
        offset += chunk.len() as u64;
        part = Part::Chunk(chunk);
    }
    Ok(())
}

async fn within<T>(option: RPCOption, call: impl Future<Output = Result<T, Status>>) -> Result<T, Status> {
    match tokio::time::timeout(option.soft_ttl(), call).await {
        Ok(result) => result,
        Err(_) => Err(Status::deadline_exceeded("the peer did not answer in time")),
    }
}

fn read_failed(error: io::Error) -> Status {
    Status::internal(format!("the checkpoint to send does not read: {error}"))
}

/// Unreachable makes Raft wait before it tries again; anything else makes it try at once.
fn rpc_error(status: Status) -> RPCError<TypeConfig> {
    match status.code() {
        Code::Unavailable | Code::PermissionDenied | Code::DeadlineExceeded => {
            RPCError::Unreachable(Unreachable::new(&status))
        }
        _ => RPCError::Network(NetworkError::new(&status)),
    }
}
