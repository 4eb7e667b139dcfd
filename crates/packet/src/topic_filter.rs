//! Topic filters and what they match (MQTT 5.0 sections 4.7 and 4.8.2).
//!
//! ```text
//!   sport/+/score/#          $share/group/sport/#
//!   └──── pattern ────┘             └group┘└pattern┘
//! ```
//! The grammar of the pattern: `#` only as the last level, `+` and `#` only as whole levels. The group
//! of a shared subscription is not empty and has no `/`, `+` or `#`. Shared subscriptions are read the
//! same in all versions, so a 3.1.1 client can use them, and never subscribes to a literal `$share/`.

use core::borrow::Borrow;
use core::fmt;

use bytes::Bytes;

use crate::topic::{MAX_LEVELS, Topic};
use crate::utf8_string::{StringProblem, Utf8String};

/// What a shared subscription's filter begins with.
const SHARE: &str = "$share/";

/// A valid topic filter, shared or not. Compared byte by byte `[MQTT-3.10.4-1]`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicFilter(Utf8String);

/// Why a string is not a topic filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FilterProblem {
    /// Not even an MQTT string; a packet with one is malformed as a whole.
    #[error(transparent)]
    String(#[from] StringProblem),
    /// No bytes, or nothing after the share name `[MQTT-4.7.3-1]`.
    #[error("empty topic filter")]
    Empty,
    /// `#` before the last level `[MQTT-4.7.1-1]`.
    #[error("# is not the last topic level")]
    MultiLevelNotLast,
    /// A level that holds a wildcard and more `[MQTT-4.7.1-1]` `[MQTT-4.7.1-2]`.
    #[error("a wildcard shares its topic level with other characters")]
    WildcardNotAlone,
    /// An empty share name `[MQTT-4.8.2-1]`.
    #[error("empty share name")]
    EmptyShareName,
    /// A wildcard in the share name, or no `/` after it `[MQTT-4.8.2-2]`.
    #[error("malformed share name")]
    BadShareName,
    /// More than [`MAX_LEVELS`] levels: a limit of this broker.
    #[error("topic filter has over {MAX_LEVELS} levels")]
    TooManyLevels,
}

/// A requested filter that is no filter: SUBSCRIBE answers it with 0x8F (0x80 before 5.0) and
/// UNSUBSCRIBE with 0x8F, while the rest of the packet stands.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct InvalidTopicFilter(Utf8String);

impl InvalidTopicFilter {
    /// What was asked for.
    pub fn as_utf8(&self) -> &Utf8String {
        &self.0
    }

    /// What is wrong with it.
    pub fn problem(&self) -> FilterProblem {
        match check(&self.0) {
            Ok(()) => FilterProblem::Empty,
            Err(problem) => problem,
        }
    }
}

impl TopicFilter {
    /// Takes the string if it is a filter, and gives it back with the blame on it if it is not.
    pub fn from_utf8(text: Utf8String) -> Result<Self, InvalidTopicFilter> {
        match check(&text) {
            Ok(()) => Ok(Self(text)),
            Err(_) => Err(InvalidTopicFilter(text)),
        }
    }

    /// Takes the bytes if they are a filter; copies nothing.
    pub fn from_bytes(bytes: Bytes) -> Result<Self, FilterProblem> {
        let text = Utf8String::from_bytes(bytes)?;
        check(&text)?;
        Ok(Self(text))
    }

    /// Share name and pattern of a shared subscription `$share/{name}/{filter}`.
    pub fn share(&self) -> Option<(&str, &str)> {
        self.as_str().strip_prefix(SHARE)?.split_once('/')
    }

    /// Whether this is a shared subscription.
    pub fn is_shared(&self) -> bool {
        self.as_bytes().starts_with(SHARE.as_bytes())
    }

    /// The part that is matched against topics: without `$share/{name}/`.
    pub fn pattern(&self) -> &str {
        match self.share() {
            Some((_, pattern)) => pattern,
            None => self.as_str(),
        }
    }

    /// The levels of the [`pattern`](Self::pattern), split at `/`.
    pub fn levels(&self) -> impl Iterator<Item = &str> {
        self.pattern().split('/')
    }

    /// Whether the pattern has a `+` or `#`.
    pub fn has_wildcard(&self) -> bool {
        self.as_bytes().iter().any(|b| matches!(b, b'+' | b'#'))
    }

    /// The text; see [`Utf8String::as_str`] for its cost.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The bytes of the text.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// The filter as a plain string.
    pub fn as_utf8(&self) -> &Utf8String {
        &self.0
    }

    /// A copy in a buffer of its own, for whoever keeps the filter longer than the packet.
    pub fn detach(&self) -> Self {
        Self(self.0.detach())
    }
}

fn check(text: &str) -> Result<(), FilterProblem> {
    let Some(shared) = text.strip_prefix(SHARE) else {
        return check_pattern(text);
    };
    let Some((name, pattern)) = shared.split_once('/') else {
        return Err(FilterProblem::BadShareName);
    };
    if name.is_empty() {
        return Err(FilterProblem::EmptyShareName);
    }
    if name.contains(['+', '#']) {
        return Err(FilterProblem::BadShareName);
    }
    check_pattern(pattern)
}

fn check_pattern(pattern: &str) -> Result<(), FilterProblem> {
    if pattern.is_empty() {
        return Err(FilterProblem::Empty);
    }
    let mut count = 0_usize;
    let mut levels = pattern.split('/').peekable();
    while let Some(level) = levels.next() {
        count += 1;
        if count > MAX_LEVELS {
            return Err(FilterProblem::TooManyLevels);
        }
        if level.len() > 1 && level.contains(['+', '#']) {
            return Err(FilterProblem::WildcardNotAlone);
        }
        if level == "#" && levels.peek().is_some() {
            return Err(FilterProblem::MultiLevelNotLast);
        }
    }
    Ok(())
}

/// Whether the filter (its pattern, if shared) matches the topic: the plain reading of section 4.7,
/// level by level, against which faster matchers are tested. A filter that begins with a wildcard
/// does not match a topic that begins with `$` `[MQTT-4.7.2-1]`.
pub fn matches(filter: &TopicFilter, topic: &Topic) -> bool {
    let pattern = filter.pattern();
    if topic.is_dollar() && pattern.starts_with(['+', '#']) {
        return false;
    }
    let mut levels = topic.levels();
    for wanted in pattern.split('/') {
        if wanted == "#" {
            return true;
        }
        match levels.next() {
            Some(level) if wanted == "+" || wanted == level => {}
            Some(_) | None => return false,
        }
    }
    levels.next().is_none()
}

impl TryFrom<&str> for TopicFilter {
    type Error = FilterProblem;

    fn try_from(text: &str) -> Result<Self, FilterProblem> {
        Self::from_bytes(Bytes::copy_from_slice(text.as_bytes()))
    }
}

impl Borrow<[u8]> for TopicFilter {
    fn borrow(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl fmt::Display for TopicFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for TopicFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}
