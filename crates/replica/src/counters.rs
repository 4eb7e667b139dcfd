//! Counters of everything that bites, since the replica's start.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// A reading of the counters. They are read one by one, so sums may be off by what is under way.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct CounterValues { $($(#[$doc])* pub $name: u64,)* }

        /// The counters themselves. Relaxed: nothing is decided by them.
        #[derive(Debug, Default)]
        pub(crate) struct Counters { $(pub(crate) $name: Counter,)* }

        impl Counters {
            pub(crate) fn read(&self) -> CounterValues {
                CounterValues { $($name: self.$name.get(),)* }
            }
        }
    };
}

/// One counter.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    pub(crate) fn one(&self) {
        self.add(1);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

counters! {
    /// Commands numbered and put in the window.
    proposed,
    /// Commands dropped before a number was given, since their connection's boot is over.
    proposed_for_dead_boot,
    /// How often a connection had to wait for room in the window.
    room_waits,
    /// Bytes taken beyond the room that was asked for (a topic behind an alias, the end of a connection).
    room_overdrawn,
    /// How often this node sent again from its cursor: a gap, a stall, or a new leader.
    resends,
    /// Of those, because its own replica met a gap.
    resends_after_gap,
    /// Of those, because the cursor stood still.
    resends_after_stall,
    /// Entries that this node proposed as leader.
    entries_proposed,
    /// Commands in them.
    commands_batched,
    /// Of those entries, refused or lost: their commands come again by number.
    entries_refused,
    /// How often a sender waited since the leader's queue for its node was full.
    batcher_full,
    /// Entries applied.
    entries_applied,
    /// Commands applied.
    commands_applied,
    /// Numbered commands skipped since they were applied before.
    repeated,
    /// Segments given up at a gap.
    gaps,
    /// Segments of boots that are over or unknown.
    not_alive,
    /// Commands that do not decode; skipped by every node alike.
    malformed,
    /// Commands that made `apply` panic and were skipped.
    poisoned,
    /// PUBLISH deliveries whose message is not in the store: a bug.
    messages_missing,
    /// Checkpoints written.
    checkpoints_written,
    /// Checkpoints that did not read and were passed over.
    checkpoints_damaged,
    /// Snapshots received and installed.
    snapshots_installed,
    /// Snapshots sent to peers.
    snapshots_sent,
    /// Calls refused because of who called: another cluster, a stale boot, another protocol.
    peers_refused,
    /// QoS 0 messages sent to peers.
    qos0_sent,
    /// QoS 0 messages dropped since the queue of a peer was full or the peer unreachable.
    qos0_dropped,
    /// QoS 0 messages received from peers.
    qos0_received,
    /// Jumps of the wall clock that were capped when stamping entries.
    clock_jumps,
    /// Boots of this node that were declared over while it ran.
    boots_ended,
    /// Boots of silent nodes that this node, as leader, proposed to end.
    nodes_declared_down,
}
