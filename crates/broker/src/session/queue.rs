//! What waits for a place in a session's window: the queue, in the order things were published.

use alloc::collections::VecDeque;
use alloc::sync::Arc;
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
    /// Topic, properties and payload, in bytes.
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

/// Items in one chunk: what the first change of a queue after a freeze copies at most, some twenty kilobytes.
const CHUNK: usize = 256;

/// A session's queue, with its counters. Bounded by `Settings::maximum_queued_messages` and `maximum_queued_bytes`.
///
/// It lies in shared chunks, none of them empty, so that a frozen session with a hundred thousand items shares all but
/// its two ends with the living one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Queue {
    /// Items that ever left: the place of the first item among all that ever came.
    passed: u64,
    chunks: VecDeque<Arc<VecDeque<QueueItem>>>,
    len: u64,
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
        self.digest ^= element(self.passed + self.len, &item);
        self.bytes += item.size();
        self.len += 1;
        match self.chunks.back_mut() {
            Some(chunk) if chunk.len() < CHUNK => Arc::make_mut(chunk).push_back(item),
            Some(_) | None => self.chunks.push_back(Arc::new(VecDeque::from([item]))),
        }
    }

    pub(crate) fn pop(&mut self) -> Option<QueueItem> {
        let chunk = Arc::make_mut(self.chunks.front_mut()?);
        let item = chunk.pop_front()?;
        if chunk.is_empty() {
            self.chunks.pop_front();
        }
        self.digest ^= element(self.passed, &item);
        self.bytes -= item.size();
        self.len -= 1;
        self.passed += 1;
        Some(item)
    }

    pub(crate) fn front(&self) -> Option<&QueueItem> {
        self.chunks.front()?.front()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(crate) fn passed(&self) -> u64 {
        self.passed
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &QueueItem> {
        self.chunks.iter().flat_map(|chunk| chunk.iter())
    }

    pub(crate) fn digest(&self) -> u64 {
        self.digest
    }

    pub(crate) fn recompute_digest(&self) -> u64 {
        let places = self.passed..;
        places.zip(self.iter()).fold(0, |digest, (place, item)| digest ^ element(place, item))
    }
}

/// Where the chunks are cut says nothing.
impl PartialEq for Queue {
    fn eq(&self, other: &Self) -> bool {
        self.passed == other.passed && self.len == other.len && self.iter().eq(other.iter())
    }
}

impl Eq for Queue {}

fn element(place: u64, item: &QueueItem) -> u64 {
    let mixer = Mixer::new(Kind::Queued).word(place).word(u64::from(item.kind()));
    match item {
        QueueItem::Message(delivery) => delivery.mix(mixer).finish(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(handle: u64) -> QueueItem {
        QueueItem::Message(Delivery {
            handle: MessageHandle(handle),
            qos: QoS::AtLeastOnce,
            retain: false,
            expires_at: None,
            size: 3,
            subscription_identifiers: Vec::new(),
        })
    }

    #[test]
    fn many_chunks_are_one_queue() {
        let mut queue = Queue::default();
        let mut handles = 0_u64..;
        let mut expected = 0_u64..;
        for round in 0..6 {
            for handle in handles.by_ref().take(300) {
                queue.push(item(handle));
            }
            let frozen = queue.clone();
            let popped = if round == 5 { 1550 } else { 50 };
            for handle in expected.by_ref().take(popped) {
                assert_eq!(queue.front(), Some(&item(handle)));
                assert_eq!(queue.pop(), Some(item(handle)));
            }
            assert_eq!(frozen.len(), queue.len() + length(popped), "a copy stays as it was");
            assert_eq!(queue.digest(), queue.recompute_digest());
            assert_eq!(queue.bytes(), queue.len() * 3);
            let rebuilt = Queue::restored(queue.passed(), queue.iter().cloned().collect());
            assert_eq!(rebuilt, queue, "cut elsewhere, and the same");
        }
        assert!(queue.is_empty() && queue.pop().is_none() && queue.chunks.is_empty());
    }

    #[test]
    fn the_interval_is_rounded_up_and_ends_on_time() {
        let QueueItem::Message(delivery) = item(1);
        let delivery = Delivery { expires_at: Some(Timestamp(10_000)), ..delivery };
        assert_eq!(delivery.remaining(Timestamp(0)), Some(10));
        assert_eq!(delivery.remaining(Timestamp(1)), Some(10));
        assert_eq!(delivery.remaining(Timestamp(9_999)), Some(1));
        assert_eq!(delivery.remaining(Timestamp(20_000)), Some(0));
        assert!(!delivery.expired(Timestamp(9_999)));
        assert!(delivery.expired(Timestamp(10_000)));
    }
}
