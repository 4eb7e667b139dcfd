//! The matrix: every step of a QoS 2 handshake, in both directions, is interrupted, and the client finishes it
//! on another node.
//!
//! ```text
//! steps           publisher: PUBLISH sent · PUBREC lost · PUBREC received · PUBREL sent · PUBCOMP lost · received
//!                 subscriber: PUBLISH received · PUBREC sent · PUBREL received · PUBCOMP sent
//!   × what dies   the client's node, the leader, a third; the same and back again; all at once; only the socket
//!   × where to    each survivor (and staying, where the client's node lives)
//!   × version     3.1.1 and 5.0
//! ```
//!
//! One such combination is a *cell*: a client of its own, brought to its step. All cells of one death are
//! prepared first; then the node is killed once, with `kill -9`, in the middle of all of them; then each client
//! goes to its target and finishes. What is asked of each: Session Present is 1, packet identifier, DUP and
//! order are right, owed PUBRELs come, and its messages arrive exactly once and in order, at four witnesses:
//! a subscriber on each node and one that was away.

mod death;
mod publisher_cell;
mod subscriber_cell;
mod witnesses;

use std::time::Duration;

use anyhow::{Result, ensure};
use quartet_tests::{Cluster, Publisher, numbered, story, tell};
use tokio::task::JoinSet;
use tokio::time::Instant;

use death::{Cut, Death};
use publisher_cell::{PublisherCell, PublisherStep};
use subscriber_cell::{SubscriberCell, SubscriberStep};
use witnesses::Witnesses;

/// Longest for one test here; the usual is well under a minute.
const LIMIT: Duration = Duration::from_secs(240);

#[test]
fn each_step_survives_the_leader() -> Result<()> {
    story(LIMIT, async {
        let cluster = Cluster::start().await?;
        let leader = cluster.leader().await?;
        play(cluster, Death::One(leader)).await
    })
}

#[test]
fn each_step_survives_a_follower() -> Result<()> {
    story(LIMIT, async {
        let cluster = Cluster::start().await?;
        let leader = cluster.leader().await?;
        let follower = cluster.others(leader)[0];
        play(cluster, Death::One(follower)).await
    })
}

#[test]
fn each_step_goes_on_at_a_leader_that_came_back() -> Result<()> {
    story(LIMIT, async {
        let cluster = Cluster::start().await?;
        let leader = cluster.leader().await?;
        play(cluster, Death::OneAndBack(leader)).await
    })
}

#[test]
fn each_step_survives_the_death_of_all_nodes_at_once() -> Result<()> {
    story(LIMIT, async {
        let cluster = Cluster::start().await?;
        play(cluster, Death::AllAndBack).await
    })
}

#[test]
fn each_step_survives_its_connection() -> Result<()> {
    story(LIMIT, async {
        let cluster = Cluster::start().await?;
        play(cluster, Death::None).await
    })
}

/// Prepares all cells of a death, lets it happen, finishes and judges them.
async fn play(mut cluster: Cluster, death: Death) -> Result<()> {
    let began = Instant::now();
    let places = death.places(&cluster);
    let mut witnesses = Witnesses::join(&cluster).await?;

    let mut publishers = all(places.iter().flat_map(|place| {
        let address = cluster.address(place.home);
        PublisherStep::ALL.map(|step| PublisherCell::prepare(place.clone(), step, address))
    }))
    .await?;
    let mut subscribers = all(places.iter().flat_map(|place| {
        let address = cluster.address(place.home);
        SubscriberStep::ALL.map(|step| SubscriberCell::subscribe(place.clone(), step, address))
    }))
    .await?;
    let names: Vec<String> = subscribers.iter().map(|cell| cell.name().to_owned()).collect();
    feed(&cluster, &names, 1..=3).await?;
    subscribers = all(subscribers.into_iter().map(SubscriberCell::bring_to_step)).await?;
    let prepared = began.elapsed();

    // The last bytes of the racing steps leave right before the death: some arrive, some do not.
    for cell in &mut publishers {
        cell.last_bytes().await?;
    }
    for cell in &mut subscribers {
        cell.last_bytes().await?;
    }
    death.happens(&mut cluster).await?;

    let began = Instant::now();
    let publishers = all(publishers.into_iter().map(|cell| {
        let target = cluster.address(cell.place().target);
        cell.finish(target)
    }))
    .await?;
    let subscribers = all(subscribers.into_iter().map(|cell| {
        let target = cluster.address(cell.place().target);
        cell.resume(target)
    }))
    .await?;
    feed(&cluster, &names, 4..=4).await?;
    let count = publishers.len() + subscribers.len();
    all(subscribers.into_iter().map(|cell| {
        let other = cluster.address(death.another_survivor(&cluster, cell.place().target));
        cell.finish(other)
    }))
    .await?;
    let names: Vec<String> = publishers.iter().map(|cell| cell.name().to_owned()).collect();
    witnesses.judge(&cluster, &death, &names).await?;
    cluster.agrees_and_is_drained().await?;
    tell(format!(
        "    {death:?}: {count} cells, prepared in {prepared:.1?}, finished in {:.1?}",
        began.elapsed()
    ));
    Ok(())
}

/// Runs all to their end at once and tells every failure, not only the first.
async fn all<T: Send + 'static>(
    steps: impl IntoIterator<Item = impl Future<Output = Result<T>> + Send + 'static>,
) -> Result<Vec<T>> {
    let mut running = JoinSet::new();
    for step in steps {
        running.spawn(step);
    }
    let (mut done, mut failed) = (Vec::new(), Vec::new());
    for outcome in running.join_all().await {
        match outcome {
            Ok(value) => done.push(value),
            Err(error) => failed.push(format!("{error:#}")),
        }
    }
    let shown = &failed[..failed.len().min(5)];
    ensure!(
        failed.is_empty(),
        "{} cells of {} failed:\n{}",
        failed.len(),
        failed.len() + done.len(),
        shown.join("\n")
    );
    Ok(done)
}

/// Publishes these numbers to every subscriber cell, at QoS 2, through the first node that lives.
async fn feed(cluster: &Cluster, names: &[String], numbers: std::ops::RangeInclusive<u64>) -> Result<()> {
    /// Messages in flight at once.
    const WINDOW: usize = 50;
    let connect = quartet_tests::Connect::kept(quartet_tests::Version::V5, quartet_tests::unique("feeder"));
    let mut feeder = Publisher::new(connect);
    feeder.join(cluster.address(death::living(cluster))).await?;
    for number in numbers {
        for name in names {
            feeder.publish(&subscriber_cell::topic(name), numbered(name, number, 0), 2).await?;
            feeder.finish_down_to(WINDOW).await?;
        }
    }
    feeder.finish_down_to(0).await
}

/// How a client's connection ends when its node does not.
const CUTS: [Cut; 3] = [Cut::Fin, Cut::Reset, Cut::HalfOpen];
