//! Packets to bytes.
//!
//! ```text
//!   encode            any packet, whole
//!   encode_within     any packet for a client with a Maximum Packet Size: what may go, goes
//!   encode_publish    the header of a PUBLISH only; the payload is written after it from where it lies
//! ```
//! What the version does not know is left out, so that one packet serves subscribers of all versions;
//! what it could not say without saying something wrong is an [`EncodeError`], and nothing is written.

use bytes::BytesMut;

use crate::publish::PublishHeader;
use crate::writer::{self, Length, MAX_VARIABLE_BYTE_INTEGER, Sink};
use crate::{Packet, PacketType, ReasonCode, UserProperties, Utf8String, Version};

/// The largest packet that the Remaining Length can say, fixed header included, in bytes.
pub const MAX_PACKET_SIZE: usize = 5 + MAX_VARIABLE_BYTE_INTEGER;

/// Why a packet has no bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// Larger than the receiver takes, also without what may be left out.
    #[error("{} of {size} bytes is over the limit of {limit}; it cannot be sent to this receiver", packet.name())]
    TooLarge {
        /// Which packet.
        packet: PacketType,
        /// Its size in bytes, fixed header included.
        size: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// AUTH before 5.0.
    #[error("{} does not exist in this version", .0.name())]
    NotInVersion(PacketType),
    /// A PUBLISH of QoS 1 or 2 without a packet identifier.
    #[error("publish of qos 1 or 2 without a packet identifier")]
    NoPacketId,
    /// A PUBLISH with neither topic nor alias, or without topic before 5.0.
    #[error("publish without a topic name")]
    NoTopic,
    /// A list that may not be empty: filters, or the reason codes that answer them.
    #[error("{} with nothing in its payload", .0.name())]
    Empty(PacketType),
    /// The reason code is not one of this packet, or an older CONNACK has no word for it.
    #[error("{} cannot carry {reason:?}", packet.name())]
    Reason {
        /// Which packet.
        packet: PacketType,
        /// The code.
        reason: ReasonCode,
    },
    /// Binary data that does not fit its two byte length.
    #[error("{field} is over 65535 bytes")]
    BinaryTooLong {
        /// Which field.
        field: &'static str,
    },
    /// A Subscription Identifier of 0 or over 268 435 455.
    #[error("subscription identifier {0} is out of range")]
    SubscriptionIdentifier(u32),
    /// Authentication Data, or an AUTH that says something, without a method.
    #[error("{} without authentication method", .0.name())]
    NoAuthenticationMethod(PacketType),
    /// A password without a user name before 5.0.
    #[error("a password without a user name")]
    PasswordWithoutUserName,
}

/// Appends the packet to `out`, in the form of `version`; a CONNECT has its own version, and uses that.
///
/// # Errors
/// The packet has no form in that version; `out` is as before.
pub fn encode(packet: &Packet, version: Version, out: &mut BytesMut) -> Result<(), EncodeError> {
    encode_up_to(packet, version, MAX_PACKET_SIZE, out)
}

/// Appends the packet to `out` if the receiver, whose Maximum Packet Size is given, takes it. User
/// Properties, then the Reason String, are left out of CONNACK, acknowledgements, DISCONNECT and AUTH
/// when only that makes them fit `[MQTT-3.2.2-19]` `[MQTT-3.2.2-20]` `[MQTT-3.4.2-2]` `[MQTT-3.4.2-3]`;
/// what does not fit then is [`EncodeError::TooLarge`].
pub fn encode_within(
    packet: &Packet,
    version: Version,
    maximum_packet_size: usize,
    out: &mut BytesMut,
) -> Result<(), EncodeError> {
    let limit = maximum_packet_size.min(MAX_PACKET_SIZE);
    let mut attempt = encode_up_to(packet, version, limit, out);
    if !matches!(attempt, Err(EncodeError::TooLarge { .. })) {
        return attempt;
    }
    let mut packet = packet.clone();
    if let Some((reason_string, user_properties)) = expendable(&mut packet) {
        *user_properties = UserProperties::default();
        let had_reason_string = reason_string.is_some();
        attempt = encode_up_to(&packet, version, limit, out);
        if attempt.is_err() && had_reason_string {
            if let Some((reason_string, _)) = expendable(&mut packet) {
                *reason_string = None;
            }
            attempt = encode_up_to(&packet, version, limit, out);
        }
    }
    attempt
}

/// Size in bytes, fixed header included, of what [`encode`] would append.
pub fn encoded_len(packet: &Packet, version: Version) -> Result<usize, EncodeError> {
    if let Packet::Publish(publish) = packet {
        return PublishHeader::of(publish).packet_len(version, publish.payload.len());
    }
    check(packet, version)?;
    let mut length = Length::default();
    put_body(packet, version, &mut length);
    Ok(1 + writer::variable_byte_integer_length(length.0) + length.0)
}

fn encode_up_to(
    packet: &Packet,
    version: Version,
    limit: usize,
    out: &mut BytesMut,
) -> Result<(), EncodeError> {
    if let Packet::Publish(publish) = packet {
        let header = PublishHeader::of(publish);
        let size = header.packet_len(version, publish.payload.len())?;
        fits(PacketType::Publish, size, limit)?;
        out.reserve(size);
        encode_publish(&header, version, publish.payload.len(), out)?;
        out.extend_from_slice(&publish.payload);
        return Ok(());
    }
    check(packet, version)?;
    let mut length = Length::default();
    put_body(packet, version, &mut length);
    let (remaining_length, digits) = writer::variable_byte_integer(length.0);
    let size = 1 + digits + length.0;
    fits(packet.packet_type(), size, limit)?;
    out.reserve(size);
    out.extend_from_slice(&[first_byte(packet.packet_type())]);
    out.extend_from_slice(remaining_length.get(..digits).unwrap_or_default());
    put_body(packet, version, out);
    Ok(())
}

/// Appends all of a PUBLISH but its payload, of which only the length is told: the caller writes the
/// payload after it, so that one buffer serves every subscriber.
pub fn encode_publish(
    header: &PublishHeader<'_>,
    version: Version,
    payload_length: usize,
    out: &mut BytesMut,
) -> Result<(), EncodeError> {
    let size = header.packet_len(version, payload_length)?;
    fits(PacketType::Publish, size, MAX_PACKET_SIZE)?;
    header.put(version, payload_length, out);
    Ok(())
}

fn fits(packet: PacketType, size: usize, limit: usize) -> Result<(), EncodeError> {
    if size > limit {
        return Err(EncodeError::TooLarge { packet, size, limit });
    }
    Ok(())
}

/// Type and flags of all packets but PUBLISH.
pub(crate) const fn first_byte(packet_type: PacketType) -> u8 {
    packet_type.value() << 4 | packet_type.prescribed_flags()
}

fn put_body(packet: &Packet, version: Version, out: &mut dyn Sink) {
    match packet {
        Packet::Connect(packet) => packet.put(out),
        Packet::ConnAck(packet) => packet.put(version, out),
        Packet::Publish(_) | Packet::PingReq(_) | Packet::PingResp(_) => {}
        Packet::PubAck(packet) => packet.put(version, out),
        Packet::PubRec(packet) => packet.put(version, out),
        Packet::PubRel(packet) => packet.put(version, out),
        Packet::PubComp(packet) => packet.put(version, out),
        Packet::Subscribe(packet) => packet.put(version, out),
        Packet::SubAck(packet) => packet.put(version, out),
        Packet::Unsubscribe(packet) => packet.put(version, out),
        Packet::UnsubAck(packet) => packet.put(version, out),
        Packet::Disconnect(packet) => packet.put(version, out),
        Packet::Auth(packet) => packet.put(out),
    }
}

/// Whether the packet can be said at all.
fn check(packet: &Packet, version: Version) -> Result<(), EncodeError> {
    let packet_type = packet.packet_type();
    match packet {
        Packet::Connect(packet) => packet.check(),
        Packet::ConnAck(packet) => packet.check(version),
        Packet::Publish(_) | Packet::PingReq(_) | Packet::PingResp(_) => Ok(()),
        Packet::PubAck(packet) => check_reason(packet_type, packet.reason, version),
        Packet::PubRec(packet) => check_reason(packet_type, packet.reason, version),
        Packet::PubRel(packet) => check_reason(packet_type, packet.reason, version),
        Packet::PubComp(packet) => check_reason(packet_type, packet.reason, version),
        Packet::Subscribe(packet) => packet.check(),
        Packet::SubAck(packet) => check_reasons(packet_type, &packet.reasons, version),
        Packet::Unsubscribe(packet) if packet.filters.is_empty() => Err(EncodeError::Empty(packet_type)),
        Packet::Unsubscribe(_) => Ok(()),
        Packet::UnsubAck(packet) if version.is_v5() => check_reasons(packet_type, &packet.reasons, version),
        Packet::UnsubAck(_) => Ok(()),
        Packet::Disconnect(packet) => check_reason(packet_type, packet.reason, version),
        Packet::Auth(_) if !version.is_v5() => Err(EncodeError::NotInVersion(packet_type)),
        Packet::Auth(packet) => {
            check_reason(packet_type, packet.reason, version)?;
            packet.check()
        }
    }
}

/// Before 5.0 these packets say no reason, so any will do.
fn check_reason(packet: PacketType, reason: ReasonCode, version: Version) -> Result<(), EncodeError> {
    if version.is_v5() && !reason.allowed_in(packet) {
        return Err(EncodeError::Reason { packet, reason });
    }
    Ok(())
}

fn check_reasons(packet: PacketType, reasons: &[ReasonCode], version: Version) -> Result<(), EncodeError> {
    if reasons.is_empty() {
        return Err(EncodeError::Empty(packet));
    }
    reasons.iter().try_for_each(|&reason| check_reason(packet, reason, version))
}

/// Refuses binary data that its two byte length cannot say.
pub(crate) fn check_binary(field: &'static str, bytes: Option<&[u8]>) -> Result<(), EncodeError> {
    match bytes {
        Some(bytes) if bytes.len() > Utf8String::MAX_LENGTH => Err(EncodeError::BinaryTooLong { field }),
        Some(_) | None => Ok(()),
    }
}

/// Refuses Subscription Identifiers out of range.
pub(crate) fn check_subscription_identifier(value: u32) -> Result<(), EncodeError> {
    let in_range = value > 0 && usize::try_from(value).is_ok_and(|v| v <= MAX_VARIABLE_BYTE_INTEGER);
    if in_range { Ok(()) } else { Err(EncodeError::SubscriptionIdentifier(value)) }
}

/// What a packet says only to explain itself.
fn expendable(packet: &mut Packet) -> Option<(&mut Option<Utf8String>, &mut UserProperties)> {
    match packet {
        Packet::ConnAck(p) => Some((&mut p.reason_string, &mut p.user_properties)),
        Packet::PubAck(p) => Some((&mut p.reason_string, &mut p.user_properties)),
        Packet::PubRec(p) => Some((&mut p.reason_string, &mut p.user_properties)),
        Packet::PubRel(p) => Some((&mut p.reason_string, &mut p.user_properties)),
        Packet::PubComp(p) => Some((&mut p.reason_string, &mut p.user_properties)),
        Packet::SubAck(p) => Some((&mut p.reason_string, &mut p.user_properties)),
        Packet::UnsubAck(p) => Some((&mut p.reason_string, &mut p.user_properties)),
        Packet::Disconnect(p) => Some((&mut p.reason_string, &mut p.user_properties)),
        Packet::Auth(p) => Some((&mut p.reason_string, &mut p.user_properties)),
        Packet::Connect(_)
        | Packet::Publish(_)
        | Packet::Subscribe(_)
        | Packet::Unsubscribe(_)
        | Packet::PingReq(_)
        | Packet::PingResp(_) => None,
    }
}
