//! This node's numbered stream to whoever leads: one at a time, from the own cursor on.
//!
//! ```text
//!            no leader known ◄───────────────────────────────┐
//!                 │ a leader, here or elsewhere               │ another leader or term
//!                 ▼                                           │ the stream ended: it does not lead, or an entry was refused
//!   rewind to the own cursor ──► send parcels as they fill ───┤ a gap was met in the log
//!                 ▲                                           │ the cursor stood still for too long
//!                 └──────────── wait a little ◄───────────────┘
//! ```
//!
//! Nothing is answered over it but that the leader is there. What was sent and lost comes again under its old number; no
//! client is dropped for it, nor for a change of leader.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use parking_lot::Mutex;
use quartet_broker::{Command, NodeId};
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use crate::codec::command::encode_command;
use crate::leadership::Leadership;
use crate::peer::{proto, wire};
use crate::shared::{Formed, Shared};

/// The cursor may stand still so long while something sent waits for it: longer than a stalled fsync or a fail-over,
/// since sending again only makes a longer log.
const STALL: Duration = Duration::from_secs(2);

/// The longest such wait, after several in a row.
const LONGEST_STALL: Duration = Duration::from_secs(16);

/// Waits between two attempts; doubled up to the longest.
const SHORTEST_BACKOFF: Duration = Duration::from_millis(20);
const LONGEST_BACKOFF: Duration = Duration::from_millis(500);

/// A stream over which the leader has said nothing for so long is given up; it speaks every second.
const SILENCE: Duration = Duration::from_secs(4);

/// Messages on the way into the connection: enough to keep it busy, few enough that a rewind does not come too late.
const MESSAGES_AHEAD: usize = 4;

/// Bytes of parcels in one message; one parcel may be larger.
const MESSAGE_BYTES: usize = 256 << 10;

/// Commands of the cluster that wait to be sent. Whoever proposes one proposes it again when it is missed.
const CLUSTER_COMMANDS: usize = 64;

/// Commands of the cluster that wait to be sent to the leader, without numbers and at most once.
#[derive(Default)]
pub(crate) struct ClusterProposals {
    queue: Mutex<VecDeque<Bytes>>,
    filled: Notify,
}

impl ClusterProposals {
    /// Proposes a command of the cluster; the oldest is dropped when too many wait.
    pub(crate) fn cluster(&self, command: &Command) {
        let mut bytes = BytesMut::new();
        encode_command(command, &mut bytes);
        let mut queue = self.queue.lock();
        if queue.len() >= CLUSTER_COMMANDS {
            queue.pop_front();
        }
        queue.push_back(bytes.freeze());
        drop(queue);
        self.filled.notify_one();
    }

    fn take(&self) -> Vec<Bytes> {
        self.queue.lock().drain(..).collect()
    }
}

/// Why a stream ended.
#[derive(Debug)]
enum Ended {
    /// Another leader or term, or none.
    Leader,
    /// Its own replica met a gap.
    Gap,
    /// The cursor stood still.
    Stall,
    /// The leader ended it, or the connection broke.
    Remote(Status),
    /// The replica stops.
    Stopping,
}

/// Runs the stream until the replica stops.
pub(crate) async fn run(shared: Arc<Shared>, formed: Arc<Formed>) {
    let mut leadership = formed.leadership.clone();
    let mut backoff = SHORTEST_BACKOFF;
    let mut stall = STALL;
    loop {
        let known = tokio::select! {
            known = leadership.wait_for(|now| now.leader.is_some()) => known.map(|now| now.clone()),
            () = shared.stopping.cancelled() => return,
        };
        let Ok(now) = known else { return };
        if shared.window.rewind() {
            shared.counters.resends.one();
        }
        let began = Instant::now();
        let ended = stream(&shared, &formed, &now, stall).await;
        match ended {
            Ended::Stopping => return,
            Ended::Leader => (backoff, stall) = (SHORTEST_BACKOFF, STALL),
            Ended::Gap => shared.counters.resends_after_gap.one(),
            Ended::Stall => {
                shared.counters.resends_after_stall.one();
                stall = (stall * 2).min(LONGEST_STALL);
            }
            Ended::Remote(status) => tracing::debug!("the stream of proposals ends: {status}"),
        }
        if began.elapsed() > LONGEST_BACKOFF * 2 {
            backoff = SHORTEST_BACKOFF;
        }
        tokio::select! {
            () = tokio::time::sleep(backoff) => {}
            // A new leader is not kept waiting for what the old one did.
            _ = leadership.wait_for(|later| *later != now) => {}
            () = shared.stopping.cancelled() => return,
        }
        backoff = (backoff * 2).min(LONGEST_BACKOFF);
    }
}

async fn stream(shared: &Shared, formed: &Formed, now: &Leadership, stall: Duration) -> Ended {
    match &now.leader {
        Some(_) if now.own => to_self(shared, formed, now, stall).await,
        Some((leader, address)) => to_peer(shared, formed, now, *leader, address, stall).await,
        None => Ended::Leader,
    }
}

/// While this node leads: straight to the batcher.
async fn to_self(shared: &Shared, formed: &Formed, now: &Leadership, stall: Duration) -> Ended {
    let mut refusals = shared.batcher.refusals();
    let stream = shared.batcher.open(formed.node());
    let feed = async {
        loop {
            for command in shared.proposals.take() {
                shared.batcher.offer_cluster_bytes(command);
            }
            match shared.window.take_unsent() {
                Some(segment) => {
                    if !shared.batcher.offer(stream, segment).await {
                        return Ended::Leader;
                    }
                }
                None => shared.wait_for_proposals().await,
            }
        }
    };
    tokio::select! {
        ended = feed => ended,
        ended = interrupted(shared, formed, now, stall) => ended,
        _ = refusals.changed() => Ended::Remote(Status::aborted("an entry was refused")),
    }
}

/// While another node leads: over one call to it.
async fn to_peer(
    shared: &Shared,
    formed: &Formed,
    now: &Leadership,
    leader: NodeId,
    address: &str,
    stall: Duration,
) -> Ended {
    let link = match formed.peers.link(leader, address) {
        Ok(link) => link,
        Err(status) => return Ended::Remote(status),
    };
    let (requests, outbound) = mpsc::channel(MESSAGES_AHEAD);
    let call = async {
        let mut client = link.proposals.clone();
        let response = client.propose(formed.peers.request(ReceiverStream::new(outbound))).await;
        let mut answers = match formed.peers.answer(leader, response) {
            Ok(answers) => answers,
            Err(status) => return Ended::Remote(status),
        };
        loop {
            match tokio::time::timeout(SILENCE, answers.next()).await {
                Ok(Some(Ok(_))) => {}
                Ok(Some(Err(status))) => return Ended::Remote(status),
                Ok(None) => return Ended::Remote(Status::unavailable("the leader ended the stream")),
                Err(_) => return Ended::Remote(Status::deadline_exceeded("the leader has gone silent")),
            }
        }
    };
    let feed = async {
        loop {
            let Ok(permit) = requests.reserve().await else {
                // The call has ended and tells why.
                return std::future::pending().await;
            };
            let cluster = shared.proposals.take();
            let mut bytes = 0;
            let mut segments = Vec::new();
            while bytes < MESSAGE_BYTES {
                let Some(segment) = shared.window.take_unsent() else { break };
                bytes += segment.commands.len();
                segments.push(wire::put_segment(segment));
            }
            if cluster.is_empty() && segments.is_empty() {
                drop(permit);
                shared.wait_for_proposals().await;
            } else {
                permit.send(proto::ProposeRequest { segments, cluster });
            }
        }
    };
    tokio::select! {
        ended = call => ended,
        ended = feed => ended,
        ended = interrupted(shared, formed, now, stall) => ended,
    }
}

/// Ends when a stream has to begin again for reasons of this node's own.
async fn interrupted(shared: &Shared, formed: &Formed, now: &Leadership, stall: Duration) -> Ended {
    let mut leadership = formed.leadership.clone();
    let stalled = async {
        loop {
            let since = shared.window.stalled_since();
            if since.is_some_and(|since| since.elapsed() > stall) {
                return;
            }
            tokio::time::sleep(STALL / 8).await;
        }
    };
    tokio::select! {
        _ = leadership.wait_for(|later| later != now) => Ended::Leader,
        () = shared.window.rewound.notified() => Ended::Gap,
        () = stalled => Ended::Stall,
        () = shared.stopping.cancelled() => Ended::Stopping,
    }
}

impl Shared {
    async fn wait_for_proposals(&self) {
        tokio::select! {
            () = self.window.unsent.notified() => {}
            () = self.proposals.filled.notified() => {}
        }
    }
}
