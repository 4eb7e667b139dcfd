//! User Properties: pairs of strings for which MQTT has no meaning (section 3.1.2.11.8 and others).

use core::fmt;

use bytes::{BufMut, Bytes, BytesMut};

use super::{Gather, PropertyBlock, id};
use crate::reader::Reader;
use crate::{Problem, Utf8String};

/// Most User Properties in one property block. Their bytes are bounded by the packet size, but an empty
/// pair takes five, so one packet could carry a million for every tool and plug-in behind the broker
/// to walk. Over it the answer is 0x97.
pub const MAX_USER_PROPERTIES: usize = 1024;

/// User Properties in their order `[MQTT-3.3.2-18]`, as the bytes they came in.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct UserProperties(Bytes);

impl UserProperties {
    /// Pairs of name and value; the only error is more than [`MAX_USER_PROPERTIES`].
    pub fn new<I>(pairs: I) -> Result<Self, Problem>
    where
        I: IntoIterator<Item = (Utf8String, Utf8String)>,
    {
        let mut bytes = BytesMut::new();
        for (name, value) in pairs {
            put_pair(&name, &value, &mut bytes);
        }
        Self::from_bytes(bytes.freeze())
    }

    /// Validates what [`as_bytes`](Self::as_bytes) gave: each pair with its identifier.
    pub fn from_bytes(bytes: Bytes) -> Result<Self, Problem> {
        let mut reader = Reader::new(bytes);
        let mut block = PropertyBlock::rest_of(&mut reader);
        let mut user = UserPropertiesReader::default();
        while let Some(id) = block.next_id()? {
            match id {
                id::USER_PROPERTY => user.read(&mut block)?,
                _ => return Err(block.not_allowed()),
            }
        }
        Ok(user.finish(&block))
    }

    pub(crate) fn from_checked(bytes: Bytes) -> Self {
        Self(bytes)
    }

    /// The pairs as they stand in a packet, each with its identifier 0x26.
    pub fn as_bytes(&self) -> &Bytes {
        &self.0
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Names and values, in order.
    pub fn iter(&self) -> impl Iterator<Item = (Utf8String, Utf8String)> + use<> {
        let mut reader = Reader::new(self.0.clone());
        core::iter::from_fn(move || {
            let mut block = PropertyBlock::rest_of(&mut reader);
            block.next_id().ok()??;
            let name = block.string("user property name").ok()?;
            let value = block.string("user property value").ok()?;
            Some((name, value))
        })
    }

    /// A copy in a buffer of its own.
    pub fn detach(&self) -> Self {
        Self(Bytes::copy_from_slice(&self.0))
    }
}

/// Appends a pair as it stands in a packet.
pub(super) fn put_pair(name: &Utf8String, value: &Utf8String, out: &mut BytesMut) {
    out.put_u8(id::USER_PROPERTY);
    super::put_binary(name.as_bytes(), out);
    super::put_binary(value.as_bytes(), out);
}

/// Collects the User Properties of a block.
#[derive(Debug, Default)]
pub(crate) struct UserPropertiesReader {
    gather: Gather,
    count: usize,
}

impl UserPropertiesReader {
    /// Reads the value of the block's current property, a User Property.
    pub(crate) fn read(&mut self, block: &mut PropertyBlock<'_>) -> Result<(), Problem> {
        check_pair(block, &mut self.count)?;
        block.keep(&mut self.gather);
        Ok(())
    }

    pub(crate) fn finish(self, block: &PropertyBlock<'_>) -> UserProperties {
        UserProperties::from_checked(self.gather.finish(block.buffer()))
    }
}

/// Reads a pair and counts it.
pub(super) fn check_pair(block: &mut PropertyBlock<'_>, count: &mut usize) -> Result<(), Problem> {
    block.skip_string("user property name")?;
    block.skip_string("user property value")?;
    *count += 1;
    if *count > MAX_USER_PROPERTIES {
        return Err(Problem::TooManyUserProperties);
    }
    Ok(())
}

impl fmt::Debug for UserProperties {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}
