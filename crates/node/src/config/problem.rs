//! Something wrong with the configuration, as one line: where, which key, what is wrong, what to do.

use std::fmt;

use super::layers::Origin;

/// One thing wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    /// Where it was written.
    pub(crate) origin: Origin,
    /// Key, fault and remedy.
    pub(crate) text: String,
}

impl Problem {
    /// A problem found at `origin`.
    pub(crate) fn new(origin: Origin, text: String) -> Self {
        Self { origin, text }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.origin {
            Origin::Default => write!(f, "{}", self.text),
            origin => write!(f, "{origin}: {}", self.text),
        }
    }
}

/// Why there is no configuration: every problem found, each on its own line.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The file cannot be read.
    #[error("{path}: the configuration cannot be read: {cause}; name a readable file with --config FILE")]
    Unreadable {
        /// The file as named.
        path: String,
        /// What the system says.
        cause: std::io::Error,
    },
    /// The file is larger than any configuration is.
    #[error("{path}: {size} bytes is more than a configuration may have ({limit}); is it the right file?")]
    TooLarge {
        /// The file as named.
        path: String,
        /// Its size in bytes.
        size: u64,
        /// The most.
        limit: u64,
    },
    /// What is written is wrong.
    #[error("{}", lines(.0))]
    Wrong(Vec<Problem>),
}

fn lines(problems: &[Problem]) -> String {
    problems.iter().map(Problem::to_string).collect::<Vec<_>>().join("\n")
}
