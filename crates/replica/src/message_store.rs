//! The bytes of the messages that the replicated state refers to by handle: in memory, each once.
//!
//! A checkpoint needs all messages of one index while `apply` goes on. So the store is cut into shards that are shared
//! and copied when they are first changed afterwards: pinning it costs a count a shard, and a change then copies a
//! shard's handles, never a message.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

use bytes::Bytes;
use quartet_broker::{Message, MessageHandle};

/// Shards; a million messages make a thousand handles a shard, copied in microseconds.
const SHARDS: u64 = 1024;

type Shard = HashMap<u64, Arc<Message>, BuildHasherDefault<HandleHasher>>;

/// All stored messages. Changed only by `apply`.
#[derive(Clone)]
pub(crate) struct MessageStore {
    shards: Vec<Arc<Shard>>,
    count: u64,
    bytes: u64,
}

/// The messages of one index, however the store goes on.
pub(crate) type PinnedMessages = MessageStore;

impl Default for MessageStore {
    fn default() -> Self {
        let shards = (0..SHARDS).map(|_| Arc::default()).collect();
        Self { shards, count: 0, bytes: 0 }
    }
}

impl MessageStore {
    /// Keeps a copy of `message`: what it is a slice of (an entry of the log, a file) can be freed.
    pub(crate) fn store(&mut self, handle: MessageHandle, message: &Message) {
        let message = Arc::new(detached(message));
        self.bytes += size(&message);
        self.count += 1;
        if let Some(before) = self.shard(handle).insert(handle.0, message) {
            self.bytes -= size(&before);
            self.count -= 1;
        }
    }

    /// Lets go of a message; whoever still sends it keeps it until then.
    pub(crate) fn release(&mut self, handle: MessageHandle) {
        if let Some(message) = self.shard(handle).remove(&handle.0) {
            self.bytes -= size(&message);
            self.count -= 1;
        }
    }

    pub(crate) fn get(&self, handle: MessageHandle) -> Option<Arc<Message>> {
        self.shards[shard_of(handle)].get(&handle.0).cloned()
    }

    /// The store as it is now.
    pub(crate) fn pin(&self) -> PinnedMessages {
        self.clone()
    }

    /// All messages, in no order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (MessageHandle, &Arc<Message>)> {
        self.shards
            .iter()
            .flat_map(|shard| shard.iter().map(|(handle, message)| (MessageHandle(*handle), message)))
    }

    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// Payload and topic bytes.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    fn shard(&mut self, handle: MessageHandle) -> &mut Shard {
        Arc::make_mut(&mut self.shards[shard_of(handle)])
    }
}

fn shard_of(handle: MessageHandle) -> usize {
    (handle.0 % SHARDS) as usize
}

fn size(message: &Message) -> u64 {
    (message.payload.len() + message.topic.as_bytes().len() + message.properties.as_bytes().len()) as u64
}

/// A copy in buffers of its own.
pub(crate) fn detached(message: &Message) -> Message {
    Message {
        topic: message.topic.detach(),
        properties: message.properties.detach(),
        payload: Bytes::copy_from_slice(&message.payload),
        ..message.clone()
    }
}

/// Handles count up and are never chosen by clients, so they need no hashing: within a shard they are spread by the
/// division.
#[derive(Default)]
struct HandleHasher(u64);

impl Hasher for HandleHasher {
    fn finish(&self) -> u64 {
        // Fibonacci hashing: the table looks at the highest bits.
        self.0.wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, handle: u64) {
        self.0 = handle / SHARDS;
    }
}

#[cfg(test)]
mod tests {
    use quartet_packet::{PublishProperties, QoS, Topic};

    use super::*;

    fn message(payload: &'static str) -> Message {
        Message {
            topic: Topic::try_from("t").unwrap(),
            qos: QoS::AtLeastOnce,
            retain: false,
            message_expiry: None,
            properties: PublishProperties::default(),
            payload: Bytes::from_static(payload.as_bytes()),
        }
    }

    #[test]
    fn what_is_pinned_does_not_change() {
        let mut store = MessageStore::default();
        for handle in 1..=3000 {
            store.store(MessageHandle(handle), &message("one"));
        }
        let pinned = store.pin();
        store.release(MessageHandle(7));
        store.store(MessageHandle(3001), &message("other"));
        assert_eq!((pinned.count(), pinned.bytes()), (3000, 12_000));
        assert!(pinned.get(MessageHandle(7)).is_some());
        assert_eq!(pinned.iter().count(), 3000);
        assert_eq!((store.count(), store.bytes()), (3000, 12_002));
        assert!(store.get(MessageHandle(7)).is_none());
        assert_eq!(store.get(MessageHandle(3001)).unwrap().payload, "other");
    }
}
