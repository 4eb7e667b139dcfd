//! Puts a [`Status`] together.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::Duration;

use openraft::Instant as _;
use openraft::ServerState;
use openraft::async_runtime::WatchReceiver;
use quartet_broker::{LogIndex, NodeId};

use crate::shared::{Formed, Shared};
use crate::status::{MemberStatus, Role, Sizes, Status};

/// A voter that answered within this time is there: some heartbeats.
const LATELY: Duration = Duration::from_secs(1);

pub(super) fn read(shared: &Shared) -> Status {
    let (window_commands, window_bytes) = shared.window.held();
    let (statistics, digest, sizes, boots) = {
        let applier = shared.applier.lock();
        let sizes = Sizes {
            window_commands,
            window_bytes,
            messages: applier.messages.count(),
            message_bytes: applier.messages.bytes(),
            log_since_checkpoint: shared.log_since_checkpoint.load(Ordering::Relaxed),
            batcher_bytes: shared.batcher.bytes(),
        };
        let boots: BTreeMap<NodeId, (u64, bool)> =
            applier.broker.boots().map(|(origin, alive)| (origin.node, (origin.boot.0, alive))).collect();
        (applier.broker.statistics(), applier.broker.digest(), sizes, boots)
    };
    let mut status = Status {
        cluster_id: None,
        node: None,
        name: shared.config.name.clone(),
        role: Role::Forming,
        term: 0,
        leader: None,
        members: Vec::new(),
        applied: shared.applied(),
        committed: LogIndex(0),
        last_log: LogIndex(0),
        lag: 0,
        checkpoint: LogIndex(0),
        purged: LogIndex(0),
        origin: *shared.origin.borrow(),
        serving: *shared.serving.borrow(),
        statistics,
        digest,
        log: quartet_raft_log::Statistics::default(),
        counters: shared.counters.read(),
        sizes,
    };
    if let Some(formed) = shared.formed() {
        add_raft(&mut status, &formed, &boots);
    }
    if shared.has_failed() {
        status.role = Role::Stopped;
    }
    status
}

fn add_raft(status: &mut Status, formed: &Formed, boots: &BTreeMap<NodeId, (u64, bool)>) {
    status.cluster_id = Some(formed.identity.cluster_id);
    status.node = Some(formed.node());
    status.log = formed.log.statistics();
    let metrics = formed.raft.metrics();
    let metrics = metrics.borrow_watched();
    status.role = match metrics.state {
        ServerState::Learner => Role::Learner,
        ServerState::Follower => Role::Follower,
        ServerState::Candidate => Role::Candidate,
        ServerState::Leader => Role::Leader,
        ServerState::Shutdown => Role::Stopped,
    };
    let index = |log_id: Option<quartet_raft_log::LogId>| LogIndex(log_id.map_or(0, |log_id| log_id.index));
    status.term = metrics.current_term;
    status.leader = metrics.current_leader.map(NodeId);
    status.committed = index(metrics.local_committed);
    status.last_log = LogIndex(metrics.last_log_index.unwrap_or(0));
    status.lag = status.committed.0.saturating_sub(status.applied.0);
    status.checkpoint = index(metrics.snapshot);
    status.purged = index(metrics.purged);
    let membership = metrics.membership_config.membership();
    let voters: Vec<u64> = membership.voter_ids().collect();
    status.members = membership
        .nodes()
        .map(|(node, member)| MemberStatus {
            node: NodeId(*node),
            name: member.name.clone(),
            peer_address: member.peer_address.clone(),
            client_address: member.client_address.clone(),
            voter: voters.contains(node),
            boot: boots.get(&NodeId(*node)).copied(),
            matched: metrics
                .replication
                .as_ref()
                .and_then(|matched| matched.get(node))
                .map(|matched| index(*matched)),
            silent: metrics
                .heartbeat
                .as_ref()
                .and_then(|heard| heard.get(node).copied().flatten())
                .map(|heard| heard.elapsed()),
        })
        .collect();
}

/// The other voter to hand over to, as the leader knows them: one that answered lately, and of those the one whose log is
/// furthest.
pub(super) fn furthest_voter(formed: &Formed) -> Option<NodeId> {
    let metrics = formed.raft.metrics();
    let metrics = metrics.borrow_watched();
    let matched = metrics.replication.as_ref()?;
    let answered = |voter: &u64| {
        let heard = metrics.heartbeat.as_ref().and_then(|heard| heard.get(voter).copied().flatten());
        heard.is_some_and(|heard| heard.elapsed() < LATELY)
    };
    let index = |voter: &u64| matched.get(voter).copied().flatten().map(|matched| matched.index);
    let voters = metrics.membership_config.membership().voter_ids();
    let others = voters.filter(|voter| *voter != formed.identity.node_id);
    others.max_by_key(|voter| (answered(voter), index(voter))).map(NodeId)
}
