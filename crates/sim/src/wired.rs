//! The real front end at a node: the connection crate's value, driven with bytes as the node's task drives it.
//!
//! Half of all runs have it in place of the [thin one](crate::front_end). A client of the simulation breaks no rule, so
//! a connection that ends as broken is a violation.

use core::num::NonZeroU16;
use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::BytesMut;
use quartet_broker::{CloseReason, Command, Outgoing};
use quartet_connection::{Config, Connection, Ending, Input, Instant, Output, Reading, Stop};
use quartet_packet::{Utf8String, Version};

use crate::front_end::{Surroundings, client_id};
use crate::link::{Link, LinkId, Links};
use crate::node::Process;
use crate::violation::Violation;
use crate::wire::{bytes_of, packets_of};

/// One real connection and what a node keeps beside it.
#[derive(Debug)]
pub(crate) struct Wired {
    link: LinkId,
    client: usize,
    version: Version,
    connection: Connection,
    /// Read and not used up.
    buffer: BytesMut,
    /// Of its CONNECT, once proposed.
    connect: u64,
}

/// All of one process, by serial.
pub(crate) type AllWired = BTreeMap<u64, Wired>;

/// The workload uses four identifiers at most, so the Receive Maximum can be exact.
fn config() -> Config {
    Config { receive_maximum: NonZeroU16::new(4).expect("4 is not 0"), ..Config::default() }
}

/// Keep alive is off in the workload, and nobody takes ten virtual seconds to say CONNECT: one moment is enough.
const NOW: Instant = Instant(0);

impl Process {
    /// Reads what a socket has, as far as the connection wants it. False if nothing could be done.
    pub(crate) fn read_wired(&mut self, link: &mut Link, around: Surroundings) -> Result<bool, Violation> {
        if link.serial.is_none() && link.end_arrived {
            // Of a client that has gone on: with Clean Start its CONNECT would end the session it has elsewhere.
            link.node_open = false;
            return Ok(true);
        }
        let Some(serial) = link.serial.or_else(|| self.accept_wired(link, around.version)) else {
            return Ok(false);
        };
        let applied = self.broker.index();
        let has_room = self.window.has_room();
        let Some(wired) = self.wired.get_mut(&serial) else { return Ok(false) };
        let reading = wired.connection.reading();
        let most = match reading {
            Reading::Shut | Reading::Held => return Ok(false),
            Reading::Ahead => usize::MAX,
            Reading::Open | Reading::Backlog if !has_room => return Ok(false),
            Reading::Backlog => 0,
            Reading::Open => around.batch,
        };
        let read = wired.take_bytes(link, most, around.takes_large);
        let mut outputs = Vec::new();
        if !read && reading != Reading::Backlog {
            if link.end_arrived && link.up.is_empty() {
                wired.connection.handle(NOW, Input::PeerClosed, &mut outputs);
                self.carry_out(serial, Some(link), outputs)?;
                return Ok(true);
            }
            return Ok(false);
        }
        if reading != Reading::Ahead {
            let input = Input::Bytes { buffer: &mut wired.buffer, applied };
            wired.connection.handle(NOW, input, &mut outputs);
            self.carry_out(serial, Some(link), outputs)?;
        }
        Ok(true)
    }

    fn accept_wired(&mut self, link: &mut Link, version: Version) -> Option<u64> {
        if link.up.is_empty() || !self.serving() || !self.window.has_room() {
            return None;
        }
        self.serials += 1;
        let serial = self.serials;
        link.serial = Some(serial);
        let mut alarm = Vec::new();
        let id = self.connection_id(serial);
        let connection = Connection::new(id, Utf8String::default(), config(), NOW, &mut alarm);
        let (client, buffer) = (link.client, BytesMut::new());
        self.wired.insert(serial, Wired { link: link.id, client, version, connection, buffer, connect: 0 });
        Some(serial)
    }

    /// Performs one `Send`. As the node's task does, it looks at the socket once more before a CONNACK counts.
    pub(crate) fn deliver_wired(
        &mut self,
        serial: u64,
        packet: Outgoing,
        links: &mut Links,
    ) -> Result<(), Violation> {
        let Some(wired) = self.wired.get_mut(&serial) else { return Ok(()) };
        let mut link = links.get(wired.link).filter(|link| link.node_open);
        let mut outputs = Vec::new();
        if let (Outgoing::ConnAck { .. }, Some(link)) = (&packet, &mut link) {
            wired.take_bytes(link, usize::MAX, true);
            if link.end_arrived {
                wired.connection.handle(NOW, Input::PeerClosed, &mut outputs);
            }
        }
        let message = match &packet {
            Outgoing::Publish { handle, .. } => match self.store.get(handle) {
                Some(message) => Some(Arc::new(message.clone())),
                None => {
                    let detail = format!("connection {serial} is to send {handle:?}, which is not stored");
                    return Err(Violation::new("a message is stored until its last delivery", detail));
                }
            },
            Outgoing::ConnAck { .. }
            | Outgoing::PubAck(..)
            | Outgoing::PubRec(..)
            | Outgoing::PubRel(..)
            | Outgoing::PubComp(..)
            | Outgoing::SubAck(..)
            | Outgoing::UnsubAck(..) => None,
        };
        wired.connection.handle(NOW, Input::Delivered { packet, message }, &mut outputs);
        self.carry_out(serial, link, outputs)
    }

    /// The core ends a connection.
    pub(crate) fn close_wired(
        &mut self,
        serial: u64,
        reason: CloseReason,
        links: &mut Links,
    ) -> Result<(), Violation> {
        self.end_wired(serial, Input::Closed(reason), links)
    }

    /// The node ends a connection, or its socket failed.
    pub(crate) fn end_wired(
        &mut self,
        serial: u64,
        input: Input<'_>,
        links: &mut Links,
    ) -> Result<(), Violation> {
        let Some(wired) = self.wired.get_mut(&serial) else { return Ok(()) };
        let mut outputs = Vec::new();
        wired.connection.handle(NOW, input, &mut outputs);
        let link = links.get(wired.link);
        self.carry_out(serial, link, outputs)
    }

    /// At the end of a boot: the state has forgotten them all.
    pub(crate) fn end_all_wired(&mut self, links: &mut Links) -> Result<(), Violation> {
        let serials: Vec<u64> = self.wired.keys().copied().collect();
        for serial in serials {
            self.end_wired(serial, Input::Stop(Stop::BootEnded), links)?;
        }
        self.wired.clear();
        Ok(())
    }

    /// After a snapshot all end. One that awaited CONNACK may have missed it: it is looked up and delivered again, or
    /// its CONNECT was refused or overtaken on the way, and nothing will come.
    pub(crate) fn snapshot_for_wired(&mut self, links: &mut Links) -> Result<(), Violation> {
        let serials: Vec<u64> = self.wired.keys().copied().collect();
        for serial in serials {
            self.end_wired(serial, Input::Stop(Stop::SnapshotInstalled), links)?;
            let Some(orphan) = self.wired.get(&serial) else { continue };
            let id = self.connection_id(serial);
            let session = self.broker.session(&client_id(orphan.client));
            let owned = session.filter(|session| session.connection == Some(id));
            let applied = self.broker.cursor(self.origin()).is_none_or(|cursor| cursor.0 >= orphan.connect);
            match owned {
                Some(session) => {
                    let (session_present, session_expiry) = (true, session.session_expiry);
                    let session = session.slot;
                    let missed =
                        Outgoing::ConnAck { session, session_present, session_expiry, unreleased: 0 };
                    self.deliver_wired(serial, missed, links)?;
                }
                None if applied => {
                    self.wired.remove(&serial);
                }
                None => {}
            }
        }
        Ok(())
    }

    fn carry_out(
        &mut self,
        serial: u64,
        link: Option<&mut Link>,
        outputs: Vec<Output>,
    ) -> Result<(), Violation> {
        let mut link = link.filter(|link| link.node_open);
        let mut written = BytesMut::new();
        let mut closed = false;
        for output in outputs {
            match output {
                Output::Propose(command) => {
                    let connects = matches!(command, Command::Connect(_));
                    self.window.push(command);
                    if let (true, Some(wired)) = (connects, self.wired.get_mut(&serial)) {
                        wired.connect = self.window.last();
                    }
                }
                Output::Write(bytes) => written.extend_from_slice(&bytes),
                Output::Close(Ending::Broken(error)) => {
                    let detail = format!("connection {serial} of {:?}: {error}", self.origin());
                    return Err(Violation::new("a client that breaks no rule is not blamed", detail));
                }
                Output::Close(
                    Ending::Disconnected(_)
                    | Ending::PeerClosed
                    | Ending::Closed(_)
                    | Ending::Refused(_)
                    | Ending::Stopped(_),
                ) => closed = true,
                Output::Route { .. } | Output::WakeAt(_) | Output::Dropped(_) => {}
            }
        }
        let version = self.wired.get(&serial).map_or(Version::V5, |wired| wired.version);
        if let Some(link) = &mut link {
            link.down.extend(packets_of(&mut written, version));
            if closed {
                link.node_open = false;
                link.up.clear();
            }
        }
        if self.wired.get(&serial).is_some_and(|wired| wired.connection.is_over()) {
            self.wired.remove(&serial);
        }
        Ok(())
    }
}

impl Wired {
    /// Takes up to `most` packets' bytes out of the socket; false if there were none.
    fn take_bytes(&mut self, link: &mut Link, most: usize, takes_large: bool) -> bool {
        let count = most.min(link.up.len());
        for packet in link.up.drain(..count) {
            self.buffer.extend_from_slice(&bytes_of(&packet, self.client, takes_large, self.version));
        }
        count > 0
    }
}
