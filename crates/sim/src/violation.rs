//! What a checker says when a promise is broken.

use core::fmt;

/// The properties that applications live by.
const HARMS: [&str; 7] = [
    "no acknowledged message is lost",
    "no message twice at qos 2",
    "an identifier names one message until it is released",
    "publishing order per publisher, topic and qos",
    "no refused message",
    "nothing new after unsubscribe",
    "session present is true",
];

/// A broken promise, and where it broke.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The property, in a few fixed words.
    pub property: &'static str,
    /// What was seen, at which client or node.
    pub detail: String,
}

impl Violation {
    /// Whether an application sees it: a message lost, doubled, out of order, unwanted, or a wrong Session Present.
    #[must_use]
    pub fn harms(&self) -> bool {
        HARMS.contains(&self.property)
    }

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
