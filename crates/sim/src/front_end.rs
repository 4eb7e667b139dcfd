//! A node's connections: what of a socket becomes a command, and what of an effect goes to a socket.
//!
//! ```text
//!            CONNECT read, proposed              CONNACK effect, peer still there
//!  (socket) ───────────────────────► Opening ─────────────────────────────────────► Open ──┐ packets ⇄ commands
//!                                       │ peer closed, or CONNACK finds it closed:   │ ◄──┘
//!                                       ▼ nothing it sent is proposed                ▼ peer closed: Disconnect
//!                                     gone ◄───────────────────────────────────────gone
//! ```
//!
//! A thin stand-in for the connection crate: packets instead of bytes, no keep alive, no aliases. Its rules towards
//! the log are the real ones.

use std::collections::{BTreeMap, BTreeSet};

use quartet_broker::{
    Ack, AckKind, Acknowledge, Command, Connect, ConnectionId, Disconnect, FilterRequest, LogIndex,
    MessageHandle, Outgoing, Principal, Publish, SessionSlot, Subscribe, Unsubscribe, Verdict,
};
use quartet_packet::{PacketId, QoS, ReasonCode, SubscriptionOptions, Utf8String, Version};

use crate::link::{Down, Link, LinkId, Links, Up};
use crate::node::Process;
use crate::sin::Sin;
use crate::violation::Violation;
use crate::wire::{from_payload, identifier, to_message, topic_filter, utf8};

/// One connection that has sent CONNECT.
#[derive(Clone, Debug)]
pub(crate) struct Connection {
    pub(crate) link: LinkId,
    pub(crate) client: usize,
    takes_large: bool,
    pub(crate) state: State,
    /// For the sin of a front end that numbers by itself: the core's identifier to ours.
    renamed: BTreeMap<u16, u16>,
    /// For the sin of an early PUBREL: whose was sent already.
    released_early: BTreeSet<u16>,
}

/// Where a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// CONNECT is proposed.
    Opening,
    /// The session is ours.
    Open(SessionSlot),
}

/// What a node knows while it reads or writes a socket.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Surroundings {
    pub(crate) sin: Option<Sin>,
    /// The node's rules refuse every PUBLISH just now.
    pub(crate) refusing: bool,
    /// The client takes large messages.
    pub(crate) takes_large: bool,
    /// The version it speaks.
    pub(crate) version: Version,
    /// Most acknowledgements that go as one command.
    pub(crate) batch: usize,
}

impl Process {
    /// Reads one packet (or a run of acknowledgements) from a socket, or notices its end. False if nothing could be
    /// done.
    pub(crate) fn read(&mut self, link: &mut Link, around: Surroundings) -> Result<bool, Violation> {
        match self.is_wired {
            true => self.read_wired(link, around),
            false => Ok(self.read_thin(link, around)),
        }
    }

    fn read_thin(&mut self, link: &mut Link, around: Surroundings) -> bool {
        let Some(serial) = link.serial else { return self.read_connect(link, around) };
        let Some(connection) = self.connections.get(&serial) else { return false };
        match connection.state {
            State::Opening if link.end_arrived && around.sin != Some(Sin::PeerCloseIgnored) => {
                // The CONNECT may still be applied; its CONNACK then finds nobody, and the session is let go.
                self.close(link);
                true
            }
            State::Opening => false,
            State::Open(session) if link.up.is_empty() => {
                if link.end_arrived {
                    self.disconnect(serial, session);
                    self.close(link);
                }
                link.end_arrived
            }
            State::Open(session) => {
                if !self.window.has_room() {
                    return false;
                }
                self.read_packet(link, serial, session, around);
                true
            }
        }
    }

    fn read_connect(&mut self, link: &mut Link, around: Surroundings) -> bool {
        if !matches!(link.up.front(), Some(Up::Connect { .. })) {
            let gone = link.up.is_empty() && link.end_arrived;
            if gone {
                self.close(link);
            }
            return gone;
        }
        let looks = !matches!(around.sin, Some(Sin::PeerCloseIgnored | Sin::ProposedBeforeConnAck));
        if link.end_arrived && looks {
            // Of a client that has gone on: with Clean Start its CONNECT would end the session it has elsewhere.
            self.close(link);
            return true;
        }
        if !self.serving() || !self.window.has_room() {
            return false;
        }
        let Some(Up::Connect { clean_start, session_expiry, receive_maximum }) = link.up.pop_front() else {
            return false;
        };
        self.serials += 1;
        let connection = self.connection_id(self.serials);
        let client_id = client_id(link.client);
        let read_at = match around.sin {
            Some(Sin::NoReadAt) => LogIndex(u64::MAX),
            Some(_) | None => self.broker.index(),
        };
        let state = match (around.sin, self.broker.session(&client_id)) {
            (Some(Sin::ProposedBeforeConnAck), Some(session)) => State::Open(session.slot),
            (Some(_) | None, Some(_) | None) => State::Opening,
        };
        self.window.push(Command::Connect(Connect {
            connection,
            read_at,
            client_id,
            principal: Principal(Utf8String::default()),
            version: around.version,
            clean_start,
            session_expiry,
            receive_maximum,
        }));
        link.serial = Some(self.serials);
        self.connections.insert(
            self.serials,
            Connection {
                link: link.id,
                client: link.client,
                takes_large: around.takes_large,
                state,
                renamed: BTreeMap::new(),
                released_early: BTreeSet::new(),
            },
        );
        true
    }

    fn read_packet(&mut self, link: &mut Link, serial: u64, session: SessionSlot, around: Surroundings) {
        let connection = self.connection_id(serial);
        let Some(packet) = link.up.pop_front() else { return };
        match packet {
            // The decoder closes on a second CONNECT; the workload never sends one.
            Up::Connect { .. } => {}
            Up::Publish { packet_id, message, .. } => {
                if around.refusing && around.sin == Some(Sin::RefusedByFrontEnd) {
                    link.down.push_back(acknowledgement(message.qos, packet_id, true));
                    return;
                }
                match (message.qos, around.sin) {
                    (QoS::AtLeastOnce, Some(Sin::PubAckBeforeCommit))
                    | (QoS::ExactlyOnce, Some(Sin::PubRecBeforeCommit)) => {
                        link.down.push_back(acknowledgement(message.qos, packet_id, false));
                    }
                    (QoS::AtMostOnce | QoS::AtLeastOnce | QoS::ExactlyOnce, Some(_) | None) => {}
                }
                let verdict = match around.refusing {
                    true => Verdict::Refuse(ReasonCode::NotAuthorized),
                    false => Verdict::Admit,
                };
                self.window.push(Command::Publish(Publish {
                    connection,
                    session,
                    packet_id: identifier(packet_id),
                    message: to_message(message),
                    verdict,
                }));
            }
            Up::PubAck(_) | Up::PubRec(_) | Up::PubRel(_) | Up::PubComp(_) => {
                link.up.push_front(packet);
                self.read_acknowledgements(link, serial, session, around);
            }
            Up::Subscribe { packet_id, filter, qos } => {
                if around.sin == Some(Sin::SubAckBeforeCommit) {
                    link.down.push_back(Down::SubAck(packet_id));
                }
                self.window.push(Command::Subscribe(Subscribe {
                    connection,
                    session,
                    packet_id: identifier(packet_id),
                    subscription_identifier: None,
                    filters: vec![FilterRequest::Admit(topic_filter(filter), SubscriptionOptions::new(qos))],
                }));
            }
            Up::Unsubscribe { packet_id, filter } => self.window.push(Command::Unsubscribe(Unsubscribe {
                connection,
                session,
                packet_id: identifier(packet_id),
                filters: vec![utf8(&filter.text())],
            })),
            Up::Disconnect => {
                self.disconnect(serial, session);
                self.close(link);
            }
        }
    }

    /// A run of acknowledgements as one command.
    fn read_acknowledgements(
        &mut self,
        link: &mut Link,
        serial: u64,
        session: SessionSlot,
        around: Surroundings,
    ) {
        let mut acks = Vec::new();
        while acks.len() < around.batch.max(1) {
            let (kind, id) = match link.up.front() {
                Some(Up::PubAck(id)) => (AckKind::PubAck, *id),
                Some(Up::PubRec(id)) => (AckKind::PubRec, *id),
                Some(Up::PubRel(id)) => (AckKind::PubRel, *id),
                Some(Up::PubComp(id)) => (AckKind::PubComp, *id),
                Some(
                    Up::Connect { .. }
                    | Up::Publish { .. }
                    | Up::Subscribe { .. }
                    | Up::Unsubscribe { .. }
                    | Up::Disconnect,
                )
                | None => break,
            };
            link.up.pop_front();
            match (kind, around.sin) {
                (AckKind::PubRel, Some(Sin::PubCompBeforeCommit)) => link.down.push_back(Down::PubComp(id)),
                (AckKind::PubRec, Some(Sin::PubRelBeforeCommit)) => {
                    link.down.push_back(Down::PubRel(id));
                    if let Some(connection) = self.connections.get_mut(&serial) {
                        connection.released_early.insert(id);
                    }
                }
                (
                    AckKind::PubAck | AckKind::PubRec | AckKind::PubRel | AckKind::PubComp | AckKind::Discard,
                    Some(_) | None,
                ) => {}
            }
            let id = match (kind, around.sin) {
                (AckKind::PubAck | AckKind::PubRec | AckKind::PubComp, Some(Sin::PacketIdsOfFrontEnd)) => {
                    match self.restore_identifier(serial, id, kind) {
                        Some(id) => id,
                        None => continue,
                    }
                }
                (
                    AckKind::PubAck | AckKind::PubRec | AckKind::PubRel | AckKind::PubComp | AckKind::Discard,
                    Some(_) | None,
                ) => id,
            };
            acks.push(Ack { kind, packet_id: identifier(id), reason: ReasonCode::Success });
        }
        if !acks.is_empty() {
            let connection = self.connection_id(serial);
            self.window.push(Command::Acknowledge(Acknowledge { connection, session, acks }));
        }
    }

    /// Performs one `Send` for a connection of this boot.
    pub(crate) fn deliver(
        &mut self,
        serial: u64,
        packet: Outgoing,
        links: &mut Links,
        sin: Option<Sin>,
    ) -> Result<(), Violation> {
        if self.is_wired && self.wired.contains_key(&serial) {
            return self.deliver_wired(serial, packet, links);
        }
        let held = self.connections.get(&serial).map(|connection| connection.link);
        let link = held.and_then(|link| links.get(link)).filter(|link| link.node_open);
        let Some(link) = link else {
            // CONNACK for a connection that is gone: nobody else will ever let its session go.
            if let Outgoing::ConnAck { session, .. } = packet {
                self.disconnect(serial, session);
            }
            return Ok(());
        };
        let down = match packet {
            Outgoing::ConnAck { session, session_present, .. } => {
                if link.end_arrived
                    && sin != Some(Sin::PeerCloseIgnored)
                    && sin != Some(Sin::ProposedBeforeConnAck)
                {
                    self.disconnect(serial, session);
                    self.close(link);
                    return Ok(());
                }
                if let Some(connection) = self.connections.get_mut(&serial) {
                    connection.state = State::Open(session);
                }
                Down::ConnAck { session_present }
            }
            Outgoing::Publish { handle, packet_id, qos, dup, .. } => {
                return self.deliver_publish(serial, link, (handle, packet_id, qos, dup), sin);
            }
            Outgoing::PubAck(..) if sin == Some(Sin::PubAckBeforeCommit) => return Ok(()),
            Outgoing::PubRec(..) if sin == Some(Sin::PubRecBeforeCommit) => return Ok(()),
            Outgoing::PubRel(id, _) if self.released_early(serial, id.get()) => return Ok(()),
            Outgoing::PubComp(..) if sin == Some(Sin::PubCompBeforeCommit) => return Ok(()),
            Outgoing::SubAck(..) if sin == Some(Sin::SubAckBeforeCommit) => return Ok(()),
            Outgoing::PubAck(id, reason) => Down::PubAck(id.get(), refused(reason)),
            Outgoing::PubRec(id, reason) => Down::PubRec(id.get(), refused(reason)),
            Outgoing::PubRel(id, _) => Down::PubRel(self.rename(serial, id.get(), sin)),
            Outgoing::PubComp(id, _) => Down::PubComp(id.get()),
            Outgoing::SubAck(id, _) => Down::SubAck(id.get()),
            Outgoing::UnsubAck(id, _) => Down::UnsubAck(id.get()),
        };
        link.down.push_back(down);
        Ok(())
    }

    fn deliver_publish(
        &mut self,
        serial: u64,
        link: &mut Link,
        (handle, packet_id, qos, dup): (MessageHandle, Option<PacketId>, QoS, bool),
        sin: Option<Sin>,
    ) -> Result<(), Violation> {
        let Some(message) = self.store.get(&handle) else {
            return Err(Violation::new(
                "a message is stored until its last delivery",
                format!("{:?} is to send {handle:?}, which is not stored", self.origin()),
            ));
        };
        let (message, large) = from_payload(&message.payload);
        let (Some(connection), Some(id)) = (self.connections.get(&serial), packet_id) else {
            link.down.push_back(Down::Publish { packet_id: None, dup, qos, message });
            return Ok(());
        };
        if large && !connection.takes_large {
            // Never dropped silently: the window's place is freed through the log.
            if let State::Open(session) = connection.state {
                let ack = Ack { kind: AckKind::Discard, packet_id: id, reason: ReasonCode::Success };
                let connection = self.connection_id(serial);
                self.window.push(Command::Acknowledge(Acknowledge { connection, session, acks: vec![ack] }));
            }
            return Ok(());
        }
        let packet_id = Some(self.rename(serial, id.get(), sin));
        link.down.push_back(Down::Publish { packet_id, dup, qos, message });
        Ok(())
    }

    /// Lets a session go: room for this is reserved, so the window may be full.
    pub(crate) fn disconnect(&mut self, serial: u64, session: SessionSlot) {
        let connection = self.connection_id(serial);
        let (session_expiry, will_due) = (None, false);
        self.window.push(Command::Disconnect(Disconnect { connection, session, session_expiry, will_due }));
    }

    /// Forgets a connection and closes its socket.
    pub(crate) fn close(&mut self, link: &mut Link) {
        link.node_open = false;
        link.up.clear();
        if let Some(serial) = link.serial {
            self.connections.remove(&serial);
        }
    }

    /// For the sin of an early PUBREL: whether this one was sent when its PUBREC was read.
    fn released_early(&mut self, serial: u64, id: u16) -> bool {
        self.connections.get_mut(&serial).is_some_and(|connection| connection.released_early.remove(&id))
    }

    /// For the sin of a front end that numbers by itself: ours for the core's.
    fn rename(&mut self, serial: u64, id: u16, sin: Option<Sin>) -> u16 {
        if sin != Some(Sin::PacketIdsOfFrontEnd) {
            return id;
        }
        let Some(connection) = self.connections.get_mut(&serial) else { return id };
        let taken = &connection.renamed;
        let free = (1..).find(|ours| !taken.values().any(|used| used == ours)).unwrap_or(id);
        *connection.renamed.entry(id).or_insert(free)
    }

    fn restore_identifier(&mut self, serial: u64, ours: u16, kind: AckKind) -> Option<u16> {
        let connection = self.connections.get_mut(&serial)?;
        let theirs = connection.renamed.iter().find(|(_, used)| **used == ours).map(|(id, _)| *id)?;
        if kind != AckKind::PubRec {
            connection.renamed.remove(&theirs);
        }
        Some(theirs)
    }

    /// The name of one of this process's connections.
    pub(crate) fn connection_id(&self, serial: u64) -> ConnectionId {
        let origin = self.origin();
        ConnectionId { node: origin.node, boot: origin.boot, serial }
    }
}

fn acknowledgement(qos: QoS, packet_id: u16, refused: bool) -> Down {
    match qos {
        QoS::AtMostOnce | QoS::AtLeastOnce => Down::PubAck(packet_id, refused),
        QoS::ExactlyOnce => Down::PubRec(packet_id, refused),
    }
}

fn refused(reason: ReasonCode) -> bool {
    reason.value() >= 0x80
}

/// A client's name.
pub(crate) fn client_id(client: usize) -> Utf8String {
    utf8(&format!("client-{client}"))
}
