//! All replicas are one value: equal digests at the last index, digests that a walk over the state confirms, equal
//! message stores, and a published copy of the subscriptions that follows from the state.

use quartet_broker::{ConnectionId, Merged, Routes, SessionSlot};

use crate::cluster::Cluster;
use crate::violation::Violation;

const PROPERTY: &str = "all replicas are equal when they have applied the same";

/// Checks every node against the tip.
pub(crate) fn check(cluster: &Cluster) -> Result<(), Violation> {
    let tip = cluster.log.tip();
    if tip.digest() != tip.recompute_digest() {
        return Err(Violation::new(
            PROPERTY,
            "the tip's digest is not what a walk over its state gives".to_owned(),
        ));
    }
    for node in &cluster.nodes {
        let Some(process) = &node.process else { continue };
        let broker = &process.broker;
        let differs = |what: &str| Violation::new(PROPERTY, format!("node {}: {what}", node.id.0));
        if broker.index() != tip.index() || broker.digest() != tip.digest() {
            return Err(differs("its digest is not the tip's"));
        }
        if broker.digest() != broker.recompute_digest() {
            return Err(differs("its digest is not what a walk over its state gives"));
        }
        if broker != tip {
            return Err(differs("its state is not the tip's, though the digests agree"));
        }
        for topic in 0..cluster.options.topics {
            if due(&process.routes, topic) != due(&tip.routes(), topic) {
                return Err(differs("its published subscriptions are not what follows from the state"));
            }
        }
    }
    Ok(())
}

/// Who is due a message of this topic at QoS 0, and how.
fn due(routes: &Routes, topic: u8) -> Vec<(SessionSlot, Merged, ConnectionId)> {
    let mut due = Vec::new();
    routes.route(&crate::wire::topic(topic), None, |session, merged, connection| {
        due.push((session, merged, connection));
    });
    due
}
