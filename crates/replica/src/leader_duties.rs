//! What the leader does besides proposing what comes: it keeps replicated time going, and ends the boots of silent nodes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use openraft::Instant as _;
use openraft::async_runtime::WatchReceiver;
use quartet_broker::{AdvanceTime, Command, NodeDown, NodeId, Origin};
use tokio::time::Instant;

use crate::shared::{Formed, Shared};

/// How often the leader looks.
const LOOK: Duration = Duration::from_millis(100);

/// While work is left over it goes on so soon: each entry does a bounded step of it.
const WORK: Duration = Duration::from_millis(5);

/// Time goes on at least so often: sessions expire this late at most, and a new leader's clock begins near the last
/// one's.
const ADVANCE: Duration = Duration::from_secs(1);

/// A NodeDown that was proposed is given so long to be applied before it is proposed again.
const AGAIN: Duration = Duration::from_secs(2);

/// Does the duties whenever this node leads, until the replica stops.
pub(crate) async fn run(shared: Arc<Shared>, formed: Arc<Formed>) {
    let mut leadership = formed.leadership.clone();
    loop {
        let leads = tokio::select! {
            leads = leadership.wait_for(|now| now.own) => leads.map(|now| now.term),
            () = shared.stopping.cancelled() => return,
        };
        let Ok(term) = leads else { return };
        let mut duties = Duties { since: Instant::now(), moved: Instant::now(), ended: BTreeMap::new() };
        while leadership.borrow().own_term() == Some(term) {
            let pause = duties.look(&shared, &formed);
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = shared.stopping.cancelled() => return,
            }
        }
    }
}

/// One leadership's.
struct Duties {
    since: Instant,
    /// When an entry was last seen to move replicated time, or was asked to.
    moved: Instant,
    /// Boots whose end was proposed, and when.
    ended: BTreeMap<Origin, Instant>,
}

impl Duties {
    /// Proposes what is due, and says when to look again.
    fn look(&mut self, shared: &Shared, formed: &Formed) -> Duration {
        let (work, boots) = {
            let broker = &shared.applier.lock().broker;
            let boots: Vec<Origin> =
                broker.boots().filter(|(_, alive)| *alive).map(|(origin, _)| origin).collect();
            (broker.has_work(), boots)
        };
        // Entries that come anyway carry the time and do the work.
        if shared.batcher.is_empty() && (work || self.moved.elapsed() >= ADVANCE) {
            self.moved = Instant::now();
            shared.batcher.offer_cluster(&Command::AdvanceTime(AdvanceTime));
        }
        for (origin, silent) in silent_boots(formed, &boots, self.since) {
            let proposed = self.ended.get(&origin).is_some_and(|at| at.elapsed() < AGAIN);
            if silent < shared.config.timing.silence || proposed {
                continue;
            }
            tracing::warn!(
                "node {} is silent for {} s: boot {} is over",
                origin.node.0,
                silent.as_secs(),
                origin.boot.0
            );
            shared.counters.nodes_declared_down.one();
            shared.batcher.offer_cluster(&Command::NodeDown(NodeDown { origin }));
            self.ended.insert(origin, Instant::now());
        }
        if work { WORK } else { LOOK }
    }
}

/// For how long each of these boots' nodes has said nothing to this leader.
fn silent_boots(formed: &Formed, boots: &[Origin], since: Instant) -> Vec<(Origin, Duration)> {
    let metrics = formed.raft.metrics();
    let metrics = metrics.borrow_watched();
    let silent = |node: NodeId| {
        let heard = metrics.heartbeat.as_ref().and_then(|heard| heard.get(&node.0)).copied().flatten();
        let led = since.elapsed();
        heard.map_or(led, |heard| heard.elapsed().min(led))
    };
    boots.iter().filter(|boot| boot.node != formed.node()).map(|boot| (*boot, silent(boot.node))).collect()
}
