//! What happened, step by step: always as one hash, as text only where somebody reads it.
//!
//! The hash is what shows that a seed gives the same run twice; it takes in every event, also where no text is kept.

use core::fmt::Debug;
use core::hash::{Hash, Hasher};

/// The running hash (FNV-1a, 64 bits: fixed for ever, unlike the standard library's) and the lines, if wanted.
#[derive(Debug)]
pub(crate) struct Trace {
    hash: Fnv,
    lines: Option<Vec<String>>,
}

impl Trace {
    /// A trace that keeps its lines, or only their hash.
    pub(crate) fn new(keep_lines: bool) -> Self {
        Self { hash: Fnv::default(), lines: keep_lines.then(Vec::new) }
    }

    /// One event at a step.
    pub(crate) fn note(&mut self, step: u64, event: &(impl Debug + Hash)) {
        step.hash(&mut self.hash);
        event.hash(&mut self.hash);
        if let Some(lines) = &mut self.lines {
            lines.push(format!("{step:>6}  {event:?}"));
        }
    }

    /// The hash of everything so far.
    pub(crate) fn hash(&self) -> u64 {
        self.hash.finish()
    }

    /// The lines; none where they were not kept.
    pub(crate) fn into_lines(self) -> Vec<String> {
        self.lines.unwrap_or_default()
    }
}

/// FNV-1a over the bytes that `Hash` feeds it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xCBF2_9CE4_8422_2325)
    }
}

impl Hasher for Fnv {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01B3);
        }
    }
}

/// The hash of one value, the same in every build.
pub(crate) fn hash_of(value: &impl Hash) -> u64 {
    let mut hasher = Fnv::default();
    value.hash(&mut hasher);
    hasher.finish()
}
