//! One client: a publisher, a subscriber or both, on at most one connection that it believes in.
//!
//! It keeps its session state as the standard asks (MQTT 5.0 §4.1) and hops between nodes. Old connections that it has
//! given up may live on at a node: they are [links](crate::link) without a client's end.

use std::collections::{BTreeMap, VecDeque};

use quartet_packet::QoS;

use crate::history::{Asked, History};
use crate::link::{Down, Filter, Link, LinkId, Published, Up};
use crate::options::Plan;
use crate::publisher::Publisher;
use crate::seed::Random;
use crate::subscriber::Subscriber;
use crate::violation::Violation;

/// Identifiers of SUBSCRIBE and UNSUBSCRIBE: apart from those of PUBLISH.
const FIRST_SUBSCRIBE_ID: u16 = 100;

/// A client.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    pub(crate) index: usize,
    pub(crate) plan: Plan,
    pub(crate) link: Option<LinkId>,
    /// CONNACK was seen on this connection.
    pub(crate) connected: bool,
    /// A CONNACK was ever seen, so the broker has a session.
    known: bool,
    /// The CONNECT of this connection asked for a new session.
    clean: bool,
    pub(crate) publisher: Publisher,
    pub(crate) subscriber: Subscriber,
    /// What it will write, in order.
    to_write: VecDeque<Up>,
    /// Subscriptions not answered yet, by packet identifier.
    asking: BTreeMap<u16, (Filter, QoS, bool)>,
    /// What it wants to be subscribed to.
    wanted: BTreeMap<Filter, QoS>,
    next_ask: u16,
}

impl Client {
    /// A client that has never connected.
    pub(crate) fn new(index: usize, plan: Plan) -> Self {
        let wanted = plan.filters.iter().copied().collect();
        Self {
            index,
            plan,
            link: None,
            connected: false,
            known: false,
            clean: false,
            publisher: Publisher::default(),
            subscriber: Subscriber::default(),
            to_write: VecDeque::new(),
            asking: BTreeMap::new(),
            wanted,
            next_ask: FIRST_SUBSCRIBE_ID,
        }
    }

    /// Begins a connection: CONNECT, and if it is eager what it would send after CONNACK too.
    pub(crate) fn connect(&mut self, link: &mut Link, random: &mut Random, step: u64, history: &mut History) {
        self.link = Some(link.id);
        self.connected = false;
        // Once it wants a new session it asks until it is told that it has one: else identifiers of the old one, which
        // it has thrown away, would stay held.
        self.clean |= random.chance(self.plan.clean_start);
        self.subscriber.connected();
        self.to_write.clear();
        link.up.push_back(Up::Connect {
            clean_start: self.clean,
            session_expiry: self.plan.session_expiry,
            receive_maximum: self.plan.receive_maximum,
        });
        // A client that may find its session gone must not send the old handshakes before it knows.
        link.eager = self.plan.lasting() && random.chance(self.plan.eager);
        if link.eager {
            self.resume(step, history);
        }
    }

    /// What a connection begins with: open handshakes, then subscriptions that were never answered.
    fn resume(&mut self, step: u64, history: &mut History) {
        self.to_write.extend(self.publisher.again());
        let unanswered: Vec<_> = core::mem::take(&mut self.asking).into_values().collect();
        for (filter, qos, subscribe) in unanswered {
            self.ask(filter, qos, subscribe, step, history);
        }
    }

    fn ask(&mut self, filter: Filter, qos: QoS, subscribe: bool, step: u64, history: &mut History) {
        let packet_id = self.next_ask;
        self.next_ask = if packet_id == u16::MAX { FIRST_SUBSCRIBE_ID } else { packet_id + 1 };
        self.asking.insert(packet_id, (filter, qos, subscribe));
        let (packet, asked) = match subscribe {
            true => (Up::Subscribe { packet_id, filter, qos }, Asked::Subscribe),
            false => (Up::Unsubscribe { packet_id, filter }, Asked::Unsubscribe),
        };
        history.asked(step, self.index, filter, asked);
        self.to_write.push_back(packet);
    }

    /// Subscribes to one of its filters, or gives one up, if none of its requests is open.
    pub(crate) fn change_subscription(
        &mut self,
        random: &mut Random,
        step: u64,
        history: &mut History,
    ) -> bool {
        if !self.connected || !self.asking.is_empty() {
            return false;
        }
        let Some((filter, qos)) = random.pick(&self.plan.filters).copied() else { return false };
        let subscribe = self.wanted.remove(&filter).is_none();
        if subscribe {
            self.wanted.insert(filter, qos);
        }
        self.ask(filter, qos, subscribe, step, history);
        true
    }

    /// Whether it has nothing left to do but receive.
    pub(crate) fn is_idle(&self) -> bool {
        self.connected
            && self.to_write.is_empty()
            && self.asking.is_empty()
            && self.publisher.is_idle()
            // What it holds of a session that expired unnoticed, nobody will release.
            && (self.subscriber.is_idle() || self.plan.session_expiry != u32::MAX)
    }

    /// Publishes one message, if a packet identifier is free.
    pub(crate) fn publish(
        &mut self,
        random: &mut Random,
        step: u64,
        history: &mut History,
        message: impl FnOnce(u32) -> Published,
    ) -> bool {
        let Some((message, packet)) = self.publisher.publish(random, self.plan.packet_ids, message) else {
            return false;
        };
        history.made(step, message);
        self.to_write.push_back(packet);
        true
    }

    /// Writes its next packet, if it may before CONNACK.
    pub(crate) fn write(&mut self, link: &mut Link) -> bool {
        if !self.connected && !link.eager {
            return false;
        }
        let Some(packet) = self.to_write.pop_front() else { return false };
        match packet {
            Up::PubAck(id) | Up::PubComp(id) => self.subscriber.acknowledged(id),
            Up::Connect { .. }
            | Up::Publish { .. }
            | Up::PubRec(_)
            | Up::PubRel(_)
            | Up::Subscribe { .. }
            | Up::Unsubscribe { .. }
            | Up::Disconnect => {}
        }
        link.up.push_back(packet);
        true
    }

    /// Whether it may still write on this connection.
    pub(crate) fn has_to_write(&self) -> bool {
        !self.to_write.is_empty()
    }

    /// Whether its CONNECT has Clean Start.
    pub(crate) fn wants_new_session(&self) -> bool {
        self.clean
    }

    /// Its connection is over.
    pub(crate) fn offline(&mut self) {
        self.link = None;
        self.connected = false;
        self.to_write.clear();
    }

    fn session_gone(&mut self) {
        self.publisher.forget();
        self.subscriber.forget();
        self.asking.clear();
        self.known = false;
    }

    /// Reads one packet.
    pub(crate) fn receive(
        &mut self,
        packet: Down,
        eager: bool,
        step: u64,
        history: &mut History,
    ) -> Result<(), Violation> {
        match packet {
            Down::ConnAck { session_present } => self.conn_ack(session_present, eager, step, history)?,
            Down::Publish { packet_id, qos, message, .. } => {
                let received = self.subscriber.publish(packet_id, qos, message, &self.plan)?;
                if received.new {
                    history.delivered(step, self.index, message, qos);
                }
                self.to_write.extend(received.answer);
            }
            Down::PubAck(id, refused) => {
                if let Some(message) = self.publisher.pub_ack(id) {
                    history.answered(step, message, refused);
                }
            }
            Down::PubRec(id, refused) => {
                if let Some((message, answer)) = self.publisher.pub_rec(id, refused) {
                    history.answered(step, message, refused);
                    self.to_write.extend(answer);
                }
            }
            Down::PubRel(id) => {
                let answer = self.subscriber.pub_rel(id);
                self.to_write.push_back(answer);
            }
            Down::PubComp(id) => {
                self.publisher.pub_comp(id);
            }
            Down::SubAck(id) | Down::UnsubAck(id) => {
                if let Some((filter, _, subscribe)) = self.asking.remove(&id) {
                    let asked = if subscribe { Asked::SubAck } else { Asked::UnsubAck };
                    history.asked(step, self.index, filter, asked);
                }
            }
        }
        Ok(())
    }

    /// Session Present must be what this client knows, where it can know ([MQTT-3.2.2-2], [MQTT-3.2.2-3]).
    fn conn_ack(
        &mut self,
        session_present: bool,
        eager: bool,
        step: u64,
        history: &mut History,
    ) -> Result<(), Violation> {
        let wrong = match session_present {
            true => self.clean,
            false => self.known && self.plan.lasting(),
        };
        if wrong {
            return Err(Violation::new(
                "session present is true",
                format!("client {} was told {session_present} (clean start: {})", self.index, self.clean),
            ));
        }
        if !session_present && !self.plan.lasting() {
            self.session_gone();
        }
        self.clean = false;
        if !eager {
            self.resume(step, history);
        }
        if !self.known {
            // A session begins: everything it wants is asked for, behind what an eager client has sent.
            for (filter, qos) in self.wanted.clone() {
                if self.asking.values().all(|(asked, ..)| *asked != filter) {
                    self.ask(filter, qos, true, step, history);
                }
            }
        }
        self.known = true;
        self.connected = true;
        Ok(())
    }
}
