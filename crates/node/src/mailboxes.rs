//! All connections of this node by their serial, and the way from `apply` to them.
//!
//! The replica calls [`Sink`] from Raft's threads, in log order; nothing here waits. A CONNACK for a connection that
//! is not known any more (it ended after a snapshot hid its CONNECT) must still end its session: it goes to
//! [`strays`](Mailboxes::strays).

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::RwLock;
use quartet_broker::{LogIndex, Message, Outgoing, SessionSlot};
use quartet_connection::Stop;
use quartet_replica::{AllClosed, Delivery, Sink};
use tokio::sync::mpsc;

use crate::mailbox::{Letter, Mailbox, Pushed};
use crate::metrics::{MessageDropped, Metrics};
use crate::qos0::Qos0;

/// Most sessions that wait to be let go of. They come only after a snapshot, one for each connection it cut; beyond,
/// the session stays with its dead connection until its client connects again or this boot ends, and is counted.
const STRAYS: usize = 4096;

/// A session that was given to a connection which no longer exists.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stray {
    /// The connection's serial.
    pub(crate) serial: u64,
    /// Its session.
    pub(crate) session: SessionSlot,
}

/// Where each connection's mailbox is.
#[derive(Debug)]
pub(crate) struct Mailboxes {
    by_serial: RwLock<HashMap<u64, Arc<Mailbox>>>,
    strays: mpsc::Sender<Stray>,
    metrics: Arc<Metrics>,
}

impl Mailboxes {
    /// None yet, and where strays come out.
    pub(crate) fn new(metrics: Arc<Metrics>) -> (Self, mpsc::Receiver<Stray>) {
        let (strays, receiver) = mpsc::channel(STRAYS);
        (Self { by_serial: RwLock::default(), strays, metrics }, receiver)
    }

    /// A connection begins.
    pub(crate) fn insert(&self, serial: u64, mailbox: Arc<Mailbox>) {
        self.by_serial.write().insert(serial, mailbox);
    }

    /// A connection is over.
    pub(crate) fn remove(&self, serial: u64) {
        self.by_serial.write().remove(&serial);
    }

    /// Tells every connection, and those that a later [`insert`](Self::insert) brings not.
    pub(crate) fn stop_all(&self, stop: Stop) {
        for mailbox in self.by_serial.read().values() {
            self.push(mailbox, Letter::Stop(stop));
        }
    }

    /// Gives letters to several connections; `stray` gets those whose connection is not known.
    pub(crate) fn send(
        &self,
        letters: impl IntoIterator<Item = (u64, Letter)>,
        mut stray: impl FnMut(u64, Letter),
    ) {
        let by_serial = self.by_serial.read();
        for (serial, letter) in letters {
            match by_serial.get(&serial) {
                Some(mailbox) => self.push(mailbox, letter),
                None => stray(serial, letter),
            }
        }
    }

    fn push(&self, mailbox: &Mailbox, letter: Letter) {
        match mailbox.push(letter) {
            Pushed::Kept => {}
            Pushed::Full => {
                self.metrics.dropped(MessageDropped::MailboxFull);
            }
            Pushed::Overflowed => {
                self.metrics.mailbox_overflows.inc();
            }
        }
    }

    fn stray(&self, serial: u64, letter: Letter) {
        if let Letter::Packet { packet: Outgoing::ConnAck { session, .. }, .. } = letter
            && self.strays.try_send(Stray { serial, session }).is_err()
        {
            self.metrics.strays_dropped.inc();
        }
    }
}

/// What the replica tells this node.
#[derive(Debug)]
pub(crate) struct Effects {
    mailboxes: Arc<Mailboxes>,
    qos0: Arc<Qos0>,
}

impl Effects {
    pub(crate) fn new(mailboxes: Arc<Mailboxes>, qos0: Arc<Qos0>) -> Self {
        Self { mailboxes, qos0 }
    }
}

impl Sink for Effects {
    fn perform(&self, _index: LogIndex, deliveries: Vec<Delivery>) {
        let letters = deliveries.into_iter().map(|delivery| match delivery {
            Delivery::Send { to, packet, message } => (to, Letter::Packet { packet, message }),
            Delivery::Close { connection, reason } => (connection, Letter::Close(reason)),
        });
        self.mailboxes.send(letters, |serial, letter| self.mailboxes.stray(serial, letter));
    }

    fn all_closed(&self, why: AllClosed) {
        self.mailboxes.stop_all(match why {
            AllClosed::BootEnded(_) => Stop::BootEnded,
            AllClosed::NoLeader => Stop::NotServing,
            AllClosed::SnapshotInstalled => Stop::SnapshotInstalled,
        });
    }

    fn qos0(&self, messages: Vec<Message>) {
        for message in messages {
            self.qos0.deliver_here(message);
        }
    }
}
