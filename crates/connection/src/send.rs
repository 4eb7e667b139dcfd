//! What the core sends → packets.
//!
//! The core has already committed whatever these packets promise; here they get the form of the client's version,
//! and are measured against what the client takes.

use alloc::sync::Arc;
use alloc::vec::Vec;

use quartet_broker::{AckKind, Message, Outgoing};
use quartet_packet::{
    EncodeError, Packet, PubAck, PubComp, PubRec, PubRel, PublishHeader, ReasonCode, SubAck, UnsubAck,
    UserProperties,
};

use crate::{Connection, Dropped, Ending, Error, Output};

impl Connection {
    /// One packet of the core to a connected client.
    pub(crate) fn send(
        &mut self,
        packet: Outgoing,
        message: Option<Arc<Message>>,
        outputs: &mut Vec<Output>,
    ) {
        let result = match packet {
            // Comes once, and was taken before this point [MQTT-3.2.0-2].
            Outgoing::ConnAck { .. } => Err(Error::Internal),
            Outgoing::Publish { .. } => self.send_publish(&packet, message.as_deref(), outputs),
            Outgoing::PubAck(packet_id, reason) => {
                self.unfinished.acknowledged();
                self.may_say(reason)
                    .and_then(|()| self.write(&Packet::PubAck(PubAck::with_reason(packet_id, reason))))
            }
            Outgoing::PubRec(packet_id, reason) => {
                self.unfinished.received(packet_id, reason.is_error());
                self.may_say(reason)
                    .and_then(|()| self.write(&Packet::PubRec(PubRec::with_reason(packet_id, reason))))
            }
            Outgoing::PubRel(packet_id, reason) => {
                self.unfinished.answered();
                self.write(&Packet::PubRel(PubRel::with_reason(packet_id, reason)))
            }
            Outgoing::PubComp(packet_id, reason) => {
                self.unfinished.answered();
                self.write(&Packet::PubComp(PubComp::with_reason(packet_id, reason)))
            }
            Outgoing::SubAck(packet_id, reasons) => {
                self.unfinished.answered();
                let user_properties = UserProperties::default();
                self.write(&Packet::SubAck(SubAck {
                    packet_id,
                    reasons,
                    reason_string: None,
                    user_properties,
                }))
            }
            Outgoing::UnsubAck(packet_id, reasons) => {
                self.unfinished.answered();
                let user_properties = UserProperties::default();
                self.write(&Packet::UnsubAck(UnsubAck {
                    packet_id,
                    reasons,
                    reason_string: None,
                    user_properties,
                }))
            }
        };
        if let Err(error) = result {
            self.end(Ending::Broken(error), outputs);
        }
    }

    /// Before 5.0 an acknowledgement always says success: a refused message can only end the connection
    /// [MQTT3-3.3.5-2].
    fn may_say(&self, reason: ReasonCode) -> Result<(), Error> {
        if reason.is_error() && !self.is_v5() { Err(Error::Refused(reason)) } else { Ok(()) }
    }

    fn send_publish(
        &mut self,
        packet: &Outgoing,
        message: Option<&Message>,
        outputs: &mut Vec<Output>,
    ) -> Result<(), Error> {
        let (
            Outgoing::Publish {
                packet_id, qos, dup, retain, message_expiry, subscription_identifiers, ..
            },
            Some(message),
        ) = (packet, message)
        else {
            // Dropping an owed packet without a word is worse than a connection that comes back for it.
            return Err(Error::Internal);
        };
        let header = PublishHeader {
            dup: *dup,
            qos: *qos,
            retain: *retain,
            topic: Some(&message.topic),
            packet_id: *packet_id,
            message_expiry: *message_expiry,
            topic_alias: None,
            subscription_identifiers,
            properties: &message.properties,
        };
        let (version, limit) = (self.version(), self.maximum_packet_size());
        let size = header.packet_len(version, message.payload.len()).map_err(|_| Error::Internal)?;
        if size <= limit {
            return self
                .outbox
                .publish(&header, &message.payload, version, outputs)
                .map_err(|_| Error::Internal);
        }
        // Goes on as if it had been sent [MQTT-3.1.2-25]: through the log, where its place in the window is.
        outputs.push(Output::Dropped(Dropped::TooLargeForClient));
        if let Some(packet_id) = packet_id {
            self.acknowledgements.push(AckKind::Discard, *packet_id, ReasonCode::Success);
        }
        Ok(())
    }

    /// Encodes a packet that may not be left out.
    pub(crate) fn write(&mut self, packet: &Packet) -> Result<(), Error> {
        let (version, limit) = (self.version(), self.maximum_packet_size());
        self.outbox.packet(packet, version, limit).map_err(|error| match error {
            EncodeError::TooLarge { size, limit, .. } => Error::AnswerTooLarge { size, limit },
            EncodeError::NotInVersion(_)
            | EncodeError::NoPacketId
            | EncodeError::NoTopic
            | EncodeError::Empty(_)
            | EncodeError::Reason { .. }
            | EncodeError::BinaryTooLong { .. }
            | EncodeError::SubscriptionIdentifier(_)
            | EncodeError::NoAuthenticationMethod(_)
            | EncodeError::PasswordWithoutUserName => Error::Internal,
        })
    }
}
