//! Invariant 18: per publisher, topic and QoS every subscriber sees publishing order ([MQTT-4.6.0-5], [MQTT-4.6.0-6]).
//!
//! At QoS 1 a message may come again, and then behind later ones; its first coming counts, and only where that is sure
//! to have been due: if the first copy found no subscription, no room or no socket, the second one is late by right.
//! So it is at any QoS where a node's rules change: a message that was refused, and whose publisher never heard so, may
//! be admitted when it comes again.

use std::collections::{BTreeMap, BTreeSet};

use quartet_packet::QoS;

use crate::checkers::subscribed::{Subscribed, subscribed};
use crate::cluster::Cluster;
use crate::history::{Delivery, Fate};
use crate::link::Filter;
use crate::violation::Violation;

/// Checks every subscriber's deliveries.
pub(crate) fn check(cluster: &Cluster) -> Result<(), Violation> {
    let history = &cluster.history;
    if cluster.options.weights.refusal_changes > 0 {
        return Ok(());
    }
    for (client, deliveries) in &history.deliveries {
        // What is granted at QoS 0 waits for nobody, so it does not make a first copy due.
        let plan = cluster.clients.get(*client).map_or(&[][..], |client| client.plan.filters.as_slice());
        let waiting = plan.iter().filter(|(_, qos)| *qos != QoS::AtMostOnce);
        let filters: Vec<Filter> = waiting.map(|(filter, _)| *filter).collect();
        let mut seen = BTreeSet::new();
        let mut newest = BTreeMap::new();
        for delivery in deliveries {
            let Some(fate) = history.messages.get(&delivery.message) else { continue };
            let publisher = cluster.clients.get(usize::from(delivery.message.publisher));
            let remembers = publisher.is_some_and(|client| client.plan.session_expiry == u32::MAX);
            let counts = (remembers && fate.message.qos == QoS::ExactlyOnce)
                || first_copy_was_due(cluster, *client, &filters, fate, delivery);
            if !counts || !seen.insert(delivery.message) {
                continue;
            }
            // Of the QoS it came with too: what a changed subscription grants at QoS 0 waits in no queue.
            let stream = (delivery.message.publisher, fate.message.topic, fate.message.qos, delivery.qos);
            let sequence = delivery.message.sequence;
            let before = newest.insert(stream, sequence);
            if before.is_some_and(|before| before > sequence) {
                return Err(Violation::new(
                    "publishing order per publisher, topic and qos",
                    format!(
                        "client {client} got {:?} at step {} after {before:?}",
                        delivery.message, delivery.step
                    ),
                ));
            }
        }
    }
    Ok(())
}

fn first_copy_was_due(
    cluster: &Cluster,
    client: usize,
    filters: &[Filter],
    fate: &Fate,
    delivery: &Delivery,
) -> bool {
    let (topic, made, acknowledged) = (fate.message.topic, fate.made, fate.acknowledged);
    delivery.qos != QoS::AtMostOnce
        && !cluster.options.overflows
        && !cluster.options.sessions_end
        && cluster.options.expiring == 0
        && subscribed(&cluster.history, client, filters, topic, made, acknowledged) == Subscribed::Surely
}
