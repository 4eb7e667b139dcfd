//! QoS 0: matched with this node's own copy of the subscriptions, and sent once to each node that has a subscriber.
//!
//! It never enters the log, so nothing of it is promised: a mailbox or a peer's queue that is full drops it, counted.
//! Messages of one publisher stay in order on every way.

use std::sync::{Arc, OnceLock};

use parking_lot::RwLock;
use quartet_broker::{ConnectionId, Message, MessageHandle, NodeId, Origin, Outgoing, Routes, SessionSlot};
use quartet_packet::QoS;
use quartet_replica::Replica;
use tokio::sync::watch;

use crate::mailbox::Letter;
use crate::mailboxes::Mailboxes;

/// Routes messages of QoS 0.
#[derive(Debug)]
pub(crate) struct Qos0 {
    mailboxes: Arc<Mailboxes>,
    /// Set once the replica runs; until then nobody is connected.
    ways: OnceLock<Ways>,
}

struct Ways {
    replica: Replica,
    routes: Arc<RwLock<Routes>>,
    origin: watch::Receiver<Option<Origin>>,
}

impl std::fmt::Debug for Ways {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ways").finish_non_exhaustive()
    }
}

/// Where one message goes.
#[derive(Debug, Default)]
struct Receivers {
    /// Connections of this node, with the identifiers of their subscriptions.
    here: Vec<(u64, Vec<u32>)>,
    /// Other nodes, each once: few, so a list is the fastest set.
    nodes: Vec<NodeId>,
}

impl Qos0 {
    pub(crate) fn new(mailboxes: Arc<Mailboxes>) -> Self {
        Self { mailboxes, ways: OnceLock::new() }
    }

    /// The replica runs.
    pub(crate) fn start(&self, replica: &Replica) {
        self.ways.get_or_init(|| Ways {
            replica: replica.clone(),
            routes: replica.routes(),
            origin: replica.origin(),
        });
    }

    /// A client of this node publishes.
    pub(crate) fn publish(&self, session: SessionSlot, message: Message) {
        let Some(Ways { replica, routes, origin }) = self.ways.get() else { return };
        let Some(own) = *origin.borrow() else { return };
        let receivers = receivers(&routes.read(), own, Some(session), &message);
        for node in receivers.nodes {
            replica.send_qos0(node, &message);
        }
        self.deliver(receivers.here, message);
    }

    /// A peer's client published: only connections of this node are due it here.
    pub(crate) fn deliver_here(&self, message: Message) {
        let Some(Ways { routes, origin, .. }) = self.ways.get() else { return };
        let Some(own) = *origin.borrow() else { return };
        let receivers = receivers(&routes.read(), own, None, &message);
        self.deliver(receivers.here, message);
    }

    fn deliver(&self, here: Vec<(u64, Vec<u32>)>, message: Message) {
        if here.is_empty() {
            return;
        }
        let message = Arc::new(message);
        let letters = here.into_iter().map(|(serial, subscription_identifiers)| {
            let packet = Outgoing::Publish {
                handle: MessageHandle(0),
                packet_id: None,
                qos: QoS::AtMostOnce,
                dup: false,
                retain: false,
                message_expiry: message.message_expiry,
                subscription_identifiers,
            };
            (serial, Letter::Packet { packet, message: Some(Arc::clone(&message)) })
        });
        self.mailboxes.send(letters, |_, _| {});
    }
}

/// Matches under a short read lock; who is attached elsewhere counts by its node.
fn receivers(routes: &Routes, own: Origin, publisher: Option<SessionSlot>, message: &Message) -> Receivers {
    let mut receivers = Receivers::default();
    routes.route(&message.topic, publisher, |_, merged, connection: ConnectionId| {
        if connection.node != own.node {
            if !receivers.nodes.contains(&connection.node) {
                receivers.nodes.push(connection.node);
            }
        } else if connection.boot == own.boot {
            receivers.here.push((connection.serial, merged.subscription_identifiers));
        }
    });
    receivers
}
