//! Who leads, as this node knows it: the part of Raft's metrics that others wait on.

use std::time::Duration;

use openraft::ServerState;
use openraft::async_runtime::WatchReceiver;
use quartet_broker::NodeId;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::Raft;

/// Who leads in which term.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Leadership {
    pub(crate) term: u64,
    /// The leader and where its peers reach it.
    pub(crate) leader: Option<(NodeId, String)>,
    /// Whether that is this node.
    pub(crate) own: bool,
}

impl Leadership {
    /// The term in which this node leads.
    pub(crate) fn own_term(&self) -> Option<u64> {
        self.own.then_some(self.term)
    }
}

/// Follows Raft's metrics until it stops.
pub(crate) async fn follow(raft: Raft, told: watch::Sender<Leadership>, stopping: CancellationToken) {
    let mut metrics = raft.server_metrics();
    loop {
        let now = {
            let metrics = metrics.borrow_watched();
            let term = metrics.vote.leader_id.term;
            let address = |leader| {
                let membership = metrics.membership_config.membership();
                membership.get_node(&leader).map(|member| member.peer_address.clone()).unwrap_or_default()
            };
            Leadership {
                term,
                leader: metrics.current_leader.map(|leader| (NodeId(leader), address(leader))),
                own: metrics.state == ServerState::Leader,
            }
        };
        told.send_if_modified(|before| {
            let changed = *before != now;
            *before = now;
            changed
        });
        tokio::select! {
            changed = metrics.changed() => if changed.is_err() { return },
            () = stopping.cancelled() => return,
            // Metrics are sent when they change; asking now and then costs nothing.
            () = tokio::time::sleep(Duration::from_secs(1)) => {}
        }
    }
}

/// The term in which this node leads, as a watch.
pub(crate) async fn own_terms(mut leadership: watch::Receiver<Leadership>, told: watch::Sender<Option<u64>>) {
    loop {
        let term = leadership.borrow_and_update().own_term();
        told.send_if_modified(|before| std::mem::replace(before, term) != term);
        if leadership.changed().await.is_err() {
            return;
        }
    }
}
