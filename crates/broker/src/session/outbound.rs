//! The sender's side of QoS 1 and 2: a queue, and the window of what is in flight.
//!
//! ```text
//!               place in the window: identifier chosen, first send
//!   queue ──────────────────────┬──────────────────────────────────────┐
//!     │ expired: dropped        ▼ QoS 1                                ▼ QoS 2
//!     ▼                   AwaitingPubAck                         AwaitingPubRec ── PUBREC ≥ 0x80 ──► done
//!    gone                       │ PUBACK                               │ PUBREC: PUBREL leaves
//!                               ▼                                      ▼
//!                              done                              AwaitingPubComp ◄─┐ PUBREC again: PUBREL again
//!                                                                      │        └──┘
//!                                                                      ▼ PUBCOMP
//!                                                                     done
//!   from any of the three: Discard (the front end could not deliver it) ──► done
//! ```
//!
//! Done frees the identifier and its place, and the next in line is sent. An acknowledgement of the wrong type for the
//! step never counts. Identifiers are chosen here, inside `apply`, going round 1 to 65,535 past those in use.
//!
//! A resumed connection gets what was unfinished again: PUBLISH with DUP, same identifier, original order, and every
//! owed PUBREL at once, which no window may hold up ([MQTT-4.9.0-3]). If the window has become smaller than that, the
//! rest stays *owed* and follows as places get free; nothing new is sent before.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use quartet_packet::{PacketId, QoS, ReasonCode};

use crate::digest::{Kind, Mixer, length};
use crate::messages::Messages;
use crate::session::inflight::{Inflight, InflightMessage};
use crate::session::queue::{Delivery, Queue, QueueItem};
use crate::{ConnectionId, Effect, MessageHandle, Outgoing, Settings, Timestamp};

/// What an acknowledgement did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Acked {
    /// The handshake is over. The message, where it was still held, may be let go.
    Done(Option<MessageHandle>),
    /// PUBREC was taken: send PUBREL, let go of the message.
    Received(MessageHandle),
    /// PUBREC had been taken before: send PUBREL again.
    ReceivedBefore,
    /// No such identifier in flight.
    Unknown,
    /// In flight, but this is not the answer it waits for.
    WrongType,
}

/// The sending half of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outbound {
    /// Most unfinished messages towards the present connection.
    window: u16,
    /// The identifier to try next.
    next_packet_id: PacketId,
    next_sequence: u64,
    queue: Queue,
    inflight: BTreeMap<PacketId, InflightMessage>,
    /// What waits to be sent again, in original order; follows from the entries' `owed`.
    owed: BTreeMap<u64, PacketId>,
    digest: u64,
}

impl Outbound {
    pub(crate) fn new(window: u16) -> Self {
        Self {
            window,
            next_packet_id: PacketId::MIN,
            next_sequence: 0,
            queue: Queue::default(),
            inflight: BTreeMap::new(),
            owed: BTreeMap::new(),
            digest: 0,
        }
    }

    pub(crate) fn restored(
        window: u16,
        next_packet_id: PacketId,
        next_sequence: u64,
        queue: Queue,
        inflight: impl IntoIterator<Item = (PacketId, InflightMessage)>,
    ) -> Self {
        let mut outbound = Self { next_packet_id, next_sequence, queue, ..Self::new(window) };
        for (packet_id, message) in inflight {
            outbound.put(packet_id, message);
        }
        outbound
    }

    /// Whether one more message of this size can be sent to the owner or else queued.
    pub(crate) fn takes(&self, size: u32, live: bool, settings: &Settings) -> bool {
        (live && self.sends_at_once())
            || (self.queue.len() < u64::from(settings.maximum_queued_messages)
                && self.queue.bytes() + u64::from(size) <= settings.maximum_queued_bytes)
    }

    /// Sends the message if there is place and nothing before it, else queues it.
    pub(crate) fn deliver(
        &mut self,
        delivery: Delivery,
        to: Option<ConnectionId>,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) {
        match to {
            Some(to) if self.sends_at_once() => self.begin(delivery, to, now, effects),
            Some(_) | None => self.queue.push(QueueItem::Message(delivery)),
        }
    }

    /// A new connection: sends again what is unfinished, as far as its window goes. The one before is detached.
    pub(crate) fn resume(
        &mut self,
        window: u16,
        to: ConnectionId,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) {
        self.window = window;
        let mut order: Vec<(u64, PacketId)> = Vec::with_capacity(self.inflight.len());
        let mut released = 0_u64;
        for (packet_id, message) in &self.inflight {
            order.push((message.sequence, *packet_id));
            released += u64::from(message.step == Inflight::AwaitingPubComp);
        }
        order.sort_unstable();
        let mut places = u64::from(window).saturating_sub(released);
        for (_, packet_id) in order {
            let Some(mut message) = self.take(packet_id) else {
                continue;
            };
            match &message.step {
                Inflight::AwaitingPubComp => {
                    effects.push(send(to, Outgoing::PubRel(packet_id, ReasonCode::Success)));
                }
                Inflight::AwaitingPubAck(delivery) | Inflight::AwaitingPubRec(delivery) => {
                    if places > 0 {
                        places -= 1;
                        effects.push(publish(to, packet_id, delivery, true, now));
                    } else {
                        message.owed = true;
                    }
                }
            }
            self.put(packet_id, message);
        }
    }

    /// The connection is gone: what is owed is decided anew by the next one.
    pub(crate) fn detach(&mut self) {
        while let Some((_, packet_id)) = self.owed.first_key_value() {
            let packet_id = *packet_id;
            if let Some(message) = self.take(packet_id) {
                let owed = false;
                self.put(packet_id, InflightMessage { owed, ..message });
            }
        }
    }

    /// Fills the free places: first what is owed, then the queue. Drops of expired messages use up `drops`; true if
    /// it ran out before there was nothing more to do.
    pub(crate) fn pump(
        &mut self,
        to: ConnectionId,
        now: Timestamp,
        messages: &mut Messages,
        drops: &mut Drops,
        effects: &mut Vec<Effect>,
    ) -> bool {
        while self.has_place() {
            if let Some((_, packet_id)) = self.owed.first_key_value() {
                let packet_id = *packet_id;
                let Some(message) = self.take(packet_id) else {
                    break;
                };
                match &message.step {
                    Inflight::AwaitingPubAck(delivery) | Inflight::AwaitingPubRec(delivery) => {
                        effects.push(publish(to, packet_id, delivery, true, now));
                    }
                    Inflight::AwaitingPubComp => {
                        effects.push(send(to, Outgoing::PubRel(packet_id, ReasonCode::Success)));
                    }
                }
                let owed = false;
                self.put(packet_id, InflightMessage { owed, ..message });
                continue;
            }
            let expired = match self.queue.front() {
                Some(QueueItem::Message(delivery)) => delivery.expired(now),
                None => return false,
            };
            if expired && drops.left == 0 {
                return true;
            }
            match self.queue.pop() {
                Some(QueueItem::Message(delivery)) if expired => {
                    drops.left -= 1;
                    drops.dropped += 1;
                    messages.release(delivery.handle, effects);
                }
                Some(QueueItem::Message(delivery)) => self.begin(delivery, to, now, effects),
                None => return false,
            }
        }
        false
    }

    pub(crate) fn puback(&mut self, packet_id: PacketId) -> Acked {
        match self.inflight.get(&packet_id).map(|message| &message.step) {
            Some(Inflight::AwaitingPubAck(_)) => self.discard(packet_id),
            Some(Inflight::AwaitingPubRec(_) | Inflight::AwaitingPubComp) => Acked::WrongType,
            None => Acked::Unknown,
        }
    }

    pub(crate) fn pubrec(&mut self, packet_id: PacketId, reason: ReasonCode) -> Acked {
        match self.inflight.get(&packet_id).map(|message| &message.step) {
            Some(Inflight::AwaitingPubRec(delivery)) => {
                if reason.is_error() {
                    return self.discard(packet_id);
                }
                let handle = delivery.handle;
                if let Some(message) = self.take(packet_id) {
                    let received = InflightMessage {
                        sequence: message.sequence,
                        owed: false,
                        step: Inflight::AwaitingPubComp,
                    };
                    self.put(packet_id, received);
                }
                Acked::Received(handle)
            }
            Some(Inflight::AwaitingPubComp) => Acked::ReceivedBefore,
            Some(Inflight::AwaitingPubAck(_)) => Acked::WrongType,
            None => Acked::Unknown,
        }
    }

    pub(crate) fn pubcomp(&mut self, packet_id: PacketId) -> Acked {
        match self.inflight.get(&packet_id).map(|message| &message.step) {
            Some(Inflight::AwaitingPubComp) => self.discard(packet_id),
            Some(Inflight::AwaitingPubAck(_) | Inflight::AwaitingPubRec(_)) => Acked::WrongType,
            None => Acked::Unknown,
        }
    }

    /// Frees the identifier whatever its step.
    pub(crate) fn discard(&mut self, packet_id: PacketId) -> Acked {
        match self.take(packet_id) {
            Some(message) => Acked::Done(message.step.handle()),
            None => Acked::Unknown,
        }
    }

    /// Lets go of one thing, for a session that has ended; `None` when there is nothing left.
    pub(crate) fn shed(&mut self) -> Option<Option<MessageHandle>> {
        if let Some(item) = self.queue.pop() {
            return Some(Some(item.handle()));
        }
        let packet_id = *self.inflight.first_key_value()?.0;
        self.take(packet_id).map(|message| message.step.handle())
    }

    pub(crate) fn queue(&self) -> &Queue {
        &self.queue
    }

    pub(crate) fn inflight(&self) -> &BTreeMap<PacketId, InflightMessage> {
        &self.inflight
    }

    pub(crate) fn owed(&self) -> &BTreeMap<u64, PacketId> {
        &self.owed
    }

    pub(crate) fn window(&self) -> u16 {
        self.window
    }

    pub(crate) fn next_packet_id(&self) -> PacketId {
        self.next_packet_id
    }

    pub(crate) fn next_sequence(&self) -> u64 {
        self.next_sequence
    }

    pub(crate) fn digest(&self) -> u64 {
        self.seal(self.digest, self.queue.digest())
    }

    pub(crate) fn recompute_digest(&self) -> u64 {
        let elements = self.inflight.iter();
        let inflight = elements.fold(0, |digest, (id, message)| digest ^ message.element(*id));
        self.seal(inflight, self.queue.recompute_digest())
    }

    fn seal(&self, inflight: u64, queue: u64) -> u64 {
        Mixer::new(Kind::Inflight)
            .word(u64::from(self.window))
            .word(u64::from(self.next_packet_id.get()))
            .word(self.next_sequence)
            .word(inflight)
            .word(queue)
            .finish()
    }

    /// Whether one more may be unfinished towards this connection. What is owed is not on its way there yet.
    fn has_place(&self) -> bool {
        let unfinished = self.inflight.len() - self.owed.len();
        length(unfinished) < u64::from(self.window)
    }

    fn sends_at_once(&self) -> bool {
        self.queue.is_empty() && self.owed.is_empty() && self.has_place()
    }

    /// First send: an identifier, a place, PUBLISH with DUP 0.
    fn begin(&mut self, delivery: Delivery, to: ConnectionId, now: Timestamp, effects: &mut Vec<Effect>) {
        let packet_id = self.choose_packet_id();
        effects.push(publish(to, packet_id, &delivery, false, now));
        let message = InflightMessage {
            sequence: self.next_sequence,
            owed: false,
            step: match delivery.qos {
                QoS::ExactlyOnce => Inflight::AwaitingPubRec(delivery),
                QoS::AtMostOnce | QoS::AtLeastOnce => Inflight::AwaitingPubAck(delivery),
            },
        };
        self.next_sequence += 1;
        self.put(packet_id, message);
    }

    /// The next identifier that is not in use. There is one: the window is below their number, and nothing new is begun
    /// while anything is owed, so fewer than the window are taken. A skipped identifier is passed once a round.
    fn choose_packet_id(&mut self) -> PacketId {
        let mut chosen = self.next_packet_id;
        while self.inflight.contains_key(&chosen) {
            chosen = following(chosen);
        }
        self.next_packet_id = following(chosen);
        chosen
    }

    fn put(&mut self, packet_id: PacketId, message: InflightMessage) {
        self.digest ^= message.element(packet_id);
        if message.owed {
            self.owed.insert(message.sequence, packet_id);
        }
        self.inflight.insert(packet_id, message);
    }

    fn take(&mut self, packet_id: PacketId) -> Option<InflightMessage> {
        let message = self.inflight.remove(&packet_id)?;
        self.digest ^= message.element(packet_id);
        if message.owed {
            self.owed.remove(&message.sequence);
        }
        Some(message)
    }
}

/// How many expired messages may still be dropped in this step, and how many were.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Drops {
    pub(crate) left: u32,
    pub(crate) dropped: u64,
}

/// 65,535 is followed by 1.
fn following(packet_id: PacketId) -> PacketId {
    let next = packet_id.get().checked_add(1).and_then(PacketId::new);
    next.unwrap_or(PacketId::MIN)
}

pub(crate) fn send(to: ConnectionId, packet: Outgoing) -> Effect {
    Effect::Send { to, packet }
}

fn publish(to: ConnectionId, packet_id: PacketId, delivery: &Delivery, dup: bool, now: Timestamp) -> Effect {
    send(
        to,
        Outgoing::Publish {
            handle: delivery.handle,
            packet_id: Some(packet_id),
            qos: delivery.qos,
            dup,
            retain: delivery.retain,
            message_expiry: delivery.remaining(now),
            subscription_identifiers: delivery.subscription_identifiers.clone(),
        },
    )
}
