//! What the core sends to one connection, until its task takes it.
//!
//! ```text
//!   apply, peers' and own QoS 0 ──► push, never waits ──► mailbox ──► take, when the socket has room ──► task
//! ```
//! Whatever is owed (QoS 1 and 2, answers, the end) fits by construction: the windows of both sides bound it
//! (invariant 13). Only QoS 0 can find the mailbox full; it is dropped there, the newest first, and counted.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;
use quartet_broker::{CloseReason, Message, Outgoing};
use quartet_connection::{Config, Connection, Stop};
use tokio::sync::Notify;

/// Most QoS 0 messages that wait for one connection. A few hundred milliseconds of a fast topic: whoever is further
/// behind does not catch up.
const QOS0_MESSAGES: usize = 1024;

/// Most bytes of their payloads. One message always fits.
const QOS0_BYTES: usize = 8 << 20;

/// Most PUBLISH packets of QoS 1 and 2 that one connection can be owed: the most that packet identifiers can name,
/// whatever the replicated settings and the client allow.
const WINDOW: usize = 65_535;

/// One thing for the connection.
#[derive(Debug)]
pub(crate) enum Letter {
    /// Write this.
    Packet {
        /// What.
        packet: Outgoing,
        /// With a PUBLISH: its content.
        message: Option<Arc<Message>>,
    },
    /// The core ends the connection.
    Close(CloseReason),
    /// The node ends the connection.
    Stop(Stop),
}

/// What became of a letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pushed {
    /// It will be read.
    Kept,
    /// QoS 0, and no place: dropped.
    Full,
    /// More than can be owed: a fault of this server. The connection ends; its session has everything.
    Overflowed,
}

/// Letters of one connection, in the order of the log.
#[derive(Debug)]
pub(crate) struct Mailbox {
    letters: Mutex<Letters>,
    arrived: Notify,
    /// Most letters that are not QoS 0.
    capacity: usize,
}

#[derive(Debug, Default)]
struct Letters {
    queue: VecDeque<Letter>,
    qos0: usize,
    qos0_bytes: usize,
    overflowed: bool,
}

impl Mailbox {
    /// For a connection with this configuration.
    pub(crate) fn new(config: &Config) -> Self {
        let capacity = WINDOW + Connection::answers(config);
        Self { letters: Mutex::default(), arrived: Notify::new(), capacity }
    }

    /// Adds a letter; never waits.
    pub(crate) fn push(&self, letter: Letter) -> Pushed {
        let mut letters = self.letters.lock();
        if letters.overflowed {
            return Pushed::Overflowed;
        }
        if let Some(bytes) = qos0_bytes(&letter) {
            let full = letters.qos0 >= QOS0_MESSAGES || letters.qos0_bytes + bytes > QOS0_BYTES;
            if full && letters.qos0 > 0 {
                return Pushed::Full;
            }
            letters.qos0 += 1;
            letters.qos0_bytes += bytes;
        } else if letters.queue.len() - letters.qos0 >= self.capacity {
            letters.overflowed = true;
            letters.queue.clear();
            letters.queue.push_back(Letter::Stop(Stop::SlowPeer));
            drop(letters);
            self.arrived.notify_one();
            return Pushed::Overflowed;
        }
        letters.queue.push_back(letter);
        let first = letters.queue.len() == 1;
        drop(letters);
        if first {
            self.arrived.notify_one();
        }
        Pushed::Kept
    }

    /// Takes all letters into `into`, which is empty.
    pub(crate) fn take(&self, into: &mut VecDeque<Letter>) {
        let mut letters = self.letters.lock();
        std::mem::swap(&mut letters.queue, into);
        letters.qos0 = 0;
        letters.qos0_bytes = 0;
    }

    /// Waits until there may be letters.
    pub(crate) async fn arrived(&self) {
        self.arrived.notified().await;
    }
}

/// The payload's size of a QoS 0 message; `None` for everything that must not be dropped.
fn qos0_bytes(letter: &Letter) -> Option<usize> {
    match letter {
        Letter::Packet { packet: Outgoing::Publish { packet_id: None, .. }, message } => {
            Some(message.as_ref().map_or(0, |message| message.payload.len()))
        }
        Letter::Packet { .. } | Letter::Close(_) | Letter::Stop(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use quartet_broker::MessageHandle;
    use quartet_packet::{PacketId, PublishProperties, QoS, ReasonCode, Topic};

    use super::*;

    fn qos0(size: usize) -> Letter {
        let message = Message {
            topic: Topic::try_from("t").expect("a topic"),
            qos: QoS::AtMostOnce,
            retain: false,
            message_expiry: None,
            properties: PublishProperties::default(),
            payload: vec![0; size].into(),
        };
        let packet = Outgoing::Publish {
            handle: MessageHandle(0),
            packet_id: None,
            qos: QoS::AtMostOnce,
            dup: false,
            retain: false,
            message_expiry: None,
            subscription_identifiers: Vec::new(),
        };
        Letter::Packet { packet, message: Some(Arc::new(message)) }
    }

    fn answer(id: u16) -> Letter {
        let id = PacketId::new(id).expect("not 0");
        Letter::Packet { packet: Outgoing::PubAck(id, ReasonCode::Success), message: None }
    }

    #[test]
    fn only_qos_0_finds_it_full() {
        let mailbox = Mailbox::new(&Config::default());
        for _ in 0..QOS0_MESSAGES {
            assert_eq!(mailbox.push(qos0(1)), Pushed::Kept);
        }
        assert_eq!(mailbox.push(qos0(1)), Pushed::Full);
        assert_eq!(mailbox.push(answer(1)), Pushed::Kept);
        assert_eq!(mailbox.push(Letter::Close(CloseReason::SessionTakenOver)), Pushed::Kept);
        let mut letters = VecDeque::new();
        mailbox.take(&mut letters);
        assert_eq!(letters.len(), QOS0_MESSAGES + 2);
        assert_eq!(mailbox.push(qos0(1)), Pushed::Kept, "taken letters make place");
    }

    #[test]
    fn qos_0_is_bounded_in_bytes() {
        let mailbox = Mailbox::new(&Config::default());
        assert_eq!(mailbox.push(qos0(QOS0_BYTES * 2)), Pushed::Kept, "one always fits");
        assert_eq!(mailbox.push(qos0(1)), Pushed::Full);
    }

    #[test]
    fn more_than_can_be_owed_ends_the_connection() {
        let mailbox = Mailbox::new(&Config::default());
        let mut kept = 0;
        while mailbox.push(answer(1)) == Pushed::Kept {
            kept += 1;
        }
        assert_eq!(kept, mailbox.capacity);
        let mut letters = VecDeque::new();
        mailbox.take(&mut letters);
        assert!(matches!(letters.make_contiguous(), [Letter::Stop(Stop::SlowPeer)]));
        assert_eq!(mailbox.push(answer(1)), Pushed::Overflowed);
    }
}
