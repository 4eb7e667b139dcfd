//! Publishes messages and sees every handshake through, over as many connections as it takes.
//!
//! The session begins clean, since a new process knows nothing of an earlier one's identifiers, and lasts beyond
//! a lost connection, so that what was under way is resumed and not repeated. It ends with the last message.

use std::time::Duration;

use bytes::Bytes;
use quartet_packet::{ConnAck, Publish, QoS, Topic, Version};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until};

use super::backoff::Backoff;
use super::exchange::{Exchange, Received};
use super::link::{Broken, Link, said};
use super::{Error, Options, Tell};

/// Most messages under way at once, less where the broker's Receive Maximum says so: enough to fill group commits,
/// small enough to be sent again in a moment.
const WINDOW: usize = 100;

/// How long the session outlives a connection, in seconds: longer than `PATIENCE`.
const SESSION_EXPIRY: u32 = 300;

/// How long to try for a new connection before giving up.
const PATIENCE: Duration = Duration::from_secs(60);

/// How every message is sent.
#[derive(Clone, Debug)]
pub(crate) struct Wish {
    /// Where to.
    pub(crate) topic: Topic,
    /// With which promise.
    pub(crate) qos: QoS,
    /// Whether the broker keeps it for later subscribers.
    pub(crate) retain: bool,
}

/// Publishes everything from `payloads` until that ends, and waits for the acknowledgements. `tell` gets what a
/// person should know on the way.
pub(crate) async fn run(
    options: &Options,
    wish: &Wish,
    payloads: mpsc::Receiver<std::io::Result<Bytes>>,
    tell: &mut Tell<'_>,
) -> Result<(), Error> {
    let mut publisher = Publisher {
        options,
        wish,
        payloads,
        all_read: false,
        exchange: Exchange::default(),
        unsent: None,
        denied: 0,
    };
    publisher.run(tell).await
}

struct Publisher<'a> {
    options: &'a Options,
    wish: &'a Wish,
    payloads: mpsc::Receiver<std::io::Result<Bytes>>,
    all_read: bool,
    exchange: Exchange,
    /// A QoS 0 message that a lost connection may have swallowed; sent once more, at most once.
    unsent: Option<Publish>,
    denied: u64,
}

impl Publisher<'_> {
    async fn run(&mut self, tell: &mut Tell<'_>) -> Result<(), Error> {
        let resumable = self.wish.qos != QoS::AtMostOnce;
        if resumable && !self.options.version.is_v5() {
            // Before 5.0 a session that outlives its connection cannot begin clean: end the old one first.
            self.end_session().await?;
        }
        let mut first = true;
        loop {
            let clean = !resumable || (first && self.options.version.is_v5());
            let (mut link, connack) = self.connect(clean, first, tell).await?;
            if !first {
                tell("connected again, going on where it was");
            }
            first = false;
            match self.serve(&mut link, &connack, clean, tell).await {
                Ok(()) => {
                    link.close(true).await;
                    if resumable && !self.options.version.is_v5() {
                        self.end_session().await?;
                    }
                    return match self.denied {
                        0 => Ok(()),
                        1 => Err(Error::Denied("the broker refused the message".to_owned())),
                        denied => Err(Error::Denied(format!("the broker refused {denied} messages"))),
                    };
                }
                Err(Broken::Final(error)) => return Err(error),
                Err(Broken::Nobody(error)) => tell(&format!("connection lost: {error}")),
                Err(Broken::Lost(why)) => tell(&format!("connection lost: {why}")),
            }
        }
    }

    /// A connection, however many tries it takes; nobody there at the first try is an error at once.
    async fn connect(&self, clean: bool, first: bool, tell: &mut Tell<'_>) -> Result<(Link, ConnAck), Error> {
        let expiry = if self.wish.qos == QoS::AtMostOnce { 0 } else { SESSION_EXPIRY };
        let mut backoff = Backoff::default();
        let deadline = Instant::now() + PATIENCE;
        loop {
            let why = match Link::open(self.options, clean, expiry).await {
                Ok(connected) => return Ok(connected),
                Err(Broken::Final(error)) => return Err(error),
                Err(Broken::Nobody(cause)) if first => {
                    return Err(Error::Unreachable { address: self.options.address(), cause });
                }
                Err(Broken::Nobody(error)) => error.to_string(),
                Err(Broken::Lost(why)) => why,
            };
            let wait = backoff.next_wait();
            if Instant::now() + wait > deadline {
                return Err(Error::Lost { address: self.options.address(), patience: PATIENCE, last: why });
            }
            tell(&format!("no connection yet: {why}"));
            sleep(wait).await;
        }
    }

    /// Publishes over one connection until all is done or the connection is lost.
    async fn serve(
        &mut self,
        link: &mut Link,
        connack: &ConnAck,
        clean: bool,
        tell: &mut Tell<'_>,
    ) -> Result<(), Broken> {
        let window = connack.receive_maximum.map_or(WINDOW, |most| WINDOW.min(most.get().into()));
        // 3.1 has no Session Present: there, what was not begun clean is taken as present.
        let present = connack.session_present || (self.options.version == Version::V3_1 && !clean);
        let resumed = self.exchange.resume(present);
        link.send(&resumed).await?;
        if let Some(publish) = self.unsent.take() {
            link.send(&[self.exchange.publish(publish)]).await?;
        }
        loop {
            if self.all_read && self.exchange.is_idle() {
                return Ok(());
            }
            let room = !self.all_read && self.exchange.under_way() < window;
            let wake_at = link.wake_at();
            tokio::select! {
                packet = link.receive() => {
                    let Received { replies, done, .. } = self.exchange.receive(packet?);
                    if let Some((topic, reason)) = done && reason.is_error() {
                        self.denied += 1;
                        tell(&format!("{topic}: the broker refuses the message: {}", said(reason, None)));
                    }
                    link.send(&replies).await?;
                }
                payload = self.payloads.recv(), if room => match payload {
                    None => self.all_read = true,
                    Some(Err(error)) => return Err(Broken::Final(Error::Io(error))),
                    Some(Ok(payload)) => self.publish(link, payload).await?,
                },
                () = sleep_until(wake_at) => link.keep_alive().await?,
            }
        }
    }

    async fn publish(&mut self, link: &mut Link, payload: Bytes) -> Result<(), Broken> {
        let mut publish = Publish::new(self.wish.topic.clone(), payload);
        publish.qos = self.wish.qos;
        publish.retain = self.wish.retain;
        let copy = (publish.qos == QoS::AtMostOnce).then(|| publish.clone());
        let packet = self.exchange.publish(publish);
        let sent = link.send(&[packet]).await;
        if sent.is_err() {
            self.unsent = copy;
        }
        sent
    }

    /// Connects with a clean session and leaves: what 3.1.1 has for ending a session.
    async fn end_session(&self) -> Result<(), Error> {
        let mut backoff = Backoff::default();
        let deadline = Instant::now() + PATIENCE;
        loop {
            match Link::open(self.options, true, 0).await {
                Ok((link, _)) => {
                    link.close(true).await;
                    return Ok(());
                }
                Err(Broken::Final(error)) => return Err(error),
                Err(Broken::Nobody(cause)) => {
                    return Err(Error::Unreachable { address: self.options.address(), cause });
                }
                Err(Broken::Lost(last)) if Instant::now() > deadline => {
                    return Err(Error::Lost { address: self.options.address(), patience: PATIENCE, last });
                }
                Err(Broken::Lost(_)) => sleep(backoff.next_wait()).await,
            }
        }
    }
}
