//! A log id: term (8 bytes), index (8 bytes).

use super::reader::Reader;
use super::{seal, unseal};
use crate::error::Error;
use crate::type_config::LogId;

/// Writes one value to the end of `out`, 21 bytes.
pub fn encode_log_id(log_id: &LogId, out: &mut Vec<u8>) {
    seal(out, |out| put_log_id(log_id, out));
}

/// The inverse of [`encode_log_id`].
///
/// # Errors
/// [`Error::Malformed`].
pub fn decode_log_id(value: &[u8]) -> Result<LogId, Error> {
    let mut reader = Reader::new("log id", unseal("log id", value)?);
    let log_id = log_id(&mut reader)?;
    reader.end()?;
    Ok(log_id)
}

pub(super) fn put_log_id(log_id: &LogId, out: &mut Vec<u8>) {
    out.extend_from_slice(&log_id.leader_id.term.to_be_bytes());
    out.extend_from_slice(&log_id.index.to_be_bytes());
}

pub(super) fn log_id(reader: &mut Reader<'_>) -> Result<LogId, Error> {
    let term = reader.u64()?;
    Ok(LogId::new_term_index(term, reader.u64()?))
}
