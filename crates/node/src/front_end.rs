//! What all client connections of this node share.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use quartet_broker::{Boot, ConnectionId, NodeId, Origin};
use quartet_connection::Instant;
use quartet_packet::Utf8String;
use quartet_replica::{Replica, Serving};
use tokio::sync::watch;
use tokio_util::task::TaskTracker;

use crate::connect_rate::ConnectRate;
use crate::mailboxes::Mailboxes;
use crate::metrics::Metrics;
use crate::qos0::Qos0;
use crate::server::Limits;

/// Shared by listeners and connection tasks.
pub(crate) struct FrontEnd {
    pub(crate) replica: Replica,
    pub(crate) mailboxes: Arc<Mailboxes>,
    pub(crate) qos0: Arc<Qos0>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) connection: quartet_connection::Config,
    pub(crate) limits: Limits,
    pub(crate) connect_rate: ConnectRate,
    /// All connection tasks, for a stop in order.
    pub(crate) tasks: TaskTracker,
    origin: watch::Receiver<Option<Origin>>,
    serving: watch::Receiver<Serving>,
    /// Connections' time counts from here.
    started: tokio::time::Instant,
    /// The last serial given: never goes back in this process, so never comes twice in a boot.
    serials: AtomicU64,
}

impl FrontEnd {
    pub(crate) fn new(
        replica: Replica,
        mailboxes: Arc<Mailboxes>,
        qos0: Arc<Qos0>,
        metrics: Arc<Metrics>,
        connection: quartet_connection::Config,
        limits: Limits,
    ) -> Self {
        let connect_rate = ConnectRate::new(limits.connects_per_second, limits.connect_burst);
        Self {
            origin: replica.origin(),
            serving: replica.serving(),
            replica,
            mailboxes,
            qos0,
            metrics,
            connection,
            limits,
            connect_rate,
            tasks: TaskTracker::new(),
            started: tokio::time::Instant::now(),
            serials: AtomicU64::new(0),
        }
    }

    /// The name of a connection just accepted. Before this node's boot is applied there is no boot to belong to; such
    /// a connection is told so at its CONNECT.
    pub(crate) fn next_id(&self) -> ConnectionId {
        let serial = self.serials.fetch_add(1, Ordering::Relaxed) + 1;
        let none = Origin { node: NodeId(0), boot: Boot(0) };
        let Origin { node, boot } = self.origin().unwrap_or(none);
        ConnectionId { node, boot, serial }
    }

    /// The live boot.
    pub(crate) fn origin(&self) -> Option<Origin> {
        *self.origin.borrow()
    }

    /// Whether a CONNECT under this name can be acknowledged here: the boot it belongs to is the live one, and there
    /// is a leader (invariant 10).
    pub(crate) fn serves(&self, id: ConnectionId) -> bool {
        self.serving.borrow().is_yes() && self.origin() == Some(id.origin())
    }

    /// An id for a client that has none [MQTT-3.1.3-6]: 128 random bits, so unique without asking anybody.
    pub(crate) fn assigned_client_id(&self) -> Utf8String {
        let text = format!("auto-{:032x}", rand::random::<u128>());
        Utf8String::try_from(text).unwrap_or_default()
    }

    /// The moment in the connections' time.
    pub(crate) fn instant(&self, at: tokio::time::Instant) -> Instant {
        let since = at.saturating_duration_since(self.started);
        Instant(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }

    /// The moment in the runtime's time.
    pub(crate) fn at(&self, instant: Instant) -> tokio::time::Instant {
        // A year is as good as never, and no clock overflows on it.
        let milliseconds =
            instant.0.min(self.instant(tokio::time::Instant::now()).0.saturating_add(31_536_000_000));
        self.started + std::time::Duration::from_millis(milliseconds)
    }
}
