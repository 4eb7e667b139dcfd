//! Acknowledgements: many of one connection travel as one command, since they are most of the log.

use alloc::vec::Vec;
use quartet_packet::{PacketId, ReasonCode};

use crate::session::Session;
use crate::session::outbound::{Acked, send};
use crate::{Broker, CloseReason, ConnectionId, Effect, MessageHandle, Outgoing, SessionSlot};

/// Which acknowledgement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AckKind {
    /// The client has a QoS 1 message.
    PubAck,
    /// The client has a QoS 2 message.
    PubRec,
    /// The client releases its own QoS 2 message.
    PubRel,
    /// The client has released ours.
    PubComp,
    /// The front end could not deliver this message (larger than the client's Maximum Packet Size): treat it as
    /// complete and free its place in the window.
    Discard,
}

/// One acknowledgement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ack {
    /// Which.
    pub kind: AckKind,
    /// Of which identifier: ours for PubAck, PubRec, PubComp and Discard; the client's for PubRel.
    pub packet_id: PacketId,
    /// The client's reason code; `Success` in 3.x.
    pub reason: ReasonCode,
}

/// Acknowledgements of one connection, in the order they were read. At most 65,535.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Acknowledge {
    /// Whose.
    pub connection: ConnectionId,
    /// Its session, from CONNACK.
    pub session: SessionSlot,
    /// Which.
    pub acks: Vec<Ack>,
}

impl Acknowledge {
    pub(crate) fn apply(self, broker: &mut Broker, effects: &mut Vec<Effect>) {
        if !broker.admits(self.connection, self.session) {
            return;
        }
        let to = self.connection;
        let messages = &mut broker.messages;
        let freed = broker.sessions.change(self.session, |session| {
            let mut freed = false;
            for ack in &self.acks {
                match ack.step(session) {
                    Step::Answer(packet) => effects.push(send(to, packet)),
                    Step::Received(packet, handle) => {
                        effects.push(send(to, packet));
                        messages.release(handle, effects);
                    }
                    Step::Done(handle) => {
                        freed = true;
                        if let Some(handle) = handle {
                            messages.release(handle, effects);
                        }
                    }
                    Step::Nothing => {}
                    Step::WrongType => return Err(WrongType),
                }
            }
            Ok(freed)
        });
        match freed {
            Some(Ok(true)) => broker.pump(self.session, effects),
            Some(Ok(false)) | None => {}
            Some(Err(WrongType)) => broker.close(to, CloseReason::ProtocolError, effects),
        }
    }
}

/// An acknowledgement that cannot be one of the step its message is at.
struct WrongType;

/// What follows from one acknowledgement.
enum Step {
    Answer(Outgoing),
    Received(Outgoing, MessageHandle),
    Done(Option<MessageHandle>),
    Nothing,
    WrongType,
}

impl Ack {
    fn step(self, session: &mut Session) -> Step {
        let outbound = &mut session.outbound;
        let acked = match self.kind {
            AckKind::PubRel => {
                let held = session.inbound.release(self.packet_id);
                let reason = if held { ReasonCode::Success } else { ReasonCode::PacketIdentifierNotFound };
                return Step::Answer(Outgoing::PubComp(self.packet_id, reason));
            }
            AckKind::PubAck => outbound.puback(self.packet_id),
            AckKind::PubRec => outbound.pubrec(self.packet_id, self.reason),
            AckKind::PubComp => outbound.pubcomp(self.packet_id),
            AckKind::Discard => outbound.discard(self.packet_id),
        };
        let pubrel = |reason| Outgoing::PubRel(self.packet_id, reason);
        match acked {
            Acked::Done(handle) => Step::Done(handle),
            Acked::Received(handle) => Step::Received(pubrel(ReasonCode::Success), handle),
            Acked::ReceivedBefore => Step::Answer(pubrel(ReasonCode::Success)),
            // A PUBREC ≥ 0x80 ended its handshake, which may have been forgotten here: nothing follows it.
            Acked::Unknown if self.kind == AckKind::PubRec && !self.reason.is_error() => {
                Step::Answer(pubrel(ReasonCode::PacketIdentifierNotFound))
            }
            Acked::Unknown => Step::Nothing,
            Acked::WrongType => Step::WrongType,
        }
    }
}
