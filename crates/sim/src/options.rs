//! What one seed asks of a run: the cluster's size, who publishes and subscribes how, and which faults are how likely.
//!
//! Each fault is switched off in some runs (swarm testing): a run with every fault at once hides what one of them
//! would show alone. A failure prints the whole set.

use quartet_broker::Settings;
use quartet_packet::{QoS, Version};

use crate::link::Filter;
use crate::seed::Random;

/// One client's part.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// QoS it publishes with; empty where it does not publish.
    pub(crate) publishes: Vec<QoS>,
    /// Packet identifiers it uses: 1 to this. Few, so that they are used again soon.
    pub(crate) packet_ids: u16,
    /// What it subscribes to from its first connection on.
    pub(crate) filters: Vec<(Filter, QoS)>,
    pub(crate) version: Version,
    pub(crate) receive_maximum: u16,
    /// Percent of its connections on which it sends more before it sees CONNACK.
    pub(crate) eager: usize,
    /// Whether it takes large messages; the front end discards the others.
    pub(crate) takes_large: bool,
    /// Percent of its connections with Clean Start.
    pub(crate) clean_start: usize,
    /// Session Expiry Interval in seconds. With a finite one a client that never saw a CONNACK cannot know that its
    /// session was a new one, and may send what the old one had taken: no broker can help, so its messages may then
    /// come twice.
    pub(crate) session_expiry: u32,
}

impl Plan {
    /// Whether its session lasts for the whole run.
    pub(crate) fn lasting(&self) -> bool {
        self.clean_start == 0 && self.session_expiry == u32::MAX
    }
}

/// How likely each kind of step is, against each other.
#[derive(Clone, Debug)]
pub(crate) struct Weights {
    pub(crate) client_acts: usize,
    pub(crate) node_reads: usize,
    pub(crate) client_reads: usize,
    pub(crate) node_applies: usize,
    pub(crate) node_sends: usize,
    pub(crate) node_sends_again: usize,
    pub(crate) log_appends: usize,
    pub(crate) flight_lost: usize,
    pub(crate) client_cuts: usize,
    pub(crate) keep_alive_ends: usize,
    pub(crate) crash: usize,
    pub(crate) restart: usize,
    pub(crate) pause: usize,
    pub(crate) resume: usize,
    pub(crate) node_down: usize,
    pub(crate) checkpoint: usize,
    pub(crate) snapshot: usize,
    pub(crate) subscription_changes: usize,
    pub(crate) refusal_changes: usize,
    pub(crate) time_passes: usize,
}

impl Weights {
    /// Each kind of step and its weight.
    pub(crate) fn table(&self) -> [(Step, usize); 20] {
        [
            (Step::ClientActs, self.client_acts),
            (Step::NodeReads, self.node_reads),
            (Step::ClientReads, self.client_reads),
            (Step::NodeApplies, self.node_applies),
            (Step::NodeSends, self.node_sends),
            (Step::NodeSendsAgain, self.node_sends_again),
            (Step::LogAppends, self.log_appends),
            (Step::FlightLost, self.flight_lost),
            (Step::ClientCuts, self.client_cuts),
            (Step::KeepAliveEnds, self.keep_alive_ends),
            (Step::Crash, self.crash),
            (Step::Restart, self.restart),
            (Step::Pause, self.pause),
            (Step::Resume, self.resume),
            (Step::NodeDown, self.node_down),
            (Step::Checkpoint, self.checkpoint),
            (Step::Snapshot, self.snapshot),
            (Step::SubscriptionChanges, self.subscription_changes),
            (Step::RefusalChanges, self.refusal_changes),
            (Step::TimePasses, self.time_passes),
        ]
    }
}

/// A kind of step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Step {
    ClientActs,
    NodeReads,
    ClientReads,
    NodeApplies,
    NodeSends,
    NodeSendsAgain,
    LogAppends,
    FlightLost,
    ClientCuts,
    KeepAliveEnds,
    Crash,
    Restart,
    Pause,
    Resume,
    NodeDown,
    Checkpoint,
    Snapshot,
    SubscriptionChanges,
    RefusalChanges,
    TimePasses,
}

/// Everything a seed decides before the first step.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) nodes: usize,
    /// Nodes have the real front end, the connection crate's, and not the thin one.
    pub(crate) wired: bool,
    pub(crate) topics: u8,
    pub(crate) clients: Vec<Plan>,
    pub(crate) settings: Settings,
    pub(crate) weights: Weights,
    /// Sessions end in this run (Clean Start, expiry): what a client is owed then depends on the moment, so the
    /// checker asks only that nothing comes twice or out of order, and that Session Present is true.
    pub(crate) sessions_end: bool,
    /// Queues overflow in this run: loss is counted by the broker, and allowed up to that count.
    pub(crate) overflows: bool,
    /// Percent of messages that carry an expiry.
    pub(crate) expiring: usize,
    /// Percent of messages too large for some.
    pub(crate) large: usize,
    /// Percent of appended proposals that stay on the way, to be appended once more.
    pub(crate) repeated: usize,
    /// Percent of entries with a command that makes `apply` panic, as every node then agrees.
    pub(crate) poisoned: usize,
    /// Percent of closes that the other side is never told of.
    pub(crate) silent: usize,
    /// A node that reads its sockets and hardly gets to propose: what its clients did long ago then meets what they do
    /// now elsewhere.
    pub(crate) slow: Option<usize>,
    /// Milliseconds that one step of time may bring at most.
    pub(crate) time_step: usize,
}

impl Options {
    /// The options of a run.
    pub(crate) fn draw(random: &mut Random) -> Self {
        let sessions_end = random.chance(20);
        let overflows = !sessions_end && random.chance(8);
        let topics = random.between(1, 3) as u8;
        let clients = random.between(2, 5);
        let clients = (0..clients).map(|index| draw_plan(random, index, topics, sessions_end)).collect();
        let mut settings = Settings {
            maximum_inflight: random.between(1, 8) as u16,
            work_per_entry: random.between(1, 6) as u32,
            ..Settings::default()
        };
        if overflows {
            settings.maximum_queued_messages = random.between(2, 6) as u32;
        }
        Self {
            nodes: random.between(3, 5),
            wired: random.chance(50),
            topics,
            clients,
            settings,
            weights: draw_weights(random),
            sessions_end,
            overflows,
            expiring: if random.chance(15) { 20 } else { 0 },
            large: if random.chance(15) { 20 } else { 0 },
            repeated: *random.pick(&[0, 20, 50]).unwrap_or(&20),
            poisoned: if random.chance(15) { 2 } else { 0 },
            silent: *random.pick(&[0, 30, 90]).unwrap_or(&30),
            slow: random.chance(40).then_some(0),
            time_step: *random.pick(&[10, 200, 3000]).unwrap_or(&200),
        }
    }
}

fn draw_plan(random: &mut Random, index: usize, topics: u8, sessions_end: bool) -> Plan {
    // The first two make sure that every run has a publisher and a subscriber.
    let publishes = index == 0 || (index > 1 && random.chance(50));
    let subscribes = index == 1 || (index > 1 && (!publishes || random.chance(30)));
    let qos = [
        vec![QoS::ExactlyOnce],
        vec![QoS::ExactlyOnce],
        vec![QoS::AtLeastOnce, QoS::ExactlyOnce],
        vec![QoS::AtLeastOnce],
    ];
    let publishes = match publishes {
        true => qos[random.below(qos.len())].clone(),
        false => Vec::new(),
    };
    let mut filters = Vec::new();
    if subscribes {
        let granted =
            [QoS::ExactlyOnce, QoS::ExactlyOnce, QoS::ExactlyOnce, QoS::AtLeastOnce, QoS::AtMostOnce];
        let qos = granted[random.below(granted.len())];
        filters.push((Filter::All, if index == 1 { QoS::ExactlyOnce } else { qos }));
        if random.chance(30) {
            let filter = Filter::One(random.below(usize::from(topics)) as u8);
            filters.push((filter, granted[random.below(granted.len())]));
        }
    }
    let mut plan = Plan {
        version: Version::V5,
        publishes,
        packet_ids: random.between(1, 4) as u16,
        filters,
        receive_maximum: *random.pick(&[1, 2, 3, 65_535]).unwrap_or(&1),
        eager: *random.pick(&[0, 50, 100]).unwrap_or(&0),
        takes_large: random.chance(50),
        clean_start: if sessions_end && random.chance(60) { random.between(5, 60) } else { 0 },
        session_expiry: if sessions_end { [0, 1, 3, 60, u32::MAX][random.below(5)] } else { u32::MAX },
    };
    // Before 5.0 a client has no word for any of this.
    if plan.lasting() && random.chance(25) {
        (plan.version, plan.receive_maximum, plan.takes_large) = (Version::V3_1_1, u16::MAX, true);
    }
    plan
}

fn draw_weights(random: &mut Random) -> Weights {
    let fault = |random: &mut Random, percent: usize, most: usize| match random.chance(percent) {
        true => random.between(1, most),
        false => 0,
    };
    let crash = fault(random, 60, 6);
    let pause = fault(random, 60, 10);
    Weights {
        client_acts: random.between(60, 150),
        node_reads: random.between(60, 150),
        client_reads: random.between(60, 150),
        node_applies: random.between(60, 200),
        node_sends: random.between(40, 120),
        node_sends_again: random.between(2, 20),
        log_appends: random.between(60, 200),
        flight_lost: fault(random, 50, 15),
        client_cuts: fault(random, 90, 15),
        keep_alive_ends: fault(random, 70, 8),
        crash,
        restart: random.between(10, 40),
        pause,
        resume: random.between(5, 30),
        node_down: fault(random, 60, 8),
        checkpoint: random.between(1, 10),
        snapshot: fault(random, 50, 8),
        subscription_changes: fault(random, 30, 6),
        refusal_changes: fault(random, 30, 10),
        time_passes: random.between(5, 30),
    }
}
