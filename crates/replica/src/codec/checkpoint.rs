//! The records of a checkpoint: everything that a [`Broker`](quartet_broker::Broker) is made of.
//!
//! ```text
//!   head     version(1) cluster-id(16) last-log-id membership      of which cluster, up to which entry
//!   state    everything but the sessions
//!   session  one session                                           in ascending slots
//!   message  handle message                                        in no order
//!   end      how many records came before                          a file without it is torn
//! ```
//!
//! How records lie in a file, with lengths and checksums, is the business of `checkpoint`. Strings that are kept are copied
//! out of the record, so that a small one does not hold a large record in memory.

mod session;

use bytes::{Bytes, BytesMut};
use quartet_broker::{
    Boot, Counters, Header, LogIndex, Message, MessageHandle, NodeId, Number, Origin, Stream, Timestamp,
};
use quartet_raft_log::codec::{
    decode_log_id, decode_stored_membership, encode_log_id, encode_stored_membership,
};
use quartet_raft_log::{LogId, StoredMembership};

use super::command::{put_settings, settings};
use super::message::{message, put_message};
use super::{Malformed, Reader, Writer};
pub(crate) use session::{put_session, session};

/// The format of checkpoints that this release writes and reads.
pub const VERSION: u8 = 1;

/// Of which cluster a checkpoint is, and which entry it ends with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) cluster_id: u128,
    pub(crate) last_log_id: Option<LogId>,
    pub(crate) membership: StoredMembership,
}

pub(crate) fn put_head(head: &Head, out: &mut BytesMut) {
    let out = &mut Writer::new(out);
    out.u8(VERSION);
    out.raw(&head.cluster_id.to_be_bytes());
    let mut encoded = Vec::new();
    if let Some(last) = &head.last_log_id {
        encode_log_id(last, &mut encoded);
    }
    out.bytes(&encoded);
    encoded.clear();
    encode_stored_membership(&head.membership, &mut encoded);
    out.bytes(&encoded);
}

pub(crate) fn head(bytes: Bytes) -> Result<Head, Malformed> {
    let mut reader = Reader::new("head of a checkpoint", bytes);
    if reader.u8()? != VERSION {
        return Err(reader.malformed("unknown format version; run a newer release"));
    }
    let cluster_id = reader.take(16)?;
    let cluster_id = <[u8; 16]>::try_from(&cluster_id[..]).map_err(|_| reader.malformed("ends early"))?;
    let last = reader.bytes()?;
    let last_log_id = if last.is_empty() {
        None
    } else {
        Some(decode_log_id(&last).map_err(|_| reader.malformed("its log id does not decode"))?)
    };
    let membership = reader.bytes()?;
    let membership = decode_stored_membership(&membership)
        .map_err(|_| reader.malformed("its membership does not decode"))?;
    reader.end()?;
    Ok(Head { cluster_id: u128::from_be_bytes(cluster_id), last_log_id, membership })
}

pub(crate) fn put_stored(handle: MessageHandle, message: &Message, out: &mut BytesMut) {
    let out = &mut Writer::new(out);
    out.u64(handle.0);
    put_message(out, message);
}

pub(crate) fn stored(bytes: Bytes) -> Result<(MessageHandle, Message), Malformed> {
    let mut reader = Reader::new("message of a checkpoint", bytes);
    let handle = MessageHandle(reader.u64()?);
    let message = message(&mut reader)?;
    reader.end()?;
    Ok((handle, message))
}

pub(crate) fn put_state(header: &Header, out: &mut BytesMut) {
    let Header {
        seed,
        behaviour,
        settings,
        index,
        time,
        next_message,
        horizon,
        counters,
        streams,
        ended_boots,
        ends,
        votes,
        digest,
    } = header;
    let out = &mut Writer::new(out);
    out.raw(&seed.to_be_bytes());
    out.u16(*behaviour);
    put_settings(out, settings);
    out.u64(index.0);
    out.u64(time.0);
    out.u64(next_message.0);
    out.u64(horizon.0);
    for counter in counter_values(counters) {
        out.u64(counter);
    }
    out.length(streams.len());
    for (node, stream) in streams {
        out.u64(node.0);
        out.u64(stream.boot.0);
        out.bool(stream.alive);
        out.u64(stream.cursor.0);
    }
    out.length(ended_boots.len());
    for (origin, at) in ended_boots {
        out.u64(origin.node.0);
        out.u64(origin.boot.0);
        out.u64(at.0);
    }
    out.length(ends.len());
    for (client_id, at) in ends {
        out.bytes(client_id.as_bytes());
        out.u64(at.0);
    }
    out.length(votes.len());
    for (index, node, digest) in votes {
        out.u64(index.0);
        out.u64(node.0);
        out.raw(&digest.to_be_bytes());
    }
    out.raw(&digest.to_be_bytes());
}

pub(crate) fn state(bytes: Bytes) -> Result<Header, Malformed> {
    let mut reader = Reader::new("state of a checkpoint", bytes);
    let header = Header {
        seed: reader.fixed_u64()?,
        behaviour: reader.u16()?,
        settings: settings(&mut reader)?,
        index: LogIndex(reader.u64()?),
        time: Timestamp(reader.u64()?),
        next_message: MessageHandle(reader.u64()?),
        horizon: LogIndex(reader.u64()?),
        counters: counters(&mut reader)?,
        streams: reader.list(4, |reader| {
            let node = NodeId(reader.u64()?);
            let boot = Boot(reader.u64()?);
            let alive = reader.bool()?;
            Ok((node, Stream { boot, alive, cursor: Number(reader.u64()?) }))
        })?,
        ended_boots: reader.list(3, |reader| {
            let origin = Origin { node: NodeId(reader.u64()?), boot: Boot(reader.u64()?) };
            Ok((origin, Timestamp(reader.u64()?)))
        })?,
        ends: reader.list(2, |reader| Ok((reader.string()?.detach(), LogIndex(reader.u64()?))))?,
        votes: reader
            .list(10, |reader| Ok((LogIndex(reader.u64()?), NodeId(reader.u64()?), reader.fixed_u64()?)))?,
        digest: reader.fixed_u64()?,
    };
    reader.end()?;
    Ok(header)
}

/// The counters in the order in which they are stored.
fn counter_values(counters: &Counters) -> [u64; 8] {
    let Counters { overflowed, expired, unsent, poisoned, superseded, refused, fenced, sessions_expired } =
        *counters;
    [overflowed, expired, unsent, poisoned, superseded, refused, fenced, sessions_expired]
}

fn counters(reader: &mut Reader) -> Result<Counters, Malformed> {
    Ok(Counters {
        overflowed: reader.u64()?,
        expired: reader.u64()?,
        unsent: reader.u64()?,
        poisoned: reader.u64()?,
        superseded: reader.u64()?,
        refused: reader.u64()?,
        fenced: reader.u64()?,
        sessions_expired: reader.u64()?,
    })
}
