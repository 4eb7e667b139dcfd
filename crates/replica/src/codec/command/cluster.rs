//! Commands of the cluster: harmless when late or repeated, so they travel without a number.

use quartet_broker::{
    AdvanceTime, Boot, Command, Configure, LogIndex, NodeDown, NodeId, NodeUp, Origin, Settings, Upgrade,
    VoteDigest,
};

use super::kind;
use crate::codec::{Malformed, Reader, Writer};

pub(super) fn put_origin(out: &mut Writer<'_>, kind: u8, origin: Origin) {
    out.u8(kind);
    out.u64(origin.node.0);
    out.u64(origin.boot.0);
}

pub(super) fn put_configure(out: &mut Writer<'_>, command: &Configure) {
    out.u8(kind::CONFIGURE);
    put_settings(out, &command.settings);
}

pub(super) fn put_upgrade(out: &mut Writer<'_>, command: Upgrade) {
    out.u8(kind::UPGRADE);
    out.u16(command.behaviour);
}

pub(super) fn put_vote_digest(out: &mut Writer<'_>, command: VoteDigest) {
    out.u8(kind::VOTE_DIGEST);
    out.u64(command.node.0);
    out.u64(command.index.0);
    out.raw(&command.digest.to_be_bytes());
}

pub(super) fn decode(reader: &mut Reader) -> Result<Command, Malformed> {
    Ok(match reader.u8()? {
        kind::NODE_UP => Command::NodeUp(NodeUp { origin: origin(reader)? }),
        kind::NODE_DOWN => Command::NodeDown(NodeDown { origin: origin(reader)? }),
        kind::ADVANCE_TIME => Command::AdvanceTime(AdvanceTime),
        kind::CONFIGURE => Command::Configure(Configure { settings: settings(reader)? }),
        kind::UPGRADE => Command::Upgrade(Upgrade { behaviour: reader.u16()? }),
        kind::VOTE_DIGEST => Command::VoteDigest(VoteDigest {
            node: NodeId(reader.u64()?),
            index: LogIndex(reader.u64()?),
            digest: reader.fixed_u64()?,
        }),
        _ => return Err(reader.malformed("not a kind that goes without a number")),
    })
}

pub(crate) fn put_settings(out: &mut Writer<'_>, settings: &Settings) {
    let Settings {
        maximum_inflight,
        maximum_queued_messages,
        maximum_queued_bytes,
        maximum_session_expiry,
        maximum_sessions,
        maximum_subscriptions,
        work_per_entry,
        remembered_ends,
    } = settings;
    out.u16(*maximum_inflight);
    out.u32(*maximum_queued_messages);
    out.u64(*maximum_queued_bytes);
    out.u32(*maximum_session_expiry);
    out.u32(*maximum_sessions);
    out.u32(*maximum_subscriptions);
    out.u32(*work_per_entry);
    out.u32(*remembered_ends);
}

pub(crate) fn settings(reader: &mut Reader) -> Result<Settings, Malformed> {
    Ok(Settings {
        maximum_inflight: reader.u16()?,
        maximum_queued_messages: reader.u32()?,
        maximum_queued_bytes: reader.u64()?,
        maximum_session_expiry: reader.u32()?,
        maximum_sessions: reader.u32()?,
        maximum_subscriptions: reader.u32()?,
        work_per_entry: reader.u32()?,
        remembered_ends: reader.u32()?,
    })
}

fn origin(reader: &mut Reader) -> Result<Origin, Malformed> {
    Ok(Origin { node: NodeId(reader.u64()?), boot: Boot(reader.u64()?) })
}
