//! One node: what survives its process (a boot counter and a checkpoint), and the process.
//!
//! ```text
//!            crash: everything but boot and checkpoint is gone
//!   running ───────────────────────────────────────────────────► crashed
//!      ▲  │ pause: it does nothing; what it sent stays on the way,   │
//!      │  ▼ what was sent to it waits                                │
//!   paused                                                           │
//!      ▲ restart: boot + 1, checkpoint, then the log's tail          │
//!      └─────────────────────────────────────────────────────────────┘
//! ```

use std::collections::BTreeMap;

use quartet_broker::{Boot, Broker, Command, Effect, Message, MessageHandle, NodeId, NodeUp, Origin, Routes};
use quartet_connection::{Input, Stop};

use crate::front_end::{Connection, State, client_id};
use crate::link::{LinkId, Links};
use crate::log::{Flight, Log, apply_entry};
use crate::sin::Sin;
use crate::snapshot::Snapshot;
use crate::trace::hash_of;
use crate::violation::Violation;
use crate::window::Window;
use crate::wired::AllWired;

/// A node.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) id: NodeId,
    /// Durable before it is used.
    pub(crate) boot: Boot,
    /// Durable.
    pub(crate) checkpoint: Snapshot,
    /// `None`: crashed.
    pub(crate) process: Option<Process>,
    pub(crate) paused: bool,
    /// It has the real front end.
    is_wired: bool,
    /// Its own rules refuse every PUBLISH just now.
    pub(crate) refusing: bool,
}

/// What dies with the process.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) broker: Broker,
    pub(crate) store: BTreeMap<MessageHandle, Message>,
    /// The published copy of the subscriptions, kept up by effects alone.
    pub(crate) routes: Routes,
    pub(crate) window: Window,
    pub(crate) serials: u64,
    /// Of the thin front end.
    pub(crate) connections: BTreeMap<u64, Connection>,
    /// Of the real one.
    pub(crate) wired: AllWired,
    /// Which of the two this run has.
    pub(crate) is_wired: bool,
}

impl Node {
    /// A formatted node, not started yet.
    pub(crate) fn new(id: NodeId, checkpoint: Snapshot, is_wired: bool) -> Self {
        Self { id, boot: Boot(0), checkpoint, process: None, paused: false, is_wired, refusing: false }
    }

    /// Starts the process: the next boot, the checkpoint; the log's tail follows entry by entry.
    pub(crate) fn start(&mut self, sin: Option<Sin>) -> Result<(), Violation> {
        if sin != Some(Sin::BootNotDurable) || self.boot == Boot(0) {
            self.boot = Boot(self.boot.0 + 1);
        }
        let (broker, store) = self.checkpoint.thaw(sin)?;
        let window = Window::new(Origin { node: self.id, boot: self.boot });
        self.process = Some(Process {
            routes: broker.routes(),
            broker,
            store,
            window,
            serials: 0,
            connections: BTreeMap::new(),
            wired: BTreeMap::new(),
            is_wired: self.is_wired,
        });
        self.paused = false;
        Ok(())
    }

    /// The process is gone, and with it its ends of all sockets.
    pub(crate) fn crash(&mut self, links: &mut Links) {
        self.process = None;
        self.paused = false;
        for link in links.all().iter_mut().filter(|link| link.node == self.id) {
            link.node_open = false;
            link.up.clear();
        }
    }

    /// The process, if it runs and is not paused.
    pub(crate) fn running(&mut self) -> Option<&mut Process> {
        self.process.as_mut().filter(|_| !self.paused)
    }

    /// Applies the next entry, if there is one, and performs its effects. False if there is none.
    pub(crate) fn apply_next(
        &mut self,
        log: &Log,
        links: &mut Links,
        sin: Option<Sin>,
    ) -> Result<bool, Violation> {
        let Some(process) = self.running() else { return Ok(false) };
        let next = quartet_broker::LogIndex(process.broker.index().0 + 1);
        let Some((entry, applied)) = log.get(next) else { return Ok(false) };
        let mut effects = Vec::new();
        apply_entry(&mut process.broker, entry, &mut effects);
        if process.broker.digest() != applied.digest || hash_of(&effects) != applied.effects_hash {
            return Err(Violation::new(
                "every node has the same state after the same entry",
                format!("{:?} differs from the tip after {next:?}", process.origin()),
            ));
        }
        process.perform(effects, links, sin)?;
        self.follow_own_boot(links, sin)?;
        Ok(true)
    }

    /// Jumps to the state of another node that is further ahead. Effects on the way are skipped, so connections close.
    pub(crate) fn install(
        &mut self,
        snapshot: &Snapshot,
        links: &mut Links,
        sin: Option<Sin>,
    ) -> Result<(), Violation> {
        let Some(process) = self.running() else { return Ok(()) };
        (process.broker, process.store) = snapshot.thaw(sin)?;
        process.routes = process.broker.routes();
        if sin != Some(Sin::SnapshotKeepsConnections) {
            process.close_after_snapshot(links)?;
        }
        self.follow_own_boot(links, sin)
    }

    /// Trims the window to the applied cursor; at the end of its own boot closes everything and takes the next.
    fn follow_own_boot(&mut self, links: &mut Links, sin: Option<Sin>) -> Result<(), Violation> {
        let Some(process) = &mut self.process else { return Ok(()) };
        let origin = process.origin();
        if let Some(cursor) = process.broker.cursor(origin) {
            process.window.trim(cursor.0);
            return Ok(());
        }
        let over = process.broker.highest_boot(self.id).is_some_and(|(boot, _)| boot >= origin.boot);
        if !over || sin == Some(Sin::OwnEndIgnored) {
            return Ok(());
        }
        process.end_all_wired(links)?;
        for link in links.all().iter_mut().filter(|link| link.node == self.id && link.serial.is_some()) {
            process.close(link);
        }
        self.boot = Boot(self.boot.0 + 1);
        process.connections.clear();
        process.serials = 0;
        process.window = Window::new(Origin { node: self.id, boot: self.boot });
        Ok(())
    }

    /// What the node would send now: its boot's beginning until it sees it applied, then what is new or in doubt.
    pub(crate) fn send(&mut self, again: bool) -> Option<Flight> {
        let process = self.running()?;
        let origin = process.origin();
        if process.broker.highest_boot(origin.node).is_none_or(|(boot, _)| boot < origin.boot) {
            return Some(Flight::Plain(Command::NodeUp(NodeUp { origin })));
        }
        if again { process.window.send_again() } else { process.window.send() }
    }
}

impl Process {
    /// Whose stream it writes.
    pub(crate) fn origin(&self) -> Origin {
        self.window.origin()
    }

    /// Whether its boot lives as far as its own replica knows: else no CONNECT is read.
    pub(crate) fn serving(&self) -> bool {
        self.broker.cursor(self.origin()).is_some()
    }

    fn perform(
        &mut self,
        effects: Vec<Effect>,
        links: &mut Links,
        sin: Option<Sin>,
    ) -> Result<(), Violation> {
        let origin = self.origin();
        for effect in effects {
            match effect {
                Effect::Send { to, packet } if to.origin() == origin => {
                    self.deliver(to.serial, packet, links, sin)?;
                }
                Effect::Close { connection, reason } if connection.origin() == origin => {
                    self.close_wired(connection.serial, reason, links)?;
                    self.close_serial(connection.serial, links);
                }
                // Of others; and of our own boot's end `follow_own_boot` learns from the state.
                Effect::Send { .. } | Effect::Close { .. } | Effect::BootEnded(_) => {}
                Effect::Route(change) => self.routes.apply(&change),
                Effect::Store { handle, message } => {
                    self.store.insert(handle, message);
                }
                Effect::Release { handle } => {
                    if self.store.remove(&handle).is_none() {
                        let detail = format!("{origin:?} was told to release {handle:?} and has it not");
                        return Err(Violation::new("what is released was stored", detail));
                    }
                }
            }
        }
        Ok(())
    }

    fn close_serial(&mut self, serial: u64, links: &mut Links) {
        let Some(connection) = self.connections.remove(&serial) else { return };
        if let Some(link) = links.get(connection.link) {
            self.close(link);
        }
    }

    /// After a snapshot: what was written to these connections is unknown, those that wait for CONNACK too.
    fn close_after_snapshot(&mut self, links: &mut Links) -> Result<(), Violation> {
        self.snapshot_for_wired(links)?;
        let origin = self.origin();
        for (serial, connection) in core::mem::take(&mut self.connections) {
            let owned = self.broker.session(&client_id(connection.client)).filter(|session| {
                session.connection.is_some_and(|owner| owner.origin() == origin && owner.serial == serial)
            });
            match (connection.state, owned) {
                (State::Open(session), _) => self.disconnect(serial, session),
                // Its CONNECT was applied on the way: nobody else will let the session go.
                (State::Opening, Some(session)) => self.disconnect(serial, session.slot),
                // Not yet applied: its CONNACK will find nobody.
                (State::Opening, None) => {}
            }
            if let Some(link) = links.get(connection.link) {
                self.close(link);
            }
        }
        Ok(())
    }

    /// A socket ends by this node's own decision, or its keep alive ran out.
    pub(crate) fn drop_connection(
        &mut self,
        id: LinkId,
        links: &mut Links,
        sin: Option<Sin>,
    ) -> Result<(), Violation> {
        let Some(link) = links.get(id) else { return Ok(()) };
        if let Some(serial) = link.serial.filter(|serial| self.wired.contains_key(serial)) {
            let gone = !link.client_open;
            let input = if gone { Input::PeerClosed } else { Input::Stop(Stop::SlowPeer) };
            return self.end_wired(serial, input, links);
        }
        let connection = link.serial.and_then(|serial| Some((serial, self.connections.get(&serial)?)));
        if let Some((serial, Connection { state: State::Open(session), .. })) = connection {
            let session = *session;
            if sin == Some(Sin::WindowForgetsDead) {
                let id = quartet_broker::ConnectionId {
                    node: self.origin().node,
                    boot: self.origin().boot,
                    serial,
                };
                self.window.forget(|command| crate::log::connection_of(command) != Some(id));
            }
            self.disconnect(serial, session);
        }
        self.close(link);
        Ok(())
    }
}
