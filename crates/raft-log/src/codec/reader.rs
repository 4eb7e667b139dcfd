//! A cursor over bytes that someone else may have written: it never reads beyond the end, and never
//! allocates by a length that the bytes cannot back.

use crate::error::Error;

/// What is left to decode of one value.
pub(super) struct Reader<'a> {
    what: &'static str,
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// `what` names the value in errors.
    pub(super) fn new(what: &'static str, rest: &'a [u8]) -> Self {
        Self { what, rest }
    }

    pub(super) fn malformed(&self, why: &'static str) -> Error {
        Error::Malformed { what: self.what, why }
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let (array, rest) = self.rest.split_first_chunk::<N>().ok_or(self.malformed("ends too early"))?;
        self.rest = rest;
        Ok(*array)
    }

    pub(super) fn u8(&mut self) -> Result<u8, Error> {
        self.array().map(u8::from_be_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, Error> {
        self.array().map(u32::from_be_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64, Error> {
        self.array().map(u64::from_be_bytes)
    }

    pub(super) fn u128(&mut self) -> Result<u128, Error> {
        self.array().map(u128::from_be_bytes)
    }

    /// A count of items of at least `least` bytes each, refused if they cannot all follow.
    pub(super) fn count(&mut self, least: usize) -> Result<usize, Error> {
        let count = usize::try_from(self.u32()?).map_err(|_| self.malformed("count too large"))?;
        if count > self.rest.len() / least {
            return Err(self.malformed("more items than bytes"));
        }
        Ok(count)
    }

    /// Length as `u32`, then UTF-8.
    pub(super) fn string(&mut self) -> Result<String, Error> {
        let len = self.count(1)?;
        let (text, rest) = self.rest.split_at(len);
        self.rest = rest;
        let text = str::from_utf8(text).map_err(|_| self.malformed("text is not utf-8"))?;
        Ok(text.to_owned())
    }

    /// Refuses bytes left over.
    pub(super) fn end(self) -> Result<(), Error> {
        if self.rest.is_empty() { Ok(()) } else { Err(self.malformed("bytes left over")) }
    }
}

/// The inverse of [`Reader::string`].
pub(super) fn put_string(text: &str, out: &mut Vec<u8>) {
    put_count(text.len(), out);
    out.extend_from_slice(text.as_bytes());
}

/// The inverse of [`Reader::count`].
pub(super) fn put_count(count: usize, out: &mut Vec<u8>) {
    let count = u32::try_from(count).expect("names and member lists are far below 4 GiB");
    out.extend_from_slice(&count.to_be_bytes());
}
