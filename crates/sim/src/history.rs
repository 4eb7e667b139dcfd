//! What the clients saw: the only evidence that the history checkers judge by.
//!
//! Nothing here comes from the brokers' state. A publisher notes what it made and what it was told; a subscriber notes
//! what it was given and what it had asked for.

use std::collections::BTreeMap;

use quartet_packet::QoS;

use crate::link::{Filter, MessageId, Published};

/// What became of a message, as its publisher knows.
#[derive(Clone, Debug)]
pub(crate) struct Fate {
    pub(crate) message: Published,
    /// The step it was made at: no packet with it left earlier.
    pub(crate) made: u64,
    /// The step its publisher was first told that the broker has it (PUBACK or PUBREC).
    pub(crate) acknowledged: Option<u64>,
    /// Its publisher was told that the broker does not want it.
    pub(crate) refused: bool,
}

/// One delivery to a subscriber's application.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Delivery {
    pub(crate) step: u64,
    pub(crate) message: MessageId,
    pub(crate) qos: QoS,
}

/// What a subscriber asked for or was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// SUBSCRIBE made.
    Subscribe,
    /// SUBACK seen.
    SubAck,
    /// UNSUBSCRIBE made.
    Unsubscribe,
    /// UNSUBACK seen.
    UnsubAck,
}

/// The whole evidence of a run.
#[derive(Clone, Debug, Default)]
pub(crate) struct History {
    /// All messages.
    pub(crate) messages: BTreeMap<MessageId, Fate>,
    /// By client.
    pub(crate) deliveries: BTreeMap<usize, Vec<Delivery>>,
    /// By client and filter, in order.
    pub(crate) subscriptions: BTreeMap<(usize, Filter), Vec<(u64, Asked)>>,
}

impl History {
    /// A message is made.
    pub(crate) fn made(&mut self, step: u64, message: Published) {
        self.messages.insert(message.id, Fate { message, made: step, acknowledged: None, refused: false });
    }

    /// Its publisher hears of it.
    pub(crate) fn answered(&mut self, step: u64, id: MessageId, refused: bool) {
        if let Some(fate) = self.messages.get_mut(&id) {
            match refused {
                true => fate.refused = true,
                false => fate.acknowledged = fate.acknowledged.or(Some(step)),
            }
        }
    }

    /// A subscriber's application gets a message.
    pub(crate) fn delivered(&mut self, step: u64, client: usize, message: MessageId, qos: QoS) {
        self.deliveries.entry(client).or_default().push(Delivery { step, message, qos });
    }

    /// A subscriber asks, or is answered.
    pub(crate) fn asked(&mut self, step: u64, client: usize, filter: Filter, what: Asked) {
        self.subscriptions.entry((client, filter)).or_default().push((step, what));
    }
}
