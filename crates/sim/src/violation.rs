//! What a checker says when a promise is broken.

use core::fmt;

/// A broken promise, and where it broke.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The property, in a few fixed words.
    pub property: &'static str,
    /// What was seen, at which client or node.
    pub detail: String,
}

impl Violation {
    /// This property, broken like this.
    pub(crate) fn new(property: &'static str, detail: String) -> Self {
        Self { property, detail }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.property, self.detail)
    }
}
