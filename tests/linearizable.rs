//! A subscription counts everywhere from the moment of its SUBACK: what is published at QoS 1 through node C
//! right after node A has sent the SUBACK is never missed, and what is published after an UNSUBACK never comes.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use quartet_tests::{Client, Cluster, Connect, Version, frame, size, story, tell, unique};
use tokio::time::Instant;

/// The long run asks for ten times as many tries.
const LIMIT: Duration = Duration::from_secs(1200);

#[test]
fn a_message_right_after_suback_is_never_missed() -> Result<()> {
    story(LIMIT, async {
        let tries = size(1_000, 10_000);
        let cluster = Cluster::start().await?;
        let root = unique("linear");
        let marker = format!("{root}/marker");
        let mut subscriber =
            Client::connect(cluster.address(0), &Connect::clean(Version::V5, unique("s"))).await?;
        let mut publisher =
            Client::connect(cluster.address(2), &Connect::clean(Version::V5, unique("p"))).await?;
        subscriber.subscribe(1, &[(&marker, 1)]).await?;
        let began = Instant::now();
        for round in 0..tries {
            let topic = format!("{root}/{round}");
            let codes = subscriber.subscribe(2, &[(&topic, 1)]).await?;
            ensure!(codes == [1], "round {round}: SUBACK codes {codes:02x?}");
            publisher.publish(&topic, "right after SUBACK", 1, 1).await?;
            let publish =
                subscriber.receive_publish().await.with_context(|| format!("missed in round {round}"))?;
            ensure!(publish.topic == topic, "round {round}: {publish}");
            subscriber.send(&frame::puback(publish.id.context("no identifier")?)).await?;

            subscriber.unsubscribe(3, &[&topic]).await?;
            publisher.publish(&topic, "right after UNSUBACK", 1, 2).await?;
            publisher.publish(&marker, "marker", 1, 3).await?;
            let publish = subscriber.receive_publish().await?;
            ensure!(publish.payload == b"marker", "round {round}: came after UNSUBACK: {publish}");
            subscriber.send(&frame::puback(publish.id.context("no identifier")?)).await?;
        }
        tell(format!("    {tries} tries in {:.1?}, none missed", began.elapsed()));
        Ok(())
    })
}
