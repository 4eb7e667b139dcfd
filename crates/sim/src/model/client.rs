//! The model's two clients: one sends, in a small window, and one receives.

use crate::model::Bounds;
use crate::model::node::Up;

/// Where a client's connection is: the node's place and the serial there.
pub(crate) type Link = Option<(usize, u64)>;

/// One message whose handshake is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Open {
    id: u16,
    message: u8,
    /// PUBREC was seen.
    received: bool,
}

/// The publisher.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Publisher {
    /// Messages begun.
    made: u8,
    /// In their order.
    open: Vec<Open>,
    /// Messages that the broker said it has, one bit each.
    acknowledged: u16,
    pub(crate) link: Link,
    /// The packets behind CONNECT were sent with it.
    pub(crate) eager: bool,
}

impl Publisher {
    /// What a connection begins with: what is open again, in its order, then what is new.
    pub(crate) fn begin(&mut self, bounds: &Bounds) -> Vec<Up> {
        let again = |open: &Open| match open.received {
            true => Up::PubRel(open.id),
            false => Up::Publish(open.id, open.message),
        };
        let mut packets: Vec<Up> = self.open.iter().map(again).collect();
        packets.extend(self.publish(bounds));
        packets
    }

    /// New messages, as far as there are free identifiers and messages left: each under the lowest free identifier.
    fn publish(&mut self, bounds: &Bounds) -> Vec<Up> {
        let mut packets = Vec::new();
        while self.made < bounds.messages && self.open.len() < usize::from(bounds.window) {
            self.made += 1;
            let message = self.made;
            let free = |id: &u16| self.open.iter().all(|open| open.id != *id);
            let id = (1..=u16::from(bounds.window)).find(free).unwrap_or(1);
            self.open.push(Open { id, message, received: false });
            packets.push(Up::Publish(id, message));
        }
        packets
    }

    /// Whether this message is acknowledged.
    pub(crate) fn has_acknowledged(&self, message: u8) -> bool {
        self.acknowledged & (1 << message) != 0
    }

    /// Whether nothing is left to do.
    pub(crate) fn is_done(&self, bounds: &Bounds) -> bool {
        self.made == bounds.messages && self.open.is_empty()
    }

    /// PUBACK: the identifier is free, and used again at once.
    pub(crate) fn pub_ack(&mut self, id: u16, bounds: &Bounds) -> Vec<Up> {
        self.finish(id, false, bounds)
    }

    /// PUBREC.
    pub(crate) fn pub_rec(&mut self, id: u16) -> Vec<Up> {
        let Some(open) = self.open.iter_mut().find(|open| open.id == id) else { return Vec::new() };
        open.received = true;
        self.acknowledged |= 1 << open.message;
        vec![Up::PubRel(id)]
    }

    /// PUBCOMP: the identifier is free, and used again at once.
    pub(crate) fn pub_comp(&mut self, id: u16, bounds: &Bounds) -> Vec<Up> {
        self.finish(id, true, bounds)
    }

    fn finish(&mut self, id: u16, received: bool, bounds: &Bounds) -> Vec<Up> {
        let Some(at) = self.open.iter().position(|open| open.id == id && open.received == received) else {
            return Vec::new();
        };
        let open = self.open.remove(at);
        self.acknowledged |= 1 << open.message;
        self.publish(bounds)
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
