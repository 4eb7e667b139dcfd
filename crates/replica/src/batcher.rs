//! The leader's side of proposing: everything that queued while the previous entries were in flight becomes one entry.
//!
//! ```text
//!   stream of node 1 ─► queue ┐
//!   stream of node 2 ─► queue ┼─ in turns, a parcel each ─► entry ─► Raft     at most `entries_in_flight` unapplied
//!   stream of node 3 ─► queue ┘
//!   commands of the cluster ──── first
//! ```
//!
//! No timer: an idle leader proposes at once, a busy one fills its entries. An entry is bounded in commands and bytes
//! and has one parcel at least; nodes take turns by parcels, which are small unless one command is large.
//!
//! An entry that Raft refuses, or that a new leader overwrites, is lost here without a word: the commands are still in
//! their nodes' windows and come again.

mod queues;

use std::sync::Arc;
use std::time::Instant;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use openraft::raft::responder::ProgressResponder;
use parking_lot::Mutex;
use quartet_broker::{Command, NodeId, Timestamp};
use quartet_raft_log::Batch;
use tokio::sync::{Notify, watch};

use crate::Raft;
use crate::codec::batch::{BatchWriter, Numbered};
use crate::codec::command::encode_command;
use crate::config::Limits;
use crate::counters::Counters;
use crate::replicated_clock::{ReplicatedClock, wall_clock};
use queues::Queues;
pub(crate) use queues::StreamId;

/// Bytes that wait in one node's queue; its sender waits beyond that. A few batches keep the leader busy.
const QUEUE_BYTES: usize = 8 << 20;

/// Commands of the cluster that wait; more are dropped, since all of them are proposed again when they are missed.
const CLUSTER_COMMANDS: usize = 1024;

/// Collects segments and proposes them.
pub(crate) struct Batcher {
    queues: Mutex<Queues>,
    /// Something is to be proposed.
    filled: Notify,
    /// A queue has shrunk.
    drained: Notify,
    limits: Limits,
    counters: Arc<Counters>,
    /// Counts refused entries: whoever streams to this batcher begins again when it changes.
    refused: watch::Sender<u64>,
}

impl Batcher {
    pub(crate) fn new(limits: Limits, counters: Arc<Counters>) -> Self {
        Self {
            queues: Mutex::new(Queues::default()),
            filled: Notify::new(),
            drained: Notify::new(),
            limits,
            counters,
            refused: watch::Sender::new(0),
        }
    }

    /// A new stream of `node`: what an older one left in the queue is dropped, and the older one is told so at its next
    /// offer.
    pub(crate) fn open(&self, node: NodeId) -> StreamId {
        self.queues.lock().open(node)
    }

    /// Adds a segment to its node's queue, once there is room. False when `stream` is not the node's newest any more.
    pub(crate) async fn offer(&self, stream: StreamId, segment: Numbered) -> bool {
        let mut waited = false;
        loop {
            let drained = self.drained.notified();
            tokio::pin!(drained);
            drained.as_mut().enable();
            {
                let mut queues = self.queues.lock();
                match queues.bytes_of(stream) {
                    None => return false,
                    Some(bytes) if bytes == 0 || bytes + segment.commands.len() <= QUEUE_BYTES => {
                        queues.push(stream, segment);
                        break;
                    }
                    Some(_) => {}
                }
            }
            if !waited {
                self.counters.batcher_full.one();
                waited = true;
            }
            drained.await;
        }
        self.filled.notify_one();
        true
    }

    /// Adds a command of the cluster; false when too many wait.
    pub(crate) fn offer_cluster(&self, command: &Command) -> bool {
        let mut bytes = bytes::BytesMut::new();
        encode_command(command, &mut bytes);
        self.offer_cluster_bytes(bytes.freeze())
    }

    /// The same for one that is encoded already.
    pub(crate) fn offer_cluster_bytes(&self, command: bytes::Bytes) -> bool {
        let taken = self.queues.lock().push_cluster(command, CLUSTER_COMMANDS);
        self.filled.notify_one();
        taken
    }

    /// Changes whenever an entry was refused.
    pub(crate) fn refusals(&self) -> watch::Receiver<u64> {
        self.refused.subscribe()
    }

    /// Bytes that wait.
    pub(crate) fn bytes(&self) -> u64 {
        self.queues.lock().bytes() as u64
    }

    /// Whether anything waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.queues.lock().is_empty()
    }

    /// Drops what waits: this node does not lead.
    fn clear(&self) {
        self.queues.lock().clear();
        self.drained.notify_waiters();
    }

    /// Proposes while `leads` says so, until the replica stops. `state_time` reads the replicated time.
    pub(crate) async fn run(
        &self,
        raft: Raft,
        mut leads: watch::Receiver<Option<u64>>,
        state_time: impl Fn() -> Timestamp,
    ) {
        loop {
            let Ok(term) = leads.wait_for(Option::is_some).await.map(|term| *term) else {
                return;
            };
            let (clock, cut) = ReplicatedClock::begin(state_time(), Instant::now(), wall_clock());
            if let Some(cut) = cut {
                self.counters.clock_jumps.one();
                tracing::warn!(
                    "the wall clock is far ahead of replicated time: a jump was capped, {} s are left out; check this \
                     node's clock",
                    cut.as_secs()
                );
            }
            self.lead(&raft, &mut leads, term, clock).await;
            self.clear();
        }
    }

    /// One leadership.
    async fn lead(
        &self,
        raft: &Raft,
        leads: &mut watch::Receiver<Option<u64>>,
        term: Option<u64>,
        mut clock: ReplicatedClock,
    ) {
        let mut in_flight = FuturesUnordered::new();
        loop {
            while in_flight.len() < self.limits.entries_in_flight {
                let Some(batch) = self.next_batch(&mut clock) else {
                    break;
                };
                let commands = batch.commands();
                let (responder, complete) = ProgressResponder::complete_only();
                if raft.client_write_ff(Batch(batch.finish()), Some(responder)).await.is_err() {
                    return;
                }
                self.counters.entries_proposed.one();
                self.counters.commands_batched.add(u64::from(commands));
                in_flight.push(complete);
            }
            let room = in_flight.len() < self.limits.entries_in_flight;
            tokio::select! {
                biased;
                changed = leads.changed() => {
                    if changed.is_err() || *leads.borrow_and_update() != term {
                        return;
                    }
                }
                Some(outcome) = in_flight.next(), if !in_flight.is_empty() => {
                    if !matches!(outcome, Ok(Ok(_))) {
                        self.counters.entries_refused.one();
                        self.refused.send_modify(|count| *count += 1);
                    }
                }
                () = self.filled.notified(), if room => {}
            }
        }
    }

    /// All that waits, as far as it fits one entry; `None` if nothing does.
    fn next_batch(&self, clock: &mut ReplicatedClock) -> Option<BatchWriter> {
        let mut queues = self.queues.lock();
        if queues.is_empty() {
            return None;
        }
        let capacity = queues.bytes().min(self.limits.batch_bytes) + 1024;
        let mut batch = BatchWriter::new(clock.stamp(Instant::now()), capacity);
        let mut bytes = 0;
        while let Some(command) = queues.pop_cluster() {
            bytes += command.len();
            batch.cluster_bytes(&command);
        }
        while batch.commands() < self.limits.batch_commands {
            // The first parcel is taken whatever its size: an entry is never without a command.
            let room = if batch.commands() == 0 {
                usize::MAX
            } else {
                self.limits.batch_bytes.saturating_sub(bytes)
            };
            let Some(segment) = queues.pop(room) else {
                break;
            };
            bytes += segment.encoded_len();
            batch.numbered(&segment);
        }
        drop(queues);
        self.drained.notify_waiters();
        Some(batch)
    }
}
