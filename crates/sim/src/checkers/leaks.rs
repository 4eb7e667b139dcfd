//! After the drain nothing is left: no message queued, in flight, unreleased or stored, no session without its client,
//! no owner without a socket.

use crate::cluster::Cluster;
use crate::violation::Violation;

const PROPERTY: &str = "nothing is left after the drain";

/// Checks the tip's numbers, every node's store, and that the owners are the living sockets.
pub(crate) fn check(cluster: &mut Cluster) -> Result<(), Violation> {
    let statistics = cluster.log.tip().statistics();
    let clients = cluster.clients.len() as u64;
    let left = [
        ("queued messages", statistics.queued_messages, 0),
        ("queued bytes", statistics.queued_bytes, 0),
        ("in flight", statistics.inflight, 0),
        ("unreleased", statistics.unreleased, 0),
        ("stored messages", statistics.messages, 0),
        ("ending sessions", statistics.ending, 0),
        ("sessions", statistics.sessions, clients),
        ("connected sessions", statistics.connected, clients),
    ];
    if let Some((what, is, should)) = left.into_iter().find(|(_, is, should)| is != should) {
        return Err(Violation::new(PROPERTY, format!("{is} {what}, should be {should}")));
    }
    for node in &cluster.nodes {
        if let Some(process) = node.process.as_ref().filter(|process| !process.store.is_empty()) {
            let handles: Vec<_> = process.store.keys().collect();
            return Err(Violation::new(PROPERTY, format!("node {} still stores {handles:?}", node.id.0)));
        }
    }
    for (index, node) in cluster.nodes.iter().enumerate() {
        let Some(process) = &node.process else { continue };
        let (kept, open) = (process.connections.len() + process.wired.len(), cluster.links.open_at(node.id));
        if kept != open {
            return Err(Violation::new(
                PROPERTY,
                format!("node {index} keeps {kept} connections for {open} sockets"),
            ));
        }
    }
    let living = cluster.living();
    for client in 0..cluster.clients.len() {
        let session = cluster.log.tip().session(&crate::front_end::client_id(client));
        let owner = session.and_then(|session| session.connection).map(|connection| connection.node);
        if !owner.is_some_and(|node| living.contains(&(client, node))) {
            let detail = format!("client {client}'s session belongs to {owner:?}, sockets are {living:?}");
            return Err(Violation::new("a session's owner is its living connection", detail));
        }
    }
    Ok(())
}
