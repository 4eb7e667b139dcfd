//! Starts the nodes, watches them, says what changes, and ends them.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::Context;
use futures::future::join_all;
use nix::sys::signal::Signal;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};

use super::child::{self, Child, Ended};
use super::directory::Directory;
use super::view::{Scene, View};
use crate::admin::client;
use crate::admin::wire::{NodeStatusReply, Role};
use crate::balancer::Balancer;
use crate::cli::cluster::health::Health;
use crate::cli::cluster::members::Member;
use crate::config::Config;

/// Between two looks at the nodes.
const LOOK: Duration = Duration::from_millis(250);

/// How long a node may take to answer a look; one that does not is passed over by the balancer.
const ANSWER: Duration = Duration::from_secs(1);

/// How long nodes may take to stop in order before they are killed: longer than a node gives itself.
const STOP: Duration = Duration::from_secs(20);

/// Ends of children that wait to be looked at: each node has one process, and ends once between two looks.
const ENDS: usize = 16;

/// A node of the local cluster.
#[derive(Debug)]
pub(crate) struct Node {
    /// From 1.
    pub(crate) number: u16,
    /// As configured.
    pub(crate) name: String,
    /// Where it takes MQTT.
    pub(crate) listener: SocketAddr,
    /// Where it takes gRPC.
    pub(crate) cluster: SocketAddr,
    configuration: PathBuf,
    log: PathBuf,
    directory: Directory,
    child: Option<Child>,
    /// Since when it is down; set when its process ends.
    down_since: Option<Instant>,
    /// It has answered since it was started.
    answered: bool,
    view: View,
}

impl Node {
    /// A node that is not started yet.
    pub(crate) fn new(number: u16, directory: &Directory, config: &Config) -> Self {
        let unusable = SocketAddr::from(([127, 0, 0, 1], 0));
        Self {
            number,
            name: config.node.name.clone(),
            listener: config.listeners.first().map_or(unusable, |listener| listener.address),
            cluster: config.cluster.address,
            configuration: directory.configuration(number),
            log: directory.log(number),
            directory: directory.clone(),
            child: None,
            down_since: None,
            answered: false,
            view: View::Starting,
        }
    }

    fn start(&mut self, ended: &mpsc::Sender<Ended>) -> anyhow::Result<()> {
        self.child = Some(Child::start(self.number, &self.configuration, &self.log, ended.clone())?);
        self.down_since = None;
        self.answered = false;
        self.view = View::Starting;
        Ok(())
    }

    /// Its process has ended.
    fn ended(&mut self, ended: Ended) {
        if self.child.as_ref().is_none_or(|child| child.pid != ended.pid) {
            return;
        }
        self.child = None;
        self.down_since = Some(Instant::now());
        let last_words =
            self.directory.last_words(self.number).filter(|_| ended.how.starts_with("exit code"));
        let how = match last_words {
            Some(words) => format!("{} ({words}); its log is {}", ended.how, self.log.display()),
            None => ended.how,
        };
        self.view = View::Down { how };
    }

    /// It answered a look, or did not.
    fn looked_at(&mut self, answer: &Result<NodeStatusReply, client::Error>) {
        match answer {
            Ok(status) => {
                self.answered = true;
                let ours = self.child.as_ref().is_some_and(|child| child.pid == status.process_id);
                self.view = match status.serving {
                    true => View::Serving { by_hand: (!ours).then_some(status.process_id) },
                    false => View::Unready { why: status.not_serving_reason.clone() },
                };
            }
            Err(_) if self.child.is_some() => {
                self.view = if self.answered { View::Silent } else { View::Starting };
            }
            Err(_) => {
                if !matches!(self.view, View::Down { .. }) {
                    self.view = View::Down { how: "the process started by hand is gone".to_owned() };
                    self.down_since = Some(Instant::now());
                }
            }
        }
    }

    fn due(&self, respawn_after: Option<Duration>) -> bool {
        let down = matches!(self.view, View::Down { .. });
        down && respawn_after
            .is_some_and(|after| self.down_since.is_some_and(|since| since.elapsed() >= after))
    }
}

/// All of it.
pub(crate) struct Supervisor {
    nodes: Vec<Node>,
    balancer: Arc<Balancer>,
    respawn_after: Option<Duration>,
    ended: (mpsc::Sender<Ended>, mpsc::Receiver<Ended>),
    scene: Scene,
    started: Instant,
}

/// What the nodes said at one look, in their order.
type Answers = Vec<Result<NodeStatusReply, client::Error>>;

impl Supervisor {
    /// Starts every node.
    pub(crate) fn new(
        nodes: Vec<Node>,
        balancer: Arc<Balancer>,
        respawn_after: Option<Duration>,
    ) -> anyhow::Result<Self> {
        let ended = mpsc::channel(ENDS);
        let mut nodes = nodes;
        for node in &mut nodes {
            node.start(&ended.0)?;
        }
        Ok(Self { nodes, balancer, respawn_after, ended, scene: Scene::default(), started: Instant::now() })
    }

    /// Watches until told to stop, then ends the nodes.
    pub(crate) async fn run(mut self) -> anyhow::Result<()> {
        let mut interrupt = signal(SignalKind::interrupt()).context("signals")?;
        let mut terminate = signal(SignalKind::terminate()).context("signals")?;
        let mut hang_up = signal(SignalKind::hangup()).context("signals")?;
        let mut ticks = interval(LOOK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let mut answers = None;
            tokio::select! {
                _ = interrupt.recv() => break,
                _ = terminate.recv() => break,
                _ = hang_up.recv() => break,
                Some(ended) = self.ended.1.recv() => self.child_ended(ended),
                said = async { ticks.tick().await; look(&self.nodes).await } => answers = Some(said),
            }
            if let Some(answers) = answers {
                self.looked(&answers)?;
            }
        }
        let stopped = {
            let stop = self.stop();
            tokio::pin!(stop);
            tokio::select! {
                done = &mut stop => Some(done),
                _ = interrupt.recv() => None,
                _ = terminate.recv() => None,
            }
        };
        match stopped {
            Some(done) => done,
            None => {
                for child in self.nodes.iter().filter_map(|node| node.child.as_ref()) {
                    child::signal(child.pid, Signal::SIGKILL);
                }
                self.say("killed; nothing that was acknowledged is lost")
            }
        }
    }

    fn child_ended(&mut self, ended: Ended) {
        if let Some(place) = self.nodes.iter().position(|node| node.number == ended.number) {
            self.balancer.set_serving(place, false);
            self.nodes[place].ended(ended);
        }
    }

    fn looked(&mut self, answers: &Answers) -> anyhow::Result<()> {
        let mut members = Vec::new();
        for (place, (node, answer)) in self.nodes.iter_mut().zip(answers).enumerate() {
            node.looked_at(answer);
            self.balancer.set_serving(place, matches!(node.view, View::Serving { .. }));
            if node.due(self.respawn_after) {
                node.start(&self.ended.0)?;
            }
            members.push(Member {
                name: node.name.clone(),
                address: node.cluster.to_string(),
                voter: true,
                status: answer.clone(),
            });
        }
        let scene = Scene {
            nodes: self.nodes.iter().map(|node| (node.name.clone(), node.view.clone())).collect(),
            leader: leader(answers),
            health: self.health(&members),
        };
        for line in scene.changes(&self.scene) {
            self.say(&line)?;
        }
        self.scene = scene;
        Ok(())
    }

    /// The health's sentence, once the first start is over: until then its words would only alarm.
    fn health(&self, members: &[Member]) -> String {
        let starting = self.nodes.iter().any(|node| node.view == View::Starting);
        if self.scene.health.is_empty() && (starting || !members.iter().all(Member::serving)) {
            return String::new();
        }
        Health::of(members).sentence()
    }

    fn say(&self, line: &str) -> anyhow::Result<()> {
        let mut out = anstream::stdout().lock();
        let seconds = self.started.elapsed().as_secs_f32();
        match writeln!(out, "{seconds:8.1} s  {line}").and_then(|()| out.flush()) {
            // A closed pipe is no reason to leave the nodes alone.
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
            other => other.map_err(Into::into),
        }
    }

    /// Ends every node of this cluster, those started by hand as well: in order first, hard if that takes too long.
    async fn stop(&mut self) -> anyhow::Result<()> {
        let by_hand: BTreeMap<u32, String> = join_all(self.nodes.iter().map(async |node| {
            let status = client::node_status(&node.cluster.to_string(), ANSWER).await.ok()?;
            let ours = node.child.as_ref().is_some_and(|child| child.pid == status.process_id);
            (!ours && status.name == node.name).then_some((status.process_id, status.name))
        }))
        .await
        .into_iter()
        .flatten()
        .collect();
        let children: Vec<u32> =
            self.nodes.iter().filter_map(|node| Some(node.child.as_ref()?.pid)).collect();
        let all: Vec<u32> = children.iter().chain(by_hand.keys()).copied().filter(|pid| *pid != 0).collect();
        self.say(&format!(
            "stopping {} (Ctrl-C again kills them)",
            crate::cli::words::count(all.len() as u64, "node")
        ))?;
        for pid in &all {
            child::signal(*pid, Signal::SIGTERM);
            // A stopped process would never see it.
            child::signal(*pid, Signal::SIGCONT);
        }
        let gone = async {
            while all.iter().any(|pid| child::exists(*pid)) {
                // A child is there until its end is looked at; the task that waits for it does so.
                while let Ok(ended) = self.ended.1.try_recv() {
                    self.child_ended(ended);
                }
                sleep(Duration::from_millis(20)).await;
            }
        };
        if timeout(STOP, gone).await.is_err() {
            for pid in all.iter().filter(|pid| child::exists(**pid)) {
                child::signal(*pid, Signal::SIGKILL);
            }
            self.say(&format!("some nodes did not stop within {} s and were killed", STOP.as_secs()))?;
        }
        let counts = &self.balancer.counts;
        self.say(&format!(
            "stopped; the balancer took {}, passed over a dead node {} times, sent {} away",
            crate::cli::words::count(counts.accepted.load(Ordering::Relaxed), "connection"),
            counts.passed_over.load(Ordering::Relaxed),
            counts.sent_away.load(Ordering::Relaxed),
        ))
    }
}

async fn look(nodes: &[Node]) -> Answers {
    join_all(nodes.iter().map(async |node| client::node_status(&node.cluster.to_string(), ANSWER).await))
        .await
}

/// Whoever says it leads in the highest term: a deposed leader may not know it yet.
fn leader(answers: &Answers) -> Option<(String, u64)> {
    let leading = answers.iter().flatten().filter(|status| status.role() == Role::Leader);
    leading.max_by_key(|status| status.term).map(|status| (status.name.clone(), status.term))
}
