//! What the client has begun and not finished: our Receive Maximum [MQTT-3.3.4-7], and the answers still owed.
//!
//! ```text
//!   QoS 1   PUBLISH ─────────────► PUBACK delivered
//!   QoS 2   PUBLISH ─► PUBREC ─► PUBREL read            (an error in PUBREC finishes it at once)
//! ```
//! The client frees its own count at PUBCOMP, which is later: a client that counts rightly is never blamed.
//!
//! Identifiers that the session held before this connection count too, until they are seen again: released, or
//! published again. Which ones they are is not told, only how many; so DUP serves as a hint here (and only here:
//! the state decides what is a duplicate by the identifier alone).
//!
//! Every version has a second bound, on answers owed. At it, reading stops until some are given: so what waits for
//! its commit on behalf of one connection is bounded, and with it what its mailbox must hold.

use alloc::collections::BTreeSet;

use quartet_packet::PacketId;

/// Answers owed beyond the Receive Maximum (SUBACK, UNSUBACK, PUBREL, PUBCOMP, repeated PUBREC) before reading stops.
/// Enough that a client which uses its whole window both ways is not slowed.
pub(crate) const ANSWERS_BESIDE: u32 = 1024;

/// Counts of one connection.
#[derive(Debug)]
pub(crate) struct Unfinished {
    /// What CONNACK announced.
    receive_maximum: u16,
    /// QoS 1 messages without their PUBACK.
    qos1: u32,
    /// QoS 2 identifiers published on this connection and not released.
    qos2: BTreeSet<PacketId>,
    /// QoS 2 identifiers held before this connection and not seen on it.
    held: u32,
    /// Answers of any kind that the core owes.
    owed: u32,
}

impl Unfinished {
    pub(crate) fn new(receive_maximum: u16) -> Self {
        Self { receive_maximum, qos1: 0, qos2: BTreeSet::new(), held: 0, owed: 0 }
    }

    /// CONNACK says how many identifiers are held from before.
    pub(crate) fn resume(&mut self, held: u16) {
        self.held = u32::from(held);
    }

    /// A QoS 1 PUBLISH was read.
    pub(crate) fn publish_qos1(&mut self) {
        self.qos1 = self.qos1.saturating_add(1);
        self.owe();
    }

    /// A QoS 2 PUBLISH was read.
    pub(crate) fn publish_qos2(&mut self, packet_id: PacketId, dup: bool) {
        if self.qos2.insert(packet_id) && dup {
            self.held = self.held.saturating_sub(1);
        }
        self.owe();
    }

    /// A PUBREL was read.
    pub(crate) fn release(&mut self, packet_id: PacketId) {
        if !self.qos2.remove(&packet_id) {
            self.held = self.held.saturating_sub(1);
        }
        self.owe();
    }

    /// PUBACK is given.
    pub(crate) fn acknowledged(&mut self) {
        self.qos1 = self.qos1.saturating_sub(1);
        self.answered();
    }

    /// PUBREC is given; an error in it ends the handshake [MQTT-4.3.3-9].
    pub(crate) fn received(&mut self, packet_id: PacketId, is_error: bool) {
        if is_error {
            self.qos2.remove(&packet_id);
        }
        self.answered();
    }

    /// The core owes one more answer.
    pub(crate) fn owe(&mut self) {
        self.owed = self.owed.saturating_add(1);
    }

    /// The core has given one.
    pub(crate) fn answered(&mut self) {
        self.owed = self.owed.saturating_sub(1);
    }

    /// Whether the client has more open than CONNACK allows.
    pub(crate) fn exceeds_receive_maximum(&self) -> bool {
        let qos2 = u32::try_from(self.qos2.len()).unwrap_or(u32::MAX);
        self.qos1.saturating_add(qos2).saturating_add(self.held) > u32::from(self.receive_maximum)
    }

    /// Whether reading must wait for answers.
    pub(crate) fn is_full(&self) -> bool {
        self.owed >= answers_owed(self.receive_maximum)
    }
}

/// Most answers that the core can owe one connection.
pub(crate) fn answers_owed(receive_maximum: u16) -> u32 {
    u32::from(receive_maximum).saturating_add(ANSWERS_BESIDE)
}
