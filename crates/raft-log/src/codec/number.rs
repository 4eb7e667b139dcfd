//! A counter as a stored value: 8 bytes.

use super::reader::Reader;
use super::{seal, unseal};
use crate::error::Error;

pub(crate) fn encode_number(number: u64) -> Vec<u8> {
    let mut out = Vec::new();
    seal(&mut out, |out| out.extend_from_slice(&number.to_be_bytes()));
    out
}

pub(crate) fn decode_number(what: &'static str, value: &[u8]) -> Result<u64, Error> {
    let mut reader = Reader::new(what, unseal(what, value)?);
    let number = reader.u64()?;
    reader.end()?;
    Ok(number)
}
