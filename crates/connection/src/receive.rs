//! Packets of a connected client → commands.
//!
//! Nothing is answered here but PINGREQ: every other answer comes back through the log (invariants 1 and 4). What a
//! rule of the front end refuses goes into the log as a verdict where the standard has an answer for it, since only
//! the state knows whether the identifier is already held; else it ends the connection.

use alloc::vec::Vec;
use core::num::NonZeroU32;

use bytes::Bytes;
use quartet_broker::{
    AckKind, Command, FilterRequest, Message, Publish, SessionSlot, Subscribe, Unsubscribe, Verdict,
};
use quartet_packet::{
    self as packet, Disconnect, Packet, PingResp, PublishProperties, QoS, ReasonCode, SubscriptionRequest,
    Topic,
};

use crate::{Connection, Dropped, Ending, Error, Instant, Output};

/// QoS 0 payloads below this size are copied out of the read buffer before they are routed: a slice would pin the
/// whole buffer for as long as the slowest subscriber takes.
const COPIED_BELOW: usize = 4096;

impl Connection {
    /// One packet after CONNACK.
    pub(crate) fn packet(
        &mut self,
        now: Instant,
        session: SessionSlot,
        packet: Packet,
        outputs: &mut Vec<Output>,
    ) {
        self.keep_alive.restart(now);
        let result = match packet {
            Packet::Publish(publish) => self.publish(session, publish, outputs),
            Packet::PubAck(ack) => {
                self.acknowledgements.push(AckKind::PubAck, ack.packet_id, ack.reason);
                Ok(())
            }
            Packet::PubRec(ack) => {
                // An error ends the handshake and is not answered [MQTT-4.3.3-4].
                if !ack.reason.is_error() {
                    self.unfinished.owe();
                }
                self.acknowledgements.push(AckKind::PubRec, ack.packet_id, ack.reason);
                Ok(())
            }
            Packet::PubRel(ack) => {
                self.unfinished.release(ack.packet_id);
                self.acknowledgements.push(AckKind::PubRel, ack.packet_id, ack.reason);
                Ok(())
            }
            Packet::PubComp(ack) => {
                self.acknowledgements.push(AckKind::PubComp, ack.packet_id, ack.reason);
                Ok(())
            }
            Packet::Subscribe(subscribe) => {
                self.subscribe(session, subscribe, outputs);
                Ok(())
            }
            Packet::Unsubscribe(unsubscribe) => {
                self.unsubscribe(session, unsubscribe, outputs);
                Ok(())
            }
            // Promises nothing, so it does not wait [MQTT-3.12.4-1].
            Packet::PingReq(_) => self.write(&Packet::PingResp(PingResp)),
            Packet::Disconnect(disconnect) => self.disconnect(&disconnect, outputs),
            Packet::Auth(_) => Err(Error::UnexpectedAuth),
            // The decoder refuses what only servers send, and a second CONNECT.
            Packet::Connect(_)
            | Packet::ConnAck(_)
            | Packet::SubAck(_)
            | Packet::UnsubAck(_)
            | Packet::PingResp(_) => Err(Error::Internal),
        };
        if let Err(error) = result {
            self.end(Ending::Broken(error), outputs);
        }
    }

    fn publish(
        &mut self,
        session: SessionSlot,
        publish: packet::Publish,
        outputs: &mut Vec<Output>,
    ) -> Result<(), Error> {
        let topic = self.aliases.resolve(publish.topic, publish.topic_alias)?;
        if publish.retain {
            return Err(Error::Retain);
        }
        let is_dollar = topic.is_dollar();
        let mut message = Message {
            topic,
            qos: publish.qos,
            retain: false,
            message_expiry: publish.message_expiry,
            properties: publish.properties,
            payload: publish.payload,
        };
        let packet_id = match (publish.qos, publish.packet_id) {
            (QoS::AtMostOnce, _) if is_dollar => {
                outputs.push(Output::Dropped(Dropped::DollarTopic));
                return Ok(());
            }
            (QoS::AtMostOnce, _) => {
                detach(&mut message);
                outputs.push(Output::Route { session, message });
                return Ok(());
            }
            (QoS::AtLeastOnce | QoS::ExactlyOnce, None) => return Err(Error::Internal),
            (QoS::AtLeastOnce, Some(packet_id)) => {
                self.unfinished.publish_qos1();
                packet_id
            }
            (QoS::ExactlyOnce, Some(packet_id)) => {
                self.unfinished.publish_qos2(packet_id, publish.dup);
                packet_id
            }
        };
        if self.is_v5() && self.unfinished.exceeds_receive_maximum() {
            return Err(Error::ReceiveMaximum(self.config.receive_maximum.get()));
        }
        let verdict = match (is_dollar, self.is_v5()) {
            (false, _) => Verdict::Admit,
            (true, true) => Verdict::Refuse(ReasonCode::TopicNameInvalid),
            // An acknowledgement without a code would be a lie; closing is the other choice [MQTT3-3.3.5-2].
            (true, false) => return Err(Error::DollarTopic),
        };
        let connection = self.id;
        self.propose(
            session,
            Command::Publish(Publish { connection, session, packet_id, message, verdict }),
            outputs,
        );
        Ok(())
    }

    fn subscribe(&mut self, session: SessionSlot, subscribe: packet::Subscribe, outputs: &mut Vec<Output>) {
        self.unfinished.owe();
        let command = Subscribe {
            connection: self.id,
            session,
            packet_id: subscribe.packet_id,
            subscription_identifier: subscribe.subscription_identifier.and_then(NonZeroU32::new),
            filters: subscribe.filters.into_iter().map(filter_request).collect(),
        };
        self.propose(session, Command::Subscribe(command), outputs);
    }

    fn unsubscribe(
        &mut self,
        session: SessionSlot,
        unsubscribe: packet::Unsubscribe,
        outputs: &mut Vec<Output>,
    ) {
        self.unfinished.owe();
        let filters = unsubscribe.filters.into_iter().map(|filter| match filter {
            Ok(filter) => filter.as_utf8().clone(),
            Err(invalid) => invalid.as_utf8().clone(),
        });
        let command = Unsubscribe {
            connection: self.id,
            session,
            packet_id: unsubscribe.packet_id,
            filters: filters.collect(),
        };
        self.propose(session, Command::Unsubscribe(command), outputs);
    }

    fn disconnect(&mut self, disconnect: &Disconnect, outputs: &mut Vec<Output>) -> Result<(), Error> {
        if !is_of_a_client(disconnect.reason) {
            return Err(Error::DisconnectReason(disconnect.reason));
        }
        let sets_expiry = disconnect.session_expiry.is_some_and(|seconds| seconds != 0);
        if sets_expiry && self.asked_for_no_expiry() {
            return Err(Error::SessionExpiry);
        }
        self.new_expiry = disconnect.session_expiry;
        self.end(Ending::Disconnected(disconnect.reason), outputs);
        Ok(())
    }

    /// Proposes a command other than acknowledgements, after those that were read before it.
    fn propose(&mut self, session: SessionSlot, command: Command, outputs: &mut Vec<Output>) {
        self.acknowledgements.flush(self.id, session, outputs);
        outputs.push(Output::Propose(command));
    }
}

/// Whether a client may give this reason in DISCONNECT (MQTT 5.0 table 3-10) [MQTT-3.14.2-1]; the decoder has refused
/// what no DISCONNECT has.
fn is_of_a_client(reason: ReasonCode) -> bool {
    matches!(
        reason,
        ReasonCode::Success
            | ReasonCode::DisconnectWithWillMessage
            | ReasonCode::UnspecifiedError
            | ReasonCode::MalformedPacket
            | ReasonCode::ProtocolError
            | ReasonCode::ImplementationSpecificError
            | ReasonCode::TopicNameInvalid
            | ReasonCode::ReceiveMaximumExceeded
            | ReasonCode::TopicAliasInvalid
            | ReasonCode::PacketTooLarge
            | ReasonCode::MessageRateTooHigh
            | ReasonCode::QuotaExceeded
            | ReasonCode::AdministrativeAction
            | ReasonCode::PayloadFormatInvalid
    )
}

/// Shared subscriptions are not there yet: CONNACK says so, and SUBACK answers 0x9E (0x80 before 5.0).
fn filter_request(request: SubscriptionRequest) -> FilterRequest {
    match request.filter {
        Err(_) => FilterRequest::Refuse(ReasonCode::TopicFilterInvalid),
        Ok(filter) if filter.is_shared() => {
            FilterRequest::Refuse(ReasonCode::SharedSubscriptionsNotSupported)
        }
        Ok(filter) => FilterRequest::Admit(filter, request.options),
    }
}

/// Copies a small message out of the read buffer, into one buffer of its own.
fn detach(message: &mut Message) {
    if message.payload.len() >= COPIED_BELOW {
        return;
    }
    message.topic = Topic::detach(&message.topic);
    if !message.properties.is_empty() {
        message.properties = PublishProperties::detach(&message.properties);
    }
    message.payload = Bytes::copy_from_slice(&message.payload);
}
