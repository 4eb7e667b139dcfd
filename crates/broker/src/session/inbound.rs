//! The receiver's side of QoS 2: the client's identifiers that it has not released yet.
//!
//! ```text
//!            PUBLISH: route once, PUBREC             PUBLISH again: PUBREC, nothing else [MQTT-4.3.3-10]
//!   free ──────────────────────────────────► held ◄─┐
//!    ▲                                        │  └──┘
//!    └──────── PUBREL: PUBCOMP success ───────┘
//!    PUBREL while free: PUBCOMP 0x92, nothing else
//! ```
//!
//! An identifier is free again at PUBREL and never by time: a client may reuse it at once, and a message dropped
//! as its own duplicate would be lost. DUP plays no part.

use alloc::collections::BTreeSet;

use quartet_packet::PacketId;

use crate::digest::{Kind, Mixer};

/// Held identifiers: at most 65,535, by their type; the front end holds the client to our Receive Maximum.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Inbound {
    unreleased: BTreeSet<PacketId>,
    digest: u64,
}

impl Inbound {
    pub(crate) fn holds(&self, packet_id: PacketId) -> bool {
        self.unreleased.contains(&packet_id)
    }

    /// Holds the identifier; false if it is held already.
    pub(crate) fn hold(&mut self, packet_id: PacketId) -> bool {
        let fresh = self.unreleased.insert(packet_id);
        if fresh {
            self.digest ^= element(packet_id);
        }
        fresh
    }

    /// Frees the identifier; false if it was not held.
    pub(crate) fn release(&mut self, packet_id: PacketId) -> bool {
        let held = self.unreleased.remove(&packet_id);
        if held {
            self.digest ^= element(packet_id);
        }
        held
    }

    /// How many are held.
    pub(crate) fn len(&self) -> u16 {
        u16::try_from(self.unreleased.len()).unwrap_or(u16::MAX)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = PacketId> {
        self.unreleased.iter().copied()
    }

    pub(crate) fn digest(&self) -> u64 {
        self.digest
    }

    pub(crate) fn recompute_digest(&self) -> u64 {
        self.iter().fold(0, |digest, id| digest ^ element(id))
    }
}

fn element(packet_id: PacketId) -> u64 {
    Mixer::new(Kind::Unreleased).word(u64::from(packet_id.get())).finish()
}
