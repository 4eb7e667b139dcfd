//! Clients that run beside a test: a publisher that keeps its window full and a reader that takes all there
//! is. Both go to the next node when their connection is lost, with their Session State, and fail at once on
//! anything else.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use crate::{Connect, Publisher, Subscriber, is_lost, numbered};

/// What a load did.
#[derive(Clone, Debug)]
pub struct LoadReport {
    /// The publisher's name; its messages are [`numbered`] under it.
    pub name: String,
    /// Messages sent, all of them acknowledged in the end.
    pub sent: u64,
    /// Longest time between two acknowledgements.
    pub longest_gap: Duration,
    /// Connections after the first.
    pub reconnects: u32,
}

/// A running publisher.
#[derive(Debug)]
pub struct Load {
    stop: watch::Sender<bool>,
    acknowledged: watch::Receiver<u64>,
    task: JoinHandle<Result<LoadReport>>,
}

impl Load {
    /// Publishes to `topic` with `window` messages in flight, beginning at the first address.
    pub fn start(
        addresses: Vec<SocketAddr>,
        publisher: Publisher,
        topic: &str,
        qos: u8,
        window: usize,
    ) -> Self {
        let (stop, stopped) = watch::channel(false);
        let (count, acknowledged) = watch::channel(0);
        let load =
            Running { addresses, publisher, topic: topic.to_owned(), qos, window, sent: 0, reconnects: 0 };
        Self { stop, acknowledged, task: tokio::spawn(load.run(stopped, count)) }
    }

    /// Waits until so many messages are acknowledged.
    ///
    /// # Errors
    ///
    /// The load failed before.
    pub async fn acknowledged(&mut self, count: u64) -> Result<()> {
        if self.acknowledged.wait_for(|acknowledged| *acknowledged >= count).await.is_ok() {
            return Ok(());
        }
        (&mut self.task).await??;
        anyhow::bail!("the load ended before {count} acknowledgements")
    }

    /// How many messages are acknowledged now.
    pub fn count(&self) -> u64 {
        *self.acknowledged.borrow()
    }

    /// Publishes no more, waits for all acknowledgements, and reports.
    ///
    /// # Errors
    ///
    /// What the publisher saw that it may not see.
    pub async fn stop(self) -> Result<LoadReport> {
        self.stop.send_replace(true);
        self.task.await?
    }
}

struct Running {
    addresses: Vec<SocketAddr>,
    publisher: Publisher,
    topic: String,
    qos: u8,
    window: usize,
    sent: u64,
    reconnects: u32,
}

impl Running {
    async fn run(mut self, stopped: watch::Receiver<bool>, count: watch::Sender<u64>) -> Result<LoadReport> {
        self.publisher.join(self.addresses[0]).await?;
        let mut longest_gap = Duration::ZERO;
        let mut last = Instant::now();
        loop {
            let stop = *stopped.borrow();
            if stop && self.publisher.unfinished() == 0 {
                let name = self.publisher.name().to_owned();
                return Ok(LoadReport { name, sent: self.sent, longest_gap, reconnects: self.reconnects });
            }
            let before = self.publisher.completed();
            if let Err(error) = self.step(stop).await {
                self.go_elsewhere(error).await?;
            }
            if self.publisher.completed() > before {
                longest_gap = longest_gap.max(last.elapsed());
                last = Instant::now();
                count.send_replace(self.publisher.completed());
            }
        }
    }

    async fn step(&mut self, stop: bool) -> Result<()> {
        while !stop && self.publisher.unfinished() < self.window {
            self.sent += 1;
            let payload = numbered(self.publisher.name(), self.sent, 64);
            self.publisher.publish(&self.topic, payload, self.qos).await?;
        }
        self.publisher.turn().await
    }

    async fn go_elsewhere(&mut self, mut error: anyhow::Error) -> Result<()> {
        let until = Instant::now() + AWAY;
        while is_lost(&error) && Instant::now() < until {
            self.reconnects += 1;
            self.addresses.rotate_left(1);
            match self.publisher.join_within(self.addresses[0], Duration::ZERO).await {
                Ok(()) => return Ok(()),
                Err(again) => error = again,
            }
            sleep(PAUSE).await;
        }
        Err(error.context(format!("publisher {}", self.publisher.name())))
    }
}

/// Pause of a client before it tries the next node.
const PAUSE: Duration = Duration::from_millis(50);

/// How long a client goes from node to node before it gives up: longer than a cold start of all of them.
const AWAY: Duration = Duration::from_secs(60);

/// A running subscriber.
#[derive(Debug)]
pub struct Reader {
    last: watch::Sender<Option<Vec<u8>>>,
    task: JoinHandle<Result<Subscriber>>,
}

impl Reader {
    /// Connects at the first address, subscribes, and takes what comes.
    ///
    /// # Errors
    ///
    /// No connection or no subscription.
    pub async fn start(addresses: Vec<SocketAddr>, connect: Connect, filter: &str, qos: u8) -> Result<Self> {
        let mut subscriber = Subscriber::new(connect);
        subscriber.join(addresses[0]).await?;
        subscriber.subscribe(filter, qos).await?;
        let (last, told) = watch::channel(None);
        Ok(Self { last, task: tokio::spawn(read_on(addresses, subscriber, told)) })
    }

    /// Waits until the message with this payload has come and no handshake is open.
    ///
    /// # Errors
    ///
    /// What the subscriber saw that it may not see, or that the message did not come.
    pub async fn until(self, last: impl Into<Vec<u8>>) -> Result<Subscriber> {
        /// A reader may have all messages of a test still before it.
        const LIMIT: Duration = Duration::from_secs(120);
        self.last.send_replace(Some(last.into()));
        tokio::time::timeout(LIMIT, self.task)
            .await
            .context("the last message did not come to a reader")??
    }
}

/// How often a reader looks up from an idle connection.
const GLANCE: Duration = Duration::from_millis(100);

async fn read_on(
    mut addresses: Vec<SocketAddr>,
    mut subscriber: Subscriber,
    told: watch::Receiver<Option<Vec<u8>>>,
) -> Result<Subscriber> {
    let mut seen = 0;
    let mut found = false;
    loop {
        if let Some(last) = told.borrow().as_ref() {
            found |= subscriber.delivered()[seen..].iter().any(|delivery| delivery.payload == *last);
            seen = subscriber.delivered().len();
            if found && subscriber.open_handshakes().is_empty() {
                return Ok(subscriber);
            }
        }
        let step = async {
            match subscriber.read_within(GLANCE).await? {
                Some(id) => subscriber.answer(id).await,
                None => Ok(()),
            }
        };
        let Err(mut error) = step.await else { continue };
        let until = Instant::now() + AWAY;
        loop {
            if !is_lost(&error) || Instant::now() >= until {
                return Err(error.context(format!("reader {}", subscriber.name())));
            }
            addresses.rotate_left(1);
            match subscriber.join_within(addresses[0], Duration::ZERO).await {
                Ok(()) => break,
                Err(again) => error = again,
            }
            sleep(PAUSE).await;
        }
    }
}
