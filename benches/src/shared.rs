//! What all clients of one run share. They run on one thread, so cells are enough.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Instant;

use tokio::sync::Notify;

use crate::histogram::Histogram;

/// A message begins with its topic's number above so many bits of its own.
pub(crate) const NUMBER_BITS: u32 = 48;

/// Counters and times of a run.
pub(crate) struct Shared {
    /// When the run began; messages carry nanoseconds since.
    pub(crate) began: Instant,
    /// Whether counts and times are kept: neither in the warm-up nor at the end.
    pub(crate) measuring: Cell<bool>,
    /// Whether publishers begin no new message.
    pub(crate) ending: Cell<bool>,
    /// Messages delivered while measuring.
    pub(crate) delivered: Cell<u64>,
    /// Messages acknowledged to their publishers while measuring.
    pub(crate) acknowledged: Cell<u64>,
    /// Numbers that were missing when the next one came, all run long.
    pub(crate) missing: Cell<u64>,
    /// Numbers that had come before, or came after later ones.
    pub(crate) repeated: Cell<u64>,
    /// From send to delivery.
    pub(crate) delivery: RefCell<Histogram>,
    /// From send to the end of the publisher's handshake.
    pub(crate) acknowledgement: RefCell<Histogram>,
    /// One for each topic.
    pub(crate) topics: Vec<TopicState>,
}

/// What a topic's publisher and its first subscriber tell each other.
#[derive(Default)]
pub(crate) struct TopicState {
    /// Highest number that its first subscriber has.
    pub(crate) arrived: Cell<u64>,
    /// Wakes the publisher, at QoS 0.
    pub(crate) more: Notify,
}

impl Shared {
    /// Shared state for so many topics.
    pub(crate) fn new(topics: u16) -> Rc<Self> {
        Rc::new(Self {
            began: Instant::now(),
            measuring: Cell::new(false),
            ending: Cell::new(false),
            delivered: Cell::new(0),
            acknowledged: Cell::new(0),
            missing: Cell::new(0),
            repeated: Cell::new(0),
            delivery: RefCell::default(),
            acknowledgement: RefCell::default(),
            topics: (0..topics).map(|_| TopicState::default()).collect(),
        })
    }

    /// Nanoseconds since the beginning.
    pub(crate) fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

/// Adds to a counter.
pub(crate) fn add(cell: &Cell<u64>, count: u64) {
    cell.set(cell.get() + count);
}
