//! One client connection: its socket, and the loop that drives its [`Connection`].
//!
//! ```text
//!   mailbox ──► letters ─┐                     ┌─► propose (room taken before the read)
//!   socket  ──► buffer ──┼─► Connection::handle ┼─► QoS 0 routes
//!   alarm   ─────────────┘                     └─► outgoing ──► one vectored write ──► socket
//! ```
//! The order of waiting is what bounds it. Nothing is read without room in the proposal window, and neither socket nor
//! mailbox is read while the client leaves bytes untaken: so a slow leader is felt by publishers, a slow subscriber by
//! nobody else.

mod orphan;
mod reading;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use futures::future::BoxFuture;
use quartet_broker::{Command, ConnectionId, Outgoing as Packet};
use quartet_connection::{Connection, Ending, Input, Output, PIPELINED, Reading, Refusal, Stop};
use quartet_replica::Room;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use crate::front_end::FrontEnd;
use crate::mailbox::{Letter, Mailbox};
use crate::outgoing::{Outgoing, Written};
use orphan::Orphan;
pub(crate) use orphan::disconnect;
use reading::SMALLEST_READ;

/// How long a closed socket is still read, and what comes thrown away: data that lies unread when a socket closes
/// makes the system reset it, and the client would lose the last packet, which says why.
const LINGER: Duration = Duration::from_secs(1);

/// How long the last bytes may take: a client that has stopped reading does not get its reason.
const FAREWELL: Duration = Duration::from_secs(2);

/// A socket was accepted: serves it until it ends. `permit` counts it among the node's connections.
pub(crate) fn spawn(front: &Arc<FrontEnd>, socket: TcpStream, permit: OwnedSemaphorePermit) {
    let task = Task::new(Arc::clone(front));
    front.tasks.spawn(async move {
        let orphan = task.run(socket).await;
        drop(permit);
        if let Some(orphan) = orphan {
            // Not waited for when the node stops: the end of its boot ends the session too.
            tokio::spawn(orphan.wait());
        }
    });
}

/// Everything of one connection but its socket.
struct Task {
    front: Arc<FrontEnd>,
    id: ConnectionId,
    connection: Connection,
    mailbox: Arc<Mailbox>,
    /// Taken from the mailbox and not opened.
    letters: VecDeque<Letter>,
    /// Read and not used up.
    buffer: BytesMut,
    /// Bytes of the next read.
    read: usize,
    outputs: Vec<Output>,
    outgoing: Outgoing,
    alarm: Option<Instant>,
    /// Since when the client has taken no bytes, though some are due.
    blocked: Option<Instant>,
    /// For what is proposed without a read: the end, and discarded messages.
    end_room: Room,
    refused: Option<Refusal>,
    ending: Option<Ending>,
    /// CONNACK may have been skipped by a snapshot.
    look_up: bool,
    /// Among the open sockets.
    counted: bool,
}

/// However a task ends, it leaves nothing behind on this node.
impl Drop for Task {
    fn drop(&mut self) {
        self.front.mailboxes.remove(self.id.serial);
        self.closed();
    }
}

impl Task {
    fn new(front: Arc<FrontEnd>) -> Self {
        let id = front.next_id();
        let mailbox = Arc::new(Mailbox::new(&front.connection));
        front.mailboxes.insert(id.serial, Arc::clone(&mailbox));
        front.metrics.opened();
        let mut outputs = Vec::new();
        let now = front.instant(Instant::now());
        let connection = Connection::new(id, front.assigned_client_id(), front.connection, now, &mut outputs);
        let end_room = front.replica.room_for_end();
        let mut task = Self {
            front,
            id,
            connection,
            mailbox,
            letters: VecDeque::new(),
            buffer: BytesMut::new(),
            read: SMALLEST_READ,
            outputs,
            outgoing: Outgoing::default(),
            alarm: None,
            blocked: None,
            end_room,
            refused: None,
            ending: None,
            look_up: false,
            counted: true,
        };
        task.carry_out(None);
        task
    }

    /// Until the socket is closed. What remains is a connection whose CONNECT is on its way, if any.
    async fn run(mut self, mut socket: TcpStream) -> Option<Orphan> {
        let mut room: Option<BoxFuture<'static, Room>> = None;
        let sleep = tokio::time::sleep_until(Instant::now());
        tokio::pin!(sleep);
        loop {
            self.open_letters(&socket);
            self.write(&socket);
            if self.ending.is_some() {
                break;
            }
            let backed_up = self.outgoing.is_backed_up();
            let reading = if backed_up { Reading::Held } else { self.connection.reading() };
            if !backed_up && !self.letters.is_empty() {
                tokio::task::yield_now().await;
                continue;
            }
            if reading == Reading::Backlog && room.is_none() {
                match self.room() {
                    Ok(room) => {
                        self.give(room);
                        tokio::task::yield_now().await;
                        continue;
                    }
                    Err(waiting) => room = Some(waiting),
                }
            }
            let reads = match reading {
                Reading::Open => room.is_none(),
                Reading::Ahead => self.buffer.len() < PIPELINED,
                Reading::Backlog | Reading::Held | Reading::Shut => false,
            };
            let deadline = self.deadline();
            if let Some(deadline) = deadline
                && sleep.deadline() != deadline
            {
                sleep.as_mut().reset(deadline);
            }
            tokio::select! {
                () = self.mailbox.arrived(), if !backed_up => {}
                // Always looked at: room that is granted and not fetched would be missing to everybody.
                taken = wait(&mut room), if room.is_some() => {
                    room = None;
                    match reading {
                        Reading::Backlog => self.give(taken),
                        Reading::Open => self.read(&mut socket, taken),
                        Reading::Ahead | Reading::Held | Reading::Shut => drop(taken),
                    }
                }
                _ = socket.readable(), if reads => match reading {
                    Reading::Ahead => self.look_ahead(&mut socket),
                    Reading::Open => match self.room() {
                        Ok(room) => self.read(&mut socket, room),
                        Err(waiting) => room = Some(waiting),
                    },
                    Reading::Backlog | Reading::Held | Reading::Shut => {}
                },
                _ = socket.writable(), if !self.outgoing.is_empty() => {}
                () = &mut sleep, if deadline.is_some() => {
                    let drained = room.is_none() && self.drain(&mut socket);
                    self.wake(drained);
                }
            }
        }
        self.farewell(socket).await;
        self.closed();
        if self.connection.is_over() { None } else { Some(Orphan { task: self }) }
    }

    /// The socket is closed: counts and tells why, once.
    fn closed(&mut self) {
        if !std::mem::take(&mut self.counted) {
            return;
        }
        self.front.metrics.closed(self.ending);
        tracing::debug!(
            serial = self.id.serial,
            client_id = self.connection.client_id().map_or("", |id| id.as_str()),
            "connection ended: {}",
            self.ending.map_or_else(|| "its task was dropped".to_owned(), |ending| ending.to_string()),
        );
    }

    fn open_letters(&mut self, socket: &TcpStream) {
        if self.letters.is_empty() {
            self.mailbox.take(&mut self.letters);
        }
        while self.ending.is_none() && !self.outgoing.is_backed_up() {
            let Some(letter) = self.letters.pop_front() else { return };
            if let Letter::Packet { packet: Packet::ConnAck { .. }, .. } = &letter
                && self.connection.reading() == Reading::Ahead
            {
                // Once more: what was sent ahead counts only if its sender is still there (invariant 8).
                if self.peer_has_closed(socket) {
                    self.input(Input::PeerClosed);
                }
            }
            self.open(letter);
        }
    }

    fn open(&mut self, letter: Letter) {
        match letter {
            Letter::Packet { packet, message } => self.input(Input::Delivered { packet, message }),
            Letter::Close(reason) => self.input(Input::Closed(reason)),
            Letter::Stop(stop) => {
                self.look_up |= stop == Stop::SnapshotInstalled;
                self.input(Input::Stop(stop));
            }
        }
    }

    /// Any input that proposes nothing but the end and discarded messages.
    fn input(&mut self, input: Input<'_>) {
        let now = self.front.instant(Instant::now());
        self.connection.handle(now, input, &mut self.outputs);
        self.carry_out(None);
    }

    fn carry_out(&mut self, mut room: Option<&mut Room>) {
        let mut outputs = std::mem::take(&mut self.outputs);
        for output in outputs.drain(..) {
            match output {
                Output::Propose(command) => self.propose(command, room.as_deref_mut()),
                Output::Route { session, message } => self.front.qos0.publish(session, message),
                Output::Write(bytes) => self.outgoing.push(bytes),
                Output::WakeAt(instant) => self.alarm = Some(self.front.at(instant)),
                Output::Dropped(dropped) => self.front.metrics.dropped(dropped.into()),
                Output::Close(ending) => self.ending = Some(ending),
            }
        }
        self.outputs = outputs;
        if let Some(refusal) = self.refused.take() {
            self.input(Input::Refused(refusal));
        }
    }

    fn propose(&mut self, command: Command, room: Option<&mut Room>) {
        let room = match (&command, room) {
            (Command::Connect(connect), room) => {
                if !self.front.serves(self.id) {
                    self.refused = Some(Refusal::NotServing);
                    return;
                }
                if !self.front.connect_rate.admit(connect.client_id.as_bytes(), std::time::Instant::now()) {
                    self.refused = Some(Refusal::ConnectionRateExceeded);
                    return;
                }
                room
            }
            (Command::Disconnect(_), _) => None,
            (_, room) => room,
        };
        let room = room.unwrap_or(&mut self.end_room);
        self.front.replica.propose(room, &command);
    }

    fn write(&mut self, socket: &TcpStream) {
        if self.outgoing.is_empty() {
            return;
        }
        match self.outgoing.write(socket) {
            Ok(Written::All(count)) => {
                self.blocked = None;
                self.count_written(count);
            }
            Ok(Written::Some(count)) => {
                if count > 0 || self.blocked.is_none() {
                    self.blocked = Some(Instant::now());
                }
                self.count_written(count);
            }
            Err(error) => {
                tracing::trace!("write: {error}");
                self.outgoing.clear();
                self.blocked = None;
                self.input(Input::PeerClosed);
            }
        }
    }

    fn count_written(&self, count: usize) {
        self.front.metrics.bytes_written.inc_by(u64::try_from(count).unwrap_or(u64::MAX));
    }

    /// The next moment at which something is due by the clock.
    fn deadline(&self) -> Option<Instant> {
        let write = self.blocked.map(|since| since + self.front.limits.write_timeout);
        match (self.alarm, write) {
            (Some(alarm), Some(write)) => Some(alarm.min(write)),
            (alarm, write) => alarm.or(write),
        }
    }

    fn wake(&mut self, drained: bool) {
        let now = Instant::now();
        if self.blocked.is_some_and(|since| now >= since + self.front.limits.write_timeout) {
            self.outgoing.clear();
            return self.input(Input::Stop(Stop::SlowPeer));
        }
        if self.alarm.is_some_and(|alarm| now >= alarm) {
            self.alarm = None;
            self.input(Input::Timer { drained });
        }
    }

    /// The last bytes, then FIN, then whatever the client still sends until it closes too; all of it bounded.
    async fn farewell(&mut self, mut socket: TcpStream) {
        let all_out = async {
            while !self.outgoing.is_empty() {
                match self.outgoing.write(&socket) {
                    Ok(Written::All(_)) => return true,
                    Ok(Written::Some(_)) if socket.writable().await.is_ok() => {}
                    Ok(Written::Some(_)) | Err(_) => return false,
                }
            }
            true
        };
        let said = tokio::time::timeout(FAREWELL, all_out).await.unwrap_or(false);
        match self.ending {
            // The client has closed, or is about to: nothing is lost by closing at once.
            Some(Ending::PeerClosed | Ending::Disconnected(_)) | None => return,
            Some(_) if !said => return,
            Some(Ending::Broken(_) | Ending::Closed(_) | Ending::Refused(_) | Ending::Stopped(_)) => {}
        }
        let linger = async {
            socket.shutdown().await?;
            let mut thrown_away = vec![0; SMALLEST_READ];
            while socket.read(&mut thrown_away).await? > 0 {}
            std::io::Result::Ok(())
        };
        tokio::time::timeout(LINGER, linger).await.ok();
    }
}

/// Waits for the room that is wanted.
async fn wait(room: &mut Option<BoxFuture<'static, Room>>) -> Room {
    match room {
        Some(room) => room.await,
        None => std::future::pending().await,
    }
}
