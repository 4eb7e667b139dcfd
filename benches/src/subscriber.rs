//! A subscriber that takes and acknowledges whatever comes.

use std::rc::Rc;

use anyhow::Result;

use crate::connection::Connection;
use crate::frames::{self, Frame};
use crate::shared::{NUMBER_BITS, Shared, add};

/// One subscriber.
pub(crate) struct Subscriber {
    connection: Connection,
    shared: Rc<Shared>,
    /// The highest number of each topic.
    seen: Vec<u64>,
    /// Whether publishers wait for this one at QoS 0: the first subscriber of its topics.
    first: bool,
}

impl Subscriber {
    /// A subscriber; `first` says whether it is the first one of its topics.
    pub(crate) fn new(connection: Connection, shared: Rc<Shared>, first: bool) -> Self {
        let seen = vec![0; shared.topics.len()];
        Self { connection, shared, seen, first }
    }

    /// Takes messages for ever; the run drops it.
    pub(crate) async fn run(mut self) -> Result<()> {
        loop {
            let Self { connection, shared, seen, first } = &mut self;
            connection
                .work_off(|frame, output| match frame {
                    Frame::Publish(qos, id, payload) => {
                        match qos {
                            1 => frames::acknowledge(output, frames::PUBACK, id),
                            2 => frames::acknowledge(output, frames::PUBREC, id),
                            _ => {}
                        }
                        take(shared, seen, *first, payload);
                    }
                    Frame::PubRel(id) => frames::acknowledge(output, frames::PUBCOMP, id),
                    _ => {}
                })
                .await?;
        }
    }
}

/// Counts one message, and judges its number.
fn take(shared: &Shared, seen: &mut [u64], first: bool, payload: &[u8]) {
    let Some((head, _)) = payload.split_first_chunk::<16>() else { return };
    let word = |at: usize| head[at..at + 8].iter().fold(0, |word, byte| word << 8 | u64::from(*byte));
    let (topic, number) = ((word(0) >> NUMBER_BITS) as usize, word(0) & ((1 << NUMBER_BITS) - 1));
    let (Some(last), Some(state)) = (seen.get_mut(topic), shared.topics.get(topic)) else { return };
    if number > *last {
        add(&shared.missing, number - *last - 1);
        *last = number;
    } else {
        add(&shared.repeated, 1);
    }
    if shared.measuring.get() {
        add(&shared.delivered, 1);
        shared.delivery.borrow_mut().record(shared.now().saturating_sub(word(8)));
    }
    if first {
        state.arrived.set(*last);
        state.more.notify_one();
    }
}
