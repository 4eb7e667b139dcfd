//! What a log entry carries: one batch of commands, as opaque bytes.
//!
//! This crate neither builds nor reads a batch. The proposing node encodes it once, and the same
//! bytes go through log and wire to every `apply`. An empty batch is legal.

use std::fmt;

use bytes::Bytes;

/// The application data of one log entry. Cloning shares the bytes.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Batch(pub Bytes);

impl Batch {
    /// Length of the encoded commands, in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is not one byte in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<Bytes> for Batch {
    fn from(bytes: Bytes) -> Self {
        Self(bytes)
    }
}

// Payloads are the users' messages: they must not reach a diagnostic log, so both show the size.
impl fmt::Debug for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Batch({} bytes)", self.0.len())
    }
}

impl fmt::Display for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "batch of {} bytes", self.0.len())
    }
}
