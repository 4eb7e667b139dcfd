//! The second phase: faults stop, and everything begun must come to its end within a bound (liveness), and leave
//! nothing behind.
//!
//! Late and repeated proposals of the first phase still arrive; that is no fault but what a network does.

use crate::cluster::Cluster;
use crate::violation::Violation;

/// Rounds until everything must be at rest, whatever was begun. Each lets every node, socket and client do all it can
/// once, so a handshake takes a few.
const ROUNDS: u64 = 600;

/// Rounds more for each message of the run: behind a window of one a queue takes a handshake's rounds a message.
const ROUNDS_A_MESSAGE: u64 = 16;

/// Messages that each publisher still makes: they show that the cluster serves, not only that it is quiet.
const LAST_MESSAGES: usize = 2;

/// Virtual milliseconds a round takes.
const ROUND_TIME: u64 = 50;

impl Cluster {
    /// Heals everything and drains; a violation if something never comes to its end.
    pub(crate) fn heal(&mut self) -> Result<(), Violation> {
        self.options.silent = 0;
        self.options.repeated = 0;
        self.options.poisoned = 0;
        for index in 0..self.nodes.len() {
            let node = &mut self.nodes[index];
            node.paused = false;
            node.refusing = false;
            if node.process.is_none() {
                node.start(self.sin)?;
            }
        }
        let mut left: Vec<usize> = self
            .clients
            .iter()
            .map(|client| if client.plan.publishes.is_empty() { 0 } else { LAST_MESSAGES })
            .collect();
        let rounds = ROUNDS + ROUNDS_A_MESSAGE * self.history.messages.len() as u64;
        for round in 0..rounds {
            self.step += 1;
            self.now += ROUND_TIME;
            self.round(round, &mut left)?;
            if left.iter().all(|left| *left == 0) && self.at_rest() {
                return Ok(());
            }
        }
        Err(Violation::new("everything begun comes to its end", self.what_is_left(rounds, &left)))
    }

    fn round(&mut self, round: u64, left: &mut [usize]) -> Result<(), Violation> {
        for node in 0..self.nodes.len() {
            self.node_applies(node, usize::MAX)?;
            self.node_sends_from(node, round.is_multiple_of(3));
        }
        if !self.flights.is_empty() {
            let flights = core::mem::take(&mut self.flights);
            self.append(flights, false)?;
        }
        self.advance_time()?;
        let links: Vec<_> = self.links.all().iter().map(|link| link.id).collect();
        for id in links {
            if let Some(link) = self.links.get(id)
                && !link.client_open
            {
                link.end_arrived = true;
            }
            while self.node_reads(id)? {}
            while self.client_reads(id)? {}
        }
        for (client, left) in left.iter_mut().enumerate() {
            match self.clients[client].link {
                None => {
                    let node = self.random.below(self.nodes.len());
                    self.client_connects(client, node);
                }
                Some(link) => {
                    if *left > 0 && self.client_publishes(client, link) {
                        *left -= 1;
                    }
                    while self.client_writes(client, link) {}
                }
            }
        }
        self.links.sweep();
        Ok(())
    }

    fn at_rest(&mut self) -> bool {
        let last = self.log.last();
        let quiet = |process: &crate::node::Process| {
            process.serving() && process.window.is_empty() && process.broker.index() == last
        };
        self.flights.is_empty()
            && !self.log.tip().has_work()
            && self.nodes.iter().all(|node| node.process.as_ref().is_some_and(quiet))
            && self.clients.iter().all(crate::client::Client::is_idle)
            && self
                .links
                .all()
                .iter()
                .all(|link| link.up.is_empty() && link.down.is_empty() && link.client_open && link.node_open)
    }

    fn what_is_left(&mut self, rounds: u64, left: &[usize]) -> String {
        let clients: Vec<usize> = (0..self.clients.len()).filter(|at| !self.clients[*at].is_idle()).collect();
        let nodes: Vec<String> = self
            .nodes
            .iter()
            .filter_map(|node| {
                let process = node.process.as_ref()?;
                let (origin, serving, at) = (process.origin(), process.serving(), process.broker.index());
                let busy = !serving || !process.window.is_empty();
                busy.then(|| {
                    format!("node {} boot {} serving {serving} at {}", origin.node.0, origin.boot.0, at.0)
                })
            })
            .collect();
        format!(
            "after {rounds} rounds: clients {clients:?} not idle, {left:?} messages not made, {nodes:?}, last entry {}, {:?}",
            self.log.last().0,
            self.log.tip().statistics(),
        )
    }
}
