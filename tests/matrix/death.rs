//! What dies, and where the cells of that death stand.

use anyhow::Result;
use quartet_tests::{BOTH, Cluster, Version};

use crate::CUTS;

/// What is killed, with `kill -9`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Death {
    /// One node, which stays dead.
    One(usize),
    /// One node, which is started again before anyone reconnects.
    OneAndBack(usize),
    /// All nodes at once, started again.
    AllAndBack,
    /// Nothing but the connections.
    None,
}

/// How a client leaves a connection whose node lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// It does not: it stays and goes on.
    Stays,
    /// FIN.
    Fin,
    /// RST.
    Reset,
    /// Not at all: the old socket stays open while the new connection takes over.
    HalfOpen,
}

/// Where a cell's client is, how it leaves, and where it goes.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) home: usize,
    pub(crate) cut: Cut,
    pub(crate) target: usize,
    pub(crate) version: Version,
}

impl Place {
    /// A name for the cell's client and topic.
    pub(crate) fn word(&self) -> String {
        let Self { home, cut, target, version } = self;
        format!("{}-{home}-{cut:?}-{target}", version.word()).to_lowercase()
    }
}

impl Death {
    /// All places of the cells of this death.
    pub(crate) fn places(&self, cluster: &Cluster) -> Vec<Place> {
        let mut places = Vec::new();
        for version in BOTH {
            for home in 0..cluster.size() {
                for target in 0..cluster.size() {
                    for cut in self.cuts(home, target) {
                        places.push(Place { home, cut, target, version });
                    }
                }
            }
        }
        places
    }

    fn cuts(&self, home: usize, target: usize) -> Vec<Cut> {
        match *self {
            Self::One(dead) if target == dead => Vec::new(),
            Self::One(dead) | Self::OneAndBack(dead) if home != dead && home == target => {
                vec![Cut::Stays, Cut::Fin]
            }
            Self::OneAndBack(dead) if target != dead => Vec::new(),
            Self::One(_) | Self::OneAndBack(_) | Self::AllAndBack => vec![Cut::Fin],
            // The nodes are alike here; two homes are enough.
            Self::None if home == 2 => Vec::new(),
            Self::None => CUTS.to_vec(),
        }
    }

    /// Lets it happen and waits until the targets serve.
    pub(crate) async fn happens(&self, cluster: &mut Cluster) -> Result<()> {
        match *self {
            Self::One(dead) => cluster.kill(dead),
            Self::OneAndBack(dead) => {
                cluster.kill(dead)?;
                cluster.restart(dead)?;
                cluster.node_serves(dead).await
            }
            Self::AllAndBack => {
                cluster.kill_all()?;
                (0..cluster.size()).try_for_each(|node| cluster.restart(node))?;
                cluster.serves().await
            }
            Self::None => Ok(()),
        }
    }

    /// Whether the connections of a node end with this death.
    pub(crate) fn takes(&self, node: usize) -> bool {
        match *self {
            Self::One(dead) | Self::OneAndBack(dead) => node == dead,
            Self::AllAndBack => true,
            Self::None => false,
        }
    }

    /// A node that lives afterwards and is not this one.
    pub(crate) fn another_survivor(&self, cluster: &Cluster, node: usize) -> usize {
        let lives = |other: &usize| *other != node && !matches!(*self, Self::One(dead) if *other == dead);
        (0..cluster.size()).rev().find(lives).unwrap_or(node)
    }
}

/// The first node that runs.
pub(crate) fn living(cluster: &Cluster) -> usize {
    (0..cluster.size()).find(|node| cluster.pid(*node).is_ok()).unwrap_or_default()
}
