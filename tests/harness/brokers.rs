//! Where a test of the protocol alone finds a broker.
//!
//! Usually that is a [`Cluster`] of our own. `QUARTET_TEST_BROKERS=HOST:PORT,…` points the same tests at
//! brokers that somebody else started: other brokers show whether a test asks for more than the standard.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context, Result};

use crate::Cluster;

/// One or more addresses of one broker.
#[derive(Debug)]
pub enum Brokers {
    /// A cluster of ours, shared with other tests of this process.
    Ours(Arc<Cluster>),
    /// Somebody else's.
    Theirs(Vec<SocketAddr>),
}

impl Brokers {
    /// The brokers of the environment, or else the shared cluster, serving.
    ///
    /// # Errors
    ///
    /// The cluster does not serve, or the environment is not a list of addresses.
    pub async fn find() -> Result<Self> {
        match std::env::var("QUARTET_TEST_BROKERS") {
            Ok(list) => {
                let addresses: Result<Vec<SocketAddr>, _> = list.split(',').map(str::parse).collect();
                Ok(Self::Theirs(addresses.with_context(|| format!("in QUARTET_TEST_BROKERS=`{list}`"))?))
            }
            Err(_) => Ok(Self::Ours(Cluster::shared().await?)),
        }
    }

    /// An address, the nodes in turn.
    pub fn address(&self, turn: usize) -> SocketAddr {
        match self {
            Self::Ours(cluster) => cluster.address(turn % cluster.size()),
            Self::Theirs(addresses) => addresses[turn % addresses.len()],
        }
    }

    /// Whether the brokers are ours, so that our own limits hold.
    pub fn are_ours(&self) -> bool {
        matches!(self, Self::Ours(_))
    }
}
