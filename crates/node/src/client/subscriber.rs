//! Subscribes and hands out messages, over as many connections as it takes.
//!
//! Its session outlives a lost connection. Whether it also outlives the process is the user's wish; if not, it ends
//! with the last DISCONNECT. Before leaving, handshakes that have begun are finished, since the next process will
//! not remember which messages were told.

use std::time::Duration;

use quartet_packet::{
    ConnAck, Packet, Publish, QoS, RetainHandling, SubAck, Subscribe, SubscriptionOptions,
    SubscriptionRequest, TopicFilter, UserProperties, Version,
};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::backoff::Backoff;
use super::exchange::{Exchange, Received};
use super::link::{Broken, Link, said};
use super::{Error, Options, Tell};

/// How long handshakes may take to finish before leaving: an election fits.
const FAREWELL: Duration = Duration::from_secs(5);

/// What is asked for.
#[derive(Clone, Debug)]
pub(crate) struct Wish {
    /// What to subscribe to.
    pub(crate) filters: Vec<TopicFilter>,
    /// With which promise, at most.
    pub(crate) qos: QoS,
    /// Whether an earlier process's session is taken up, and left for the next.
    pub(crate) persistent: bool,
    /// How long the session outlives its connection, in seconds; 5.0 only.
    pub(crate) session_expiry: u32,
}

/// What to do after a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Wait for more.
    More,
    /// That was enough.
    Enough,
}

/// Takes a message.
pub(crate) type Hear<'a> = dyn FnMut(&Publish) -> std::io::Result<Next> + Send + 'a;

/// Hands messages to `hear` until it has enough or `stop` resolves. `tell` gets what a person should know.
pub(crate) async fn run(
    options: &Options,
    wish: &Wish,
    hear: &mut Hear<'_>,
    tell: &mut Tell<'_>,
    stop: impl Future<Output = ()>,
) -> Result<(), Error> {
    let mut subscriber = Subscriber {
        options,
        wish,
        hear,
        tell,
        exchange: Exchange::default(),
        subscribed: false,
        connected_before: false,
        enough: false,
        link: None,
    };
    let result = tokio::select! {
        result = subscriber.run() => result,
        () = stop => Ok(()),
    };
    subscriber.farewell().await;
    result
}

struct Subscriber<'a> {
    options: &'a Options,
    wish: &'a Wish,
    hear: &'a mut Hear<'a>,
    tell: &'a mut Tell<'a>,
    exchange: Exchange,
    /// The broker has granted the subscriptions in the session it holds.
    subscribed: bool,
    connected_before: bool,
    /// No further message is taken.
    enough: bool,
    link: Option<Link>,
}

impl Subscriber<'_> {
    async fn run(&mut self) -> Result<(), Error> {
        let mut backoff = Backoff::default();
        loop {
            // Only the first connection of a passing session begins clean; where 3.x cannot keep it, each does.
            let clean = !self.wish.persistent && (!self.connected_before || !self.options.version.is_v5());
            let why = match Link::open(self.options, clean, self.wish.session_expiry).await {
                Ok((link, connack)) => {
                    backoff.reset();
                    self.link = Some(link);
                    let served = self.serve(&connack, clean).await;
                    let Err(broken) = served else { return Ok(()) };
                    self.link = None;
                    format!("connection lost: {}", self.worth_a_retry(broken)?)
                }
                Err(broken) => format!("no connection yet: {}", self.worth_a_retry(broken)?),
            };
            (self.tell)(&why);
            let wait = backoff.next_wait();
            sleep(wait).await;
        }
    }

    /// What happened, if trying again may help: nobody there at the very first try will not be there at the next.
    fn worth_a_retry(&self, broken: Broken) -> Result<String, Error> {
        match broken {
            Broken::Final(error) => Err(error),
            Broken::Nobody(cause) if !self.connected_before => {
                Err(Error::Unreachable { address: self.options.address(), cause })
            }
            Broken::Nobody(error) => Ok(error.to_string()),
            Broken::Lost(why) => Ok(why),
        }
    }

    async fn serve(&mut self, connack: &ConnAck, clean: bool) -> Result<(), Broken> {
        // 3.1 has no Session Present: there, what was not begun clean is taken as present.
        let present = connack.session_present || (self.options.version == Version::V3_1 && !clean);
        let resumed = self.exchange.resume(present);
        if self.connected_before {
            (self.tell)(match present {
                true => "connected again, the session goes on",
                false => "connected again, without the session: messages sent meanwhile are missing",
            });
        }
        self.connected_before = true;
        self.subscribed &= present;
        self.send(&resumed).await?;
        if !self.subscribed {
            let subscribe = self.subscribe();
            self.send(&[subscribe]).await?;
        }
        loop {
            let Some(link) = &mut self.link else { return Ok(()) };
            let wake_at = link.wake_at();
            let packet = tokio::select! {
                packet = link.receive() => packet?,
                () = sleep_until(wake_at) => {
                    link.keep_alive().await?;
                    continue;
                }
            };
            self.take(packet).await?;
            if self.enough {
                return Ok(());
            }
        }
    }

    fn subscribe(&mut self) -> Packet {
        let options = SubscriptionOptions {
            retain_handling: RetainHandling::default(),
            ..SubscriptionOptions::new(self.wish.qos)
        };
        let filters = self
            .wish
            .filters
            .iter()
            .map(|filter| SubscriptionRequest { filter: Ok(filter.clone()), options });
        Packet::Subscribe(Subscribe {
            packet_id: self.exchange.packet_id(),
            subscription_identifier: None,
            filters: filters.collect(),
            user_properties: UserProperties::default(),
        })
    }

    async fn take(&mut self, packet: Packet) -> Result<(), Broken> {
        match packet {
            Packet::SubAck(suback) => self.granted(&suback),
            // Not acknowledged, so it stays in the session.
            Packet::Publish(_) if self.enough => Ok(()),
            packet => {
                let Received { replies, message, .. } = self.exchange.receive(packet);
                if let Some(publish) = message {
                    let next = (self.hear)(&publish).map_err(|error| Broken::Final(Error::Io(error)))?;
                    self.enough = next == Next::Enough;
                }
                self.send(&replies).await
            }
        }
    }

    fn granted(&mut self, suback: &SubAck) -> Result<(), Broken> {
        let asked = self.wish.filters.iter().zip(&suback.reasons);
        let refused: Vec<String> = asked
            .filter(|(_, reason)| reason.is_error())
            .map(|(filter, reason)| format!("{}: {}", filter.as_str(), said(*reason, None)))
            .collect();
        if refused.len() == self.wish.filters.len() {
            let text = format!("the broker refuses to subscribe to {}", refused.join(", "));
            return Err(Broken::Final(Error::Denied(text)));
        }
        for refusal in refused {
            (self.tell)(&format!("not subscribed to {refusal}"));
        }
        self.subscribed = true;
        Ok(())
    }

    async fn send(&mut self, packets: &[Packet]) -> Result<(), Broken> {
        match &mut self.link {
            Some(link) => link.send(packets).await,
            None => Ok(()),
        }
    }

    /// Finishes what has begun and leaves; takes nothing new.
    async fn farewell(&mut self) {
        self.enough = true;
        let deadline = Instant::now() + FAREWELL;
        while self.wish.persistent && !self.exchange.all_released() && Instant::now() < deadline {
            let packet = match &mut self.link {
                Some(link) => timeout(deadline - Instant::now(), link.receive()).await,
                None => break,
            };
            match packet {
                Ok(Ok(packet)) => {
                    if self.take(packet).await.is_err() {
                        break;
                    }
                }
                Ok(Err(_)) | Err(_) => break,
            }
        }
        if self.wish.persistent && !self.exchange.all_released() {
            (self.tell)(
                "left before the broker released the last messages: the next process may hear them again",
            );
        }
        if let Some(link) = self.link.take() {
            link.close(!self.wish.persistent).await;
        }
    }
}
