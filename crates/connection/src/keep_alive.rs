//! Keep alive: a client that sends no packet for one and a half times the interval is gone [MQTT-3.1.2-22].
//!
//! Whole packets count, nothing that we send does. The alarm is not moved with every packet: it rings at the moment
//! that was right when it was set, and is then set to the moment that is right by now.

use core::time::Duration;

use crate::Instant;

/// When the last packet came, and how long the silence may last.
#[derive(Debug)]
pub(crate) struct KeepAlive {
    /// One and a half times the interval; `None` when keep alive is off.
    silence: Option<Duration>,
    last: Instant,
}

impl KeepAlive {
    /// From CONNACK on.
    pub(crate) fn new(seconds: u16, now: Instant) -> Self {
        let silence = (seconds != 0).then(|| Duration::from_millis(u64::from(seconds).saturating_mul(1500)));
        Self { silence, last: now }
    }

    /// A packet came.
    pub(crate) fn restart(&mut self, now: Instant) {
        self.last = now;
    }

    /// The moment at which the client counts as gone.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.silence.map(|silence| self.last.plus(silence))
    }
}
