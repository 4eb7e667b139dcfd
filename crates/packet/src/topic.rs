//! Topic names: what a message is published to (MQTT 5.0 section 4.7).

use core::borrow::Borrow;
use core::fmt;

use bytes::Bytes;

use crate::utf8_string::{self, StringProblem, Utf8String};

/// Most levels of a topic name or filter, on every node alike. Each level is one step and one node of
/// the subscription trie and of retained storage; without a bound one 64 KiB string of slashes would
/// make 65 536 of them. Public brokers allow between 7 and 200.
pub const MAX_LEVELS: usize = 128;

/// A topic name: not empty, no wildcard, no U+0000, at most [`MAX_LEVELS`] levels.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Topic(Utf8String);

/// Why a string is not a topic name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TopicProblem {
    /// Not even an MQTT string.
    #[error(transparent)]
    String(#[from] StringProblem),
    /// No bytes `[MQTT-4.7.3-1]`.
    #[error("empty topic name")]
    Empty,
    /// `+` or `#` in a name `[MQTT-3.3.2-2]`.
    #[error("wildcard in a topic name at byte {at}")]
    Wildcard {
        /// Where.
        at: usize,
    },
    /// More than [`MAX_LEVELS`] levels: a limit of this broker.
    #[error("{levels} topic levels are over the limit of {MAX_LEVELS}")]
    TooManyLevels {
        /// How many.
        levels: usize,
    },
}

impl Topic {
    /// Takes the bytes if they are a topic name; copies nothing.
    pub fn from_bytes(bytes: Bytes) -> Result<Self, TopicProblem> {
        utf8_string::check_length_and_encoding(&bytes)?;
        if bytes.is_empty() {
            return Err(TopicProblem::Empty);
        }
        // No early end: so the loop is done many bytes at a time.
        if bytes.iter().fold(false, |found, byte| found | matches!(byte, 0 | b'+' | b'#')) {
            return Err(special_problem(&bytes));
        }
        // A short name cannot have too many levels.
        if bytes.len() >= MAX_LEVELS {
            let levels = 1 + bytes.iter().filter(|&&byte| byte == b'/').count();
            if levels > MAX_LEVELS {
                return Err(TopicProblem::TooManyLevels { levels });
            }
        }
        Ok(Self(Utf8String::from_checked(bytes)))
    }

    /// The levels, split at `/`; at least one, any of them may be empty.
    pub fn levels(&self) -> impl Iterator<Item = &str> {
        self.as_str().split('/')
    }

    /// Whether it begins with `$`: filters beginning with a wildcard do not match it `[MQTT-4.7.2-1]`.
    pub fn is_dollar(&self) -> bool {
        self.as_bytes().first() == Some(&b'$')
    }

    /// The text; see [`Utf8String::as_str`] for its cost.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The bytes of the text.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// The name as a plain string.
    pub fn as_utf8(&self) -> &Utf8String {
        &self.0
    }

    /// A copy in a buffer of its own, for whoever keeps the topic longer than the packet.
    pub fn detach(&self) -> Self {
        Self(self.0.detach())
    }
}

/// Which of U+0000, `+` and `#` comes first.
#[cold]
fn special_problem(bytes: &[u8]) -> TopicProblem {
    let at = bytes.iter().position(|b| matches!(b, 0 | b'+' | b'#'));
    let at = at.unwrap_or_default();
    if bytes.contains(&0) { utf8_string::nul(bytes).into() } else { TopicProblem::Wildcard { at } }
}

impl TryFrom<&str> for Topic {
    type Error = TopicProblem;

    fn try_from(text: &str) -> Result<Self, TopicProblem> {
        Self::from_bytes(Bytes::copy_from_slice(text.as_bytes()))
    }
}

impl TryFrom<Utf8String> for Topic {
    type Error = TopicProblem;

    fn try_from(text: Utf8String) -> Result<Self, TopicProblem> {
        Self::from_bytes(text.bytes().clone())
    }
}

impl Borrow<[u8]> for Topic {
    fn borrow(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}
