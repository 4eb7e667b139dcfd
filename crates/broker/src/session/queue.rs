//! What waits for a place in a session's window: the queue, in the order things were published.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use quartet_packet::QoS;

use crate::digest::{Kind, Mixer, length};
use crate::{MessageHandle, Timestamp};

/// One message as one session is owed it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Delivery {
    /// Which message.
    pub handle: MessageHandle,
    /// min(published, granted): 1 or 2.
    pub qos: QoS,
    /// RETAIN towards this subscriber.
    pub retain: bool,
    /// When the Message Expiry Interval is over; acts only before the first send.
    pub expires_at: Option<Timestamp>,
    /// Payload and topic, in bytes.
    pub size: u32,
    /// Identifiers of all matching subscriptions of this session, ascending ([MQTT-3.3.4-3]).
    pub subscription_identifiers: Vec<u32>,
}

impl Delivery {
    /// Whether it may not be begun any more ([MQTT-3.3.2-5]).
    pub(crate) fn expired(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|at| at <= now)
    }

    /// Seconds that remain, rounded up, so that a message sent at once keeps its interval ([MQTT-3.3.2-6]).
    pub(crate) fn remaining(&self, now: Timestamp) -> Option<u32> {
        let milliseconds = self.expires_at?.0.saturating_sub(now.0);
        Some(u32::try_from(milliseconds.div_ceil(1000)).unwrap_or(u32::MAX))
    }

    pub(crate) fn mix(&self, mixer: Mixer) -> Mixer {
        let mut mixer = mixer
            .word(self.handle.0)
            .word(u64::from(self.qos.value()))
            .flag(self.retain)
            .optional(self.expires_at.map(|at| at.0))
            .word(u64::from(self.size))
            .word(length(self.subscription_identifiers.len()));
        for identifier in &self.subscription_identifiers {
            mixer = mixer.word(u64::from(*identifier));
        }
        mixer
    }
}

/// One thing in a queue. There are several kinds, and each has its number in whatever is stored: 1 is a message; 2 is
/// set aside for the replay of retained messages, which will be a cursor and not their copies.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum QueueItem {
    /// A message.
    Message(Delivery),
}

impl QueueItem {
    /// The number of its kind in stored forms.
    #[must_use]
    pub fn kind(&self) -> u8 {
        match self {
            Self::Message(_) => 1,
        }
    }

    /// The message it holds on to, if any.
    pub(crate) fn handle(&self) -> MessageHandle {
        match self {
            Self::Message(delivery) => delivery.handle,
        }
    }

    /// What it counts towards the session's byte limit.
    pub(crate) fn size(&self) -> u64 {
        match self {
            Self::Message(delivery) => u64::from(delivery.size),
        }
    }
}

/// A session's queue, with its counters. Bounded by `Settings::maximum_queued_messages` and `maximum_queued_bytes`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Queue {
    /// Items that ever left: the place of the first item among all that ever came.
    passed: u64,
    items: VecDeque<QueueItem>,
    bytes: u64,
    digest: u64,
}

impl Queue {
    pub(crate) fn restored(passed: u64, items: Vec<QueueItem>) -> Self {
        let mut queue = Self { passed, ..Self::default() };
        for item in items {
            queue.push(item);
        }
        queue
    }

    pub(crate) fn push(&mut self, item: QueueItem) {
        self.bytes += item.size();
        self.digest ^= element(self.passed + self.len(), &item);
        self.items.push_back(item);
    }

    pub(crate) fn pop(&mut self) -> Option<QueueItem> {
        let item = self.items.pop_front()?;
        self.bytes -= item.size();
        self.digest ^= element(self.passed, &item);
        self.passed += 1;
        Some(item)
    }

    pub(crate) fn front(&self) -> Option<&QueueItem> {
        self.items.front()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    pub(crate) fn len(&self) -> u64 {
        length(self.items.len())
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(crate) fn passed(&self) -> u64 {
        self.passed
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &QueueItem> {
        self.items.iter()
    }

    pub(crate) fn digest(&self) -> u64 {
        self.digest
    }

    pub(crate) fn recompute_digest(&self) -> u64 {
        let places = self.passed..;
        places.zip(self.iter()).fold(0, |digest, (place, item)| digest ^ element(place, item))
    }
}

fn element(place: u64, item: &QueueItem) -> u64 {
    let mixer = Mixer::new(Kind::Queued).word(place).word(u64::from(item.kind()));
    match item {
        QueueItem::Message(delivery) => delivery.mix(mixer).finish(),
    }
}
