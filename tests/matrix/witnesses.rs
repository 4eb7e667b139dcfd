//! Who sees what the publisher cells send: a subscriber on each node, and one that is away all the time.

use anyhow::{Context, Result};
use quartet_tests::{Cluster, Connect, Expected, History, Publisher, Subscriber, Version, unique};

use crate::death::{Death, living};

/// Four subscribers with kept sessions.
pub(crate) struct Witnesses {
    present: Vec<Subscriber>,
    away: Subscriber,
}

/// Sees all publisher cells, and the last message.
const FILTER: &str = "matrix/publisher/#";
const LAST: &[u8] = b"the last message";

impl Witnesses {
    /// Connects and subscribes them all.
    pub(crate) async fn join(cluster: &Cluster) -> Result<Self> {
        let mut witnesses = Vec::new();
        for node in 0..=cluster.size() {
            let version = if node % 2 == 0 { Version::V5 } else { Version::V311 };
            let mut witness = Subscriber::new(Connect::kept(version, unique("witness")));
            witness.join(cluster.address(node % cluster.size())).await?;
            witness.subscribe(FILTER, 2).await?;
            witnesses.push(witness);
        }
        let mut away = witnesses.pop().context("there are four")?;
        drop(away.detach());
        Ok(Self { present: witnesses, away })
    }

    /// Waits for the last message and judges what came from each cell: three messages, once, in order.
    pub(crate) async fn judge(&mut self, cluster: &Cluster, death: &Death, names: &[String]) -> Result<()> {
        let survivor = cluster.address(living(cluster));
        let mut publisher = Publisher::new(Connect::kept(Version::V5, unique("last")));
        publisher.join(survivor).await?;
        publisher.publish("matrix/publisher/last", LAST, 2).await?;
        publisher.finish_down_to(0).await?;
        for (node, witness) in self.present.iter_mut().enumerate() {
            if death.takes(node) {
                witness.join(survivor).await?;
            }
        }
        self.away.join(survivor).await?;
        for (place, witness) in self.present.iter_mut().chain([&mut self.away]).enumerate() {
            witness.drain_to(LAST).await.with_context(|| format!("witness {place}"))?;
            let history = History::of(witness.delivered());
            for name in names {
                history
                    .judge(name, Expected::ExactlyOnce(3))
                    .with_context(|| format!("at witness {place}"))?;
            }
        }
        Ok(())
    }
}
