//! A cell of the matrix on the subscriber's side.
//!
//! Three messages are on their way to its client: the first is done with, the second is interrupted at its
//! step, the third is read and unanswered. After the death a fourth comes. So order, DUP, packet identifiers
//! and owed PUBRELs can all be told.

use std::net::SocketAddr;

use anyhow::{Context, Result, ensure};
use quartet_tests::{Client, Connect, Expected, History, Subscriber, unique};

use crate::death::{Cut, Place};

/// Where the handshake is interrupted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SubscriberStep {
    /// PUBLISH is read; PUBREC is not written.
    PublishReceived,
    /// PUBREC is written right before the death; whether it arrived is open.
    PubrecSent,
    /// PUBREL is read; PUBCOMP is not written.
    PubrelReceived,
    /// PUBCOMP is written right before the death.
    PubcompSent,
}

impl SubscriberStep {
    pub(crate) const ALL: [Self; 4] =
        [Self::PublishReceived, Self::PubrecSent, Self::PubrelReceived, Self::PubcompSent];
}

/// A subscriber at its step.
pub(crate) struct SubscriberCell {
    name: String,
    place: Place,
    step: SubscriberStep,
    subscriber: Subscriber,
    /// Packet identifiers of the three messages.
    first: u16,
    second: u16,
    third: u16,
}

/// The topic of a cell.
pub(crate) fn topic(name: &str) -> String {
    format!("matrix/subscriber/{name}")
}

impl SubscriberCell {
    /// Connects and subscribes.
    pub(crate) async fn subscribe(place: Place, step: SubscriberStep, home: SocketAddr) -> Result<Self> {
        let name = unique(&format!("s-{step:?}-{}", place.word()).to_lowercase());
        let mut subscriber = Subscriber::new(Connect::kept(place.version, &name));
        subscriber.join(home).await.with_context(|| format!("connecting {name}"))?;
        subscriber.subscribe(&topic(&name), 2).await.with_context(|| format!("subscribing {name}"))?;
        Ok(Self { name, place, step, subscriber, first: 0, second: 0, third: 0 })
    }

    /// Reads three messages, finishes the first, and brings the second up to its step.
    pub(crate) async fn bring_to_step(mut self) -> Result<Self> {
        self.go_to_step().await.with_context(|| format!("preparing {}", self.name))?;
        Ok(self)
    }

    async fn go_to_step(&mut self) -> Result<()> {
        let mut ids = Vec::new();
        while ids.len() < 3 {
            ids.push(self.subscriber.read().await?);
        }
        (self.first, self.second, self.third) = (ids[0], ids[1], ids[2]);
        self.subscriber.answer(ids[0]).await?;
        let released = self.subscriber.read().await?;
        ensure!(released == ids[0], "a PUBREL for {released}, not for {}", ids[0]);
        self.subscriber.answer(ids[0]).await?;
        if matches!(self.step, SubscriberStep::PubrelReceived | SubscriberStep::PubcompSent) {
            self.subscriber.answer(self.second).await?;
            let released = self.subscriber.read().await?;
            ensure!(released == self.second, "a PUBREL for {released}, not for {}", self.second);
        }
        Ok(())
    }

    /// What leaves in the last moment before the death.
    pub(crate) async fn last_bytes(&mut self) -> Result<()> {
        match self.step {
            SubscriberStep::PubrecSent | SubscriberStep::PubcompSent => {
                self.subscriber.answer(self.second).await
            }
            SubscriberStep::PublishReceived | SubscriberStep::PubrelReceived => Ok(()),
        }
    }

    /// Goes to the target and finishes all that is open.
    pub(crate) async fn resume(mut self, target: SocketAddr) -> Result<Self> {
        let mut half_open: Option<Client> = None;
        let outcome = async {
            match self.place.cut {
                Cut::Stays => return self.go_on().await,
                Cut::Fin => self.subscriber.join(target).await?,
                Cut::Reset => {
                    self.subscriber.detach().context("no connection")?.reset()?;
                    self.subscriber.join(target).await?;
                }
                Cut::HalfOpen => {
                    half_open = self.subscriber.detach();
                    self.subscriber.join(target).await?;
                }
            }
            self.subscriber.drain(3).await?;
            self.judge_what_came_again()
        };
        outcome.await.with_context(|| format!("resuming {}", self.name))?;
        if let Some(mut old) = half_open {
            old.closed().await.with_context(|| format!("the old connection of {}", self.name))?;
        }
        Ok(self)
    }

    /// The client's node lives and nothing was cut: nothing comes again, what was open goes on.
    async fn go_on(&mut self) -> Result<()> {
        match self.step {
            SubscriberStep::PublishReceived | SubscriberStep::PubrelReceived => {
                self.subscriber.answer(self.second).await?;
            }
            SubscriberStep::PubrecSent | SubscriberStep::PubcompSent => {}
        }
        self.subscriber.answer(self.third).await?;
        self.subscriber.drain(3).await?;
        ensure!(self.subscriber.publishes().len() == 3, "sent again on a living connection");
        Ok(())
    }

    fn judge_what_came_again(&self) -> Result<()> {
        let again = self.subscriber.publishes();
        let (second, third) = ((self.second, true), (self.third, true));
        let expected: &[&[(u16, bool)]] = match self.step {
            SubscriberStep::PublishReceived => &[&[second, third]],
            // The PUBREC arrived, or not.
            SubscriberStep::PubrecSent => &[&[second, third], &[third]],
            SubscriberStep::PubrelReceived | SubscriberStep::PubcompSent => &[&[third]],
        };
        ensure!(
            expected.contains(&again),
            "(identifier, DUP) of what came again: {again:?}, not one of {expected:?}"
        );
        // Nobody waits for a PUBCOMP, so the last one may be lost; then its PUBREL comes again, and does no harm.
        let done: &[u16] = match self.step {
            SubscriberStep::PubcompSent => &[self.first, self.second],
            SubscriberStep::PublishReceived | SubscriberStep::PubrecSent | SubscriberStep::PubrelReceived => {
                &[self.first]
            }
        };
        let releases = self.subscriber.repeated_releases();
        let expected = releases.iter().all(|id| done.contains(id));
        ensure!(expected, "PUBRELs for what was done with: {releases:?}, not of {done:?}");
        Ok(())
    }

    /// Takes the fourth message, reconnects once more and finds nothing left over.
    pub(crate) async fn finish(mut self, other: SocketAddr) -> Result<()> {
        let outcome = async {
            self.subscriber.drain(4).await?;
            let fourth = self.subscriber.publishes().last().copied();
            ensure!(fourth.is_some_and(|(_, dup)| !dup), "the first sending of a message says DUP");
            History::of(self.subscriber.delivered()).judge(&self.name, Expected::ExactlyOnce(4))?;
            // A PUBCOMP that dies with its connection only repeats a PUBREL: let this one be worked off first.
            self.subscriber.client()?.ping().await?;
            self.subscriber.join(other).await?;
            while self.subscriber.read_within(quartet_tests::QUIET).await?.is_some() {
                if !self.subscriber.publishes().is_empty() {
                    return Err(self.subscriber.client()?.fault("a finished message came again".to_owned()));
                }
            }
            self.subscriber.client()?.ping().await
        };
        outcome.await.with_context(|| format!("finishing {}", self.name))
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn place(&self) -> &Place {
        &self.place
    }
}
