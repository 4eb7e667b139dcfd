//! `quartet dev`: a cluster on one machine, each node a process of its own, behind one balanced port.
//!
//! ```text
//!   clients ──► PORT  balancer ──► PORT+1  node-1 ─┐
//!                              ──► PORT+2  node-2 ─┼─ PORT+1001 … gRPC between the nodes
//!                              ──► PORT+3  node-3 ─┘
//! ```
//!
//! Nodes are started by `quartet server` with a file anybody can use by hand, so a node that was killed can be
//! brought back from another terminal; it then belongs to that terminal, and is only noticed here. What this leaves
//! out: any wish to be used for more than trying things.

mod banner;
mod child;
pub(crate) mod directory;
mod plan;
mod supervisor;
mod view;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;

use crate::balancer::Balancer;
use crate::config::{Config, Overrides};
use directory::Directory;
use plan::Plan;
use supervisor::{Node, Supervisor};

/// What is asked for.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// How many nodes; as before, or 3.
    pub(crate) nodes: Option<u16>,
    /// The balancer's port; as before, or 1883.
    pub(crate) port: Option<u16>,
    /// Where configuration, data and logs live.
    pub(crate) dir: PathBuf,
    /// Whether, and after how long, a node that ended is started again.
    pub(crate) respawn_after: Option<Duration>,
}

/// Runs the cluster until Ctrl-C, SIGTERM or the terminal's end.
pub(crate) async fn run(options: Options) -> anyhow::Result<()> {
    let directory = Directory::new(&options.dir);
    let _lock = directory.lock()?;
    let before = directory.plan()?;
    let plan = Plan::settle(options.nodes, options.port, before, &options.dir)?;
    if before.is_none() {
        // Before anything is written that would bind the directory to these ports.
        plan.claim_all()?;
    }
    directory.prepare(plan)?;
    let mut nodes = Vec::new();
    for number in 1..=plan.nodes {
        let file = directory.configuration(number);
        let config = Config::load(&file, Overrides::of_process(&[]))?;
        nodes.push(Node::new(number, &directory, &config));
    }
    let listener = claim_ports(plan, &nodes)?;
    let balancer = std::sync::Arc::new(Balancer::new(nodes.iter().map(|node| node.listener)));
    banner::print(plan, &options, &nodes)?;
    let serving = tokio::spawn(std::sync::Arc::clone(&balancer).run(listener));
    let result = Supervisor::new(nodes, balancer, options.respawn_after)?.run().await;
    serving.abort();
    result
}

/// What to do about a taken port when the directory has its ports already.
const OTHER_PORT: &str = "make a new cluster with --port PORT and another --dir DIR";

/// The balancer's listener, once every port is known to be free: better one line now than three logs to read.
fn claim_ports(plan: Plan, nodes: &[Node]) -> anyhow::Result<tokio::net::TcpListener> {
    let listener = plan::claim(plan.balancer(), "the balancer", OTHER_PORT)?;
    for node in nodes {
        drop(plan::claim(node.listener, &format!("{}, MQTT", node.name), OTHER_PORT)?);
        drop(plan::claim(node.cluster, &format!("{}, gRPC", node.name), OTHER_PORT)?);
    }
    listener.set_nonblocking(true).context("the balancer's socket")?;
    tokio::net::TcpListener::from_std(listener).context("the balancer's socket")
}
