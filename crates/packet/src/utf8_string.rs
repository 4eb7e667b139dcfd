//! The UTF-8 encoded string of MQTT 5.0 section 1.5.4: well formed, without U+0000, at most 65 535 bytes.
//!
//! The text lives in a `Bytes`, mostly a slice of the read buffer: cloning counts a reference, and a
//! string that is kept keeps the whole read buffer alive until [`Utf8String::detach`] copies it out.
//! Control characters and non-characters are let through unchanged, as the standard allows.

use alloc::string::String;
use core::borrow::Borrow;
use core::{fmt, ops, str};

use bytes::Bytes;

/// A string as MQTT allows it. Compared, ordered and hashed by its bytes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Utf8String(Bytes);

/// Why bytes are not an MQTT string. `at` counts bytes from the string's start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StringProblem {
    /// Over 65 535 bytes: its length does not fit the two byte prefix.
    #[error("a string of {length} bytes is over the limit of 65535")]
    TooLong {
        /// Its length in bytes.
        length: usize,
    },
    /// Ill formed: truncated, overlong, a surrogate or beyond U+10FFFF `[MQTT-1.5.4-1]`.
    #[error("ill-formed utf-8 at byte {at}")]
    NotUtf8 {
        /// The first bad byte.
        at: usize,
    },
    /// Contains U+0000 `[MQTT-1.5.4-2]`.
    #[error("u+0000 at byte {at}")]
    Nul {
        /// Where.
        at: usize,
    },
}

impl Utf8String {
    /// The longest string, in bytes: what the two byte length prefix can say.
    pub const MAX_LENGTH: usize = 65_535;

    /// Takes the bytes if they are an MQTT string; copies nothing.
    pub fn from_bytes(bytes: Bytes) -> Result<Self, StringProblem> {
        check(&bytes)?;
        Ok(Self(bytes))
    }

    /// For callers that have checked `bytes` by a stricter pass of their own (topics).
    pub(crate) fn from_checked(bytes: Bytes) -> Self {
        debug_assert!(check(&bytes).is_ok());
        Self(bytes)
    }

    /// The text. Walks the bytes once (the crate has no `unsafe` to skip it): on hot paths prefer
    /// [`as_bytes`](Self::as_bytes), or keep the `&str`.
    pub fn as_str(&self) -> &str {
        str::from_utf8(&self.0).expect("checked when the string was made")
    }

    /// The bytes of the text.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The shared buffer behind the text.
    pub fn bytes(&self) -> &Bytes {
        &self.0
    }

    /// Length in bytes.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether it has no bytes.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A copy in a buffer of its own, for whoever keeps the string longer than the packet.
    pub fn detach(&self) -> Self {
        Self(Bytes::copy_from_slice(&self.0))
    }
}

/// Checks length, encoding and U+0000.
pub(crate) fn check(bytes: &[u8]) -> Result<(), StringProblem> {
    check_length_and_encoding(bytes)?;
    if bytes.contains(&0) {
        return Err(nul(bytes));
    }
    Ok(())
}

/// Everything but U+0000, which topics look for in their own pass.
pub(crate) fn check_length_and_encoding(bytes: &[u8]) -> Result<(), StringProblem> {
    if bytes.len() > Utf8String::MAX_LENGTH {
        return Err(StringProblem::TooLong { length: bytes.len() });
    }
    match str::from_utf8(bytes) {
        Ok(_) => Ok(()),
        Err(error) => Err(StringProblem::NotUtf8 { at: error.valid_up_to() }),
    }
}

/// The problem of a string known to contain U+0000.
pub(crate) fn nul(bytes: &[u8]) -> StringProblem {
    StringProblem::Nul { at: bytes.iter().position(|&b| b == 0).unwrap_or_default() }
}

impl ops::Deref for Utf8String {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl Borrow<[u8]> for Utf8String {
    fn borrow(&self) -> &[u8] {
        &self.0
    }
}

impl AsRef<str> for Utf8String {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl PartialEq<str> for Utf8String {
    fn eq(&self, other: &str) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl PartialEq<&str> for Utf8String {
    fn eq(&self, other: &&str) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl TryFrom<&str> for Utf8String {
    type Error = StringProblem;

    fn try_from(text: &str) -> Result<Self, StringProblem> {
        Self::from_bytes(Bytes::copy_from_slice(text.as_bytes()))
    }
}

impl TryFrom<String> for Utf8String {
    type Error = StringProblem;

    fn try_from(text: String) -> Result<Self, StringProblem> {
        Self::from_bytes(Bytes::from(text))
    }
}

impl fmt::Display for Utf8String {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Utf8String {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}
