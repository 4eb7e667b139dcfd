//! Two copies of the state, and all that follows their effects.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use proptest::prelude::*;
use quartet_broker::{
    Ack, AckKind, Acknowledge, AdvanceTime, Boot, Broker, Command, Configure, Connect, ConnectionId,
    Disconnect, Effect, FilterRequest, LogIndex, Merged, Message, MessageHandle, NodeDown, NodeId, NodeUp,
    Origin, Outgoing, Principal, Publish, Routes, SessionSlot, Settings, Subscribe, Timestamp, Unsubscribe,
    Verdict, VoteDigest, invariants,
};
use quartet_packet::{
    PacketId, PublishProperties, QoS, ReasonCode, SubscriptionOptions, Topic, TopicFilter, Utf8String,
    Version,
};

use crate::steps::Step;

type Outcome = Result<(), TestCaseError>;

const TOPICS: [&str; 4] = ["a", "a/b", "b", "$a/b"];
const FILTERS: [&str; 6] = ["a", "a/b", "a/#", "+/b", "#", "$share/g/a"];
const CLIENTS: [&str; 4] = ["c1", "c2", "c3", "c4"];

pub(crate) struct World {
    one: Broker,
    other: Broker,
    index: u64,
    time: u64,
    serial: u64,
    /// Every connection that ever got a CONNACK, and its slot.
    known: Vec<(ConnectionId, SessionSlot)>,
    /// Sent to each connection and not answered yet, in order.
    unanswered: BTreeMap<ConnectionId, Vec<Ack>>,
    closed: BTreeSet<ConnectionId>,
    store: BTreeSet<MessageHandle>,
    routes: Routes,
}

impl World {
    pub(crate) fn new(work_per_entry: u32) -> Self {
        let settings = Settings {
            maximum_inflight: 3,
            maximum_queued_messages: 5,
            maximum_queued_bytes: 40,
            maximum_session_expiry: 4_000_000_000,
            maximum_sessions: 3,
            maximum_subscriptions: 4,
            work_per_entry,
            remembered_ends: 2,
        };
        let one = Broker::new(42, settings);
        let mut world = Self {
            other: one.clone(),
            routes: one.routes(),
            one,
            index: 0,
            time: 1_000_000,
            serial: 0,
            known: Vec::new(),
            unanswered: BTreeMap::new(),
            closed: BTreeSet::new(),
            store: BTreeSet::new(),
        };
        for node in 1..4 {
            let up = Step::NodeUp { node, boot: 1 };
            world.entry(&[up]).expect("a new node");
        }
        world
    }

    /// Applies the steps as one entry, on both copies, and looks at everything.
    pub(crate) fn entry(&mut self, steps: &[Step]) -> Outcome {
        let before = self.one.clone();
        self.index += 1;
        for step in steps {
            if let Step::Wait { milliseconds } = step {
                self.time += milliseconds;
            }
        }
        let (index, time) = (LogIndex(self.index), Timestamp(self.time));
        self.one.begin_entry(index, time);
        self.other.begin_entry(index, time);
        for step in steps {
            self.step(step)?;
        }
        let (mut effects, mut again) = (Vec::new(), Vec::new());
        self.one.end_entry(&mut effects);
        self.other.end_entry(&mut again);
        prop_assert_eq!(&effects, &again);
        self.perform(&effects)?;
        self.look(&before)
    }

    /// Lets the left-over work come to its end, which it must, and every session expire that can.
    pub(crate) fn drain(&mut self) -> Outcome {
        self.time += 10_000;
        for _ in 0..2_000 {
            self.entry(&[Step::Wait { milliseconds: 0 }])?;
            if !self.one.has_work() {
                return Ok(());
            }
        }
        prop_assert!(false, "left-over work never ends");
        Ok(())
    }

    fn step(&mut self, step: &Step) -> Outcome {
        if let Step::Thaw = step {
            return self.thaw();
        }
        if let Step::Poisoned { whose } = step {
            let connection = self.whose(*whose).map(|(connection, _)| connection);
            let (mut effects, mut again) = (Vec::new(), Vec::new());
            self.one.poisoned(connection, &mut effects);
            self.other.poisoned(connection, &mut again);
            prop_assert_eq!(&effects, &again);
            return self.perform(&effects);
        }
        let Some(command) = self.command(step) else {
            return Ok(());
        };
        let (mut effects, mut again) = (Vec::new(), Vec::new());
        self.one.apply(command.clone(), &mut effects);
        self.other.apply(command, &mut again);
        prop_assert_eq!(&effects, &again);
        self.perform(&effects)
    }

    fn thaw(&mut self) -> Outcome {
        let parts = self.other.freeze().parts();
        let thawed = Broker::thaw(parts.clone()).expect("what was frozen");
        prop_assert_eq!(&thawed, &self.other);
        prop_assert_eq!(thawed.freeze().parts(), parts);
        // Within an entry a thawed copy lacks what the entry has used up of its spare work: only between entries are
        // states frozen. So the copy is taken into use at once, but only where nothing was used up.
        if self.one.has_work() {
            return Ok(());
        }
        self.other = thawed;
        self.other.begin_entry(LogIndex(self.index), Timestamp(self.time));
        self.one.begin_entry(LogIndex(self.index), Timestamp(self.time));
        Ok(())
    }

    fn whose(&self, whose: usize) -> Option<(ConnectionId, SessionSlot)> {
        let latest = self.known.len().saturating_sub(12);
        let recent = &self.known[latest..];
        (!recent.is_empty()).then(|| recent[whose % recent.len()])
    }

    fn command(&mut self, step: &Step) -> Option<Command> {
        Some(match step {
            Step::NodeUp { node, boot } => Command::NodeUp(NodeUp { origin: origin(*node, *boot) }),
            Step::NodeDown { node, boot } => Command::NodeDown(NodeDown { origin: origin(*node, *boot) }),
            Step::Connect { node, client, clean, expiry, receive_maximum, late, principal } => {
                let (boot, _) = self.one.highest_boot(NodeId(*node))?;
                self.serial += 1;
                let connection = ConnectionId { node: NodeId(*node), boot, serial: self.serial };
                Command::Connect(Connect {
                    connection,
                    read_at: LogIndex((self.index - 1).saturating_sub(*late)),
                    client_id: text(CLIENTS[*client]),
                    principal: Principal(text(if *principal { "other" } else { "" })),
                    version: Version::V5,
                    clean_start: *clean,
                    session_expiry: *expiry,
                    receive_maximum: *receive_maximum,
                })
            }
            Step::Disconnect { whose, expiry } => {
                let (connection, session) = self.whose(*whose)?;
                let session_expiry = *expiry;
                Command::Disconnect(Disconnect { connection, session, session_expiry, will_due: false })
            }
            Step::Publish { whose, topic, qos, id, expiry, refuse, retain } => {
                let (connection, session) = self.whose(*whose)?;
                Command::Publish(Publish {
                    connection,
                    session,
                    packet_id: PacketId::new(*id)?,
                    message: Message {
                        topic: Topic::try_from(TOPICS[*topic]).expect("a topic"),
                        qos: QoS::from_u8(*qos)?,
                        retain: *retain,
                        message_expiry: *expiry,
                        properties: PublishProperties::default(),
                        payload: Bytes::from_static(b"payload"),
                    },
                    verdict: if *refuse {
                        Verdict::Refuse(ReasonCode::NotAuthorized)
                    } else {
                        Verdict::Admit
                    },
                })
            }
            Step::Answer { whose, most, refuse } => {
                let (connection, session) = self.whose(*whose)?;
                let unanswered = self.unanswered.get_mut(&connection)?;
                let most = (*most).min(unanswered.len());
                let mut acks: Vec<Ack> = unanswered.drain(..most).collect();
                for ack in &mut acks {
                    if *refuse && ack.kind != AckKind::PubComp {
                        ack.reason = ReasonCode::UnspecifiedError;
                    }
                }
                Command::Acknowledge(Acknowledge { connection, session, acks })
            }
            Step::Acknowledge { whose, kind, id } => {
                let (connection, session) = self.whose(*whose)?;
                let kind = match kind {
                    0 => AckKind::PubAck,
                    1 => AckKind::PubRec,
                    2 => AckKind::PubRel,
                    3 => AckKind::PubComp,
                    _ => AckKind::Discard,
                };
                Command::Acknowledge(Acknowledge {
                    connection,
                    session,
                    acks: vec![ack(kind, PacketId::new(*id)?)],
                })
            }
            Step::Subscribe { whose, filters, identifier } => {
                let (connection, session) = self.whose(*whose)?;
                let request = |(filter, qos, no_local): &(usize, u8, bool)| {
                    let options = SubscriptionOptions {
                        qos: QoS::from_u8(*qos).expect("0 to 2"),
                        no_local: *no_local,
                        retain_as_published: *qos == 1,
                        ..SubscriptionOptions::default()
                    };
                    FilterRequest::Admit(TopicFilter::try_from(FILTERS[*filter]).expect("a filter"), options)
                };
                Command::Subscribe(Subscribe {
                    connection,
                    session,
                    packet_id: PacketId::MIN,
                    subscription_identifier: core::num::NonZeroU32::new(*identifier),
                    filters: filters.iter().map(request).collect(),
                })
            }
            Step::Unsubscribe { whose, filter } => {
                let (connection, session) = self.whose(*whose)?;
                let filters = vec![text(FILTERS[*filter])];
                Command::Unsubscribe(Unsubscribe { connection, session, packet_id: PacketId::MIN, filters })
            }
            Step::Wait { .. } => Command::AdvanceTime(AdvanceTime),
            Step::Configure { queue, inflight } => Command::Configure(Configure {
                settings: Settings {
                    maximum_queued_messages: *queue,
                    maximum_inflight: *inflight,
                    ..self.one.settings().clone()
                },
            }),
            Step::Vote { node, back, digest } => Command::VoteDigest(VoteDigest {
                node: NodeId(*node),
                index: LogIndex(self.index.saturating_sub(*back)),
                digest: *digest,
            }),
            Step::Poisoned { .. } | Step::Thaw => return None,
        })
    }

    /// Does what nodes would do with the effects, and complains of what they could not.
    fn perform(&mut self, effects: &[Effect]) -> Outcome {
        for effect in effects {
            match effect {
                Effect::Send { to, packet } => {
                    prop_assert!(!self.closed.contains(to), "{:?} to the closed {:?}", packet, to);
                    self.receive(*to, packet)?;
                }
                Effect::Close { connection, .. } => {
                    self.closed.insert(*connection);
                }
                Effect::Store { handle, .. } => {
                    prop_assert!(self.store.insert(*handle), "{:?} stored twice", handle);
                }
                Effect::Release { handle } => {
                    prop_assert!(self.store.remove(handle), "{:?} released, not stored", handle);
                }
                Effect::Route(change) => self.routes.apply(change),
                Effect::BootEnded(origin) => {
                    let ended = self.known.iter().map(|(connection, _)| *connection);
                    self.closed.extend(ended.filter(|connection| connection.origin() == *origin));
                }
            }
        }
        Ok(())
    }

    fn receive(&mut self, to: ConnectionId, packet: &Outgoing) -> Outcome {
        let unanswered = self.unanswered.entry(to).or_default();
        match packet {
            Outgoing::ConnAck { session, .. } => self.known.push((to, *session)),
            Outgoing::Publish { handle, packet_id, qos, .. } => {
                prop_assert!(self.store.contains(handle), "{:?} is not in the store", handle);
                match (qos, packet_id) {
                    (QoS::AtMostOnce, None) => {}
                    (QoS::AtLeastOnce, Some(id)) => unanswered.push(ack(AckKind::PubAck, *id)),
                    (QoS::ExactlyOnce, Some(id)) => unanswered.push(ack(AckKind::PubRec, *id)),
                    _ => prop_assert!(false, "{:?}", packet),
                }
            }
            Outgoing::PubRec(id, reason) if !reason.is_error() => unanswered.push(ack(AckKind::PubRel, *id)),
            Outgoing::PubRel(id, _) => unanswered.push(ack(AckKind::PubComp, *id)),
            _ => {}
        }
        Ok(())
    }

    fn look(&mut self, before: &Broker) -> Outcome {
        prop_assert_eq!(&self.one, &self.other);
        prop_assert_eq!(self.one.digest(), self.other.digest());
        let fails = |violation: invariants::Violation| TestCaseError::fail(violation.to_string());
        invariants::check_all(&self.one).map_err(fails)?;
        invariants::boots_and_cursors_never_go_back::check(before, &self.one).map_err(fails)?;
        prop_assert_eq!(self.one.statistics().messages, self.store.len() as u64, "stored messages");
        let fresh = self.one.routes();
        for topic in TOPICS {
            let topic = Topic::try_from(topic).expect("a topic");
            prop_assert_eq!(routed(&self.routes, &topic, &self.one), routed(&fresh, &topic, &self.one));
        }
        Ok(())
    }
}

/// Who is due a message, of those whose boot lives: a published copy learns of an ended boot step by step.
fn routed(routes: &Routes, topic: &Topic, broker: &Broker) -> Vec<(SessionSlot, Merged, ConnectionId)> {
    let mut found = Vec::new();
    routes.route(topic, Some(SessionSlot(0)), |slot, merged, connection| {
        if broker.highest_boot(connection.node) == Some((connection.boot, true)) {
            found.push((slot, merged, connection));
        }
    });
    found
}

fn ack(kind: AckKind, packet_id: PacketId) -> Ack {
    Ack { kind, packet_id, reason: ReasonCode::Success }
}

fn origin(node: u64, boot: u64) -> Origin {
    Origin { node: NodeId(node), boot: Boot(boot) }
}

fn text(text: &str) -> Utf8String {
    Utf8String::try_from(text).expect("plain text")
}
