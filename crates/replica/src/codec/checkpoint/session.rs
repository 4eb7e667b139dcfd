//! One session of a checkpoint.

use core::num::NonZeroU32;

use bytes::{Bytes, BytesMut};
use quartet_broker::{
    Boot, ConnectionId, Delivery, Inflight, InflightMessage, LogIndex, MessageHandle, NodeId, Principal,
    QueueItem, SessionPart, SessionSlot, Subscription, Timestamp,
};
use quartet_packet::{PacketId, QoS, Version};

use crate::codec::command::{filter, pack_options, unpack_options};
use crate::codec::{Malformed, Reader, Writer};

/// Steps of a message in flight, as stored.
const AWAITING_PUBACK: u8 = 1;
const AWAITING_PUBREC: u8 = 2;
const AWAITING_PUBCOMP: u8 = 3;

pub(crate) fn put_session(session: &SessionPart, out: &mut BytesMut) {
    let SessionPart {
        slot,
        client_id,
        principal,
        version,
        connection,
        last_connect,
        session_expiry,
        expires_at,
        ending,
        unpumped,
        overflowed,
        unreleased,
        window,
        next_packet_id,
        next_sequence,
        inflight,
        passed,
        queue,
        subscriptions,
    } = session;
    let out = &mut Writer::new(out);
    out.u32(slot.0);
    out.bytes(client_id.as_bytes());
    out.bytes(principal.0.as_bytes());
    out.u8(version.level());
    out.option(*connection, |out, connection| {
        out.u64(connection.node.0);
        out.u64(connection.boot.0);
        out.u64(connection.serial);
    });
    out.u64(last_connect.0);
    out.u32(*session_expiry);
    out.option(*expires_at, |out, at| out.u64(at.0));
    out.bool(*ending);
    out.bool(*unpumped);
    out.u64(*overflowed);
    out.length(unreleased.len());
    for packet_id in unreleased {
        out.packet_id(*packet_id);
    }
    out.u16(*window);
    out.packet_id(*next_packet_id);
    out.u64(*next_sequence);
    out.length(inflight.len());
    for (packet_id, message) in inflight {
        put_inflight(out, *packet_id, message);
    }
    out.u64(*passed);
    out.length(queue.len());
    for item in queue {
        out.u8(item.kind());
        match item {
            QueueItem::Message(delivery) => put_delivery(out, delivery),
        }
    }
    out.length(subscriptions.len());
    for (filter, Subscription { options, identifier }) in subscriptions {
        out.bytes(filter.as_bytes());
        out.u8(pack_options(*options));
        out.u32(identifier.map_or(0, NonZeroU32::get));
    }
}

pub(crate) fn session(bytes: Bytes) -> Result<SessionPart, Malformed> {
    let mut reader = Reader::new("session of a checkpoint", bytes);
    let session = SessionPart {
        slot: SessionSlot(reader.u32()?),
        client_id: reader.string()?.detach(),
        principal: Principal(reader.string()?.detach()),
        version: {
            let level = reader.u8()?;
            Version::from_level(level).ok_or_else(|| reader.malformed("no such protocol level"))?
        },
        connection: reader.option(|reader| {
            Ok(ConnectionId { node: NodeId(reader.u64()?), boot: Boot(reader.u64()?), serial: reader.u64()? })
        })?,
        last_connect: LogIndex(reader.u64()?),
        session_expiry: reader.u32()?,
        expires_at: reader.option(|reader| reader.u64().map(Timestamp))?,
        ending: reader.bool()?,
        unpumped: reader.bool()?,
        overflowed: reader.u64()?,
        unreleased: reader.list(2, Reader::packet_id)?,
        window: reader.u16()?,
        next_packet_id: reader.packet_id()?,
        next_sequence: reader.u64()?,
        inflight: reader.list(5, inflight)?,
        passed: reader.u64()?,
        queue: reader.list(6, |reader| match reader.u8()? {
            1 => delivery(reader).map(QueueItem::Message),
            _ => Err(reader.malformed("no such item of a queue")),
        })?,
        subscriptions: reader.list(3, |reader| {
            let filter = filter(reader)?.detach();
            let options = reader.u8()?;
            let options =
                unpack_options(options).ok_or_else(|| reader.malformed("unknown subscription options"))?;
            Ok((filter, Subscription { options, identifier: NonZeroU32::new(reader.u32()?) }))
        })?,
    };
    reader.end()?;
    Ok(session)
}

fn put_inflight(out: &mut Writer<'_>, packet_id: PacketId, message: &InflightMessage) {
    let InflightMessage { sequence, owed, step } = message;
    out.packet_id(packet_id);
    out.u64(*sequence);
    out.bool(*owed);
    match step {
        Inflight::AwaitingPubAck(delivery) => {
            out.u8(AWAITING_PUBACK);
            put_delivery(out, delivery);
        }
        Inflight::AwaitingPubRec(delivery) => {
            out.u8(AWAITING_PUBREC);
            put_delivery(out, delivery);
        }
        Inflight::AwaitingPubComp => out.u8(AWAITING_PUBCOMP),
    }
}

fn inflight(reader: &mut Reader) -> Result<(PacketId, InflightMessage), Malformed> {
    let packet_id = reader.packet_id()?;
    let sequence = reader.u64()?;
    let owed = reader.bool()?;
    let step = match reader.u8()? {
        AWAITING_PUBACK => Inflight::AwaitingPubAck(delivery(reader)?),
        AWAITING_PUBREC => Inflight::AwaitingPubRec(delivery(reader)?),
        AWAITING_PUBCOMP => Inflight::AwaitingPubComp,
        _ => return Err(reader.malformed("no such step of a message in flight")),
    };
    Ok((packet_id, InflightMessage { sequence, owed, step }))
}

fn put_delivery(out: &mut Writer<'_>, delivery: &Delivery) {
    let Delivery { handle, qos, retain, expires_at, size, subscription_identifiers } = delivery;
    out.u64(handle.0);
    out.u8(qos.value());
    out.bool(*retain);
    out.option(*expires_at, |out, at| out.u64(at.0));
    out.u32(*size);
    out.length(subscription_identifiers.len());
    for identifier in subscription_identifiers {
        out.u32(*identifier);
    }
}

fn delivery(reader: &mut Reader) -> Result<Delivery, Malformed> {
    Ok(Delivery {
        handle: MessageHandle(reader.u64()?),
        qos: {
            let qos = reader.u8()?;
            QoS::from_u8(qos).ok_or_else(|| reader.malformed("qos above 2"))?
        },
        retain: reader.bool()?,
        expires_at: reader.option(|reader| reader.u64().map(Timestamp))?,
        size: reader.u32()?,
        subscription_identifiers: reader.list(1, Reader::u32)?,
    })
}
