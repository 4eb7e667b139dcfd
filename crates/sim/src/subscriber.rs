//! A client as a receiver: at QoS 2 it holds an identifier from PUBLISH to PUBREL and takes a message once
//! (MQTT 5.0 §4.3.3, method of the receiver).

use std::collections::{BTreeMap, BTreeSet};

use quartet_packet::QoS;

use crate::link::{MessageId, Up};
use crate::options::Plan;
use crate::violation::Violation;

/// The receiver's half of a client.
#[derive(Clone, Debug, Default)]
pub(crate) struct Subscriber {
    /// QoS 2 identifiers that the broker has not released yet, and whose they are.
    held: BTreeMap<u16, MessageId>,
    /// Identifiers of this connection's PUBLISHes that are not acknowledged to the end.
    unacknowledged: BTreeSet<u16>,
}

/// What a PUBLISH comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Received {
    /// Whether the application gets the message.
    pub(crate) new: bool,
    /// The acknowledgement to send.
    pub(crate) answer: Option<Up>,
}

impl Subscriber {
    /// Whether no handshake is open.
    pub(crate) fn is_idle(&self) -> bool {
        self.held.is_empty()
    }

    /// A new connection: its quota is whole.
    pub(crate) fn connected(&mut self) {
        self.unacknowledged.clear();
    }

    /// The session is gone: so is all of this.
    pub(crate) fn forget(&mut self) {
        self.held.clear();
    }

    /// A message.
    pub(crate) fn publish(
        &mut self,
        packet_id: Option<u16>,
        qos: QoS,
        message: MessageId,
        plan: &Plan,
    ) -> Result<Received, Violation> {
        let Some(id) = packet_id else { return Ok(Received { new: true, answer: None }) };
        self.unacknowledged.insert(id);
        let receive_maximum = plan.receive_maximum;
        if self.unacknowledged.len() > usize::from(receive_maximum) {
            return Err(Violation::new(
                "no more in flight than the client's receive maximum",
                format!("{} with a maximum of {receive_maximum}", self.unacknowledged.len()),
            ));
        }
        match qos {
            QoS::AtMostOnce | QoS::AtLeastOnce => Ok(Received { new: true, answer: Some(Up::PubAck(id)) }),
            QoS::ExactlyOnce => match self.held.insert(id, message) {
                Some(held) if held != message && plan.session_expiry == u32::MAX => Err(Violation::new(
                    "an identifier names one message until it is released",
                    format!(
                        "{id} named {held:?} and now {message:?}, which the receiver must drop as a repeat"
                    ),
                )),
                Some(held) => Ok(Received { new: held != message, answer: Some(Up::PubRec(id)) }),
                None => Ok(Received { new: true, answer: Some(Up::PubRec(id)) }),
            },
        }
    }

    /// PUBREL: the identifier is free again.
    pub(crate) fn pub_rel(&mut self, id: u16) -> Up {
        self.held.remove(&id);
        Up::PubComp(id)
    }

    /// The last acknowledgement of a message leaves.
    pub(crate) fn acknowledged(&mut self, id: u16) {
        self.unacknowledged.remove(&id);
    }
}
