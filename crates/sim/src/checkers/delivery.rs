//! Every acknowledged message exactly once (QoS 2) or at least once (QoS 1), every other one not at all or once;
//! nothing that was refused, nothing that was not asked for.

use std::collections::BTreeMap;

use quartet_packet::QoS;

use crate::checkers::subscribed::{Subscribed, subscribed};
use crate::cluster::Cluster;
use crate::history::{Delivery, Fate};
use crate::link::Filter;
use crate::violation::Violation;

/// Judges what each client was given; in a run that is `finished` also what it was not.
pub(crate) fn check(cluster: &Cluster, finished: bool) -> Result<(), Violation> {
    let history = &cluster.history;
    let mut missing = 0;
    for client in &cluster.clients {
        let none = Vec::new();
        let deliveries = history.deliveries.get(&client.index).unwrap_or(&none);
        let mut given: BTreeMap<_, Vec<&Delivery>> = BTreeMap::new();
        for delivery in deliveries {
            given.entry(delivery.message).or_default().push(delivery);
        }
        if let Some(invented) = given.keys().find(|id| !history.messages.contains_key(id)) {
            return Err(Violation::new(
                "only what was published",
                format!("{invented:?} at client {}", client.index),
            ));
        }
        let filters: Vec<Filter> = client.plan.filters.iter().map(|(filter, _)| *filter).collect();
        for (id, fate) in &history.messages {
            let given = given.get(id).map_or(&[][..], Vec::as_slice);
            let who = |what: &str| format!("client {} {what} {fate:?}: {given:?}", client.index);
            let publisher = cluster.clients.get(usize::from(id.publisher)).map(|client| &client.plan);
            let remembers = publisher.is_some_and(|plan| plan.session_expiry == u32::MAX);
            // A publisher at QoS 1 may repeat itself, whatever the subscriber asked for.
            let once = remembers && fate.message.qos == QoS::ExactlyOnce;
            if once && given.len() > 1 && given.iter().any(|delivery| delivery.qos != QoS::AtLeastOnce) {
                return Err(Violation::new("no message twice at qos 2", who("was given twice")));
            }
            if remembers && fate.refused && fate.message.qos == QoS::ExactlyOnce && !given.is_empty() {
                return Err(Violation::new("no refused message", who("was given")));
            }
            let topic = fate.message.topic;
            let was = subscribed(history, client.index, &filters, topic, fate.made, fate.acknowledged);
            if was == Subscribed::Never && !given.is_empty() {
                return Err(Violation::new("nothing new after unsubscribe", who("was given")));
            }
            if finished
                && was == Subscribed::Surely
                && given.is_empty()
                && owed(cluster, &client.plan, fate, &filters)
            {
                missing += 1;
                if !cluster.options.overflows {
                    return Err(Violation::new("no acknowledged message is lost", who("was never given")));
                }
            }
        }
    }
    let overflowed = cluster.log.tip().statistics().counters.overflowed;
    if missing > overflowed {
        let detail = format!("{missing} missing, {overflowed} counted");
        return Err(Violation::new("overflow is counted", detail));
    }
    Ok(())
}

/// Whether the broker promised this message to a client that was surely subscribed.
fn owed(cluster: &Cluster, plan: &crate::options::Plan, fate: &Fate, filters: &[Filter]) -> bool {
    // At QoS 0 whoever is away misses it.
    let granted = plan
        .filters
        .iter()
        .filter(|(filter, _)| filters.contains(filter) && filter.matches(fate.message.topic))
        .map(|(_, qos)| *qos)
        .min();
    fate.acknowledged.is_some()
        && granted.is_some_and(|qos| qos != QoS::AtMostOnce)
        && fate.message.expiry.is_none()
        && (plan.takes_large || !fate.message.large)
        && !cluster.options.sessions_end
}
