//! One TCP connection between a client and a node, and the packets on it.
//!
//! Each direction is a queue that keeps its order. Either end may go first; what the other end then still reads, and
//! when it learns of the end, is what makes a connection half-open:
//!
//! ```text
//!  client ──up──►  node        client closes:  up may lose its tail; the node sees the end only after what
//!  client ◄─down── node                        arrived, or (silent) not before its keep alive runs out
//!                              node closes:    down may lose its tail; the client then sees the end
//! ```
//!
//! Packets are the meaning, not the bytes: those are the packet crate's own tests' business.

use std::collections::VecDeque;

use quartet_broker::NodeId;
use quartet_packet::QoS;

/// Names a TCP connection in a run; never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct LinkId(pub(crate) u64);

/// One message of the workload: its publisher and its place in what that publisher ever published.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct MessageId {
    /// Which client.
    pub(crate) publisher: u8,
    /// Counts from 1.
    pub(crate) sequence: u32,
}

/// A message as a publisher sends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Published {
    pub(crate) id: MessageId,
    /// Topic number: `t/0`, `t/1`, …
    pub(crate) topic: u8,
    pub(crate) qos: QoS,
    /// Message Expiry Interval in seconds.
    pub(crate) expiry: Option<u32>,
    /// Larger than some subscribers take.
    pub(crate) large: bool,
}

/// From a client.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Up {
    Connect { clean_start: bool, session_expiry: u32, receive_maximum: u16 },
    Publish { packet_id: u16, dup: bool, message: Published },
    PubAck(u16),
    PubRec(u16),
    PubRel(u16),
    PubComp(u16),
    Subscribe { packet_id: u16, filter: Filter, qos: QoS },
    Unsubscribe { packet_id: u16, filter: Filter },
    Disconnect,
}

/// To a client.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Down {
    ConnAck { session_present: bool },
    Publish { packet_id: Option<u16>, dup: bool, qos: QoS, message: MessageId },
    PubAck(u16, Refused),
    PubRec(u16, Refused),
    PubRel(u16),
    PubComp(u16),
    SubAck(u16),
    UnsubAck(u16),
}

/// Whether an acknowledgement carries a reason code of 0x80 or more.
pub(crate) type Refused = bool;

/// A topic filter of the workload: one topic, or all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Filter {
    /// `t/<n>`.
    One(u8),
    /// `t/#`.
    All,
}

impl Filter {
    /// Whether it takes this topic.
    pub(crate) fn matches(self, topic: u8) -> bool {
        match self {
            Self::One(own) => own == topic,
            Self::All => true,
        }
    }

    /// As text.
    pub(crate) fn text(self) -> String {
        match self {
            Self::One(topic) => format!("t/{topic}"),
            Self::All => "t/#".to_owned(),
        }
    }
}

/// One TCP connection.
#[derive(Clone, Debug)]
pub(crate) struct Link {
    pub(crate) id: LinkId,
    pub(crate) client: usize,
    pub(crate) node: NodeId,
    pub(crate) up: VecDeque<Up>,
    pub(crate) down: VecDeque<Down>,
    /// The client still holds it.
    pub(crate) client_open: bool,
    /// The node's system still holds it.
    pub(crate) node_open: bool,
    /// The client's end has reached the node's system, behind what is left in `up`.
    pub(crate) end_arrived: bool,
    /// The client sent more than CONNECT before it saw CONNACK.
    pub(crate) eager: bool,
    /// The node's connection for it, once it has read CONNECT.
    pub(crate) serial: Option<u64>,
}

/// All TCP connections, oldest first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Links {
    all: Vec<Link>,
    made: u64,
}

impl Links {
    /// A client connects to a node.
    pub(crate) fn open(&mut self, client: usize, node: NodeId) -> LinkId {
        self.made += 1;
        let id = LinkId(self.made);
        self.all.push(Link {
            id,
            client,
            node,
            up: VecDeque::new(),
            down: VecDeque::new(),
            client_open: true,
            node_open: true,
            end_arrived: false,
            eager: false,
            serial: None,
        });
        id
    }

    /// This one, unless both ends are gone.
    pub(crate) fn get(&mut self, id: LinkId) -> Option<&mut Link> {
        let at = self.all.binary_search_by_key(&id, |link| link.id).ok()?;
        self.all.get_mut(at)
    }

    /// All there are.
    pub(crate) fn all(&mut self) -> &mut Vec<Link> {
        &mut self.all
    }

    /// How many are open at a node that has begun to read them.
    pub(crate) fn open_at(&self, node: NodeId) -> usize {
        let open = |link: &&Link| link.node == node && link.node_open && link.serial.is_some();
        self.all.iter().filter(open).count()
    }

    /// How many.
    pub(crate) fn len(&self) -> usize {
        self.all.len()
    }

    /// Forgets those that nobody holds.
    pub(crate) fn sweep(&mut self) {
        self.all.retain(|link| link.client_open || link.node_open);
    }
}
