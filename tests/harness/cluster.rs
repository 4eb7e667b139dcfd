//! A cluster of real `quartet server` processes on one loopback address.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::Signal;
use serde_json::Value;
use tempfile::TempDir;

use crate::story::keep_last_words;
use crate::{Client, Connect, Loopback, NodeProcess, Version, eventually, quartet};

/// How long a cluster may take to serve. A failover takes a second or two; a cold start on a machine that
/// runs other tests beside it, some more.
const SERVES: Duration = Duration::from_secs(60);

/// What makes one cluster different from the usual.
#[derive(Clone, Debug)]
pub struct ClusterOptions {
    /// How many nodes.
    pub nodes: usize,
    /// Lines of TOML put at the end of each node's configuration.
    pub toml: String,
    /// Environment of each node.
    pub environment: Vec<(String, String)>,
}

impl Default for ClusterOptions {
    fn default() -> Self {
        Self { nodes: 3, toml: String::new(), environment: Vec::new() }
    }
}

/// One node's line of `quartet cluster status --json`.
#[derive(Clone, Debug)]
pub struct NodeStatus {
    /// Its name in the configuration.
    pub name: String,
    /// `leader`, `follower`, …
    pub role: String,
    /// Everything that was said about it.
    pub all: Value,
}

/// A cluster. Its processes end with it.
#[derive(Debug)]
pub struct Cluster {
    nodes: Vec<NodeProcess>,
    directory: TempDir,
    loopback: Loopback,
}

/// The cluster that tests share which break nothing; it lives as long as one of them.
static SHARED: Mutex<Weak<Cluster>> = Mutex::new(Weak::new());

impl Cluster {
    /// Three nodes with the usual configuration, serving.
    ///
    /// # Errors
    ///
    /// They do not serve in time.
    pub async fn start() -> Result<Self> {
        Self::start_with(ClusterOptions::default()).await
    }

    /// A cluster with these options, serving.
    ///
    /// # Errors
    ///
    /// It does not serve in time.
    pub async fn start_with(options: ClusterOptions) -> Result<Self> {
        let mut cluster = Self::prepare(&options)?;
        for node in &mut cluster.nodes {
            node.start()?;
        }
        cluster.serves().await?;
        Ok(cluster)
    }

    /// A cluster whose configuration is written and whose nodes are not started.
    ///
    /// # Errors
    ///
    /// No address is free, or files cannot be written.
    pub fn prepare(options: &ClusterOptions) -> Result<Self> {
        let loopback = Loopback::take()?;
        let directory = tempfile::Builder::new().prefix("quartet-test-").tempdir()?;
        let mut cluster = Self { nodes: Vec::new(), directory, loopback };
        for node in 0..options.nodes {
            let own = cluster.node_directory(node);
            std::fs::create_dir_all(&own)?;
            let config = own.join("quartet.toml");
            std::fs::write(&config, cluster.config(node, options)?)?;
            let log = own.join("log");
            cluster.nodes.push(NodeProcess::new(&name(node), config, log, options.environment.clone()));
        }
        Ok(cluster)
    }

    fn config(&self, node: usize, options: &ClusterOptions) -> Result<String> {
        let seeds: Vec<String> = (0..options.nodes)
            .map(|seed| format!("\"{}={}\"", name(seed), self.peer_address(seed)))
            .collect();
        let mut toml = String::new();
        writeln!(toml, "[node]\nname = \"{}\"", name(node))?;
        writeln!(toml, "data_dir = \"{}\"", self.data_directory(node).display())?;
        writeln!(toml, "[[listener]]\naddress = \"{}\"", self.address(node))?;
        writeln!(toml, "[cluster]\naddress = \"{}\"", self.peer_address(node))?;
        writeln!(toml, "seeds = [{}]\n{}", seeds.join(", "), options.toml)?;
        Ok(toml)
    }

    /// A cluster for tests that break nothing, shared by those that run at the same time.
    ///
    /// # Errors
    ///
    /// It does not serve in time.
    pub async fn shared() -> Result<Arc<Self>> {
        let started = {
            let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
            match shared.upgrade() {
                Some(cluster) => cluster,
                None => {
                    let mut cluster = Self::prepare(&ClusterOptions::default())?;
                    cluster.nodes.iter_mut().try_for_each(NodeProcess::start)?;
                    let cluster = Arc::new(cluster);
                    *shared = Arc::downgrade(&cluster);
                    cluster
                }
            }
        };
        started.serves().await?;
        Ok(started)
    }

    /// How many nodes it has, dead or alive.
    pub fn size(&self) -> usize {
        self.nodes.len()
    }

    /// Where clients reach a node.
    pub fn address(&self, node: usize) -> SocketAddr {
        self.loopback.port(1884 + port_offset(node))
    }

    /// Where peers and the command line reach a node.
    pub fn peer_address(&self, node: usize) -> SocketAddr {
        self.loopback.port(2884 + port_offset(node))
    }

    /// A directory for what a test wants to keep beside the nodes.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Where a node's configuration and log are.
    pub fn node_directory(&self, node: usize) -> PathBuf {
        self.directory.path().join(name(node))
    }

    /// Where a node's data is.
    pub fn data_directory(&self, node: usize) -> PathBuf {
        self.node_directory(node).join("data")
    }

    /// A node's process.
    pub fn node(&mut self, node: usize) -> &mut NodeProcess {
        &mut self.nodes[node]
    }

    /// What a node has logged.
    ///
    /// # Errors
    ///
    /// The log cannot be read.
    pub fn log(&self, node: usize) -> Result<String> {
        self.nodes[node].log()
    }

    /// A node's process id.
    ///
    /// # Errors
    ///
    /// It does not run.
    pub fn pid(&self, node: usize) -> Result<u32> {
        self.nodes[node].pid()
    }

    /// `kill -9` of one node.
    ///
    /// # Errors
    ///
    /// It does not run.
    pub fn kill(&mut self, node: usize) -> Result<()> {
        self.nodes[node].kill()
    }

    /// `kill -9` of all nodes that run, one right after the other.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn kill_all(&mut self) -> Result<()> {
        // All signals first: a node must not see the others die one by one while we wait for each.
        for node in self.nodes.iter().filter(|node| node.is_started()) {
            node.signal(Signal::SIGKILL)?;
        }
        for node in self.nodes.iter_mut().filter(|node| node.is_started()) {
            node.kill()?;
        }
        Ok(())
    }

    /// Starts a dead node again, on its data.
    ///
    /// # Errors
    ///
    /// It runs already.
    pub fn restart(&mut self, node: usize) -> Result<()> {
        self.nodes[node].start()
    }

    /// SIGSTOP: the process stands still, its sockets stay open.
    ///
    /// # Errors
    ///
    /// It does not run.
    pub async fn pause(&self, node: usize) -> Result<()> {
        self.nodes[node].pause().await
    }

    /// SIGCONT.
    ///
    /// # Errors
    ///
    /// It does not run.
    pub fn go_on(&self, node: usize) -> Result<()> {
        self.nodes[node].signal(Signal::SIGCONT)
    }

    /// Waits until every node that runs accepts clients.
    ///
    /// # Errors
    ///
    /// One does not in time.
    pub async fn serves(&self) -> Result<()> {
        for node in (0..self.size()).filter(|node| self.nodes[*node].is_started()) {
            self.node_serves(node).await?;
        }
        Ok(())
    }

    /// Waits until one node accepts clients, which takes a committed entry.
    ///
    /// # Errors
    ///
    /// It does not in time.
    pub async fn node_serves(&self, node: usize) -> Result<()> {
        let connect = Connect::clean(Version::V5, format!("serves-{}", name(node)));
        let client = Client::connect_within(self.address(node), &connect, SERVES).await;
        client
            .with_context(|| format!("{} does not serve", name(node)))?
            .send(&crate::frame::disconnect())
            .await
    }

    /// Waits until `quartet cluster status` calls the whole cluster healthy: all nodes there and caught up.
    ///
    /// # Errors
    ///
    /// It does not in time.
    pub async fn healthy(&self) -> Result<()> {
        eventually("the cluster is healthy", SERVES, || async {
            let finished = quartet(["cluster", "status", "--address", &self.any_peer()?]).await?;
            if finished.code == Some(0) { Ok(Some(())) } else { bail!("status says: {finished:?}") }
        })
        .await
    }

    /// Address for the command line of the first node that runs.
    ///
    /// # Errors
    ///
    /// None runs.
    pub fn any_peer(&self) -> Result<String> {
        let node = self.nodes.iter().position(NodeProcess::is_started).context("no node runs")?;
        Ok(self.peer_address(node).to_string())
    }

    /// What `quartet cluster status --json`, asked of one node, says about each node.
    ///
    /// # Errors
    ///
    /// It cannot be asked, or its answer has another shape.
    pub async fn status_from(&self, node: usize) -> Result<Vec<NodeStatus>> {
        let address = self.peer_address(node).to_string();
        let finished = quartet(["cluster", "status", "--json", "--address", &address]).await?;
        let whole: Value =
            serde_json::from_str(&finished.stdout).with_context(|| format!("in {finished:?}"))?;
        let nodes =
            whole.get("nodes").and_then(Value::as_array).with_context(|| format!("no `nodes` in {whole}"))?;
        nodes.iter().map(|node| node_status(node).with_context(|| format!("in {whole}"))).collect()
    }

    /// The node that leads, as the nodes that run agree.
    ///
    /// # Errors
    ///
    /// None leads in time.
    pub async fn leader(&self) -> Result<usize> {
        eventually("a node leads", SERVES, || async {
            let running = (0..self.size()).filter(|node| self.nodes[*node].is_started());
            let mut leaders = Vec::new();
            for asked in running {
                let status = self.status_from(asked).await?;
                let leader = status.iter().find(|node| node.role.eq_ignore_ascii_case("leader"));
                leaders.push(leader.map(|node| node.name.clone()));
            }
            leaders.dedup();
            match leaders.as_slice() {
                [Some(leader)] => Ok((0..self.size()).find(|node| name(*node) == *leader)),
                others => bail!("the nodes name as leaders: {others:?}"),
            }
        })
        .await
    }

    /// Waits until all nodes that run have applied the same and hold the same numbers of sessions and
    /// subscriptions, and nothing waits in any queue: after everything was delivered, nothing may be left over and
    /// no node may know more than another.
    ///
    /// # Errors
    ///
    /// They do not come to agree in time; what each says.
    pub async fn agrees_and_is_drained(&self) -> Result<()> {
        const KEYS: [&str; 4] = ["applied", "sessions", "subscriptions", "queued_messages"];
        let asked = self.nodes.iter().position(NodeProcess::is_started).context("no node runs")?;
        eventually("all nodes hold the same and nothing waits", SERVES, || async {
            let status = self.status_from(asked).await?;
            let answering = status.iter().filter(|node| node.role != "down");
            let mut numbers: Vec<_> =
                answering.map(|node| KEYS.map(|key| node.all.get(key).and_then(Value::as_u64))).collect();
            let all = numbers.clone();
            numbers.dedup();
            match numbers.as_slice() {
                [[Some(_), Some(_), Some(_), Some(0)]] => Ok(Some(())),
                _ => bail!("{KEYS:?} of each node: {all:?}"),
            }
        })
        .await
    }

    /// All nodes but one, in order.
    pub fn others(&self, node: usize) -> Vec<usize> {
        (0..self.size()).filter(|other| *other != node).collect()
    }

    /// Sum of a number over all nodes, by its key in the status.
    ///
    /// # Errors
    ///
    /// A node does not tell it.
    pub async fn status_number(&self, node: usize, key: &str) -> Result<u64> {
        let status = self.status_from(node).await?;
        let own =
            status.iter().find(|status| status.name == name(node)).context("it does not speak of itself")?;
        own.all.get(key).and_then(Value::as_u64).with_context(|| format!("no number `{key}` in {}", own.all))
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let words: Vec<String> = self.nodes.iter().map(NodeProcess::last_words).collect();
        keep_last_words(words.join("\n"));
        for node in &mut self.nodes {
            if node.is_started() {
                // Already gone is as good; a stopped process dies of SIGKILL too.
                drop(node.kill());
            }
        }
    }
}

/// The name of a node, counted from 0 here and from 1 in the configuration.
fn name(node: usize) -> String {
    format!("node-{}", node + 1)
}

fn port_offset(node: usize) -> u16 {
    u16::try_from(node).expect("fewer nodes than ports")
}

fn node_status(node: &Value) -> Result<NodeStatus> {
    let word = |keys: &[&str]| {
        let found = keys.iter().find_map(|key| node.get(*key).and_then(Value::as_str));
        found.map(str::to_owned).with_context(|| format!("none of {keys:?} in {node}"))
    };
    let status = NodeStatus { name: word(&["node", "name"])?, role: word(&["role"])?, all: node.clone() };
    ensure!(!status.name.is_empty(), "a node without a name in {node}");
    Ok(status)
}
