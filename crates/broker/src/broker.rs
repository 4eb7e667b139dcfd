//! [`Broker`]: the whole replicated state, its few entrances, and what may be asked of it.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::hash::{Hash, Hasher};

use crate::digest::{Kind, Mixer, length};
use crate::ends::Ends;
use crate::messages::Messages;
use crate::routes::Routes;
use crate::sessions::Sessions;
use crate::stream::Streams;
use crate::subscriptions::Subscriptions;
use crate::votes::Votes;
use crate::weaknesses::Weaknesses;
use crate::{
    Admission, Boot, CloseReason, Command, ConnectionId, Counters, DigestVerdict, Effect, LogIndex,
    MessageHandle, NodeId, Number, Origin, Settings, Statistics, Timestamp,
};

/// The behaviour that a new cluster has.
const FIRST_BEHAVIOUR: u16 = 1;

/// The newest behaviour that this code knows. A node that must apply an [`Upgrade`](crate::Upgrade) beyond it stops
/// before, and one that thaws such a state does not serve: it would do something else than its peers.
pub const NEWEST_BEHAVIOUR: u16 = 1;

/// Every session, subscription and open handshake of the cluster.
///
/// Two brokers are equal if the same commands have the same effects on them from now on.
#[derive(Clone, Debug)]
pub struct Broker {
    pub(crate) seed: u64,
    pub(crate) behaviour: u16,
    pub(crate) settings: Settings,
    pub(crate) index: LogIndex,
    pub(crate) time: Timestamp,
    pub(crate) streams: Streams,
    /// Boots that are over while sessions still name them as owner, and since when.
    pub(crate) ended_boots: BTreeMap<Origin, Timestamp>,
    pub(crate) sessions: Sessions,
    pub(crate) ends: Ends,
    pub(crate) votes: Votes,
    pub(crate) counters: Counters,
    pub(crate) messages: Messages,
    /// Follows from the sessions' filters.
    pub(crate) subscriptions: Subscriptions,
    /// What commands of this entry may still do of work that is not theirs alone; filled anew by each entry.
    pub(crate) spare: u32,
    /// Guards taken away by a test; only in a build with the feature `weakened`.
    #[cfg(feature = "weakened")]
    pub weaknesses: Weaknesses,
}

impl Broker {
    /// The state of a cluster where nothing has happened yet.
    ///
    /// `seed` keys the hashed look-ups; it is chosen when the cluster is formatted and must be the same on every node.
    #[must_use]
    pub fn new(seed: u64, settings: Settings) -> Self {
        Self {
            seed,
            behaviour: FIRST_BEHAVIOUR,
            spare: settings.work_per_entry,
            settings,
            index: LogIndex(0),
            time: Timestamp(0),
            streams: Streams::default(),
            ended_boots: BTreeMap::new(),
            sessions: Sessions::default(),
            ends: Ends::default(),
            votes: Votes::default(),
            counters: Counters::default(),
            messages: Messages::new(MessageHandle(1)),
            subscriptions: Subscriptions::new(seed),
            #[cfg(feature = "weakened")]
            weaknesses: Weaknesses::default(),
        }
    }

    /// Begins an entry: `index` is its place in the log, `time` its leader's stamp. Replicated time never goes back.
    pub fn begin_entry(&mut self, index: LogIndex, time: Timestamp) {
        self.index = self.index.max(index);
        self.time = self.time.max(time);
        self.spare = self.settings.work_per_entry;
    }

    /// Asks the cursor of `origin` about `number`. After [`Admission::Next`] the cursor has moved, and the command is
    /// to be applied (or reported as poisoned); after any other answer it must not be.
    pub fn admit(&mut self, origin: Origin, number: Number) -> Admission {
        let weaknesses = self.weaknesses();
        self.streams.admit(origin, number, weaknesses)
    }

    /// Applies one command; what is to be done outside is appended to `effects`, in order.
    pub fn apply(&mut self, command: Command, effects: &mut Vec<Effect>) {
        match command {
            Command::Connect(connect) => connect.apply(self, effects),
            Command::Disconnect(disconnect) => disconnect.apply(self, effects),
            Command::Publish(publish) => publish.apply(self, effects),
            Command::Acknowledge(acknowledge) => acknowledge.apply(self, effects),
            Command::Subscribe(subscribe) => subscribe.apply(self, effects),
            Command::Unsubscribe(unsubscribe) => unsubscribe.apply(self, effects),
            Command::NodeUp(node_up) => node_up.apply(self, effects),
            Command::NodeDown(node_down) => node_down.apply(self, effects),
            Command::AdvanceTime(advance_time) => advance_time.apply(self),
            Command::Configure(configure) => configure.apply(self),
            Command::Upgrade(upgrade) => upgrade.apply(self),
            Command::VoteDigest(vote_digest) => vote_digest.apply(self),
        }
    }

    /// Instead of [`apply`](Self::apply), for a command known to make it panic: counts it and closes its connection.
    pub fn poisoned(&mut self, connection: Option<ConnectionId>, effects: &mut Vec<Effect>) {
        self.counters.poisoned += 1;
        if let Some(connection) = connection {
            self.close(connection, CloseReason::Poisoned, effects);
        }
    }

    /// The last number applied of this boot; `None` if it does not live.
    #[must_use]
    pub fn cursor(&self, origin: Origin) -> Option<Number> {
        let stream = self.streams.get(origin.node)?;
        (stream.alive && stream.boot == origin.boot).then_some(stream.cursor)
    }

    /// The highest boot known of a node, and whether it lives.
    #[must_use]
    pub fn highest_boot(&self, node: NodeId) -> Option<(Boot, bool)> {
        let stream = self.streams.get(node)?;
        Some((stream.boot, stream.alive))
    }

    /// The nodes that ever had a boot, ascending, each with its highest and whether it lives.
    pub fn boots(&self) -> impl Iterator<Item = (Origin, bool)> {
        self.streams.iter().map(|(node, stream)| {
            let boot = stream.boot;
            (Origin { node, boot }, stream.alive)
        })
    }

    /// Whether left-over work waits for the next entry, so that the leader should propose one.
    #[must_use]
    pub fn has_work(&self) -> bool {
        !self.ended_boots.is_empty()
            || self.sessions.ending() > 0
            || self.sessions.first_unpumped().is_some()
            || length(self.ends.len()) > u64::from(self.settings.remembered_ends)
            || self.next_deadline().is_some_and(|at| at <= self.time)
    }

    /// When the next session ends by its expiry.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Timestamp> {
        self.sessions.first_deadline().map(|(at, _)| at)
    }

    /// Replicated time.
    #[must_use]
    pub fn time(&self) -> Timestamp {
        self.time
    }

    /// The last entry begun.
    #[must_use]
    pub fn index(&self) -> LogIndex {
        self.index
    }

    /// The settings in force.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The behaviour version in force.
    #[must_use]
    pub fn behaviour(&self) -> u16 {
        self.behaviour
    }

    /// The seed of the hashed look-ups.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// What the votes for an index say, given who has a vote.
    #[must_use]
    pub fn digest_verdict(&self, index: LogIndex, voters: &[NodeId]) -> DigestVerdict {
        self.votes.verdict(index, voters)
    }

    /// The newest index that a digest was voted for.
    #[must_use]
    pub fn newest_vote(&self) -> Option<LogIndex> {
        self.votes.newest()
    }

    /// The state in 64 bits, to be compared between nodes after the same entry.
    #[must_use]
    pub fn digest(&self) -> u64 {
        self.seal(self.sessions.digest(), self.ends.digest())
    }

    /// The same from scratch, walking everything: equal to [`digest`](Self::digest), or the upkeep has a fault.
    #[must_use]
    pub fn recompute_digest(&self) -> u64 {
        let sessions = self.sessions.iter().fold(0, |digest, (slot, session)| {
            digest ^ crate::sessions::element(slot, session.recompute_digest())
        });
        self.seal(sessions, self.ends.recompute_digest())
    }

    /// A copy of the subscriptions and owners for concurrent readers, built anew: at start and after a snapshot.
    #[must_use]
    pub fn routes(&self) -> Routes {
        let mut owners = Vec::new();
        for (slot, session) in self.sessions.iter() {
            owners.resize(crate::sessions::place(slot), None);
            owners.push(self.live(session));
        }
        Routes::new(self.subscriptions.clone(), owners)
    }

    /// The state in numbers.
    #[must_use]
    pub fn statistics(&self) -> Statistics {
        let totals = self.sessions.totals();
        Statistics {
            sessions: length(self.sessions.len()),
            connected: length(self.sessions.attached()),
            ending: length(self.sessions.ending()),
            queued_messages: totals.queued,
            queued_bytes: totals.queued_bytes,
            inflight: totals.inflight,
            unreleased: totals.unreleased,
            subscriptions: totals.subscriptions,
            messages: length(self.messages.len()),
            remembered_ends: length(self.ends.len()),
            counters: self.counters,
        }
    }

    #[cfg(feature = "weakened")]
    pub(crate) fn weaknesses(&self) -> Weaknesses {
        self.weaknesses
    }

    #[cfg(not(feature = "weakened"))]
    #[expect(clippy::unused_self, reason = "the other build reads a field")]
    pub(crate) fn weaknesses(&self) -> Weaknesses {
        Weaknesses::default()
    }

    /// Everything that is few or changes with each entry is mixed in when asked for.
    fn seal(&self, sessions: u64, ends: u64) -> u64 {
        let mut digest = Mixer::new(Kind::Header)
            .word(self.seed)
            .word(u64::from(self.behaviour))
            .word(self.index.0)
            .word(self.time.0)
            .word(self.messages.next().0)
            .word(self.ends.horizon().0)
            .word(sessions)
            .word(ends)
            .word(self.settings.element())
            .word(self.counters.element())
            .finish();
        for (node, stream) in self.streams.iter() {
            digest ^= Mixer::new(Kind::Stream)
                .word(node.0)
                .word(stream.boot.0)
                .flag(stream.alive)
                .word(stream.cursor.0)
                .finish();
        }
        for (origin, at) in &self.ended_boots {
            digest ^= Mixer::new(Kind::EndedBoot).word(origin.node.0).word(origin.boot.0).word(at.0).finish();
        }
        for (index, node, vote) in self.votes.iter() {
            digest ^= Mixer::new(Kind::Vote).word(index.0).word(node.0).word(vote).finish();
        }
        digest
    }
}

impl PartialEq for Broker {
    fn eq(&self, other: &Self) -> bool {
        self.seed == other.seed
            && self.behaviour == other.behaviour
            && self.settings == other.settings
            && self.index == other.index
            && self.time == other.time
            && self.streams == other.streams
            && self.ended_boots == other.ended_boots
            && self.ends == other.ends
            && self.votes == other.votes
            && self.counters == other.counters
            && self.messages.next() == other.messages.next()
            && self.weaknesses() == other.weaknesses()
            && self.sessions.iter().eq(other.sessions.iter())
    }
}

impl Eq for Broker {}

impl Hash for Broker {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.digest());
    }
}
