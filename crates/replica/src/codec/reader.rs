//! Reads values off the front of a buffer; every read is checked.

use bytes::{Buf, Bytes};
use quartet_packet::{PacketId, ReasonCode, Topic, Utf8String};

/// Bytes that no encoder of this release wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} cannot be decoded: {why}")]
pub struct Malformed {
    /// What was read.
    pub what: &'static str,
    /// The first thing wrong with it.
    pub why: &'static str,
}

/// What is left to read, and what it is called in errors.
#[derive(Debug)]
pub(crate) struct Reader {
    what: &'static str,
    rest: Bytes,
}

impl Reader {
    pub(crate) fn new(what: &'static str, rest: Bytes) -> Self {
        Self { what, rest }
    }

    pub(crate) fn malformed(&self, why: &'static str) -> Malformed {
        Malformed { what: self.what, why }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// What is left.
    pub(crate) fn into_rest(self) -> Bytes {
        self.rest
    }

    /// Fails unless everything was read: bytes behind a value are a sign that it was misread.
    pub(crate) fn end(&self) -> Result<(), Malformed> {
        if self.rest.is_empty() { Ok(()) } else { Err(self.malformed("bytes behind its end")) }
    }

    pub(crate) fn u8(&mut self) -> Result<u8, Malformed> {
        let Some(&byte) = self.rest.first() else {
            return Err(self.malformed("ends early"));
        };
        self.rest.advance(1);
        Ok(byte)
    }

    pub(crate) fn bool(&mut self) -> Result<bool, Malformed> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(self.malformed("a flag is neither 0 nor 1")),
        }
    }

    /// A variable-length integer; the longest form that is read has ten bytes.
    pub(crate) fn u64(&mut self) -> Result<u64, Malformed> {
        let mut value = 0_u64;
        let mut length = 0;
        for &byte in self.rest.iter() {
            if length == 9 && byte > 1 {
                return Err(self.malformed("an integer is over 64 bits"));
            }
            value |= u64::from(byte & 0x7f) << (7 * length);
            length += 1;
            if byte & 0x80 == 0 {
                self.rest.advance(length);
                return Ok(value);
            }
        }
        Err(self.malformed("ends within an integer"))
    }

    pub(crate) fn u32(&mut self) -> Result<u32, Malformed> {
        let value = self.u64()?;
        u32::try_from(value).map_err(|_| self.malformed("an integer is over 32 bits"))
    }

    pub(crate) fn u16(&mut self) -> Result<u16, Malformed> {
        let value = self.u64()?;
        u16::try_from(value).map_err(|_| self.malformed("an integer is over 16 bits"))
    }

    /// Two bytes, big-endian: for values that are spread evenly over their range, such as packet identifiers.
    pub(crate) fn fixed_u16(&mut self) -> Result<u16, Malformed> {
        let high = self.u8()?;
        let low = self.u8()?;
        Ok(u16::from_be_bytes([high, low]))
    }

    /// Eight bytes, big-endian: for digests and seeds.
    pub(crate) fn fixed_u64(&mut self) -> Result<u64, Malformed> {
        let bytes = self.take(8)?;
        <[u8; 8]>::try_from(&bytes[..]).map(u64::from_be_bytes).map_err(|_| self.malformed("ends early"))
    }

    pub(crate) fn packet_id(&mut self) -> Result<PacketId, Malformed> {
        let value = self.fixed_u16()?;
        PacketId::new(value).ok_or_else(|| self.malformed("packet identifier 0"))
    }

    pub(crate) fn reason(&mut self) -> Result<ReasonCode, Malformed> {
        let value = self.u8()?;
        ReasonCode::from_u8(value).ok_or_else(|| self.malformed("no such reason code"))
    }

    /// The next `length` bytes, as a slice of the input.
    pub(crate) fn take(&mut self, length: usize) -> Result<Bytes, Malformed> {
        if length > self.rest.len() {
            return Err(self.malformed("a length is beyond the end"));
        }
        Ok(self.rest.split_to(length))
    }

    /// A length and that many bytes.
    pub(crate) fn bytes(&mut self) -> Result<Bytes, Malformed> {
        let length = self.u64()?;
        let length = usize::try_from(length).map_err(|_| self.malformed("a length is beyond the end"))?;
        self.take(length)
    }

    pub(crate) fn string(&mut self) -> Result<Utf8String, Malformed> {
        let bytes = self.bytes()?;
        Utf8String::from_bytes(bytes).map_err(|_| self.malformed("a string is not an mqtt string"))
    }

    pub(crate) fn topic(&mut self) -> Result<Topic, Malformed> {
        let bytes = self.bytes()?;
        Topic::from_bytes(bytes).map_err(|_| self.malformed("a topic name is not valid"))
    }

    /// `None` or a value: a flag before it.
    pub(crate) fn option<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, Malformed>,
    ) -> Result<Option<T>, Malformed> {
        if self.bool()? { read(self).map(Some) } else { Ok(None) }
    }

    /// A count and that many values; each takes `least` bytes or more, so that a false count cannot reserve memory.
    pub(crate) fn list<T>(
        &mut self,
        least: usize,
        mut read: impl FnMut(&mut Self) -> Result<T, Malformed>,
    ) -> Result<Vec<T>, Malformed> {
        let count = self.count(least)?;
        let mut values = Vec::with_capacity(count);
        for _ in 0..count {
            values.push(read(self)?);
        }
        Ok(values)
    }

    /// A count of values that take `least` bytes or more each.
    pub(crate) fn count(&mut self, least: usize) -> Result<usize, Malformed> {
        let count = self.u64()?;
        usize::try_from(count)
            .ok()
            .filter(|count| count.saturating_mul(least.max(1)) <= self.rest.len())
            .ok_or_else(|| self.malformed("a count is beyond the end"))
    }
}
