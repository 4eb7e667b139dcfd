//! A publisher that keeps its window full.

use std::rc::Rc;
use std::time::Duration;

use anyhow::Result;
use tokio::time::timeout;

use crate::connection::Connection;
use crate::frames::{self, Frame};
use crate::options::Options;
use crate::shared::{NUMBER_BITS, Shared, add};

/// At QoS 0, how long nothing may arrive before what is in flight counts as lost and the window as free.
const LOST_AFTER: Duration = Duration::from_millis(200);

/// One publisher.
pub(crate) struct Publisher {
    connection: Connection,
    shared: Rc<Shared>,
    kind: Kind,
    window: u16,
    /// The number of the last message sent.
    sent: u64,
    /// When the message under each packet identifier was sent.
    times: Vec<u64>,
}

impl Publisher {
    /// A publisher to topic number `topic`, called `name`.
    pub(crate) fn new(
        connection: Connection,
        shared: Rc<Shared>,
        topic: u16,
        name: String,
        options: &Options,
    ) -> Self {
        let times = vec![0; usize::from(options.window) + 1];
        let kind = Kind { topic, name, qos: options.qos, payload: options.payload as usize };
        Self { connection, shared, kind, window: options.window, sent: 0, times }
    }

    /// Publishes until the run ends, then waits for what is in flight.
    pub(crate) async fn run(mut self) -> Result<()> {
        if self.kind.qos == 0 { self.run_unacknowledged().await } else { self.run_acknowledged().await }
    }

    async fn run_acknowledged(&mut self) -> Result<()> {
        let mut in_flight = u64::from(self.window);
        for id in 1..=self.window {
            let now = self.shared.now();
            self.kind.send(&mut self.connection.output, id, &mut self.sent, now);
            self.times[usize::from(id)] = now;
        }
        self.connection.flush().await?;
        while in_flight > 0 {
            let Self { connection, shared, kind, sent, times, .. } = self;
            connection
                .work_off(|frame, output| {
                    let id = match frame {
                        Frame::PubRec(id) => return frames::acknowledge(output, frames::PUBREL, id),
                        Frame::PubAck(id) | Frame::PubComp(id) => id,
                        _ => return,
                    };
                    let Some(time) = times.get_mut(usize::from(id)) else { return };
                    let now = shared.now();
                    if shared.measuring.get() {
                        add(&shared.acknowledged, 1);
                        shared.acknowledgement.borrow_mut().record(now.saturating_sub(*time));
                    }
                    if shared.ending.get() {
                        in_flight -= 1;
                    } else {
                        *time = now;
                        kind.send(output, id, sent, now);
                    }
                })
                .await?;
        }
        Ok(())
    }

    async fn run_unacknowledged(&mut self) -> Result<()> {
        let shared = Rc::clone(&self.shared);
        let state = &shared.topics[usize::from(self.kind.topic)];
        // Everything up to here is delivered, or given up.
        let mut settled = 0;
        while !shared.ending.get() {
            settled = settled.max(state.arrived.get());
            let room = u64::from(self.window).saturating_sub(self.sent - settled);
            for _ in 0..room {
                self.kind.send(&mut self.connection.output, 0, &mut self.sent, shared.now());
            }
            self.connection.flush().await?;
            if shared.measuring.get() {
                add(&shared.acknowledged, room);
            }
            if timeout(LOST_AFTER, state.more.notified()).await.is_err() && state.arrived.get() <= settled {
                settled = self.sent;
            }
        }
        Ok(())
    }
}

/// What all messages of one publisher have in common.
struct Kind {
    topic: u16,
    name: String,
    qos: u8,
    payload: usize,
}

impl Kind {
    /// Writes the next message: its head is topic, number and time.
    fn send(&self, output: &mut Vec<u8>, id: u16, sent: &mut u64, now: u64) {
        *sent += 1;
        let mut head = [0; 16];
        head[..8].copy_from_slice(&(u64::from(self.topic) << NUMBER_BITS | *sent).to_be_bytes());
        head[8..].copy_from_slice(&now.to_be_bytes());
        frames::publish(output, &self.name, self.qos, id, &head, self.payload);
    }
}
