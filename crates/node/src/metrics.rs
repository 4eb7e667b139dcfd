//! Counters of this node's front end, and all of the node's metrics as text.
//!
//! Everything that is bounded has a counter where the bound bites. Nothing is decided by them.

use std::fmt::Write as _;
use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, text};
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::registry::Registry;
use quartet_broker::CloseReason;
use quartet_connection::{Dropped, Ending, Refusal, Stop};
use quartet_replica::Status;

/// The front end's counters.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    /// Sockets of clients that are open now.
    connections: Gauge<u64, AtomicU64>,
    /// Sockets accepted.
    pub(crate) accepted: Counter,
    /// Times that accepting failed (no file descriptors, say).
    pub(crate) accept_failures: Counter,
    /// Connections that ended, by reason.
    ended: Family<OfEnding, Counter>,
    /// Messages dropped here, by reason.
    messages_dropped: Family<OfDrop, Counter>,
    /// Mailboxes that held more than can be owed: a fault of this server.
    pub(crate) mailbox_overflows: Counter,
    /// Sessions of vanished connections that could not be let go of at once.
    pub(crate) strays_dropped: Counter,
    /// Bytes read from clients.
    pub(crate) bytes_read: Counter,
    /// Bytes written to clients.
    pub(crate) bytes_written: Counter,
    /// Times that a connection waited for room before it read.
    pub(crate) room_waits: Counter,
}

/// The label of connections that ended.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfEnding {
    why: EndedWhy,
}

/// The label of messages that were dropped.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfDrop {
    why: MessageDropped,
}

/// Why a connection ended, in few words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
enum EndedWhy {
    Disconnect,
    PeerClosed,
    ClientError,
    TakenOver,
    ClosedByState,
    ConnectNotServing,
    ConnectRate,
    Stopping,
    NotServing,
    BootEnded,
    SnapshotInstalled,
    SlowPeer,
}

/// Why a message was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub(crate) enum MessageDropped {
    /// QoS 0, and the subscriber's mailbox was full.
    MailboxFull,
    /// QoS 0 to a topic that begins with `$`.
    DollarTopic,
    /// Larger than the subscriber takes.
    TooLargeForClient,
}

impl From<Dropped> for MessageDropped {
    fn from(dropped: Dropped) -> Self {
        match dropped {
            Dropped::DollarTopic => Self::DollarTopic,
            Dropped::TooLargeForClient => Self::TooLargeForClient,
        }
    }
}

impl From<Ending> for EndedWhy {
    fn from(ending: Ending) -> Self {
        match ending {
            Ending::Disconnected(_) => Self::Disconnect,
            Ending::PeerClosed => Self::PeerClosed,
            Ending::Broken(_) => Self::ClientError,
            Ending::Closed(CloseReason::SessionTakenOver) => Self::TakenOver,
            Ending::Closed(_) => Self::ClosedByState,
            Ending::Refused(Refusal::NotServing) => Self::ConnectNotServing,
            Ending::Refused(Refusal::ConnectionRateExceeded) => Self::ConnectRate,
            Ending::Stopped(Stop::ServerStopping) => Self::Stopping,
            Ending::Stopped(Stop::NotServing) => Self::NotServing,
            Ending::Stopped(Stop::BootEnded) => Self::BootEnded,
            Ending::Stopped(Stop::SnapshotInstalled) => Self::SnapshotInstalled,
            Ending::Stopped(Stop::SlowPeer) => Self::SlowPeer,
        }
    }
}

impl Metrics {
    /// A socket was accepted.
    pub(crate) fn opened(&self) {
        self.accepted.inc();
        self.connections.inc();
    }

    /// A socket was closed; without an ending where the task was dropped.
    pub(crate) fn closed(&self, ending: Option<Ending>) {
        self.connections.dec();
        if let Some(ending) = ending {
            self.ended.get_or_create(&OfEnding { why: ending.into() }).inc();
        }
    }

    /// A message was dropped.
    pub(crate) fn dropped(&self, why: MessageDropped) {
        self.messages_dropped.get_or_create(&OfDrop { why }).inc();
    }

    /// Sockets of clients that are open now.
    pub(crate) fn connections(&self) -> u64 {
        self.connections.get()
    }

    /// Everything this node counts, in the Prometheus text format (OpenMetrics).
    pub(crate) fn text(&self, status: &Status) -> String {
        let mut registry = Registry::with_prefix("quartet");
        self.register(&mut registry);
        register_status(&mut registry, status);
        let mut out = String::new();
        if text::encode(&mut out, &registry).is_err() {
            // Writing to a string does not fail; a metric that cannot be said is worth a word all the same.
            out.clear();
            out.write_str("# EOF\n").ok();
        }
        out
    }

    fn register(&self, registry: &mut Registry) {
        registry.register("connections", "Client sockets open now", self.connections.clone());
        registry.register("connections_accepted", "Client sockets accepted", self.accepted.clone());
        registry.register("accept_failures", "Times that accepting failed", self.accept_failures.clone());
        registry.register("connections_ended", "Client connections that ended", self.ended.clone());
        registry.register("messages_dropped", "Messages dropped by this node", self.messages_dropped.clone());
        registry.register(
            "mailbox_overflows",
            "Mailboxes over their bound: a fault",
            self.mailbox_overflows.clone(),
        );
        registry.register(
            "strays_dropped",
            "Sessions left with a vanished connection",
            self.strays_dropped.clone(),
        );
        registry.register("read_bytes", "Bytes read from clients", self.bytes_read.clone());
        registry.register("written_bytes", "Bytes written to clients", self.bytes_written.clone());
        registry.register("reads_waited", "Reads that waited for room to propose", self.room_waits.clone());
    }
}

/// What the replica counts.
fn register_status(registry: &mut Registry, status: &Status) {
    let mut gauge = |name: &str, help: &str, value: u64| {
        registry.register(name, help, ConstGauge::new(value));
    };
    gauge("serving", "Whether clients are served", u64::from(status.serving.is_yes()));
    gauge("leader", "Whether this node leads", u64::from(status.role == quartet_replica::Role::Leader));
    gauge("term", "Raft's term", status.term);
    gauge("applied_index", "The last entry applied", status.applied.0);
    gauge("committed_index", "The last entry committed", status.committed.0);
    gauge("apply_lag_entries", "Entries committed and not applied", status.lag);
    gauge("checkpoint_index", "The last entry in the newest checkpoint", status.checkpoint.0);
    let state = &status.statistics;
    gauge("sessions", "Sessions in the cluster", state.sessions);
    gauge("sessions_connected", "Sessions with a connection, in the cluster", state.connected);
    gauge("subscriptions", "Subscriptions in the cluster", state.subscriptions);
    gauge("queued_messages", "Messages queued for sessions, in the cluster", state.queued_messages);
    gauge("queued_bytes", "Bytes queued for sessions, in the cluster", state.queued_bytes);
    gauge("inflight_messages", "Messages in flight to clients, in the cluster", state.inflight);
    gauge("unreleased_identifiers", "Clients' QoS 2 identifiers held, in the cluster", state.unreleased);
    let sizes = &status.sizes;
    gauge("window_commands", "Commands proposed and not yet applied here", sizes.window_commands);
    gauge("window_bytes", "Their bytes", sizes.window_bytes);
    gauge("stored_messages", "Messages in the store", sizes.messages);
    gauge("stored_bytes", "Their bytes", sizes.message_bytes);
    gauge("batcher_bytes", "Bytes in the leader's queues", sizes.batcher_bytes);
    let mut counter = |name: &str, help: &str, value: u64| {
        registry.register(name, help, ConstCounter::new(value));
    };
    let counted = &status.counters;
    counter("commands_proposed", "Commands numbered by this node", counted.proposed);
    counter("commands_applied", "Commands applied", counted.commands_applied);
    counter("commands_repeated", "Commands skipped as applied before", counted.repeated);
    counter("commands_poisoned", "Commands skipped since apply panicked", counted.poisoned);
    counter("commands_malformed", "Commands skipped since they do not decode", counted.malformed);
    counter("entries_applied", "Entries applied", counted.entries_applied);
    counter("entries_proposed", "Entries proposed as leader", counted.entries_proposed);
    counter("stream_gaps", "Segments given up at a gap", counted.gaps);
    counter("stream_resends", "Times that this node sent again from its cursor", counted.resends);
    counter("room_waits", "Times that room in the window was waited for", counted.room_waits);
    counter("room_overdrawn_bytes", "Bytes proposed beyond the room taken", counted.room_overdrawn);
    counter("snapshots_installed", "Snapshots installed", counted.snapshots_installed);
    counter("snapshots_sent", "Snapshots sent to peers", counted.snapshots_sent);
    counter("checkpoints_written", "Checkpoints written", counted.checkpoints_written);
    counter("qos0_sent", "QoS 0 messages sent to peers", counted.qos0_sent);
    counter("qos0_dropped", "QoS 0 messages dropped on the way to peers", counted.qos0_dropped);
    counter("qos0_received", "QoS 0 messages received from peers", counted.qos0_received);
    counter("boots_ended", "Boots of this node declared over while it ran", counted.boots_ended);
    counter("messages_missing", "Deliveries whose message is not stored: a fault", counted.messages_missing);
}
