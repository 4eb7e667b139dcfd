//! How many nodes, and which ports they have.
//!
//! ```text
//!   PORT            balancer
//!   PORT + k        MQTT of node k
//!   PORT + 1000 + k gRPC of node k
//! ```

use std::fs;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;

use anyhow::bail;

use crate::port_holder;

/// Nodes without a wish.
const USUAL_NODES: u16 = 3;
/// MQTT's own port.
const USUAL_PORT: u16 = 1883;
/// Most nodes: each is a process with threads, a log and its fsyncs on one disk.
const MOST_NODES: u16 = 9;
/// From a node's MQTT port to its gRPC port.
const CLUSTER_OFFSET: u16 = 1000;

/// A local cluster's shape; fixed with its directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    /// Number of nodes.
    pub(crate) nodes: u16,
    /// The balancer's port, from which the others follow.
    pub(crate) port: u16,
}

impl Plan {
    /// What is asked for, what the directory was made for, or the usual, in this order; the first two must agree.
    pub(crate) fn settle(
        nodes: Option<u16>,
        port: Option<u16>,
        before: Option<Self>,
        dir: &Path,
    ) -> anyhow::Result<Self> {
        let dir = dir.display();
        if let Some(before) = before {
            if nodes.is_some_and(|nodes| nodes != before.nodes) {
                bail!(
                    "{dir}: this cluster has {} nodes, and restarting never changes membership; leave out --nodes, or \
                     use another --dir for a new cluster",
                    before.nodes
                );
            }
            if port.is_some_and(|port| port != before.port) {
                bail!(
                    "{dir}: this cluster has port {}, which its nodes know each other by; leave out --port, or use \
                     another --dir for a new cluster",
                    before.port
                );
            }
            return Ok(before);
        }
        let plan = Self { nodes: nodes.unwrap_or(USUAL_NODES), port: port.unwrap_or(USUAL_PORT) };
        if !(1..=MOST_NODES).contains(&plan.nodes) {
            bail!("--nodes {}: a local cluster has 1 to {MOST_NODES} nodes", plan.nodes);
        }
        let highest = u16::MAX - CLUSTER_OFFSET - plan.nodes;
        if plan.port == 0 || plan.port > highest {
            bail!(
                "--port {}: the nodes use the ports up to PORT+{}, so PORT is 1 to {highest}",
                plan.port,
                CLUSTER_OFFSET + plan.nodes
            );
        }
        Ok(plan)
    }

    /// Says which port is taken, and by whom, if any is.
    pub(crate) fn claim_all(self) -> anyhow::Result<()> {
        let otherwise = "choose other ports with --port PORT";
        drop(claim(self.balancer(), "the balancer", otherwise)?);
        for number in 1..=self.nodes {
            drop(claim(self.listener(number), &format!("node-{number}, MQTT"), otherwise)?);
            drop(claim(self.cluster(number), &format!("node-{number}, gRPC"), otherwise)?);
        }
        Ok(())
    }

    /// The first port that the system gives to outgoing connections, if that is among ours: while a node is down, its
    /// peers' connections may take its port.
    pub(crate) fn overlaps_outgoing(self) -> Option<u16> {
        let range = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").ok()?;
        let first = range.split_whitespace().next()?.parse().ok()?;
        (self.cluster(self.nodes).port() >= first).then_some(first)
    }

    /// Where clients connect.
    pub(crate) fn balancer(self) -> SocketAddr {
        loopback(self.port)
    }

    /// Where node `number` (from 1) takes MQTT.
    pub(crate) fn listener(self, number: u16) -> SocketAddr {
        loopback(self.port + number)
    }

    /// Where node `number` (from 1) takes gRPC.
    pub(crate) fn cluster(self, number: u16) -> SocketAddr {
        loopback(self.port + CLUSTER_OFFSET + number)
    }
}

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

/// Listens on `address`, or says who already does; `otherwise` is what else can be done about it.
pub(crate) fn claim(address: SocketAddr, purpose: &str, otherwise: &str) -> anyhow::Result<TcpListener> {
    let error = match TcpListener::bind(address) {
        Ok(listener) => return Ok(listener),
        Err(error) => error,
    };
    let port = address.port();
    match error.kind() {
        ErrorKind::AddrInUse => {
            bail!("port {port} ({purpose}) is taken {}; end that one, or {otherwise}", port_holder::who(port))
        }
        ErrorKind::PermissionDenied => {
            bail!("port {port} ({purpose}) needs privileges; {otherwise}, from 1024")
        }
        _ => bail!("port {port} ({purpose}) cannot be used: {error}; {otherwise}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settle(nodes: Option<u16>, port: Option<u16>, before: Option<Plan>) -> Result<Plan, String> {
        Plan::settle(nodes, port, before, Path::new("d")).map_err(|error| error.to_string())
    }

    #[test]
    fn ports_follow_from_one() {
        let plan = settle(None, None, None).expect("the usual");
        assert_eq!(plan, Plan { nodes: 3, port: 1883 });
        assert_eq!(plan.balancer().to_string(), "127.0.0.1:1883");
        assert_eq!(plan.listener(1).to_string(), "127.0.0.1:1884");
        assert_eq!(plan.listener(3).to_string(), "127.0.0.1:1886");
        assert_eq!(plan.cluster(1).to_string(), "127.0.0.1:2884");
        let highest = settle(Some(5), Some(64530), None).expect("the highest port");
        assert_eq!(highest.cluster(5).port(), 65535);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        assert_eq!(
            settle(Some(5), Some(64531), None).expect_err("too high"),
            "--port 64531: the nodes use the ports up to PORT+1005, so PORT is 1 to 64530"
        );
        assert_eq!(
            settle(Some(0), None, None).expect_err("none"),
            "--nodes 0: a local cluster has 1 to 9 nodes"
        );
        assert!(settle(None, Some(0), None).is_err());
    }

    #[test]
    fn a_directory_keeps_its_shape() {
        let before = Plan { nodes: 5, port: 4000 };
        assert_eq!(settle(None, None, Some(before)), Ok(before));
        assert_eq!(settle(Some(5), Some(4000), Some(before)), Ok(before));
        assert_eq!(
            settle(Some(3), None, Some(before)).expect_err("other nodes"),
            "d: this cluster has 5 nodes, and restarting never changes membership; leave out --nodes, or use another \
             --dir for a new cluster"
        );
        assert!(settle(None, Some(1883), Some(before)).expect_err("other port").contains("port 4000"));
    }

    #[test]
    fn a_taken_port_is_one_line_that_names_the_holder() {
        let holder = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = holder.local_addr().expect("bound");
        let said = claim(address, "node-1, MQTT", "choose other ports with --port PORT")
            .expect_err("taken")
            .to_string();
        let begin = format!("port {} (node-1, MQTT) is taken by ", address.port());
        assert!(said.starts_with(&begin), "{said}");
        assert!(said.contains(&format!("(pid {})", std::process::id())), "{said}");
        assert!(said.ends_with("; end that one, or choose other ports with --port PORT"), "{said}");
    }
}
