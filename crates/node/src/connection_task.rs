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

use std::collections::VecDeque;
use std::io::{ErrorKind, Read};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;

use bytes::{BufMut, BytesMut};
use futures::FutureExt;
use futures::future::BoxFuture;
use quartet_broker::{Command, ConnectionId, Disconnect, Outgoing as Packet, SessionSlot};
use quartet_connection::{Connection, Ending, Input, Output, PIPELINED, Reading, Refusal, Stop};
use quartet_replica::Room;
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use crate::front_end::FrontEnd;
use crate::mailbox::{Letter, Mailbox};
use crate::outgoing::{Outgoing, Written};

/// Bytes of the first read, and of every read of a client that sends little. An idle connection keeps no buffer.
const SMALLEST_READ: usize = 4 << 10;

/// Bytes of a read that follows full ones: what a busy client is served in one turn.
const LARGEST_READ: usize = 32 << 10;

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

    /// Room for what the next bytes may propose: at once, or a wait for it.
    fn room(&self) -> Result<Room, BoxFuture<'static, Room>> {
        let bytes = match self.connection.reading() {
            Reading::Backlog => Connection::room(self.buffer.len()),
            Reading::Open | Reading::Ahead | Reading::Held | Reading::Shut => {
                Connection::room(self.buffer.len() + self.read)
            }
        };
        let replica = self.front.replica.clone();
        if let Some(room) = replica.room(bytes).now_or_never() {
            return Ok(room);
        }
        self.front.metrics.room_waits.inc();
        Err(Box::pin(async move { replica.room(bytes).await }))
    }

    /// Reads once and gives the bytes. `true` if nothing was there.
    fn read(&mut self, socket: &mut TcpStream, mut room: Room) {
        // Before the read: a CONNECT that was overtaken while it lay in the socket must look old (invariant 8).
        let applied = self.front.replica.applied();
        match self.read_once(socket, self.read) {
            None => {}
            Some(0) => self.input(Input::PeerClosed),
            // A CONNECT of a client that has gone on: with Clean Start it would end the session it has elsewhere.
            Some(_) if self.connection.client_id().is_none() && self.peer_has_closed(socket) => {
                self.input(Input::PeerClosed);
            }
            Some(_) => {
                let now = self.front.instant(Instant::now());
                let input = Input::Bytes { buffer: &mut self.buffer, applied };
                self.connection.handle(now, input, &mut self.outputs);
                self.carry_out(Some(&mut room));
                self.spare_memory();
            }
        }
    }

    /// Gives what was read before.
    fn give(&mut self, mut room: Room) {
        let applied = self.front.replica.applied();
        let now = self.front.instant(Instant::now());
        let input = Input::Bytes { buffer: &mut self.buffer, applied };
        self.connection.handle(now, input, &mut self.outputs);
        self.carry_out(Some(&mut room));
        self.spare_memory();
    }

    /// How many bytes came, of at most `most`: `None` if none are there, 0 if the peer has closed or the socket failed.
    fn read_once(&mut self, socket: &mut TcpStream, most: usize) -> Option<usize> {
        self.buffer.reserve(most);
        let mut limited = (&mut self.buffer).limit(most);
        let count = match socket.read_buf(&mut limited).now_or_never()? {
            Ok(count) => count,
            Err(error) => {
                tracing::trace!("read: {error}");
                0
            }
        };
        self.front.metrics.bytes_read.inc_by(u64::try_from(count).unwrap_or(u64::MAX));
        if count == self.read {
            self.read = (self.read * 2).min(LARGEST_READ);
        } else if count < self.read / 4 {
            self.read = (self.read / 2).max(SMALLEST_READ);
        }
        Some(count)
    }

    /// A connection at rest keeps no buffer.
    fn spare_memory(&mut self) {
        if self.buffer.is_empty() && self.read == SMALLEST_READ {
            self.buffer = BytesMut::new();
        }
    }

    /// Reads what comes before CONNACK, to see whether the peer closes; nothing of it counts yet (invariant 8).
    fn look_ahead(&mut self, socket: &mut TcpStream) {
        while self.buffer.len() < PIPELINED {
            match self.read_once(socket, self.read.min(PIPELINED - self.buffer.len())) {
                None => return,
                Some(0) => return self.input(Input::PeerClosed),
                Some(_) => {}
            }
        }
    }

    /// Whether the peer has closed, as the system knows it now; the runtime hears of it only when it next polls. Reads
    /// ahead like [`look_ahead`](Self::look_ahead), since the close stands behind the bytes.
    fn peer_has_closed(&mut self, socket: &TcpStream) -> bool {
        // Behind more bytes than may be read ahead, the runtime's word has to do.
        let heard = match socket.ready(Interest::READABLE).now_or_never() {
            Some(Ok(ready)) => ready.is_read_closed(),
            Some(Err(_)) => true,
            None => false,
        };
        let Ok(second) = socket.as_fd().try_clone_to_owned() else { return heard };
        let mut second = std::net::TcpStream::from(second);
        while !heard && self.buffer.len() < PIPELINED {
            let had = self.buffer.len();
            self.buffer.resize((had + SMALLEST_READ).min(PIPELINED), 0);
            let result = second.read(self.buffer.get_mut(had..).unwrap_or_default());
            self.buffer.truncate(had + result.as_ref().map_or(0, |count| *count));
            match result {
                Ok(0) => return true,
                Ok(count) => self.front.metrics.bytes_read.inc_by(u64::try_from(count).unwrap_or(u64::MAX)),
                Err(error) => match error.kind() {
                    ErrorKind::WouldBlock => return false,
                    ErrorKind::Interrupted => continue,
                    _ => return true,
                },
            };
        }
        heard
    }

    /// Whether nothing lies unread; reads what does, if that is allowed now.
    fn drain(&mut self, socket: &mut TcpStream) -> bool {
        if self.outgoing.is_backed_up() || self.connection.reading() != Reading::Open {
            return false;
        }
        match self.room() {
            Ok(room) => {
                self.read(socket, room);
                true
            }
            Err(_) => false,
        }
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

/// A connection without a socket, whose CONNECT is on its way: waits to end the session it will be given.
struct Orphan {
    task: Task,
}

impl Orphan {
    async fn wait(self) {
        let mut task = self.task;
        loop {
            if task.letters.is_empty() {
                task.mailbox.take(&mut task.letters);
            }
            while let Some(letter) = task.letters.pop_front() {
                task.open(letter);
            }
            if task.connection.is_over() || task.look_up {
                break;
            }
            task.mailbox.arrived().await;
        }
        task.front.mailboxes.remove(task.id.serial);
        if task.connection.is_over() {
            return;
        }
        // A snapshot may hold the CONNECT; if it does not, it comes later, as a stray.
        if let Some(session) = owned(&task).await {
            disconnect(&task.front, task.id, session);
            return;
        }
        task.mailbox.take(&mut task.letters);
        while let Some(letter) = task.letters.pop_front() {
            task.open(letter);
        }
    }
}

/// The session that this connection owns, as the state has it now.
async fn owned(task: &Task) -> Option<SessionSlot> {
    let client_id = task.connection.client_id()?.clone();
    let id = task.id;
    task.front
        .replica
        .inspect(move |broker| {
            let session = broker.session(client_id.as_str())?;
            (session.connection == Some(id)).then_some(session.slot)
        })
        .await
}

/// Lets go of a session that was given to a connection which is no more.
pub(crate) fn disconnect(front: &FrontEnd, connection: ConnectionId, session: SessionSlot) {
    let command = Disconnect { connection, session, session_expiry: None, will_due: true };
    front.replica.propose(&mut front.replica.room_for_end(), &Command::Disconnect(command));
}
