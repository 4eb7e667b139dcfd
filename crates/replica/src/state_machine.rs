//! The state machine as Raft drives it: applies committed entries, gives and takes snapshots.
//!
//! ```text
//!   Raft ─ entries ─► Applier::apply ─┬─► routes for readers
//!                                     ├─► Sink: effects on own connections
//!                                     └─► window: the cursor has passed; the boot is live, or over
//! ```
//!
//! It runs on Raft's own threads and waits for nothing of the node's. The state is behind a lock for the few who look at
//! it between two entries (inspection, the leader's duties); apply holds it for one entry at a time.

mod poison;

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures::{Stream, StreamExt};
use openraft::storage::{EntryResponder, RaftSnapshotBuilder, RaftStateMachine, Snapshot};
use openraft::type_config::alias::SnapshotOf;
use parking_lot::Mutex;
use quartet_broker::{Command, DigestVerdict, Frozen, LogIndex, NodeId, Origin, VoteDigest};
use quartet_raft_log::{Entry, EntryPayload, LogId, RaftLog, StoredMembership, TypeConfig};

use crate::Error;
use crate::applier::{Applier, Failure, Outcome};
use crate::checkpoint::{CheckpointFile, Checkpoints, Meta};
use crate::codec::checkpoint::Head;
use crate::message_store::PinnedMessages;
use crate::peer::passport::PassportControl;
use crate::shared::Shared;
use crate::sink::AllClosed;

/// Every so many entries each node votes on the digest of its state. At full load some minutes' worth of commands, and
/// hours in a quiet cluster; a vote costs a few bytes.
const DIGEST_EVERY: u64 = 8192;

/// Every so many entries the votes are looked at; they come within a few entries of each other.
const JUDGE_EVERY: u64 = 64;

/// What Raft applies entries to.
pub(crate) struct StateMachine {
    pub(crate) shared: Arc<Shared>,
    pub(crate) node: NodeId,
    pub(crate) cluster_id: u128,
    pub(crate) passport: Arc<PassportControl>,
    pub(crate) log: RaftLog,
    pub(crate) applier: Arc<Mutex<Applier>>,
    pub(crate) checkpoints: Arc<Checkpoints>,
    /// What was last found of the digests, so that it is said once.
    pub(crate) judged: Option<(LogIndex, DigestVerdict)>,
}

impl StateMachine {
    /// The boot whose connections are this node's.
    fn own(&self) -> Origin {
        Origin { node: self.node, boot: self.passport.boot() }
    }

    async fn apply_one(&mut self, entry: &Entry) -> Result<(), Error> {
        let index = entry.log_id.index;
        let outcome = loop {
            let applied = self.applier.lock().apply(entry, Some(self.own()));
            match applied {
                Ok(outcome) => break outcome,
                Err(Failure::Panicked(poisoned)) => self.recover(poisoned).await?,
                Err(Failure::Malformed(malformed)) => {
                    return Err(Error::Entry { index: LogIndex(index), why: malformed.to_string() });
                }
            }
        };
        self.shared.log_since_checkpoint.fetch_add(size(entry), Ordering::Relaxed);
        self.perform(index, outcome);
        self.vote_digest(index)
    }

    /// Tells everyone what an entry has done.
    fn perform(&self, index: u64, outcome: Outcome) {
        outcome.count(&self.shared.counters);
        if !outcome.routes.is_empty() {
            let mut routes = self.shared.routes.write();
            for change in &outcome.routes {
                routes.apply(change);
            }
        }
        self.shared.set_applied(index);
        if !outcome.deliveries.is_empty() {
            self.shared.sink.perform(LogIndex(index), outcome.deliveries);
        }
        self.follow_own_stream(outcome.own_gap);
    }

    /// Reads off the state how far this node's own stream is, and whether its boot lives.
    fn follow_own_stream(&self, gap: bool) {
        let own = self.own();
        let cursor = self.applier.lock().broker.cursor(own);
        let live = *self.shared.origin.borrow();
        if let Some(ended) = live.filter(|live| *live != own || cursor.is_none()) {
            self.shared.window.begin(None);
            self.shared.origin.send_replace(None);
            self.shared.counters.boots_ended.one();
            self.shared.sink.all_closed(AllClosed::BootEnded(ended));
        }
        let Some(cursor) = cursor else { return };
        if live != Some(own) {
            self.shared.window.begin(Some(own));
            self.shared.origin.send_replace(Some(own));
        }
        self.shared.window.passed(own, cursor);
        if gap {
            self.shared.window.gap(own);
        }
    }

    /// Now and then proposes the digest of the state, and looks at what the votes say of this node.
    fn vote_digest(&mut self, index: u64) -> Result<(), Error> {
        let applier = self.applier.lock();
        if index.is_multiple_of(DIGEST_EVERY) {
            let vote =
                VoteDigest { node: self.node, index: LogIndex(index), digest: applier.broker.digest() };
            self.shared.proposals.cluster(&Command::VoteDigest(vote));
        }
        if !index.is_multiple_of(JUDGE_EVERY) {
            return Ok(());
        }
        let Some(voted) = applier.broker.newest_vote() else { return Ok(()) };
        let voters: Vec<NodeId> = applier.membership.voter_ids().map(NodeId).collect();
        let verdict = applier.broker.digest_verdict(voted, &voters);
        let judged = Some((voted, verdict));
        if self.judged == judged {
            return Ok(());
        }
        self.judged = judged;
        match &self.judged {
            Some((_, DigestVerdict::Minority { differing, .. })) => {
                tracing::error!(
                    "the states of nodes {differing:?} differ from the majority's after entry {}",
                    voted.0
                );
                if differing.contains(&self.node) { Err(Error::Diverged { index: voted }) } else { Ok(()) }
            }
            Some((_, DigestVerdict::Split)) => {
                tracing::error!("no two nodes agree on the state after entry {}: report this", voted.0);
                Ok(())
            }
            Some((_, DigestVerdict::Waiting | DigestVerdict::Agreed(_))) | None => Ok(()),
        }
    }

    /// Gives the replica up and tells Raft to stop.
    fn give_up(&self, error: Error) -> io::Error {
        let told = io::Error::other(error.to_string());
        self.shared.fail(error);
        told
    }
}

/// What an entry weighs in the log, near enough.
fn size(entry: &Entry) -> u64 {
    let payload = match &entry.payload {
        EntryPayload::Normal(batch) => batch.len() as u64,
        EntryPayload::Blank | EntryPayload::Membership(_) => 0,
    };
    payload + 64
}

impl RaftStateMachine<TypeConfig> for StateMachine {
    type SnapshotData = CheckpointFile;
    type SnapshotBuilder = CheckpointBuilder;

    async fn applied_state(&mut self) -> Result<(Option<LogId>, StoredMembership), io::Error> {
        let applier = self.applier.lock();
        Ok((applier.last_applied, applier.membership.clone()))
    }

    async fn apply<S>(&mut self, entries: S) -> Result<(), io::Error>
    where
        S: Stream<Item = Result<EntryResponder<TypeConfig>, io::Error>> + Unpin + Send,
    {
        let mut entries = pin!(entries);
        while let Some(item) = entries.next().await {
            let (entry, responder) = item?;
            if let Err(error) = self.apply_one(&entry).await {
                return Err(self.give_up(error));
            }
            if let Some(responder) = responder {
                responder.send(());
            }
        }
        Ok(())
    }

    async fn get_snapshot_builder(&mut self) -> CheckpointBuilder {
        let applier = self.applier.lock();
        self.shared.log_since_checkpoint.store(0, Ordering::Relaxed);
        CheckpointBuilder {
            shared: Arc::clone(&self.shared),
            checkpoints: Arc::clone(&self.checkpoints),
            head: Head {
                cluster_id: self.cluster_id,
                last_log_id: applier.last_applied,
                membership: applier.membership.clone(),
            },
            copy: Arc::new((applier.broker.freeze(), applier.messages.pin())),
        }
    }

    async fn install_snapshot(&mut self, meta: &Meta, snapshot: CheckpointFile) -> Result<(), io::Error> {
        let checkpoints = Arc::clone(&self.checkpoints);
        let wanted = meta.clone();
        let adopted = tokio::task::spawn_blocking(move || checkpoints.adopt(&wanted, &snapshot)).await;
        let mut applier = match adopted.map_err(io::Error::other)? {
            Ok(applier) => applier,
            Err(error) => return Err(self.give_up(error)),
        };
        let index = applier.last_applied.map_or(0, |last| last.index);
        {
            let mut current = self.applier.lock();
            applier.poisoned = Arc::clone(&current.poisoned);
            applier.panic_on_topic = current.panic_on_topic.clone();
            *self.shared.routes.write() = applier.broker.routes();
            *current = applier;
        }
        self.shared.log_since_checkpoint.store(0, Ordering::Relaxed);
        self.shared.set_applied(index);
        self.shared.counters.snapshots_installed.one();
        tracing::info!("installed a snapshot up to entry {index}");
        // The effects of the entries in it were skipped: nobody here knows what it was owed.
        self.shared.sink.all_closed(AllClosed::SnapshotInstalled);
        self.follow_own_stream(false);
        Ok(())
    }

    async fn get_current_snapshot(
        &mut self,
    ) -> Result<Option<SnapshotOf<TypeConfig, CheckpointFile>>, io::Error> {
        Ok(self.checkpoints.newest().map(|(meta, snapshot)| Snapshot { meta, snapshot }))
    }
}

/// Writes one checkpoint from a frozen copy, while apply goes on.
pub(crate) struct CheckpointBuilder {
    shared: Arc<Shared>,
    checkpoints: Arc<Checkpoints>,
    head: Head,
    copy: Arc<(Frozen, PinnedMessages)>,
}

impl RaftSnapshotBuilder<TypeConfig> for CheckpointBuilder {
    type SnapshotData = CheckpointFile;

    async fn build_snapshot(&mut self) -> Result<SnapshotOf<TypeConfig, CheckpointFile>, io::Error> {
        let checkpoints = Arc::clone(&self.checkpoints);
        let head = self.head.clone();
        let copy = Arc::clone(&self.copy);
        let write = move || checkpoints.write(head, &copy.0, &copy.1);
        match tokio::task::spawn_blocking(write).await.map_err(io::Error::other)? {
            Ok((meta, snapshot)) => Ok(Snapshot { meta, snapshot }),
            Err(error) => {
                let told = io::Error::other(error.to_string());
                self.shared.fail(error);
                Err(told)
            }
        }
    }
}
