//! PUBLISH at QoS 1 and 2: note the identifier, match, enqueue in every session, all in one entry.
//!
//! QoS 2 is routed here, once; the identifier stays held until PUBREL [MQTT-4.3.3-10]. What decides on a duplicate is
//! the held identifier alone: DUP is not even carried.

use alloc::vec::Vec;

use quartet_packet::{PacketId, QoS, ReasonCode};

use crate::routes::{Merged, merge};
use crate::session::outbound::send;
use crate::session::queue::Delivery;
use crate::{Broker, ConnectionId, Effect, Message, MessageHandle, Outgoing, SessionSlot, Timestamp};

/// What the front end's own rules (authorization, quotas) say of a PUBLISH.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// Route it.
    Admit,
    /// Answer with this code, unless the identifier is already held: a refusal must not tear a handshake.
    Refuse(ReasonCode),
}

/// A message at QoS 1 or 2.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Publish {
    /// The publisher's connection.
    pub connection: ConnectionId,
    /// Its session, from CONNACK.
    pub session: SessionSlot,
    /// The publisher's packet identifier.
    pub packet_id: PacketId,
    /// The message; its QoS is the handshake's.
    pub message: Message,
    /// The front end's word on it.
    pub verdict: Verdict,
}

impl Publish {
    pub(crate) fn apply(self, broker: &mut Broker, effects: &mut Vec<Effect>) {
        if !broker.admits(self.connection, self.session) {
            return;
        }
        if self.message.qos == QoS::ExactlyOnce && self.is_held(broker) {
            // A PUBLISH of an open handshake: the same answer, whatever the verdict is by now.
            return self.answer(ReasonCode::Success, effects);
        }
        if let Verdict::Refuse(reason) = self.verdict {
            return self.answer(reason, effects);
        }
        if self.message.qos == QoS::ExactlyOnce {
            broker.sessions.change(self.session, |session| {
                session.inbound.hold(self.packet_id);
            });
        }
        let mut found = Vec::new();
        broker.subscriptions.matching(&self.message.topic, |slot, subscription| {
            found.push((slot, *subscription));
        });
        let mut matched = Vec::with_capacity(found.len());
        merge(&mut found, Some(self.session), |slot, merged| {
            let session = broker.sessions.get(slot);
            if session.is_some_and(|session| !session.ending && !session.expired(broker.time)) {
                matched.push((slot, merged));
            }
        });
        self.answer(
            if matched.is_empty() { ReasonCode::NoMatchingSubscribers } else { ReasonCode::Success },
            effects,
        );
        if !matched.is_empty() {
            FanOut::new(broker, self.message, effects).run(matched);
        }
    }

    fn is_held(&self, broker: &Broker) -> bool {
        let session = broker.sessions.get(self.session);
        session.is_some_and(|session| session.inbound.holds(self.packet_id))
    }

    fn answer(&self, reason: ReasonCode, effects: &mut Vec<Effect>) {
        let packet = match self.message.qos {
            QoS::AtMostOnce => return,
            QoS::AtLeastOnce => Outgoing::PubAck(self.packet_id, reason),
            QoS::ExactlyOnce => Outgoing::PubRec(self.packet_id, reason),
        };
        effects.push(send(self.connection, packet));
    }
}

/// One message on its way to every session that matched, within one entry.
struct FanOut<'a> {
    broker: &'a mut Broker,
    effects: &'a mut Vec<Effect>,
    handle: MessageHandle,
    qos: QoS,
    retain: bool,
    expires_at: Option<Timestamp>,
    message_expiry: Option<u32>,
    size: u32,
    /// Taken by the `Store` effect when the first session wants it: a message nobody wants is not stored.
    unstored: Option<Message>,
    references: u32,
}

impl<'a> FanOut<'a> {
    fn new(broker: &'a mut Broker, message: Message, effects: &'a mut Vec<Effect>) -> Self {
        let expiry = message.message_expiry;
        Self {
            handle: broker.messages.next(),
            qos: message.qos,
            retain: message.retain,
            expires_at: expiry.map(|seconds| broker.time.plus_seconds(seconds)),
            message_expiry: expiry,
            size: message.size(),
            unstored: Some(message),
            references: 0,
            broker,
            effects,
        }
    }

    fn run(mut self, matched: Vec<(SessionSlot, Merged)>) {
        for (slot, merged) in matched {
            let owner = self.broker.sessions.get(slot);
            let to = owner.and_then(|session| self.broker.live(session));
            match (self.qos.min(merged.qos), to) {
                (QoS::AtMostOnce, Some(to)) => self.send_once(to, merged),
                (QoS::AtMostOnce, None) => self.broker.counters.unsent += 1,
                (qos @ (QoS::AtLeastOnce | QoS::ExactlyOnce), to) => {
                    self.deliver(slot, to, qos, merged);
                }
            }
        }
        if self.unstored.is_some() {
            return;
        }
        self.broker.messages.name();
        if self.references == 0 {
            let handle = self.handle;
            self.effects.push(Effect::Release { handle });
        } else {
            self.broker.messages.refer(self.handle, self.references);
        }
    }

    /// QoS 0 towards this subscriber: once, to whoever is connected.
    fn send_once(&mut self, to: ConnectionId, merged: Merged) {
        self.store();
        let packet = Outgoing::Publish {
            handle: self.handle,
            packet_id: None,
            qos: QoS::AtMostOnce,
            dup: false,
            retain: self.retain && merged.retain_as_published,
            message_expiry: self.message_expiry,
            subscription_identifiers: merged.subscription_identifiers,
        };
        self.effects.push(send(to, packet));
    }

    fn deliver(&mut self, slot: SessionSlot, to: Option<ConnectionId>, qos: QoS, merged: Merged) {
        let (now, settings) = (self.broker.time, &self.broker.settings);
        let session = self.broker.sessions.get(slot);
        let live = to.is_some();
        if !session.is_some_and(|session| session.outbound.takes(self.size, live, settings)) {
            self.broker.counters.overflowed += 1;
            self.broker.sessions.change(slot, |session| session.overflowed += 1);
            return;
        }
        self.store();
        self.references += 1;
        let delivery = Delivery {
            handle: self.handle,
            qos,
            retain: self.retain && merged.retain_as_published,
            expires_at: self.expires_at,
            size: self.size,
            subscription_identifiers: merged.subscription_identifiers,
        };
        let effects = &mut *self.effects;
        self.broker.sessions.change(slot, |session| {
            session.outbound.deliver(delivery, to, now, effects);
        });
    }

    fn store(&mut self) {
        if let Some(message) = self.unstored.take() {
            let handle = self.handle;
            self.effects.push(Effect::Store { handle, message });
        }
    }
}
