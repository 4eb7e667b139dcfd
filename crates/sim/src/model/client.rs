//! The model's two clients: one message at a time out, any number in.

use crate::model::node::Up;

/// Where a client's connection is: the node's place and the serial there.
pub(crate) type Link = Option<(usize, u64)>;

/// Where the publisher is with the message `done + 1`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) enum Step {
    /// Not yet sent.
    #[default]
    Idle,
    /// PUBLISH sent, perhaps.
    Published,
    /// PUBREC seen.
    Received,
}

/// The publisher.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Publisher {
    /// Messages whose handshake is over.
    pub(crate) done: u8,
    /// Messages that the broker said it has.
    pub(crate) acknowledged: u8,
    pub(crate) step: Step,
    pub(crate) link: Link,
    /// The packets behind CONNECT were sent with it.
    pub(crate) eager: bool,
}

impl Publisher {
    /// What it sends next, if anything: the open handshake again, or the next message.
    pub(crate) fn next(&mut self, messages: u8) -> Option<Up> {
        match self.step {
            Step::Idle if self.done < messages => {
                self.step = Step::Published;
                Some(Up::Publish(self.done + 1))
            }
            Step::Idle => None,
            Step::Published => Some(Up::Publish(self.done + 1)),
            Step::Received => Some(Up::PubRel),
        }
    }

    /// PUBACK.
    pub(crate) fn pub_ack(&mut self, messages: u8) -> Option<Up> {
        if self.step != Step::Published {
            return None;
        }
        self.acknowledged = self.done + 1;
        self.finish(messages)
    }

    /// PUBREC.
    pub(crate) fn pub_rec(&mut self) -> Option<Up> {
        match self.step {
            Step::Idle => None,
            Step::Published | Step::Received => {
                self.acknowledged = self.done + 1;
                self.step = Step::Received;
                Some(Up::PubRel)
            }
        }
    }

    /// PUBCOMP: the identifier is free, and used again at once.
    pub(crate) fn pub_comp(&mut self, messages: u8) -> Option<Up> {
        if self.step != Step::Received {
            return None;
        }
        self.finish(messages)
    }

    fn finish(&mut self, messages: u8) -> Option<Up> {
        self.done += 1;
        self.step = Step::Idle;
        self.next(messages)
    }
}

/// The subscriber.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Subscriber {
    /// Identifiers held until PUBREL, and whose.
    pub(crate) held: Vec<(u16, u8)>,
    /// What the application was given, in order.
    pub(crate) delivered: Vec<u8>,
    pub(crate) link: Link,
}

impl Subscriber {
    /// One that is there already.
    pub(crate) fn connected_to(node: usize, serial: u64) -> Self {
        Self { held: Vec::new(), delivered: Vec::new(), link: Some((node, serial)) }
    }

    /// PUBLISH at QoS 2: the receiver drops it while it holds the identifier.
    pub(crate) fn publish(&mut self, id: u16, message: u8) -> Up {
        if self.held.iter().all(|(held, _)| *held != id) {
            self.held.push((id, message));
            self.held.sort_unstable();
            self.delivered.push(message);
        }
        Up::PubRec(id)
    }

    /// PUBLISH at QoS 1.
    pub(crate) fn publish_at_least_once(&mut self, id: u16, message: u8) -> Up {
        // Repeats are allowed, and only the first is told apart: else the state would grow for ever.
        if !self.delivered.contains(&message) {
            self.delivered.push(message);
        }
        Up::PubAck(id)
    }

    /// PUBREL.
    pub(crate) fn pub_rel(&mut self, id: u16) -> Up {
        self.held.retain(|(held, _)| *held != id);
        Up::PubComp(id)
    }
}
