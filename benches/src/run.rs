//! One run: connect, warm up, measure, end, clean up.

use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use crate::connection::Connection;
use crate::cpu;
use crate::options::Options;
use crate::publisher::Publisher;
use crate::report::Report;
use crate::shared::Shared;
use crate::subscriber::Subscriber;

/// How long what is in flight may take to be acknowledged at the end.
const ENDING: Duration = Duration::from_secs(30);

/// Loads the broker as told.
pub(crate) async fn run(options: &Options) -> Result<Report> {
    // Sessions of a run are its own, also when an earlier one was broken off.
    let run = format!("load-{:08x}", rand::random::<u32>());
    let shared = Shared::new(options.publishers);
    let topic = |number: u16| format!("{run}/{number}");
    let address = |turn: usize| options.address[turn % options.address.len()].as_str();
    let mut clients = Vec::new();

    let mut subscribers = JoinSet::new();
    for number in 0..options.subscribers() {
        let name = format!("{run}-s{number}");
        // One further than its publisher, so that on a cluster messages cross nodes.
        let place = address(usize::from(number) + 1);
        let mut connection = Connection::open(place, &name, false).await?;
        let topics: Vec<String> = options.topics_of(number).into_iter().map(topic).collect();
        connection.subscribe(&topics, options.qos).await?;
        let first = number < options.publishers;
        subscribers.spawn_local(Subscriber::new(connection, Rc::clone(&shared), first).run());
        clients.push((place, name));
    }
    let mut publishers = JoinSet::new();
    for number in 0..options.publishers {
        let name = format!("{run}-p{number}");
        let place = address(usize::from(number));
        let connection = Connection::open(place, &name, false).await?;
        let publisher = Publisher::new(connection, Rc::clone(&shared), number, topic(number), options);
        publishers.spawn_local(publisher.run());
        clients.push((place, name));
    }

    unless_one_fails(&mut publishers, &mut subscribers, options.warm_up).await?;
    let (cpu, own_cpu) = (cpu::seconds(&options.pids)?, cpu::own_seconds()?);
    let began = Instant::now();
    shared.measuring.set(true);
    unless_one_fails(&mut publishers, &mut subscribers, options.seconds).await?;
    shared.measuring.set(false);
    let elapsed = began.elapsed();
    let (cpu, own_cpu) = (cpu::seconds(&options.pids)? - cpu, cpu::own_seconds()? - own_cpu);

    shared.ending.set(true);
    while let Some(ended) =
        timeout(ENDING, publishers.join_next()).await.context("acknowledgements at the end")?
    {
        ended??;
    }
    // What is acknowledged at QoS 1 and 2 is delivered a moment later at most.
    sleep(Duration::from_millis(200)).await;
    drop(subscribers);
    for (place, name) in clients {
        drop(Connection::open(place, &name, true).await?);
    }
    Ok(Report::new(options, &shared, elapsed, cpu, own_cpu))
}

/// Lets seconds pass; a client that ends meanwhile is a fault.
async fn unless_one_fails(
    publishers: &mut JoinSet<Result<()>>,
    subscribers: &mut JoinSet<Result<()>>,
    seconds: u64,
) -> Result<()> {
    let ended = tokio::select! {
        () = sleep(Duration::from_secs(seconds)) => return Ok(()),
        Some(ended) = publishers.join_next() => ended,
        Some(ended) = subscribers.join_next() => ended,
    };
    Err(ended?.err().unwrap_or_else(|| anyhow!("a client ended by itself")))
}
