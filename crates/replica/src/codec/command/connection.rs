//! Commands of connections.
//!
//! ```text
//!   Connect      serial read-at client-id principal level(1) clean(1) session-expiry receive-maximum
//!   Disconnect   serial slot flags(1: expiry follows, will due) [session-expiry]
//!   Publish      serial slot packet-id(2) verdict(1: 0 admit, else the refusal) message
//!   Acknowledge  serial slot count run*
//!                run = head(1: kind 0-2, more than one 3, reason follows 4)  first packet-id(2)  [how many more]  [reason(1)]
//!   Subscribe    serial slot packet-id(2) subscription-identifier (0: none)  count request*
//!                request = options(1) filter, or 0xff reason(1)
//!   Unsubscribe  serial slot packet-id(2) count filter*
//! ```

use core::num::NonZeroU32;

use quartet_broker::{
    Ack, AckKind, Acknowledge, Connect, ConnectionId, Disconnect, FilterRequest, LogIndex, Origin, Principal,
    Publish, SessionSlot, Subscribe, Unsubscribe, Verdict,
};
use quartet_packet::{PacketId, QoS, ReasonCode, RetainHandling, SubscriptionOptions, TopicFilter, Version};

use super::kind;
use crate::codec::message::{message, put_message};
use crate::codec::{Malformed, Reader, Writer};

/// Disconnect: a Session Expiry Interval follows.
const EXPIRY_FOLLOWS: u8 = 1;
/// Disconnect: a will is due.
const WILL_DUE: u8 = 2;

/// A run of acknowledgements has more than one.
const RUN: u8 = 1 << 3;
/// A run's reason is not success.
const REASON: u8 = 1 << 4;

/// Stands where the options of a filter do, when the front end refused it.
const REFUSED: u8 = 0xff;

/// Most acknowledgements of one command: what [`Acknowledge`] allows, and a bound on what a run can unfold to.
const MAX_ACKS: usize = 65_535;

fn put_head(out: &mut Writer<'_>, kind: u8, connection: ConnectionId, session: SessionSlot) {
    out.u8(kind);
    out.u64(connection.serial);
    out.u32(session.0);
}

fn connection(origin: Origin, reader: &mut Reader) -> Result<ConnectionId, Malformed> {
    Ok(ConnectionId { node: origin.node, boot: origin.boot, serial: reader.u64()? })
}

fn slot(reader: &mut Reader) -> Result<SessionSlot, Malformed> {
    reader.u32().map(SessionSlot)
}

pub(super) fn put_connect(out: &mut Writer<'_>, command: &Connect) {
    let Connect {
        connection,
        read_at,
        client_id,
        principal,
        version,
        clean_start,
        session_expiry,
        receive_maximum,
    } = command;
    out.u8(kind::CONNECT);
    out.u64(connection.serial);
    out.u64(read_at.0);
    out.bytes(client_id.as_bytes());
    out.bytes(principal.0.as_bytes());
    out.u8(version.level());
    out.bool(*clean_start);
    out.u32(*session_expiry);
    out.u16(*receive_maximum);
}

pub(super) fn connect(origin: Origin, reader: &mut Reader) -> Result<Connect, Malformed> {
    Ok(Connect {
        connection: connection(origin, reader)?,
        read_at: LogIndex(reader.u64()?),
        client_id: reader.string()?,
        principal: Principal(reader.string()?),
        version: {
            let level = reader.u8()?;
            Version::from_level(level).ok_or_else(|| reader.malformed("no such protocol level"))?
        },
        clean_start: reader.bool()?,
        session_expiry: reader.u32()?,
        receive_maximum: reader.u16()?,
    })
}

pub(super) fn put_disconnect(out: &mut Writer<'_>, command: &Disconnect) {
    let Disconnect { connection, session, session_expiry, will_due } = command;
    put_head(out, kind::DISCONNECT, *connection, *session);
    let mut flags = 0;
    if session_expiry.is_some() {
        flags |= EXPIRY_FOLLOWS;
    }
    if *will_due {
        flags |= WILL_DUE;
    }
    out.u8(flags);
    if let Some(seconds) = session_expiry {
        out.u32(*seconds);
    }
}

pub(super) fn disconnect(origin: Origin, reader: &mut Reader) -> Result<Disconnect, Malformed> {
    let connection = connection(origin, reader)?;
    let session = slot(reader)?;
    let flags = reader.u8()?;
    if flags & !(EXPIRY_FOLLOWS | WILL_DUE) != 0 {
        return Err(reader.malformed("unknown disconnect flags"));
    }
    let session_expiry = if flags & EXPIRY_FOLLOWS == 0 { None } else { Some(reader.u32()?) };
    Ok(Disconnect { connection, session, session_expiry, will_due: flags & WILL_DUE != 0 })
}

pub(super) fn put_publish(out: &mut Writer<'_>, command: &Publish) {
    let Publish { connection, session, packet_id, message, verdict } = command;
    put_head(out, kind::PUBLISH, *connection, *session);
    out.packet_id(*packet_id);
    match verdict {
        Verdict::Admit => out.u8(0),
        Verdict::Refuse(reason) => out.reason(*reason),
    }
    put_message(out, message);
}

pub(super) fn publish(origin: Origin, reader: &mut Reader) -> Result<Publish, Malformed> {
    Ok(Publish {
        connection: connection(origin, reader)?,
        session: slot(reader)?,
        packet_id: reader.packet_id()?,
        verdict: match reader.reason()? {
            ReasonCode::Success => Verdict::Admit,
            refusal => Verdict::Refuse(refusal),
        },
        message: message(reader)?,
    })
}

pub(super) fn put_acknowledge(out: &mut Writer<'_>, command: &Acknowledge) {
    let Acknowledge { connection, session, acks } = command;
    put_head(out, kind::ACKNOWLEDGE, *connection, *session);
    out.length(acks.len());
    let mut rest = acks.as_slice();
    while let Some(first) = rest.first() {
        let more = run_behind(*first, &rest[1..]);
        let mut head = ack_kind(first.kind);
        if more > 0 {
            head |= RUN;
        }
        if first.reason != ReasonCode::Success {
            head |= REASON;
        }
        out.u8(head);
        out.packet_id(first.packet_id);
        if more > 0 {
            out.length(more);
        }
        if first.reason != ReasonCode::Success {
            out.reason(first.reason);
        }
        rest = &rest[1 + more..];
    }
}

/// How many of `rest` go on where `first` begins: same kind and reason, identifiers counting up.
fn run_behind(first: Ack, rest: &[Ack]) -> usize {
    let mut expected = first;
    rest.iter()
        .take_while(|ack| {
            expected.packet_id = following(expected.packet_id);
            **ack == expected
        })
        .count()
}

/// The identifier after this one; 1 after the last, since 0 is none.
fn following(packet_id: PacketId) -> PacketId {
    PacketId::new(packet_id.get().wrapping_add(1)).unwrap_or(PacketId::MIN)
}

pub(super) fn acknowledge(origin: Origin, reader: &mut Reader) -> Result<Acknowledge, Malformed> {
    let connection = connection(origin, reader)?;
    let session = slot(reader)?;
    let count = reader.u64()?;
    let count = usize::try_from(count).ok().filter(|count| *count <= MAX_ACKS);
    let count = count.ok_or_else(|| reader.malformed("more acknowledgements than one command holds"))?;
    let mut acks = Vec::with_capacity(count);
    while acks.len() < count {
        let head = reader.u8()?;
        if head & !(7 | RUN | REASON) != 0 {
            return Err(reader.malformed("unknown acknowledgement flags"));
        }
        let kind = match head & 7 {
            0 => AckKind::PubAck,
            1 => AckKind::PubRec,
            2 => AckKind::PubRel,
            3 => AckKind::PubComp,
            4 => AckKind::Discard,
            _ => return Err(reader.malformed("no such acknowledgement")),
        };
        let mut packet_id = reader.packet_id()?;
        let more = if head & RUN == 0 { 0 } else { reader.u64()? };
        if more >= (count - acks.len()) as u64 {
            return Err(reader.malformed("a run of acknowledgements is longer than their count"));
        }
        let reason = if head & REASON == 0 { ReasonCode::Success } else { reader.reason()? };
        acks.push(Ack { kind, packet_id, reason });
        for _ in 0..more {
            packet_id = following(packet_id);
            acks.push(Ack { kind, packet_id, reason });
        }
    }
    Ok(Acknowledge { connection, session, acks })
}

fn ack_kind(kind: AckKind) -> u8 {
    match kind {
        AckKind::PubAck => 0,
        AckKind::PubRec => 1,
        AckKind::PubRel => 2,
        AckKind::PubComp => 3,
        AckKind::Discard => 4,
    }
}

pub(super) fn put_subscribe(out: &mut Writer<'_>, command: &Subscribe) {
    let Subscribe { connection, session, packet_id, subscription_identifier, filters } = command;
    put_head(out, kind::SUBSCRIBE, *connection, *session);
    out.packet_id(*packet_id);
    out.u32(subscription_identifier.map_or(0, NonZeroU32::get));
    out.length(filters.len());
    for filter in filters {
        match filter {
            FilterRequest::Admit(filter, options) => {
                out.u8(pack_options(*options));
                out.bytes(filter.as_bytes());
            }
            FilterRequest::Refuse(reason) => {
                out.u8(REFUSED);
                out.reason(*reason);
            }
        }
    }
}

pub(super) fn subscribe(origin: Origin, reader: &mut Reader) -> Result<Subscribe, Malformed> {
    Ok(Subscribe {
        connection: connection(origin, reader)?,
        session: slot(reader)?,
        packet_id: reader.packet_id()?,
        subscription_identifier: NonZeroU32::new(reader.u32()?),
        filters: reader.list(2, |reader| match reader.u8()? {
            REFUSED => reader.reason().map(FilterRequest::Refuse),
            options => {
                let options = unpack_options(options)
                    .ok_or_else(|| reader.malformed("unknown subscription options"))?;
                Ok(FilterRequest::Admit(filter(reader)?, options))
            }
        })?,
    })
}

pub(super) fn put_unsubscribe(out: &mut Writer<'_>, command: &Unsubscribe) {
    let Unsubscribe { connection, session, packet_id, filters } = command;
    put_head(out, kind::UNSUBSCRIBE, *connection, *session);
    out.packet_id(*packet_id);
    out.length(filters.len());
    for filter in filters {
        out.bytes(filter.as_bytes());
    }
}

pub(super) fn unsubscribe(origin: Origin, reader: &mut Reader) -> Result<Unsubscribe, Malformed> {
    Ok(Unsubscribe {
        connection: connection(origin, reader)?,
        session: slot(reader)?,
        packet_id: reader.packet_id()?,
        filters: reader.list(1, Reader::string)?,
    })
}

pub(crate) fn filter(reader: &mut Reader) -> Result<TopicFilter, Malformed> {
    let bytes = reader.bytes()?;
    TopicFilter::from_bytes(bytes).map_err(|_| reader.malformed("a topic filter is not valid"))
}

/// Subscription options in one byte, laid out as in a SUBSCRIBE packet (MQTT 5.0 section 3.8.3.1).
pub(crate) fn pack_options(options: SubscriptionOptions) -> u8 {
    let SubscriptionOptions { qos, no_local, retain_as_published, retain_handling } = options;
    qos.value() | u8::from(no_local) << 2 | u8::from(retain_as_published) << 3 | retain_handling.value() << 4
}

/// The inverse of [`pack_options`].
pub(crate) fn unpack_options(byte: u8) -> Option<SubscriptionOptions> {
    if byte & 0xc0 != 0 {
        return None;
    }
    Some(SubscriptionOptions {
        qos: QoS::from_u8(byte & 3)?,
        no_local: byte & 4 != 0,
        retain_as_published: byte & 8 != 0,
        retain_handling: RetainHandling::from_u8(byte >> 4)?,
    })
}
