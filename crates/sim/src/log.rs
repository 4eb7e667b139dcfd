//! The ideal log: what is appended is committed, in one order, and read by every node at its own pace.
//!
//! Raft itself is not simulated; its crate has its own suites. What Raft leaves to the layers above is: proposals may
//! be lost on the way or arrive late, twice, in another order and from anyone. Those are [`Flight`]s.
//!
//! A tip, a broker that applies each entry as it is appended, is the reference: every node must reach its digest and
//! its effects at the same index, and the core's own invariants are checked on it after each entry.

use quartet_broker::invariants::{boots_and_cursors_never_go_back, check_all};
use quartet_broker::{
    Admission, Broker, Command, ConnectionId, Effect, LogIndex, NodeId, Number, Origin, Settings, Timestamp,
};

use crate::trace::hash_of;
use crate::violation::Violation;

/// The seed of every broker's own hashing: part of the replicated state, so the same on all nodes.
const BROKER_SEED: u64 = 0x0051_7561_7274_6574;

/// A proposal on its way to the log.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Flight {
    /// A piece of a numbered stream.
    Segment { origin: Origin, first: u64, commands: Vec<Command> },
    /// A command of the cluster, harmless when late or repeated.
    Plain(Command),
}

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Entry {
    pub(crate) index: LogIndex,
    pub(crate) time: Timestamp,
    pub(crate) flights: Vec<Flight>,
    /// The first admitted numbered command makes `apply` panic; all nodes skip it.
    pub(crate) poisoned: bool,
}

/// What the tip said of an entry.
#[derive(Clone, Debug)]
pub(crate) struct Applied {
    pub(crate) digest: u64,
    pub(crate) effects_hash: u64,
}

/// The log and its tip.
#[derive(Debug)]
pub(crate) struct Log {
    entries: Vec<Entry>,
    applied: Vec<Applied>,
    tip: Broker,
    /// Whether the core's own invariants are asked after each entry.
    strict: bool,
}

/// A broker as a cluster is formatted with it.
pub(crate) fn fresh_broker(settings: &Settings) -> Broker {
    Broker::new(BROKER_SEED, settings.clone())
}

impl Log {
    /// An empty log over a formatted state. Not `strict` where a guard was taken out of `apply`: then what it does to
    /// clients is to be found, not that it is gone.
    pub(crate) fn new(tip: Broker, strict: bool) -> Self {
        Self { entries: Vec::new(), applied: Vec::new(), tip, strict }
    }

    /// The index of the last entry.
    pub(crate) fn last(&self) -> LogIndex {
        LogIndex(self.entries.len() as u64)
    }

    /// The entry at this index and what the tip said of it.
    pub(crate) fn get(&self, index: LogIndex) -> Option<(&Entry, &Applied)> {
        let at = usize::try_from(index.0).ok()?.checked_sub(1)?;
        self.entries.get(at).zip(self.applied.get(at))
    }

    /// The state after the last entry.
    pub(crate) fn tip(&self) -> &Broker {
        &self.tip
    }

    /// All entries.
    pub(crate) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Appends, which is to commit. Gives the effects for the checkers that watch the log.
    pub(crate) fn append(
        &mut self,
        time: Timestamp,
        flights: Vec<Flight>,
        poisoned: bool,
    ) -> Result<Vec<Effect>, Violation> {
        let entry = Entry { index: LogIndex(self.last().0 + 1), time, flights, poisoned };
        let mut effects = Vec::new();
        let before = self.strict.then(|| self.tip.clone());
        apply_entry(&mut self.tip, &entry, &mut effects);
        let applied = Applied { digest: self.tip.digest(), effects_hash: hash_of(&effects) };
        self.entries.push(entry);
        self.applied.push(applied);
        let Some(before) = before else { return Ok(effects) };
        let steps = boots_and_cursors_never_go_back::check(&before, &self.tip);
        if let Err(broken) = steps.and_then(|()| check_all(&self.tip)) {
            let detail = format!("after entry {}: {broken}", self.last().0);
            return Err(Violation::new("the invariants of the core", detail));
        }
        Ok(effects)
    }
}

/// Applies one entry as every node does: a segment is taken in order, and no further than a gap.
pub(crate) fn apply_entry(broker: &mut Broker, entry: &Entry, effects: &mut Vec<Effect>) {
    broker.begin_entry(entry.index, entry.time);
    let mut poison = entry.poisoned;
    for flight in &entry.flights {
        match flight {
            Flight::Plain(command) => broker.apply(command.clone(), effects),
            Flight::Segment { origin, first, commands } => {
                for (number, command) in (*first..).zip(commands) {
                    match broker.admit(*origin, Number(number)) {
                        Admission::Next if poison => {
                            poison = false;
                            broker.poisoned(connection_of(command), effects);
                        }
                        Admission::Next => broker.apply(command.clone(), effects),
                        Admission::Repeated => {}
                        Admission::Gap | Admission::NotAlive => break,
                    }
                }
            }
        }
    }
    broker.end_entry(effects);
}

/// Whose command it is.
pub(crate) fn connection_of(command: &Command) -> Option<ConnectionId> {
    match command {
        Command::Connect(connect) => Some(connect.connection),
        Command::Disconnect(disconnect) => Some(disconnect.connection),
        Command::Publish(publish) => Some(publish.connection),
        Command::Acknowledge(acknowledge) => Some(acknowledge.connection),
        Command::Subscribe(subscribe) => Some(subscribe.connection),
        Command::Unsubscribe(unsubscribe) => Some(unsubscribe.connection),
        Command::NodeUp(_)
        | Command::NodeDown(_)
        | Command::AdvanceTime(_)
        | Command::Configure(_)
        | Command::Upgrade(_)
        | Command::VoteDigest(_) => None,
    }
}

/// The node that a number names.
pub(crate) fn node_id(index: usize) -> NodeId {
    NodeId(index as u64 + 1)
}
