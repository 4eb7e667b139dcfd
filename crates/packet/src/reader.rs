//! Reads the data types of MQTT 5.0 section 1.5 from a buffer, never past its end.

use core::mem;

use bytes::{Buf, Bytes};

use crate::utf8_string;
use crate::{PacketId, PacketType, Problem, ReasonCode, Topic, Utf8String};

/// A place in a buffer of which slices are handed out without copying.
#[derive(Debug, Clone)]
pub(crate) struct Reader {
    bytes: Bytes,
    at: usize,
    /// Where reading ends: with the bytes, or with the block being read.
    end: usize,
}

impl Reader {
    #[inline]
    pub(crate) fn new(bytes: Bytes) -> Self {
        let end = bytes.len();
        Self { bytes, at: 0, end }
    }

    /// Offset of the next byte.
    pub(crate) fn at(&self) -> usize {
        self.at
    }

    /// Offset at which reading ends.
    pub(crate) fn end(&self) -> usize {
        self.end
    }

    /// The whole buffer, read or not.
    pub(crate) fn buffer(&self) -> &Bytes {
        &self.bytes
    }

    #[inline]
    pub(crate) fn remaining(&self) -> usize {
        self.end - self.at
    }

    #[inline]
    pub(crate) fn is_at_end(&self) -> bool {
        self.at == self.end
    }

    /// Lets reading end after the next `length` bytes; gives where it ended before.
    pub(crate) fn enter(&mut self, length: usize, field: &'static str) -> Result<usize, Problem> {
        if length > self.remaining() {
            return Err(Problem::CutShort { field });
        }
        Ok(mem::replace(&mut self.end, self.at + length))
    }

    /// Undoes [`enter`](Self::enter).
    pub(crate) fn leave(&mut self, end: usize) {
        self.end = end;
    }

    /// Refuses bytes after the last field.
    pub(crate) fn finish(&self) -> Result<(), Problem> {
        match self.remaining() {
            0 => Ok(()),
            count => Err(Problem::TrailingBytes { count }),
        }
    }

    #[inline]
    fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], Problem> {
        let rest = self.bytes.get(self.at..self.end).unwrap_or_default();
        let array = rest.first_chunk().ok_or(Problem::CutShort { field })?;
        self.at += N;
        Ok(*array)
    }

    #[inline]
    pub(crate) fn u8(&mut self, field: &'static str) -> Result<u8, Problem> {
        let [byte] = self.array(field)?;
        Ok(byte)
    }

    #[inline]
    pub(crate) fn u16(&mut self, field: &'static str) -> Result<u16, Problem> {
        Ok(u16::from_be_bytes(self.array(field)?))
    }

    pub(crate) fn u32(&mut self, field: &'static str) -> Result<u32, Problem> {
        Ok(u32::from_be_bytes(self.array(field)?))
    }

    /// Section 1.5.5: at most four bytes, in the shortest form `[MQTT-1.5.5-1]`.
    #[inline]
    pub(crate) fn variable_byte_integer(&mut self, field: &'static str) -> Result<u32, Problem> {
        let mut value = 0_u32;
        for shift in [0, 7, 14, 21] {
            let byte = self.u8(field)?;
            value |= u32::from(byte & 0x7F) << shift;
            if byte & 0x80 == 0 {
                return if byte == 0 && shift > 0 {
                    Err(Problem::VariableByteInteger { field })
                } else {
                    Ok(value)
                };
            }
        }
        Err(Problem::VariableByteInteger { field })
    }

    /// Moves over binary data and shows it without taking a share of the buffer.
    fn peek_binary(&mut self, field: &'static str) -> Result<&[u8], Problem> {
        let length = usize::from(self.u16(field)?);
        let start = self.at;
        if length > self.remaining() {
            return Err(Problem::CutShort { field });
        }
        self.at += length;
        Ok(self.bytes.get(start..self.at).unwrap_or_default())
    }

    /// Moves over binary data.
    pub(crate) fn skip_binary(&mut self, field: &'static str) -> Result<(), Problem> {
        self.peek_binary(field).map(|_| ())
    }

    /// Checks a string and moves over it.
    pub(crate) fn skip_string(&mut self, field: &'static str) -> Result<(), Problem> {
        utf8_string::check(self.peek_binary(field)?).map_err(|problem| Problem::String { field, problem })
    }

    /// The next `length` bytes.
    #[inline]
    pub(crate) fn take(&mut self, length: usize, field: &'static str) -> Result<Bytes, Problem> {
        if length > self.remaining() {
            return Err(Problem::CutShort { field });
        }
        let start = self.at;
        self.at += length;
        if length == 0 {
            return Ok(Bytes::new());
        }
        Ok(self.bytes.slice(start..self.at))
    }

    /// All that is left; the reader gives its own share of the buffer away and is at its end.
    #[inline]
    pub(crate) fn take_rest(&mut self) -> Bytes {
        let mut rest = mem::take(&mut self.bytes);
        rest.advance(self.at);
        (self.at, self.end) = (0, 0);
        if rest.is_empty() { Bytes::new() } else { rest }
    }

    /// Binary data: two bytes of length, then the bytes.
    #[inline]
    pub(crate) fn binary(&mut self, field: &'static str) -> Result<Bytes, Problem> {
        let length = self.u16(field)?;
        self.take(usize::from(length), field)
    }

    pub(crate) fn string(&mut self, field: &'static str) -> Result<Utf8String, Problem> {
        let bytes = self.binary(field)?;
        Utf8String::from_bytes(bytes).map_err(|problem| Problem::String { field, problem })
    }

    pub(crate) fn topic(&mut self, field: &'static str) -> Result<Topic, Problem> {
        let bytes = self.binary(field)?;
        Topic::from_bytes(bytes).map_err(|problem| Problem::Topic { field, problem })
    }

    #[inline]
    pub(crate) fn packet_id(&mut self) -> Result<PacketId, Problem> {
        PacketId::new(self.u16("packet identifier")?).ok_or(Problem::PacketIdZero)
    }

    /// A reason code that this type of packet may carry.
    pub(crate) fn reason(&mut self, packet: PacketType) -> Result<ReasonCode, Problem> {
        let code = self.u8("reason code")?;
        match ReasonCode::from_u8(code) {
            Some(reason) if reason.allowed_in(packet) => Ok(reason),
            Some(_) | None => Err(Problem::ReasonCode { code }),
        }
    }
}
