//! Messages at QoS 0 on their way to the peers that may have a subscriber: sent once, dropped where it is too much.
//!
//! One call a peer carries them in batches. Its queue is bounded in bytes; the newest is dropped and counted when it is
//! full or when the peer cannot be reached: at most once is what QoS 0 promises.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use parking_lot::Mutex;
use quartet_broker::{Message, NodeId};
use tokio::sync::{Notify, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;

use super::link::{Link, Peers};
use super::proto;
use crate::codec::message::encode_message;

/// Bytes of messages in one batch; one message may be larger.
const BATCH_BYTES: usize = 256 << 10;

/// What a queued message costs besides its bytes: bounds their number.
const MESSAGE_COST: usize = 64;

/// After a broken call the peer is left alone for so long.
const BACKOFF: Duration = Duration::from_millis(200);

/// The queues to all peers.
pub(crate) struct QoS0Links {
    peers: Arc<Peers>,
    limit: usize,
    stopping: CancellationToken,
    queues: Mutex<HashMap<NodeId, Arc<Queue>>>,
    runtime: tokio::runtime::Handle,
}

#[derive(Default)]
struct Queue {
    waiting: Mutex<Waiting>,
    filled: Notify,
}

#[derive(Default)]
struct Waiting {
    messages: VecDeque<Bytes>,
    bytes: usize,
}

impl QoS0Links {
    pub(crate) fn new(
        peers: Arc<Peers>,
        limit: usize,
        stopping: CancellationToken,
        runtime: tokio::runtime::Handle,
    ) -> Self {
        Self { peers, limit, stopping, queues: Mutex::default(), runtime }
    }

    /// Queues one message to a peer; `address` is asked where it is when it is sent to for the first time.
    pub(crate) fn send(&self, node: NodeId, address: impl FnOnce() -> Option<String>, message: &Message) {
        let counters = &self.peers.counters;
        let Some(queue) = self.queue(node, address) else {
            counters.qos0_dropped.one();
            return;
        };
        let mut encoded =
            BytesMut::with_capacity(message.payload.len() + message.topic.as_bytes().len() + 16);
        encode_message(message, &mut encoded);
        let cost = encoded.len() + MESSAGE_COST;
        let mut waiting = queue.waiting.lock();
        if waiting.bytes + cost > self.limit {
            drop(waiting);
            counters.qos0_dropped.one();
            return;
        }
        waiting.bytes += cost;
        waiting.messages.push_back(encoded.freeze());
        drop(waiting);
        queue.filled.notify_one();
    }

    fn queue(&self, node: NodeId, address: impl FnOnce() -> Option<String>) -> Option<Arc<Queue>> {
        let mut queues = self.queues.lock();
        if let Some(queue) = queues.get(&node) {
            return Some(Arc::clone(queue));
        }
        let address = address()?;
        let queue = Arc::new(Queue::default());
        queues.insert(node, Arc::clone(&queue));
        let (peers, stopping) = (Arc::clone(&self.peers), self.stopping.clone());
        let sent = Arc::clone(&queue);
        self.runtime.spawn(async move {
            tokio::select! {
                () = deliver(&peers, node, &address, &sent) => {}
                () = stopping.cancelled() => {}
            }
        });
        Some(queue)
    }
}

impl Queue {
    /// The next batch; empty if nothing waits.
    fn take(&self) -> Vec<Bytes> {
        let mut waiting = self.waiting.lock();
        let mut batch = Vec::new();
        let mut bytes = 0;
        while bytes < BATCH_BYTES {
            let Some(message) = waiting.messages.pop_front() else { break };
            waiting.bytes -= message.len() + MESSAGE_COST;
            bytes += message.len();
            batch.push(message);
        }
        batch
    }

    /// Drops what waits; gives how many that were.
    fn clear(&self) -> usize {
        let mut waiting = self.waiting.lock();
        waiting.bytes = 0;
        waiting.messages.drain(..).count()
    }
}

/// Sends what is queued, call after call.
async fn deliver(peers: &Peers, node: NodeId, address: &str, queue: &Queue) {
    loop {
        if let Ok(link) = peers.link(node, address) {
            call(peers, &link, queue).await;
        }
        let dropped = queue.clear();
        peers.counters.qos0_dropped.add(dropped as u64);
        tokio::time::sleep(BACKOFF).await;
    }
}

/// One call; ends when it breaks.
async fn call(peers: &Peers, link: &Link, queue: &Queue) {
    let (batches, outbound) = mpsc::channel(2);
    let feed = async {
        loop {
            let Ok(permit) = batches.reserve().await else { return };
            let messages = queue.take();
            if messages.is_empty() {
                drop(permit);
                queue.filled.notified().await;
                continue;
            }
            peers.counters.qos0_sent.add(messages.len() as u64);
            permit.send(proto::QoS0Batch { messages });
        }
    };
    let call = async {
        let mut client = link.proposals.clone();
        let response = client.qo_s0(peers.request(ReceiverStream::new(outbound))).await;
        if let Err(status) = peers.answer(link.node, response) {
            tracing::debug!("the QoS 0 call to node {} ended: {status}", link.node.0);
        }
    };
    tokio::select! {
        () = feed => {}
        () = call => {}
    }
}
