//! One command.
//!
//! ```text
//!   kind(1)  fields
//!      │
//!      ├  1 Connect   2 Disconnect   3 Publish   4 Acknowledge   5 Subscribe   6 Unsubscribe
//!      │     of a connection: node and boot are those of the segment it travels in, so only its serial is written
//!      └ 16 NodeUp   17 NodeDown   18 AdvanceTime   19 Configure   20 Upgrade   21 VoteDigest
//!            of the cluster
//! ```
//!
//! One file a group: the commands of connections in `connection`, those of the cluster in `cluster`. An
//! acknowledgement of many packet identifiers in a row is one run of four bytes, so that most `Acknowledge` commands
//! are a dozen bytes whatever they acknowledge.
//!
//! A new kind or field is a new format version of the batch ([`super::batch::VERSION`]): an old release that meets one
//! must stop, not guess.

mod cluster;
mod connection;
#[cfg(test)]
mod golden;
#[cfg(test)]
pub(crate) mod strategy;

use bytes::{Bytes, BytesMut};
use quartet_broker::{Command, ConnectionId, Origin};

use super::{Malformed, Reader, Writer};
pub(crate) use cluster::{put_settings, settings};
pub(crate) use connection::{filter, pack_options, unpack_options};

/// Kinds of commands on the wire and on disk. Never to be given another meaning.
mod kind {
    pub(super) const CONNECT: u8 = 1;
    pub(super) const DISCONNECT: u8 = 2;
    pub(super) const PUBLISH: u8 = 3;
    pub(super) const ACKNOWLEDGE: u8 = 4;
    pub(super) const SUBSCRIBE: u8 = 5;
    pub(super) const UNSUBSCRIBE: u8 = 6;
    pub(super) const NODE_UP: u8 = 16;
    pub(super) const NODE_DOWN: u8 = 17;
    pub(super) const ADVANCE_TIME: u8 = 18;
    pub(super) const CONFIGURE: u8 = 19;
    pub(super) const UPGRADE: u8 = 20;
    pub(super) const VOTE_DIGEST: u8 = 21;
}

/// The connection a command speaks for; `None` for a command of the cluster.
#[must_use]
pub fn connection_of(command: &Command) -> Option<ConnectionId> {
    match command {
        Command::Connect(c) => Some(c.connection),
        Command::Disconnect(c) => Some(c.connection),
        Command::Publish(c) => Some(c.connection),
        Command::Acknowledge(c) => Some(c.connection),
        Command::Subscribe(c) => Some(c.connection),
        Command::Unsubscribe(c) => Some(c.connection),
        Command::NodeUp(_)
        | Command::NodeDown(_)
        | Command::AdvanceTime(_)
        | Command::Configure(_)
        | Command::Upgrade(_)
        | Command::VoteDigest(_) => None,
    }
}

/// Writes one command to the end of `out`. Of a connection's id only the serial is written.
pub fn encode_command(command: &Command, out: &mut BytesMut) {
    let out = &mut Writer::new(out);
    match command {
        Command::Connect(c) => connection::put_connect(out, c),
        Command::Disconnect(c) => connection::put_disconnect(out, c),
        Command::Publish(c) => connection::put_publish(out, c),
        Command::Acknowledge(c) => connection::put_acknowledge(out, c),
        Command::Subscribe(c) => connection::put_subscribe(out, c),
        Command::Unsubscribe(c) => connection::put_unsubscribe(out, c),
        Command::NodeUp(c) => cluster::put_origin(out, kind::NODE_UP, c.origin),
        Command::NodeDown(c) => cluster::put_origin(out, kind::NODE_DOWN, c.origin),
        Command::AdvanceTime(_) => out.u8(kind::ADVANCE_TIME),
        Command::Configure(c) => cluster::put_configure(out, c),
        Command::Upgrade(c) => cluster::put_upgrade(out, *c),
        Command::VoteDigest(c) => cluster::put_vote_digest(out, *c),
    }
}

/// The inverse of [`encode_command`] for a command that travelled in a numbered segment of `origin`. What it holds are
/// slices of `bytes`.
///
/// # Errors
/// [`Malformed`], also for a command of the cluster, which has no number.
pub fn decode_connection_command(origin: Origin, bytes: Bytes) -> Result<Command, Malformed> {
    let mut reader = Reader::new("command of a connection", bytes);
    let command = match reader.u8()? {
        kind::CONNECT => Command::Connect(connection::connect(origin, &mut reader)?),
        kind::DISCONNECT => Command::Disconnect(connection::disconnect(origin, &mut reader)?),
        kind::PUBLISH => Command::Publish(connection::publish(origin, &mut reader)?),
        kind::ACKNOWLEDGE => Command::Acknowledge(connection::acknowledge(origin, &mut reader)?),
        kind::SUBSCRIBE => Command::Subscribe(connection::subscribe(origin, &mut reader)?),
        kind::UNSUBSCRIBE => Command::Unsubscribe(connection::unsubscribe(origin, &mut reader)?),
        _ => return Err(reader.malformed("not a kind that has a number")),
    };
    reader.end()?;
    Ok(command)
}

/// The inverse of [`encode_command`] for a command of the cluster.
///
/// # Errors
/// [`Malformed`], also for a command of a connection, which must have a number.
pub fn decode_cluster_command(bytes: Bytes) -> Result<Command, Malformed> {
    let mut reader = Reader::new("command of the cluster", bytes);
    let command = cluster::decode(&mut reader)?;
    reader.end()?;
    Ok(command)
}
