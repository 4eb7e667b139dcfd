//! A client as a sender: what it keeps of each message until the handshake is over.
//!
//! ```text
//!             PUBLISH ──► AwaitingPubAck ── PUBACK ──► free          (QoS 1)
//!   free id ─┤
//!             PUBLISH ──► AwaitingPubRec ── PUBREC: PUBREL ──► AwaitingPubComp ── PUBCOMP ──► free
//! ```
//! After a reconnect everything open is sent again in its order, PUBLISH with DUP [MQTT-4.4.0-1]. An identifier is
//! used again as soon as the standard allows.

use quartet_packet::QoS;

use crate::link::{MessageId, Published, Refused, Up};
use crate::seed::Random;

/// One open handshake.
#[derive(Clone, Debug)]
struct Open {
    packet_id: u16,
    message: Published,
    /// PUBREC was seen.
    released: bool,
}

/// The sender's half of a client.
#[derive(Clone, Debug, Default)]
pub(crate) struct Publisher {
    made: u32,
    open: Vec<Open>,
}

impl Publisher {
    /// Whether no handshake is open.
    pub(crate) fn is_idle(&self) -> bool {
        self.open.is_empty()
    }

    /// Makes the next message, if an identifier is free, under a free one chosen by chance.
    pub(crate) fn publish(
        &mut self,
        random: &mut Random,
        packet_ids: u16,
        message: impl FnOnce(u32) -> Published,
    ) -> Option<(Published, Up)> {
        let free: Vec<u16> =
            (1..=packet_ids).filter(|id| self.open.iter().all(|open| open.packet_id != *id)).collect();
        let packet_id = *random.pick(&free)?;
        self.made += 1;
        let message = message(self.made);
        self.open.push(Open { packet_id, message, released: false });
        Some((message, Up::Publish { packet_id, dup: false, message }))
    }

    /// Everything open again, in its order.
    pub(crate) fn again(&self) -> Vec<Up> {
        let packet = |open: &Open| match open.released {
            true => Up::PubRel(open.packet_id),
            false => Up::Publish { packet_id: open.packet_id, dup: true, message: open.message },
        };
        self.open.iter().map(packet).collect()
    }

    /// The session is gone: so is all of this.
    pub(crate) fn forget(&mut self) {
        self.open.clear();
    }

    /// PUBACK: the message it ends.
    pub(crate) fn pub_ack(&mut self, packet_id: u16) -> Option<MessageId> {
        self.end(packet_id, |open| open.message.qos == QoS::AtLeastOnce)
    }

    /// PUBREC: the message it is of and the PUBREL to send; a refusal ends the handshake.
    pub(crate) fn pub_rec(&mut self, packet_id: u16, refused: Refused) -> Option<(MessageId, Option<Up>)> {
        if refused {
            let id = self.end(packet_id, |open| open.message.qos == QoS::ExactlyOnce && !open.released)?;
            return Some((id, None));
        }
        let open = self
            .open
            .iter_mut()
            .find(|open| open.packet_id == packet_id && open.message.qos == QoS::ExactlyOnce)?;
        open.released = true;
        Some((open.message.id, Some(Up::PubRel(packet_id))))
    }

    /// PUBCOMP: the message it ends.
    pub(crate) fn pub_comp(&mut self, packet_id: u16) -> Option<MessageId> {
        self.end(packet_id, |open| open.released)
    }

    fn end(&mut self, packet_id: u16, right: impl Fn(&Open) -> bool) -> Option<MessageId> {
        let at = self.open.iter().position(|open| open.packet_id == packet_id && right(open))?;
        Some(self.open.remove(at).message.id)
    }
}
