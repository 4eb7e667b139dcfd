//! One message in flight to a client, by the answer it waits for.

use crate::MessageHandle;
use crate::digest::{Kind, Mixer};
use crate::session::queue::Delivery;
use quartet_packet::PacketId;

/// Which answer a message in flight waits for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Inflight {
    /// QoS 1, sent.
    AwaitingPubAck(Delivery),
    /// QoS 2, sent.
    AwaitingPubRec(Delivery),
    /// QoS 2, received by the client: PUBREL is owed until PUBCOMP, and the message itself is let go.
    AwaitingPubComp,
}

impl Inflight {
    /// The message it may have to send again.
    #[must_use]
    pub fn delivery(&self) -> Option<&Delivery> {
        match self {
            Self::AwaitingPubAck(delivery) | Self::AwaitingPubRec(delivery) => Some(delivery),
            Self::AwaitingPubComp => None,
        }
    }

    pub(crate) fn handle(&self) -> Option<MessageHandle> {
        self.delivery().map(|delivery| delivery.handle)
    }
}

/// A taken packet identifier and what it stands for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct InflightMessage {
    /// Counts first sends in the session: the original order ([MQTT-4.6.0-1]).
    pub sequence: u64,
    /// True while it waits to be sent again on this connection, whose window is smaller than what was unfinished.
    pub owed: bool,
    /// The step.
    pub step: Inflight,
}

impl InflightMessage {
    pub(crate) fn element(&self, packet_id: PacketId) -> u64 {
        let mixer =
            Mixer::new(Kind::Inflight).word(u64::from(packet_id.get())).word(self.sequence).flag(self.owed);
        match &self.step {
            Inflight::AwaitingPubAck(delivery) => delivery.mix(mixer.word(1)).finish(),
            Inflight::AwaitingPubRec(delivery) => delivery.mix(mixer.word(2)).finish(),
            Inflight::AwaitingPubComp => mixer.word(3).finish(),
        }
    }
}
