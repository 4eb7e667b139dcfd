//! `[cluster]`: the other nodes, and the clockwork of Raft.

use std::fmt;
use std::net::SocketAddr;

use super::field::{Field, OkOrDefault};
use super::layers::Value;
use super::node::valid_name;
use super::reader::Reader;
use super::units::{ByteSize, Span};

/// One of the nodes that form the cluster, as every node's configuration lists them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seed {
    /// The node's name.
    pub(crate) name: String,
    /// Host name or IP address, and port, where its peers reach it.
    pub(crate) address: String,
}

/// Settings of the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Config {
    /// Where this node listens for its peers and for `quartet cluster`, `quartet session` (gRPC).
    pub(crate) address: SocketAddr,
    /// The first members, the same list in the same order on every node.
    pub(crate) seeds: Vec<Seed>,
    /// How often the leader is heard of.
    pub(crate) heartbeat_interval: Span,
    /// Shortest silence after which a follower stands for election.
    pub(crate) election_timeout_minimum: Span,
    /// Longest such silence; each campaign draws between the two. A dead leader is replaced after this time (its lease
    /// must have run out) and one more draw: with 750 ms the gap stays well below 3 s.
    pub(crate) election_timeout_maximum: Span,
    /// Without a leader this long, a node closes its clients and refuses CONNECT.
    pub(crate) no_leader_after: Span,
    /// A node silent this long is declared down and its clients' connections end.
    pub(crate) node_down_after: Span,
    /// Most bytes of commands in one Raft entry.
    pub(crate) maximum_batch_size: ByteSize,
    /// Most bytes in one gRPC message between nodes.
    pub(crate) maximum_message_size: ByteSize,
    /// Most bytes of own commands sent and not yet applied here; beyond, sockets are not read.
    pub(crate) proposal_window: ByteSize,
}

/// Most seeds: Raft voters beyond a handful only slow each commit.
const MOST_SEEDS: usize = 9;

impl Config {
    /// Reads the section. `None` where a required key is missing.
    pub(super) fn read(reader: &mut Reader) -> Option<Self> {
        let mut section = reader.section("cluster");
        let address = section.required::<SocketAddr>("address", "address = \"127.0.0.1:2884\"");
        let seeds = section.required_list::<Seed>("seeds", "seeds = [\"node-1=127.0.0.1:2884\", …]");
        let config = Self {
            address: address.unwrap_or(SocketAddr::from(([127, 0, 0, 1], 0))),
            seeds,
            heartbeat_interval: section.get("heartbeat_interval", Span::milliseconds(250)),
            election_timeout_minimum: section.get("election_timeout_minimum", Span::milliseconds(500)),
            election_timeout_maximum: section.get("election_timeout_maximum", Span::milliseconds(750)),
            no_leader_after: section.get("no_leader_after", Span::seconds(5)),
            node_down_after: section.get("node_down_after", Span::seconds(10)),
            maximum_batch_size: section.get("maximum_batch_size", ByteSize::mib(2)),
            maximum_message_size: section.get("maximum_message_size", ByteSize::mib(16)),
            proposal_window: section.get("proposal_window", ByteSize::mib(64)),
        };
        config.check(reader);
        address.map(|_| config)
    }

    fn check(&self, reader: &mut Reader) {
        if self.seeds.len() > MOST_SEEDS {
            let text = format!(
                "cluster.seeds lists {} nodes; more than {MOST_SEEDS} voters slow every commit: list the first \
                 members only",
                self.seeds.len()
            );
            reader.problem("cluster.seeds", text);
        }
        for (place, seed) in self.seeds.iter().enumerate() {
            for other in &self.seeds[..place] {
                if other.name == seed.name || other.address == seed.address {
                    let same = if other.name == seed.name { &seed.name } else { &seed.address };
                    let text =
                        format!("cluster.seeds has {same} twice; each node has its own name and address");
                    reader.problem("cluster.seeds", text);
                }
            }
        }
        let heartbeat = self.heartbeat_interval;
        if heartbeat < Span::milliseconds(10) {
            let text = format!(
                "cluster.heartbeat_interval = \"{heartbeat}\": below 10 ms heartbeats alone keep a node busy; \
                 250ms is usual"
            );
            reader.problem("cluster.heartbeat_interval", text);
        }
        if self.election_timeout_minimum.0 < heartbeat.0 * 2 {
            let text = format!(
                "cluster.election_timeout_minimum = \"{}\" is less than two heartbeats ({heartbeat}): one late \
                 heartbeat would start an election; raise it or lower heartbeat_interval",
                self.election_timeout_minimum
            );
            reader.problem("cluster.election_timeout_minimum", text);
        }
        if self.election_timeout_maximum <= self.election_timeout_minimum {
            let text = format!(
                "cluster.election_timeout_maximum = \"{}\" is not above election_timeout_minimum ({}): candidates \
                 would stand at the same time; raise it",
                self.election_timeout_maximum, self.election_timeout_minimum
            );
            reader.problem("cluster.election_timeout_maximum", text);
        }
        if self.no_leader_after <= self.election_timeout_maximum {
            let text = format!(
                "cluster.no_leader_after = \"{}\" is not above election_timeout_maximum ({}): every election would \
                 close all clients; raise it",
                self.no_leader_after, self.election_timeout_maximum
            );
            reader.problem("cluster.no_leader_after", text);
        }
        if self.node_down_after < Span::seconds(10) {
            let text = format!(
                "cluster.node_down_after = \"{}\" is less than 10 s: a stalled disk would count as a dead node; \
                 raise it",
                self.node_down_after
            );
            reader.problem("cluster.node_down_after", text);
        } else if self.node_down_after <= self.no_leader_after {
            let text = format!(
                "cluster.node_down_after = \"{}\" is not above no_leader_after ({}): a node would be declared down \
                 while it still serves; raise it",
                self.node_down_after, self.no_leader_after
            );
            reader.problem("cluster.node_down_after", text);
        }
    }
}

impl Field for Seed {
    const EXPECTED: &'static str = "write each node as \"name=host:port\"";

    fn read(value: &Value) -> Result<Self, String> {
        let text = match value {
            Value::Text(text) | Value::Untyped(text) => Some(text),
            Value::Integer(_) | Value::Boolean(_) | Value::List(_) | Value::Other(_) => None,
        };
        let (name, address) = text.and_then(|text| text.split_once('=')).ok_or_default()?;
        let (name, address) = (name.trim(), address.trim());
        if !valid_name(name) {
            return Err(format!("{name:?} is no node name"));
        }
        let port = address.rsplit_once(':').filter(|(host, _)| !host.is_empty());
        match port.map(|(_, port)| port.parse::<u16>()) {
            Some(Ok(port)) if port != 0 => Ok(Self { name: name.to_owned(), address: address.to_owned() }),
            _ => Err(format!("{address:?} is no host and port")),
        }
    }

    fn toml(&self) -> String {
        format!("{:?}", self.to_string())
    }
}

impl fmt::Display for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.name, self.address)
    }
}
