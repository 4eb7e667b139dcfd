//! The phases of a connection, and what each input means in each.
//!
//! ```text
//!                    CONNECT is good:               ConnAck delivered:
//!                    Propose(Connect)               CONNACK written
//!    ┌──────────────┐            ┌───────────────┐            ┌───────────┐
//! ──►│ AwaitConnect ├───────────►│ AwaitConnAck  ├───────────►│ Connected │
//!    └──────┬───────┘            └──┬─────────┬──┘            └─────┬─────┘
//!           │ bad or late CONNECT,  │ not     │ socket ends         │ ends: Propose(Disconnect),
//!           │ socket ends           │proposed,│ first               │ unless the core ended it
//!           │                       │ refused ▼                     │
//!           │                       │   ┌──────────┐                │
//!           │                       │   │ Orphaned │ ConnAck delivered: Propose(Disconnect)
//!           │                       │   └────┬─────┘                │
//!           ▼                       ▼        ▼                      ▼
//!         ╔════════════════════════════ Closed ═══════════════════════╗
//! ```
//! A CONNECT that was proposed will be applied, whatever becomes of the socket meanwhile: so a connection whose
//! socket ended before CONNACK is kept until its session is known, and ends it then. Exactly one Disconnect follows
//! each CONNECT that the state accepted and did not end itself.

use alloc::boxed::Box;
use alloc::string::ToString;
use alloc::sync::Arc;
use alloc::vec::Vec;

use bytes::BytesMut;
use quartet_broker::{
    Command, Connect, ConnectionId, Disconnect, LogIndex, Message, Outgoing, Principal, SessionSlot,
};
use quartet_packet::{ConnAck, Decoder, Packet, ReasonCode, Role, Utf8String, Version};

use crate::acknowledgements::Acknowledgements;
use crate::connect::{self, Client};
use crate::keep_alive::KeepAlive;
use crate::outbox::Outbox;
use crate::receive_maximum::{self, Unfinished};
use crate::topic_alias::TopicAliases;
use crate::{Config, Ending, Error, Input, Instant, Output, Reading};

/// What one call with bytes proposes at most, in bytes as [`cost`] counts them, but for the last packet. It keeps
/// one busy client from holding the others up, and one read full of small packets with an alias from becoming a
/// thousand commands of 64 KiB.
const TURN: usize = 64 << 10;

/// What a command costs beside the bytes of its packet: more than any of them takes in the log.
const COMMAND: usize = 64;

/// Where a connection is.
#[derive(Debug)]
enum Phase {
    AwaitConnect {
        /// When patience ends.
        deadline: Instant,
    },
    AwaitConnAck,
    Connected {
        session: SessionSlot,
    },
    Orphaned,
    Closed,
}

/// One network connection of a client, as a value: see the crate's documentation.
#[derive(Debug)]
pub struct Connection {
    pub(crate) id: ConnectionId,
    pub(crate) config: Config,
    phase: Phase,
    decoder: Decoder,
    /// Given to a client that names itself nothing.
    assigned_client_id: Utf8String,
    /// From CONNECT on.
    client: Option<Box<Client>>,
    /// The one that the client's DISCONNECT brought.
    pub(crate) new_expiry: Option<u32>,
    pub(crate) keep_alive: KeepAlive,
    pub(crate) aliases: TopicAliases,
    pub(crate) unfinished: Unfinished,
    pub(crate) acknowledgements: Acknowledgements,
    pub(crate) outbox: Outbox,
    /// Whole packets may be left in the caller's buffer.
    backlog: bool,
    /// The moment of the last `WakeAt` that has not come yet.
    alarm: Option<Instant>,
}

impl Connection {
    /// A socket just accepted. `assigned_client_id` is given to a client that has none of its own: random, unique
    /// in the cluster. The first outputs (the alarm for CONNECT) come at once.
    pub fn new(
        id: ConnectionId,
        assigned_client_id: Utf8String,
        config: Config,
        now: Instant,
        outputs: &mut Vec<Output>,
    ) -> Self {
        let mut connection = Self {
            id,
            config,
            phase: Phase::AwaitConnect { deadline: now.plus(config.connect_timeout) },
            decoder: Decoder::new(Role::Server),
            assigned_client_id,
            client: None,
            new_expiry: None,
            keep_alive: KeepAlive::new(0, now),
            aliases: TopicAliases::new(config.topic_alias_maximum),
            unfinished: Unfinished::new(config.receive_maximum.get()),
            acknowledgements: Acknowledgements::default(),
            outbox: Outbox::default(),
            backlog: false,
            alarm: None,
        };
        connection.set_alarm(outputs);
        connection
    }

    /// Takes one input at `now`, which never goes back, and appends what is to be done, in order. Carry out all of
    /// it before the next input.
    pub fn handle(&mut self, now: Instant, input: Input<'_>, outputs: &mut Vec<Output>) {
        match input {
            Input::Bytes { buffer, applied } => self.receive(now, buffer, applied, outputs),
            Input::Delivered { packet, message } => self.deliver(now, packet, message, outputs),
            Input::Closed(reason) => self.end(Ending::Closed(reason), outputs),
            Input::Refused(refusal) => self.end(Ending::Refused(refusal), outputs),
            Input::Stop(stop) => self.end(Ending::Stopped(stop), outputs),
            Input::PeerClosed => self.end(Ending::PeerClosed, outputs),
            Input::Timer { drained } => self.wake(now, drained, outputs),
        }
        if let Phase::Connected { session } = self.phase {
            self.acknowledgements.flush(self.id, session, outputs);
        }
        self.outbox.flush(outputs);
        self.set_alarm(outputs);
    }

    /// What to do with the socket and the buffer now.
    #[must_use]
    pub fn reading(&self) -> Reading {
        match self.phase {
            Phase::AwaitConnect { .. } => Reading::Open,
            Phase::AwaitConnAck => Reading::Ahead,
            Phase::Connected { .. } if self.unfinished.is_full() => Reading::Held,
            Phase::Connected { .. } if self.backlog => Reading::Backlog,
            Phase::Connected { .. } => Reading::Open,
            Phase::Orphaned | Phase::Closed => Reading::Shut,
        }
    }

    /// Whether nothing more can come of this connection: it may be forgotten, and its mailbox with it. Later than
    /// [`Output::Close`] for one whose socket ended before its CONNECT was applied.
    #[must_use]
    pub fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Closed)
    }

    /// Whether CONNACK has been given.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        matches!(self.phase, Phase::Connected { .. })
    }

    /// The client's id, from CONNECT on.
    #[must_use]
    pub fn client_id(&self) -> Option<&Utf8String> {
        self.client.as_ref().map(|client| &client.client_id)
    }

    /// The room to take before a call with a buffer of `buffered` bytes: what its packets usually come to in the log.
    /// Topics behind aliases can make it more, but one call never proposes more than [`overdraft`](Self::overdraft)
    /// beyond.
    #[must_use]
    pub fn room(buffered: usize) -> usize {
        let usual = buffered.saturating_mul(2).min(TURN).max(buffered);
        usual.saturating_add(COMMAND)
    }

    /// Most bytes of commands that one call proposes beyond its [`room`](Self::room).
    #[must_use]
    pub fn overdraft() -> usize {
        TURN + Utf8String::MAX_LENGTH
    }

    /// Most packets the core can owe one connection at once, beside the PUBLISH packets of its window: answers,
    /// CONNACK, and the end.
    #[must_use]
    pub fn answers(config: &Config) -> usize {
        let answers = receive_maximum::answers_owed(config.receive_maximum.get());
        usize::try_from(answers).unwrap_or(usize::MAX).saturating_add(2)
    }

    fn receive(&mut self, now: Instant, buffer: &mut BytesMut, applied: LogIndex, outputs: &mut Vec<Output>) {
        let mut spent = 0_usize;
        loop {
            match self.reading() {
                Reading::Open | Reading::Backlog => {}
                Reading::Ahead | Reading::Held | Reading::Shut => return,
            }
            self.backlog = spent >= TURN;
            if self.backlog {
                return;
            }
            let before = buffer.len();
            let packet = match self.decoder.decode(buffer) {
                Ok(Some(packet)) => packet,
                Ok(None) => return,
                Err(error) => return self.end(Ending::Broken(error.into()), outputs),
            };
            spent = spent.saturating_add(cost(before.saturating_sub(buffer.len()), &packet));
            match (&self.phase, packet) {
                (Phase::Connected { session }, packet) => {
                    let session = *session;
                    // Held again at its end if the packet's answer is one too many: then the rest is a backlog.
                    self.backlog = true;
                    self.packet(now, session, packet, outputs);
                }
                (Phase::AwaitConnect { .. }, Packet::Connect(connect)) => {
                    self.connect(&connect, applied, outputs);
                }
                // The decoder lets nothing but CONNECT come first.
                (Phase::AwaitConnect { .. } | Phase::AwaitConnAck | Phase::Orphaned | Phase::Closed, _) => {
                    return self.end(Ending::Broken(Error::Internal), outputs);
                }
            }
        }
    }

    fn connect(&mut self, connect: &quartet_packet::Connect, applied: LogIndex, outputs: &mut Vec<Output>) {
        let client = Client::new(&self.config, connect, &self.assigned_client_id);
        let command = Connect {
            connection: self.id,
            read_at: applied,
            client_id: client.client_id.clone(),
            principal: Principal(Utf8String::default()),
            version: client.version,
            clean_start: connect.clean_start,
            session_expiry: client.session_expiry,
            receive_maximum: client.receive_maximum,
        };
        self.client = Some(Box::new(client));
        if let Err(error) = connect::check(connect) {
            return self.end(Ending::Broken(error), outputs);
        }
        self.phase = Phase::AwaitConnAck;
        outputs.push(Output::Propose(Command::Connect(command)));
    }

    fn deliver(
        &mut self,
        now: Instant,
        packet: Outgoing,
        message: Option<Arc<Message>>,
        outputs: &mut Vec<Output>,
    ) {
        match (&self.phase, packet) {
            (
                Phase::AwaitConnAck,
                Outgoing::ConnAck { session, session_present, session_expiry, unreleased },
            ) => {
                self.phase = Phase::Connected { session };
                self.unfinished.resume(unreleased);
                self.backlog = true;
                self.accept(now, session, session_present, session_expiry, outputs);
            }
            (Phase::Orphaned, Outgoing::ConnAck { session, .. }) => {
                self.phase = Phase::Closed;
                self.propose_disconnect(session, true, outputs);
            }
            (Phase::Connected { .. }, packet) => self.send(packet, message, outputs),
            // Late words to a connection that is over; before CONNACK the core has none.
            (Phase::AwaitConnect { .. } | Phase::AwaitConnAck | Phase::Orphaned | Phase::Closed, _) => {}
        }
    }

    /// CONNACK, and from now on the client's packets count.
    fn accept(
        &mut self,
        now: Instant,
        session: SessionSlot,
        session_present: bool,
        session_expiry: u32,
        outputs: &mut Vec<Output>,
    ) {
        let Some(client) = &self.client else {
            return self.end(Ending::Broken(Error::Internal), outputs);
        };
        self.keep_alive = KeepAlive::new(client.keep_alive, now);
        let limit = usize::try_from(self.config.maximum_packet_size).unwrap_or(usize::MAX);
        self.decoder.set_maximum_packet_size(limit);
        let connack = client.connack(&self.config, session_present, session_expiry);
        if let Err(error) = self.write(&Packet::ConnAck(connack.into())) {
            // Without its CONNACK the client gets no DISCONNECT either [MQTT-3.14.0-1].
            self.phase = Phase::Closed;
            self.propose_disconnect(session, true, outputs);
            outputs.push(Output::Close(Ending::Broken(error)));
        }
    }

    fn wake(&mut self, now: Instant, drained: bool, outputs: &mut Vec<Output>) {
        self.alarm = None;
        if self.deadline().is_none_or(|deadline| now < deadline) {
            return;
        }
        match self.phase {
            Phase::AwaitConnect { .. } => self.end(Ending::Broken(Error::ConnectTimeout), outputs),
            Phase::Connected { .. } if drained && self.reading() == Reading::Open => {
                self.end(Ending::Broken(Error::KeepAliveTimeout), outputs);
            }
            // Its packets lie unread by our own fault.
            Phase::Connected { .. } => self.keep_alive.restart(now),
            Phase::AwaitConnAck | Phase::Orphaned | Phase::Closed => {}
        }
    }

    /// The end, whatever the phase; the first one counts.
    pub(crate) fn end(&mut self, ending: Ending, outputs: &mut Vec<Output>) {
        match core::mem::replace(&mut self.phase, Phase::Closed) {
            Phase::Closed => return,
            Phase::Orphaned => {
                if !ending.is_known_to_the_state() {
                    self.phase = Phase::Orphaned;
                }
                return;
            }
            Phase::AwaitConnect { .. } => self.say_in_connack(ending),
            Phase::AwaitConnAck => {
                self.say_in_connack(ending);
                if !ending.is_known_to_the_state() {
                    self.phase = Phase::Orphaned;
                }
            }
            Phase::Connected { session } => {
                // What was read before counts before the end does.
                self.acknowledgements.flush(self.id, session, outputs);
                if !ending.is_known_to_the_state() {
                    let normal = matches!(ending, Ending::Disconnected(ReasonCode::Success));
                    self.propose_disconnect(session, !normal, outputs);
                }
                self.say_in_disconnect(ending);
            }
        }
        self.outbox.flush(outputs);
        outputs.push(Output::Close(ending));
    }

    /// `will_due` is false after a normal DISCONNECT only [MQTT-3.14.4-3].
    fn propose_disconnect(&mut self, session: SessionSlot, will_due: bool, outputs: &mut Vec<Output>) {
        let session_expiry = self.new_expiry.take();
        outputs.push(Output::Propose(Command::Disconnect(Disconnect {
            connection: self.id,
            session,
            session_expiry,
            will_due,
        })));
    }

    /// Tells a client that has no CONNACK yet, if there is a word for it.
    fn say_in_connack(&mut self, ending: Ending) {
        let (version, mut connack) = match (&self.client, ending) {
            (None, Ending::Broken(Error::Packet(error))) => match error.connack() {
                Some(answer) => answer,
                None => return,
            },
            (None, _) => return,
            (Some(client), _) => match ending.in_connack() {
                Some(reason) => (client.version, ConnAck::new(reason)),
                None => return,
            },
        };
        if !version.is_v5() && connack.reason.connect_return_code().is_none() {
            return;
        }
        connack.reason_string = Utf8String::try_from(ending.to_string()).ok();
        let limit = self.maximum_packet_size();
        // One that does not fit is left out: the socket closes all the same.
        self.outbox.packet(&Packet::ConnAck(connack.into()), version, limit).ok();
    }

    /// Tells a connected client, if its version and the standard have a word for it [MQTT-3.14.0-1].
    fn say_in_disconnect(&mut self, ending: Ending) {
        let Some(reason) = ending.in_disconnect() else { return };
        if !self.is_v5() {
            return;
        }
        let mut disconnect = quartet_packet::Disconnect::new(reason);
        disconnect.reason_string = Utf8String::try_from(ending.to_string()).ok();
        self.write(&Packet::Disconnect(disconnect)).ok();
    }

    /// The next moment at which something happens by itself.
    fn deadline(&self) -> Option<Instant> {
        match self.phase {
            Phase::AwaitConnect { deadline } => Some(deadline),
            Phase::Connected { .. } => self.keep_alive.deadline(),
            Phase::AwaitConnAck | Phase::Orphaned | Phase::Closed => None,
        }
    }

    /// Asks for an alarm, unless one that is early enough is set: it is looked at again when that one rings.
    fn set_alarm(&mut self, outputs: &mut Vec<Output>) {
        let Some(deadline) = self.deadline() else { return };
        if self.alarm.is_none_or(|alarm| alarm > deadline) {
            self.alarm = Some(deadline);
            outputs.push(Output::WakeAt(deadline));
        }
    }

    /// Whether CONNECT had a Session Expiry Interval of 0, or none.
    pub(crate) fn asked_for_no_expiry(&self) -> bool {
        self.client.as_ref().is_none_or(|client| client.session_expiry == 0)
    }

    pub(crate) fn version(&self) -> Version {
        self.client.as_ref().map_or(Version::V5, |client| client.version)
    }

    pub(crate) fn is_v5(&self) -> bool {
        self.version().is_v5()
    }

    pub(crate) fn maximum_packet_size(&self) -> usize {
        self.client.as_ref().map_or(usize::MAX, |client| client.maximum_packet_size)
    }
}

/// What a packet costs a turn: its bytes, what stands behind an alias, and the rest of its command.
fn cost(bytes: usize, packet: &Packet) -> usize {
    let alias = match packet {
        Packet::Publish(publish) if publish.topic.is_none() => Utf8String::MAX_LENGTH,
        Packet::Publish(_)
        | Packet::Connect(_)
        | Packet::ConnAck(_)
        | Packet::PubAck(_)
        | Packet::PubRec(_)
        | Packet::PubRel(_)
        | Packet::PubComp(_)
        | Packet::Subscribe(_)
        | Packet::SubAck(_)
        | Packet::Unsubscribe(_)
        | Packet::UnsubAck(_)
        | Packet::PingReq(_)
        | Packet::PingResp(_)
        | Packet::Disconnect(_)
        | Packet::Auth(_) => 0,
    };
    bytes.saturating_add(alias).saturating_add(COMMAND)
}
