//! A whole cluster and its clients on virtual time: one step at a time, each chosen by the seed.
//!
//! ```text
//!  clients ──links──► nodes ──flights──► log ──entries──► nodes ──links──► clients
//!                       (lost, late, repeated, reordered)   (each at its own pace)
//! ```
//!
//! A run has two phases. In the first, steps and faults come as the [options](crate::options) weigh them. In the second
//! ([`heal`](crate::heal)) faults stop, and everything begun must come to its end.

use std::collections::BTreeSet;

use quartet_broker::{Command, LogIndex, NodeId, Timestamp};
use quartet_packet::QoS;

use crate::checkers;
use crate::client::Client;
use crate::front_end::Surroundings;
use crate::history::History;
use crate::link::{Link, LinkId, Links, MessageId, Published};
use crate::log::{Flight, Log, fresh_broker, node_id};
use crate::node::Node;
use crate::options::{Options, Step};
use crate::seed::Random;
use crate::sin::Sin;
use crate::snapshot::{Snapshot, weaken};
use crate::trace::Trace;
use crate::violation::Violation;

/// Most proposals on their way at once; the oldest is lost beyond it. Enough that some are very late.
const FLIGHTS: usize = 48;

/// Most TCP connections at once, the half-open ones included: clients wait beyond it.
const LINKS: usize = 24;

/// Percent of its turns that a slow node does not propose in.
const SLOW: usize = 97;

/// When virtual time begins, in milliseconds since the epoch: any moment would do, but 0 hides mistakes.
const EPOCH: u64 = 1_700_000_000_000;

/// A cluster under way.
#[derive(Debug)]
pub(crate) struct Cluster {
    pub(crate) options: Options,
    pub(crate) sin: Option<Sin>,
    pub(crate) random: Random,
    pub(crate) trace: Trace,
    pub(crate) step: u64,
    pub(crate) now: u64,
    pub(crate) log: Log,
    pub(crate) flights: Vec<Flight>,
    pub(crate) nodes: Vec<Node>,
    pub(crate) clients: Vec<Client>,
    pub(crate) links: Links,
    pub(crate) history: History,
    pub(crate) sessions: checkers::session_present::Oracle,
}

impl Cluster {
    /// The cluster of this seed, formatted and started.
    pub(crate) fn new(seed: u64, sin: Option<Sin>, keep_trace: bool) -> Result<Self, Violation> {
        let mut random = Random::new(seed);
        let options = Options::draw(&mut random);
        let mut broker = fresh_broker(&options.settings);
        weaken(&mut broker, sin);
        let formatted = Snapshot::take(&broker, &std::collections::BTreeMap::new());
        let wired = options.wired && !sin.is_some_and(Sin::of_front_end);
        let mut nodes = Vec::new();
        for index in 0..options.nodes {
            let mut node = Node::new(node_id(index), formatted.clone(), wired);
            node.start(sin)?;
            nodes.push(node);
        }
        let plans = options.clients.iter().cloned().enumerate();
        let clients = plans.map(|(index, plan)| Client::new(index, plan)).collect();
        Ok(Self {
            options,
            sin,
            random,
            trace: Trace::new(keep_trace),
            step: 0,
            now: EPOCH,
            log: Log::new(broker, !sin.is_some_and(Sin::inside_apply)),
            flights: Vec::new(),
            nodes,
            clients,
            links: Links::default(),
            history: History::default(),
            sessions: checkers::session_present::Oracle::default(),
        })
    }

    /// One step of the first phase.
    pub(crate) fn chaos(&mut self) -> Result<(), Violation> {
        self.step += 1;
        let table = self.options.weights.table();
        let total = table.iter().map(|(_, weight)| weight).sum();
        let mut at = self.random.below(total);
        let chosen = table.iter().find(|(_, weight)| {
            let here = at < *weight;
            at = at.saturating_sub(*weight);
            here
        });
        let Some((step, _)) = chosen.copied() else { return Ok(()) };
        match step {
            Step::ClientActs => {
                let client = self.random.below(self.clients.len());
                self.client_acts(client);
            }
            Step::NodeReads => self.node_reads_any()?,
            Step::ClientReads => self.client_reads_any()?,
            Step::NodeApplies => {
                let node = self.random.below(self.nodes.len());
                let most = self.random.between(1, 8);
                self.node_applies(node, most)?;
            }
            Step::NodeSends => self.node_sends(false),
            Step::NodeSendsAgain => self.node_sends(true),
            Step::LogAppends => self.append_some()?,
            Step::FlightLost => {
                if !self.flights.is_empty() {
                    let at = self.random.below(self.flights.len());
                    let flight = self.flights.swap_remove(at);
                    self.trace.note(self.step, &("lost", flight));
                }
            }
            Step::ClientCuts => {
                let client = self.random.below(self.clients.len());
                self.client_cuts(client);
            }
            Step::KeepAliveEnds => self.keep_alive_ends()?,
            Step::Crash => self.crash(),
            Step::Restart => self.restart()?,
            Step::Pause => self.pause(true),
            Step::Resume => self.pause(false),
            Step::NodeDown => self.declare_down(),
            Step::Checkpoint => self.checkpoint(),
            Step::Snapshot => self.install_snapshot()?,
            Step::SubscriptionChanges => {
                let client = self.random.below(self.clients.len());
                let (random, history) = (&mut self.random, &mut self.history);
                if self.clients[client].change_subscription(random, self.step, history) {
                    self.trace.note(self.step, &("changes subscription", client));
                }
            }
            Step::RefusalChanges => {
                let node = self.random.below(self.nodes.len());
                self.nodes[node].refusing = self.random.chance(30);
            }
            Step::TimePasses => {
                self.now += self.random.between(1, self.options.time_step) as u64;
                self.advance_time()?;
            }
        }
        self.links.sweep();
        Ok(())
    }

    /// A client connects, writes or publishes.
    pub(crate) fn client_acts(&mut self, index: usize) {
        let Some(link) = self.clients[index].link else {
            if self.links.len() < LINKS {
                let node = self.random.below(self.nodes.len());
                self.client_connects(index, node);
            }
            return;
        };
        if self.clients[index].has_to_write() && self.random.chance(70) {
            self.client_writes(index, link);
        } else if !self.clients[index].plan.publishes.is_empty() {
            self.client_publishes(index, link);
        }
    }

    /// A client begins a connection to a node, unless that node's machine is not there.
    pub(crate) fn client_connects(&mut self, index: usize, node: usize) {
        if self.nodes[node].process.is_none() {
            return;
        }
        let id = self.links.open(index, self.nodes[node].id);
        let Some(link) = self.links.get(id) else { return };
        self.clients[index].connect(link, &mut self.random, self.step, &mut self.history);
        self.trace.note(self.step, &("connects", index, node, id, link.eager));
    }

    /// A client writes its next packet.
    pub(crate) fn client_writes(&mut self, index: usize, link: LinkId) -> bool {
        let Some(link) = self.links.get(link) else { return false };
        let wrote = self.clients[index].write(link);
        if wrote {
            self.trace.note(self.step, &("client", index, link.id, "writes", link.up.back()));
        }
        wrote
    }

    /// A client makes a message, if it may and has an identifier free.
    pub(crate) fn client_publishes(&mut self, index: usize, link: LinkId) -> bool {
        let Some(link) = self.links.get(link) else { return false };
        let client = &mut self.clients[index];
        if !client.connected && !link.eager {
            return false;
        }
        let random = &mut self.random;
        let qos = random.pick(&client.plan.publishes).copied().unwrap_or(QoS::ExactlyOnce);
        let topic = random.below(usize::from(self.options.topics)) as u8;
        let expiry = random.chance(self.options.expiring).then(|| random.between(1, 3) as u32);
        let large = random.chance(self.options.large);
        let publisher = index as u8;
        let make = |sequence| Published { id: MessageId { publisher, sequence }, topic, qos, expiry, large };
        let made = client.publish(&mut self.random, self.step, &mut self.history, make);
        if made {
            self.trace.note(self.step, &("client", index, "publishes"));
        }
        made
    }

    fn node_reads_any(&mut self) -> Result<(), Violation> {
        let count = self.links.len();
        if count > 0 {
            let at = self.random.below(count);
            let id = self.links.all()[at].id;
            self.node_reads(id)?;
        }
        Ok(())
    }

    /// A node reads once from a socket.
    pub(crate) fn node_reads(&mut self, id: LinkId) -> Result<bool, Violation> {
        let Some(link) = self.links.get(id).filter(|link| link.node_open) else { return Ok(false) };
        let node = &mut self.nodes[index_of(link.node)];
        let around = Surroundings {
            sin: self.sin,
            refusing: node.refusing,
            takes_large: self.clients[link.client].plan.takes_large,
            version: self.clients[link.client].plan.version,
            batch: 1 + self.random.below(4),
        };
        let Some(process) = node.running() else { return Ok(false) };
        let read = process.read(link, around)?;
        if read {
            self.trace.note(self.step, &("node reads", link.node, id));
        }
        Ok(read)
    }

    fn client_reads_any(&mut self) -> Result<(), Violation> {
        let count = self.links.len();
        if count > 0 {
            let at = self.random.below(count);
            let id = self.links.all()[at].id;
            self.client_reads(id)?;
        }
        Ok(())
    }

    /// A client reads one packet, or notices that the node has closed.
    pub(crate) fn client_reads(&mut self, id: LinkId) -> Result<bool, Violation> {
        let Some(link) = self.links.get(id).filter(|link| link.client_open) else { return Ok(false) };
        let client = &mut self.clients[link.client];
        match link.down.pop_front() {
            Some(packet) => {
                self.trace.note(self.step, &("client", link.client, id, "reads", &packet));
                client.receive(packet, link.eager, self.step, &mut self.history)?;
                Ok(true)
            }
            None if !link.node_open => {
                link.client_open = false;
                client.offline();
                Ok(true)
            }
            None => Ok(false),
        }
    }

    /// A node applies up to so many entries.
    pub(crate) fn node_applies(&mut self, node: usize, most: usize) -> Result<bool, Violation> {
        let mut any = false;
        for _ in 0..most {
            if !self.nodes[node].apply_next(&self.log, &mut self.links, self.sin)? {
                break;
            }
            any = true;
        }
        if any {
            let applied = self.nodes[node].process.as_ref().map(|process| process.broker.index());
            self.trace.note(self.step, &("applies", node, applied));
        }
        Ok(any)
    }

    fn node_sends(&mut self, again: bool) {
        let node = self.random.below(self.nodes.len());
        let serves = self.nodes[node].process.as_ref().is_some_and(crate::node::Process::serving);
        if serves && self.options.slow == Some(node) && self.random.chance(SLOW) {
            return;
        }
        self.node_sends_from(node, again);
    }

    /// A node sends what it has to propose.
    pub(crate) fn node_sends_from(&mut self, node: usize, again: bool) -> bool {
        let Some(flight) = self.nodes[node].send(again) else { return false };
        self.trace.note(self.step, &("sends", node, again, &flight));
        self.launch(flight);
        if again && self.sin == Some(Sin::RetriedWithoutNumber) {
            let at = self.random.below(8);
            let retried = self.nodes[node].running().and_then(|process| process.window.in_doubt(at));
            self.flights.extend(retried.map(Flight::Plain));
        }
        true
    }

    pub(crate) fn launch(&mut self, flight: Flight) {
        if self.flights.len() == FLIGHTS {
            self.flights.remove(0);
        }
        self.flights.push(flight);
    }

    /// One entry of what is on its way, in any order; some of it stays on its way, to come again.
    fn append_some(&mut self) -> Result<(), Violation> {
        let count = self.random.between(1, 4).min(self.flights.len());
        if count == 0 {
            return Ok(());
        }
        let mut taken = Vec::new();
        for _ in 0..count {
            // The oldest half of the time: else too little would arrive in order.
            let at = match self.random.chance(50) {
                true => self.random.below(self.flights.len()),
                false => 0,
            };
            let flight = match self.random.chance(self.options.repeated) {
                true => self.flights[at].clone(),
                false => self.flights.remove(at),
            };
            taken.push(flight);
            if self.flights.is_empty() {
                break;
            }
        }
        let poisoned = self.random.chance(self.options.poisoned);
        self.append(taken, poisoned)
    }

    /// Appends one entry.
    pub(crate) fn append(&mut self, flights: Vec<Flight>, poisoned: bool) -> Result<(), Violation> {
        self.trace.note(self.step, &("appends", self.log.last().0 + 1, &flights, poisoned));
        // A new leader's clock may be behind the old one's.
        let skew = self.random.below(3) as u64;
        let effects = self.log.append(Timestamp(self.now - skew), flights, poisoned)?;
        self.sessions.entry(&self.log, &effects)
    }

    /// The leader proposes time when it is due or work is left.
    pub(crate) fn advance_time(&mut self) -> Result<bool, Violation> {
        let tip = self.log.tip();
        let due = tip.next_deadline().is_some_and(|at| at.0 <= self.now.saturating_sub(3));
        if !due && !tip.has_work() {
            return Ok(false);
        }
        let time = Flight::Plain(Command::AdvanceTime(quartet_broker::AdvanceTime));
        self.append(vec![time], false)?;
        Ok(true)
    }

    /// The sockets that live at both ends, by client.
    pub(crate) fn living(&mut self) -> BTreeSet<(usize, NodeId)> {
        let whole = |link: &&mut Link| link.client_open && link.node_open && link.serial.is_some();
        self.links.all().iter_mut().filter(whole).map(|link| (link.client, link.node)).collect()
    }

    /// The index of the last entry.
    pub(crate) fn entries(&self) -> LogIndex {
        self.log.last()
    }
}

/// The place of a node in the list.
pub(crate) fn index_of(node: NodeId) -> usize {
    node.0 as usize - 1
}
