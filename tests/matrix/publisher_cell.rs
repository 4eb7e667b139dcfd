//! A cell of the matrix on the publisher's side.
//!
//! Its client has one packet identifier only, so that the message after the interrupted one uses it again at
//! once: whoever holds an identifier too long takes that message for a duplicate and loses it.

use std::net::SocketAddr;

use anyhow::{Context, Result, ensure};
use quartet_tests::{AckKind, Client, Connect, Packet, Publisher, Step, numbered, unique};

use crate::death::{Cut, Place};

/// Where the handshake is interrupted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PublisherStep {
    /// PUBLISH is written right before the death; whether it arrived is open.
    PublishSent,
    /// The broker has sent PUBREC, the client does not know it.
    PubrecLost,
    /// PUBREC is read; PUBREL is not written.
    PubrecReceived,
    /// PUBREL is written right before the death.
    PubrelSent,
    /// The broker has sent PUBCOMP, the client does not know it.
    PubcompLost,
    /// PUBCOMP is read: the handshake is over, and must stay so.
    PubcompReceived,
}

impl PublisherStep {
    pub(crate) const ALL: [Self; 6] = [
        Self::PublishSent,
        Self::PubrecLost,
        Self::PubrecReceived,
        Self::PubrelSent,
        Self::PubcompLost,
        Self::PubcompReceived,
    ];
}

/// A publisher at its step.
pub(crate) struct PublisherCell {
    name: String,
    place: Place,
    step: PublisherStep,
    publisher: Publisher,
}

/// The topic of a cell.
fn topic(name: &str) -> String {
    format!("matrix/publisher/{name}")
}

/// The only packet identifier.
const ID: u16 = 1;

impl PublisherCell {
    /// Connects, publishes one message to its end and the second up to its step.
    pub(crate) async fn prepare(place: Place, step: PublisherStep, home: SocketAddr) -> Result<Self> {
        let name = unique(&format!("p-{step:?}-{}", place.word()).to_lowercase());
        let connect = Connect::kept(place.version, &name);
        let mut cell = Self { publisher: Publisher::with_ids(connect, ID), name, place, step };
        cell.go_to_step(home).await.with_context(|| format!("preparing {}", cell.name))?;
        Ok(cell)
    }

    async fn go_to_step(&mut self, home: SocketAddr) -> Result<()> {
        self.publisher.join(home).await?;
        self.publish(1).await?;
        self.publisher.finish_down_to(0).await?;
        if self.step == PublisherStep::PublishSent {
            return Ok(());
        }
        self.publish(2).await?;
        if self.step == PublisherStep::PubrecLost {
            return self.lose(AckKind::PubRec).await;
        }
        let read = self.publisher.read().await?;
        ensure!(read == (ID, Some(Step::Received)), "read {read:?} in place of PUBREC");
        match self.step {
            PublisherStep::PublishSent | PublisherStep::PubrecLost => Ok(()),
            PublisherStep::PubrecReceived | PublisherStep::PubrelSent => Ok(()),
            PublisherStep::PubcompLost => {
                self.publisher.answer(ID).await?;
                self.lose(AckKind::PubComp).await
            }
            PublisherStep::PubcompReceived => self.publisher.finish_down_to(0).await,
        }
    }

    async fn publish(&mut self, number: u64) -> Result<()> {
        let id = self.publisher.publish(&topic(&self.name), numbered(&self.name, number, 0), 2).await?;
        ensure!(id == ID, "identifier {id} was not free");
        Ok(())
    }

    /// Takes an acknowledgement off the socket behind the publisher's back.
    async fn lose(&mut self, kind: AckKind) -> Result<()> {
        let packet = self.publisher.client()?.receive().await?;
        ensure!(packet == Packet::Ack { kind, id: ID, code: 0 }, "got {packet} in place of {kind}");
        Ok(())
    }

    /// What leaves in the last moment before the death.
    pub(crate) async fn last_bytes(&mut self) -> Result<()> {
        match self.step {
            PublisherStep::PublishSent => self.publish(2).await,
            PublisherStep::PubrelSent => self.publisher.answer(ID).await,
            PublisherStep::PubrecLost
            | PublisherStep::PubrecReceived
            | PublisherStep::PubcompLost
            | PublisherStep::PubcompReceived => Ok(()),
        }
    }

    /// Goes to the target, finishes the second message and publishes a third.
    pub(crate) async fn finish(mut self, target: SocketAddr) -> Result<Self> {
        let mut half_open: Option<Client> = None;
        let outcome = async {
            match self.place.cut {
                Cut::Stays => {
                    if matches!(self.step, PublisherStep::PubrecLost | PublisherStep::PubcompLost) {
                        // What was lost with a connection is never lost on a living one: send again by reconnect.
                        self.publisher.join(target).await?;
                    }
                }
                Cut::Fin => self.publisher.join(target).await?,
                Cut::Reset => {
                    self.publisher.detach().context("no connection")?.reset()?;
                    self.publisher.join(target).await?;
                }
                Cut::HalfOpen => {
                    half_open = self.publisher.detach();
                    self.publisher.join(target).await?;
                }
            }
            self.publisher.finish_down_to(0).await?;
            self.publish(3).await?;
            self.publisher.finish_down_to(0).await
        };
        outcome.await.with_context(|| format!("finishing {}", self.name))?;
        if let Some(mut old) = half_open {
            old.closed().await.with_context(|| format!("the old connection of {}", self.name))?;
        }
        Ok(self)
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn place(&self) -> &Place {
        &self.place
    }
}
