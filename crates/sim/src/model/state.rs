//! The model's state: the part of the log that some node has not applied, the nodes, the clients, and what faults are left.

use std::sync::Arc;

use quartet_broker::{
    Acknowledge, Broker, Command, Connect, ConnectionId, Disconnect, Effect, FilterRequest, LogIndex, NodeId,
    NodeUp, Origin, Principal, QueueItem, SessionSlot, Settings, Subscribe, Timestamp,
};
use quartet_broker::{Boot, Number};
use quartet_packet::{PacketId, QoS, SubscriptionOptions, TopicFilter, Utf8String, Version};

use crate::log::fresh_broker;
use crate::model::Handshakes;
use crate::model::client::{Publisher, Subscriber};
use crate::model::node::{Connection, Node, Stage};
use crate::sin::Sin;
use crate::snapshot::weaken;

/// How much may happen in one walk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Bounds {
    /// Messages, at most 15.
    pub messages: u8,
    /// How many the publisher has open at once, under identifiers 1 to this; with 1 every message has identifier 1.
    pub window: u8,
    /// QoS they are published at; the subscriber is granted QoS 2.
    pub qos: QoS,
    /// Connections that the publisher gives up.
    pub publisher_cuts: u8,
    /// Connections that the subscriber gives up.
    pub subscriber_cuts: u8,
    /// Restarts of nodes.
    pub restarts: u8,
    /// Declarations that a living node is down.
    pub downs: u8,
    /// Jumps of a node to the log's end.
    pub snapshots: u8,
    /// Whether the publisher may send packets behind its CONNECT.
    pub eager: bool,
    /// How often a sin may act where it could act for ever.
    pub repeats: u8,
}

/// What may still happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Left {
    pub(crate) publisher_cuts: u8,
    pub(crate) subscriber_cuts: u8,
    pub(crate) restarts: u8,
    pub(crate) downs: u8,
    pub(crate) snapshots: u8,
    pub(crate) repeats: u8,
}

/// What an entry asks.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Item {
    Numbered { origin: Origin, number: u64, command: Arc<Command> },
    Plain(Command),
}

/// An entry that some node has not applied yet, and what the broker said of it: the same on every node.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) item: Item,
    pub(crate) after: Arc<Broker>,
    pub(crate) effects: Arc<[Effect]>,
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.item == other.item
    }
}

impl Eq for Entry {}

impl core::hash::Hash for Entry {
    fn hash<H: core::hash::Hasher>(&self, state: &mut H) {
        self.item.hash(state);
    }
}

/// One command that a node has proposed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Proposed {
    pub(crate) origin: Origin,
    pub(crate) number: u64,
    pub(crate) command: Arc<Command>,
}

/// A state of the model.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    /// What every node has applied.
    pub(crate) base: Arc<Broker>,
    /// What follows in the log.
    pub(crate) entries: Vec<Entry>,
    pub(crate) nodes: [Node; 2],
    /// Everything ever proposed that may still change something.
    pub(crate) proposed: Vec<Proposed>,
    /// The message behind each handle, in the order of the handles.
    pub(crate) stored: Vec<u8>,
    pub(crate) publisher: Publisher,
    pub(crate) subscriber: Subscriber,
    pub(crate) left: Left,
    /// The core's own invariants held after every entry.
    pub(crate) sound: bool,
}

pub(crate) const PUBLISHER: &str = "publisher";
pub(crate) const SUBSCRIBER: &str = "subscriber";

/// The subscriber's session is the first that is made.
const SUBSCRIBERS_SLOT: SessionSlot = SessionSlot(0);

impl State {
    /// Both nodes are up, the subscriber is subscribed and connected to the second, the publisher was never there.
    pub(crate) fn first(bounds: Bounds, sin: Option<Sin>) -> Self {
        let settings = Settings { maximum_inflight: 2, ..Settings::default() };
        let mut base = fresh_broker(&settings);
        weaken(&mut base, sin);
        let origin = |node| Origin { node: NodeId(node), boot: Boot(1) };
        let home = ConnectionId { node: NodeId(2), boot: Boot(1), serial: 1 };
        let mut effects = Vec::new();
        for node in [1, 2] {
            base.begin_entry(LogIndex(base.index().0 + 1), Timestamp(0));
            base.apply(Command::NodeUp(NodeUp { origin: origin(node) }), &mut effects);
            base.end_entry(&mut effects);
        }
        let subscription = Subscribe {
            connection: home,
            session: SUBSCRIBERS_SLOT,
            packet_id: PacketId::MIN,
            subscription_identifier: None,
            filters: vec![FilterRequest::Admit(
                TopicFilter::from_utf8(text("t")).expect("t is a filter"),
                SubscriptionOptions::new(QoS::ExactlyOnce),
            )],
        };
        let commands =
            [Command::Connect(connect(home, base.index(), SUBSCRIBER)), Command::Subscribe(subscription)];
        for (number, command) in (1..).zip(commands) {
            base.begin_entry(LogIndex(base.index().0 + 1), Timestamp(0));
            base.admit(home.origin(), Number(number));
            base.apply(command, &mut effects);
            base.end_entry(&mut effects);
        }
        let mut nodes = [Node::new(1, 0), Node::new(2, 2)];
        nodes[1].serials = 1;
        nodes[1]
            .connections
            .push(Connection { stage: Stage::Open(SUBSCRIBERS_SLOT), ..Connection::new(1, false) });
        Self {
            base: Arc::new(base),
            entries: Vec::new(),
            nodes,
            proposed: Vec::new(),
            stored: Vec::new(),
            publisher: Publisher::default(),
            subscriber: Subscriber::connected_to(1, 1),
            left: Left {
                publisher_cuts: bounds.publisher_cuts,
                subscriber_cuts: bounds.subscriber_cuts,
                restarts: bounds.restarts,
                downs: bounds.downs,
                snapshots: bounds.snapshots,
                repeats: bounds.repeats,
            },
            sound: true,
        }
    }

    /// The state after the last entry.
    pub(crate) fn tip(&self) -> &Arc<Broker> {
        self.entries.last().map_or(&self.base, |entry| &entry.after)
    }

    /// The state that a node has reached.
    pub(crate) fn broker_of(&self, node: usize) -> &Arc<Broker> {
        match self.nodes[node].applied.checked_sub(1) {
            Some(last) => &self.entries[last].after,
            None => &self.base,
        }
    }

    /// A message came to the subscriber's application twice.
    pub(crate) fn is_doubled(&self, model: &Handshakes) -> bool {
        let delivered = &self.subscriber.delivered;
        model.bounds.qos == QoS::ExactlyOnce
            && (1..delivered.len()).any(|at| delivered[..at].contains(&delivered[at]))
    }

    /// First deliveries come in the order of publishing.
    pub(crate) fn is_ordered(&self) -> bool {
        let mut newest = 0;
        for (at, message) in self.subscriber.delivered.iter().enumerate() {
            let new = !self.subscriber.delivered[..at].contains(message);
            if new && *message < newest {
                return false;
            }
            newest = newest.max(*message);
        }
        true
    }

    /// A message that its publisher was told of is neither delivered, nor owed to the subscriber's session, nor on its
    /// way from a connection that could still bring it.
    pub(crate) fn is_lost(&self, model: &Handshakes) -> bool {
        let missing = |message: &u8| {
            self.publisher.has_acknowledged(*message) && !self.subscriber.delivered.contains(message)
        };
        let missing: Vec<u8> = (1..=model.bounds.messages).filter(missing).collect();
        if missing.is_empty() {
            return false;
        }
        let frozen = self.tip().freeze();
        let Some(session) = frozen.sessions().find(|session| session.client_id == SUBSCRIBER) else {
            return true;
        };
        let inflight = session.inflight.iter().filter_map(|(_, message)| message.step.delivery());
        let queued = session.queue.iter().map(|item| match item {
            QueueItem::Message(delivery) => delivery,
        });
        let owed: Vec<u8> =
            inflight.chain(queued).filter_map(|delivery| self.message(delivery.handle)).collect();
        missing.iter().any(|message| !owed.contains(message) && !self.may_still_come(*message))
    }

    fn may_still_come(&self, message: u8) -> bool {
        let owner = self.tip().session(PUBLISHER).and_then(|session| session.connection);
        self.proposed.iter().any(|proposed| match &*proposed.command {
            Command::Publish(publish) => {
                publish.message.payload.first() == Some(&message)
                    && Some(publish.connection) == owner
                    && self.tip().cursor(proposed.origin).is_some_and(|cursor| cursor.0 < proposed.number)
            }
            Command::Connect(_)
            | Command::Disconnect(_)
            | Command::Acknowledge(_)
            | Command::Subscribe(_)
            | Command::Unsubscribe(_)
            | Command::NodeUp(_)
            | Command::NodeDown(_)
            | Command::AdvanceTime(_)
            | Command::Configure(_)
            | Command::Upgrade(_)
            | Command::VoteDigest(_) => false,
        })
    }

    /// Everything is published and delivered.
    pub(crate) fn is_finished(&self, model: &Handshakes) -> bool {
        let all = model.bounds.messages;
        self.publisher.is_done(&model.bounds)
            && (1..=all).all(|message| self.subscriber.delivered.contains(&message))
    }

    /// Nothing but faults can happen any more, and something is not finished.
    pub(crate) fn is_stuck(&self, model: &Handshakes) -> bool {
        if self.is_finished(model) {
            return false;
        }
        let mut steps = Vec::new();
        self.steps(model, &mut steps);
        steps.into_iter().all(|step| self.after(model, step).is_none())
    }

    /// The message that a handle names.
    pub(crate) fn message(&self, handle: quartet_broker::MessageHandle) -> Option<u8> {
        let at = usize::try_from(handle.0).ok()?.checked_sub(1)?;
        self.stored.get(at).copied()
    }
}

/// A CONNECT for a lasting session.
pub(crate) fn connect(connection: ConnectionId, read_at: LogIndex, client: &str) -> Connect {
    Connect {
        connection,
        read_at,
        client_id: text(client),
        principal: Principal(Utf8String::default()),
        version: Version::V5,
        clean_start: false,
        session_expiry: u32::MAX,
        receive_maximum: 2,
    }
}

/// A lost connection's end.
pub(crate) fn disconnect(connection: ConnectionId, session: SessionSlot) -> Command {
    Command::Disconnect(Disconnect { connection, session, session_expiry: None, will_due: false })
}

/// Acknowledgements as a command.
pub(crate) fn acknowledge(
    connection: ConnectionId,
    session: SessionSlot,
    acks: Vec<quartet_broker::Ack>,
) -> Command {
    Command::Acknowledge(Acknowledge { connection, session, acks })
}

pub(crate) fn text(text: &str) -> Utf8String {
    Utf8String::try_from(text).expect("the model's names are strings of MQTT")
}
