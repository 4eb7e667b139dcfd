//! What a client owes and is owed, across its connections (MQTT 5.0 section 4.1, Client Session State).
//!
//! ```text
//!   we publish       QoS 1:  PUBLISH ─► AwaitingPubAck ─ PUBACK ─► done
//!                    QoS 2:  PUBLISH ─► AwaitingPubRec ─ PUBREC ─► PUBREL ─► AwaitingPubComp ─ PUBCOMP ─► done
//!   we receive       QoS 2:  PUBLISH ─► held, told once ─► PUBREC …  PUBREL ─► let go ─► PUBCOMP
//! ```
//!
//! After a reconnection every unacknowledged PUBLISH is sent again with DUP and every PUBREL again, in their
//! original order `[MQTT-4.4.0-1]`, `[MQTT-4.6.0-1]`.

use std::collections::{BTreeSet, VecDeque};

use quartet_packet::{Packet, PacketId, PubAck, PubComp, PubRec, PubRel, Publish, QoS, ReasonCode};

/// One of our messages on its way.
#[derive(Debug)]
struct Outgoing {
    packet_id: PacketId,
    awaiting: Awaiting,
    publish: Publish,
}

/// The next packet from the broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::enum_variant_names, reason = "the names of the packets")]
enum Awaiting {
    PubAck,
    PubRec,
    PubComp,
}

/// The state of all handshakes.
#[derive(Debug, Default)]
pub(crate) struct Exchange {
    /// In the order they were first sent.
    outgoing: VecDeque<Outgoing>,
    /// QoS 2 messages that were told and are not released yet. At most the 65,535 identifiers there are.
    incoming: BTreeSet<PacketId>,
    last_id: Option<PacketId>,
}

/// What a packet from the broker leads to.
#[derive(Debug, Default)]
pub(crate) struct Received {
    /// To send, in this order.
    pub(crate) replies: Vec<Packet>,
    /// A message that was not told before.
    pub(crate) message: Option<Publish>,
    /// One of ours is done: its topic, and how the broker took it.
    pub(crate) done: Option<(String, ReasonCode)>,
}

impl Exchange {
    /// Whether nothing of ours is under way.
    pub(crate) fn is_idle(&self) -> bool {
        self.outgoing.is_empty()
    }

    /// How many of ours are under way.
    pub(crate) fn under_way(&self) -> usize {
        self.outgoing.len()
    }

    /// Whether nothing that we have received waits for its PUBREL.
    pub(crate) fn all_released(&self) -> bool {
        self.incoming.is_empty()
    }

    /// An identifier not in use `[MQTT-2.2.1-3]`.
    pub(crate) fn packet_id(&mut self) -> PacketId {
        let mut id = self.last_id.unwrap_or(PacketId::MAX);
        loop {
            id = PacketId::new(id.get().wrapping_add(1)).unwrap_or(PacketId::MIN);
            if self.outgoing.iter().all(|outgoing| outgoing.packet_id != id) {
                self.last_id = Some(id);
                return id;
            }
        }
    }

    /// The packet that sends `publish` for the first time. The caller keeps fewer than 65,535 under way.
    pub(crate) fn publish(&mut self, mut publish: Publish) -> Packet {
        let awaiting = match publish.qos {
            QoS::AtMostOnce => return Packet::Publish(publish),
            QoS::AtLeastOnce => Awaiting::PubAck,
            QoS::ExactlyOnce => Awaiting::PubRec,
        };
        let packet_id = self.packet_id();
        publish.packet_id = Some(packet_id);
        self.outgoing.push_back(Outgoing { packet_id, awaiting, publish: publish.clone() });
        Packet::Publish(publish)
    }

    /// What to send first on a new connection. Without a session at the broker nothing is a repetition any more: what
    /// we held for it is let go of, what it had not taken is sent as new, and what it had taken is done.
    pub(crate) fn resume(&mut self, session_present: bool) -> Vec<Packet> {
        if !session_present {
            self.incoming.clear();
            self.outgoing.retain(|outgoing| outgoing.awaiting != Awaiting::PubComp);
        }
        self.outgoing
            .iter()
            .map(|outgoing| match outgoing.awaiting {
                Awaiting::PubComp => Packet::PubRel(PubRel::new(outgoing.packet_id)),
                Awaiting::PubAck | Awaiting::PubRec => {
                    Packet::Publish(Publish { dup: session_present, ..outgoing.publish.clone() })
                }
            })
            .collect()
    }

    /// A packet of a handshake came in.
    pub(crate) fn receive(&mut self, packet: Packet) -> Received {
        let mut received = Received::default();
        match packet {
            Packet::Publish(publish) => self.receive_publish(publish, &mut received),
            Packet::PubRel(PubRel { packet_id, .. }) => {
                self.incoming.remove(&packet_id);
                received.replies.push(Packet::PubComp(PubComp::new(packet_id)));
            }
            Packet::PubAck(PubAck { packet_id, reason, .. }) => {
                received.done = self.finish(packet_id, Awaiting::PubAck, reason);
            }
            Packet::PubRec(PubRec { packet_id, reason, .. }) if reason.is_error() => {
                received.done = self.finish(packet_id, Awaiting::PubRec, reason);
            }
            Packet::PubRec(PubRec { packet_id, .. }) => {
                if let Some(outgoing) = self.outgoing.iter_mut().find(|one| one.packet_id == packet_id) {
                    outgoing.awaiting = Awaiting::PubComp;
                }
                // An identifier we do not know is answered as well, so that the broker can let go of it.
                received.replies.push(Packet::PubRel(PubRel::new(packet_id)));
            }
            Packet::PubComp(PubComp { packet_id, reason, .. }) => {
                received.done = self.finish(packet_id, Awaiting::PubComp, reason);
            }
            _ => {}
        }
        received
    }

    fn receive_publish(&mut self, publish: Publish, received: &mut Received) {
        match (publish.qos, publish.packet_id) {
            (QoS::AtLeastOnce, Some(packet_id)) => {
                received.replies.push(Packet::PubAck(PubAck::new(packet_id)));
                received.message = Some(publish);
            }
            (QoS::ExactlyOnce, Some(packet_id)) => {
                received.replies.push(Packet::PubRec(PubRec::new(packet_id)));
                if self.incoming.insert(packet_id) {
                    received.message = Some(publish);
                }
            }
            _ => received.message = Some(publish),
        }
    }

    fn finish(
        &mut self,
        packet_id: PacketId,
        awaiting: Awaiting,
        reason: ReasonCode,
    ) -> Option<(String, ReasonCode)> {
        let place =
            self.outgoing.iter().position(|one| one.packet_id == packet_id && one.awaiting == awaiting)?;
        let outgoing = self.outgoing.remove(place)?;
        let topic = outgoing.publish.topic.map(|topic| topic.as_str().to_owned()).unwrap_or_default();
        Some((topic, reason))
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use quartet_packet::Topic;

    use super::*;

    fn id(value: u16) -> PacketId {
        PacketId::new(value).expect("not zero")
    }

    fn message(qos: QoS) -> Publish {
        let topic = Topic::try_from("a/b").expect("a topic");
        Publish { qos, ..Publish::new(topic, Bytes::from_static(b"x")) }
    }

    /// Type, identifier and DUP: what matters of a packet here.
    fn brief(packets: &[Packet]) -> Vec<String> {
        packets
            .iter()
            .map(|packet| match packet {
                Packet::Publish(p) => {
                    format!("PUBLISH {} dup={}", p.packet_id.map_or(0, PacketId::get), p.dup)
                }
                Packet::PubRel(p) => format!("PUBREL {}", p.packet_id),
                Packet::PubRec(p) => format!("PUBREC {}", p.packet_id),
                Packet::PubComp(p) => format!("PUBCOMP {}", p.packet_id),
                Packet::PubAck(p) => format!("PUBACK {}", p.packet_id),
                other => other.packet_type().name().to_owned(),
            })
            .collect()
    }

    #[test]
    fn a_qos_2_message_of_ours_step_by_step() {
        let mut exchange = Exchange::default();
        let sent = exchange.publish(message(QoS::ExactlyOnce));
        assert_eq!(brief(&[sent]), ["PUBLISH 1 dup=false"]);
        assert_eq!(brief(&exchange.resume(true)), ["PUBLISH 1 dup=true"]);
        let received = exchange.receive(Packet::PubRec(PubRec::new(id(1))));
        assert_eq!(brief(&received.replies), ["PUBREL 1"]);
        assert_eq!(
            brief(&exchange.resume(true)),
            ["PUBREL 1"],
            "after PUBREC the message is never sent again"
        );
        let received = exchange.receive(Packet::PubComp(PubComp::new(id(1))));
        assert_eq!(received.done, Some(("a/b".into(), ReasonCode::Success)));
        assert!(exchange.is_idle());
        assert_eq!(brief(&exchange.resume(true)), Vec::<String>::new());
    }

    #[test]
    fn what_is_resumed_keeps_its_order() {
        let mut exchange = Exchange::default();
        for qos in [QoS::ExactlyOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
            exchange.publish(message(qos));
        }
        exchange.receive(Packet::PubRec(PubRec::new(id(3))));
        assert_eq!(brief(&exchange.resume(true)), ["PUBLISH 1 dup=true", "PUBLISH 2 dup=true", "PUBREL 3"]);
        // The broker has lost the session: what it had not taken is new to it, what it had taken is done.
        assert_eq!(brief(&exchange.resume(false)), ["PUBLISH 1 dup=false", "PUBLISH 2 dup=false"]);
    }

    #[test]
    fn a_refusal_ends_a_handshake() {
        let mut exchange = Exchange::default();
        exchange.publish(message(QoS::ExactlyOnce));
        let refusal = PubRec::with_reason(id(1), ReasonCode::QuotaExceeded);
        let received = exchange.receive(Packet::PubRec(refusal));
        assert_eq!(received.done, Some(("a/b".into(), ReasonCode::QuotaExceeded)));
        assert!(received.replies.is_empty(), "no PUBREL after a refusal");
        assert!(exchange.is_idle());
    }

    #[test]
    fn a_message_to_us_is_told_once() {
        let mut exchange = Exchange::default();
        let publish = Publish { packet_id: Some(id(9)), ..message(QoS::ExactlyOnce) };
        let again = Publish { dup: true, ..publish.clone() };
        let first = exchange.receive(Packet::Publish(publish.clone()));
        assert!(first.message.is_some());
        assert_eq!(brief(&first.replies), ["PUBREC 9"]);
        // The connection is lost, and the broker sends it again on the next.
        exchange.resume(true);
        let second = exchange.receive(Packet::Publish(again));
        assert!(second.message.is_none());
        assert_eq!(brief(&second.replies), ["PUBREC 9"]);
        assert!(!exchange.all_released());
        let release = exchange.receive(Packet::PubRel(PubRel::new(id(9))));
        assert_eq!(brief(&release.replies), ["PUBCOMP 9"]);
        assert!(exchange.all_released());
        let anew = exchange.receive(Packet::Publish(publish));
        assert!(anew.message.is_some(), "the identifier was free: this is another message");
    }

    #[test]
    fn without_a_session_identifiers_mean_nothing_any_more() {
        let mut exchange = Exchange::default();
        let publish = Publish { packet_id: Some(id(9)), ..message(QoS::ExactlyOnce) };
        exchange.receive(Packet::Publish(publish.clone()));
        exchange.resume(false);
        assert!(exchange.receive(Packet::Publish(publish)).message.is_some());
    }

    #[test]
    fn identifiers_wrap_past_those_in_use() {
        let mut exchange = Exchange::default();
        exchange.publish(message(QoS::AtLeastOnce));
        exchange.last_id = Some(PacketId::MAX);
        assert_eq!(exchange.packet_id(), id(2), "1 is in use");
    }
}
