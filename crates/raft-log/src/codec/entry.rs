//! A log entry, the same on disk and between peers.
//!
//! ```text
//!   version(1)  term(8)  index(8)  kind(1)  payload  crc32(4)
//!                                  │ 0 blank       empty
//!                                  │ 1 batch       the commands, to the end
//!                                  └ 2 membership  as in `membership`
//! ```

use bytes::Bytes;

use super::log_id::{log_id, put_log_id};
use super::membership::{membership, membership_len, put_membership};
use super::reader::Reader;
use super::{ENVELOPE_LEN, seal, unseal};
use crate::batch::Batch;
use crate::error::Error;
use crate::type_config::{Entry, EntryPayload};

const BLANK: u8 = 0;
const BATCH: u8 = 1;
const MEMBERSHIP: u8 = 2;

/// What stands before the payload: version, term, index, kind.
const PAYLOAD_AT: usize = 1 + 8 + 8 + 1;

/// Writes one entry to the end of `out`; [`encoded_entry_len`] bytes.
pub fn encode_entry(entry: &Entry, out: &mut Vec<u8>) {
    seal(out, |out| {
        put_log_id(&entry.log_id, out);
        match &entry.payload {
            EntryPayload::Blank => out.push(BLANK),
            EntryPayload::Normal(batch) => {
                out.push(BATCH);
                out.extend_from_slice(&batch.0);
            }
            EntryPayload::Membership(membership) => {
                out.push(MEMBERSHIP);
                put_membership(membership, out);
            }
        }
    });
}

/// The inverse of [`encode_entry`]. A batch is a slice of `value`: it keeps the whole buffer alive.
///
/// # Errors
/// [`Error::Malformed`].
pub fn decode_entry(value: &Bytes) -> Result<Entry, Error> {
    let body = unseal("log entry", value)?;
    let mut reader = Reader::new("log entry", body);
    let log_id = log_id(&mut reader)?;
    let payload = match reader.u8()? {
        BLANK => {
            reader.end()?;
            EntryPayload::Blank
        }
        BATCH => {
            let end = value.len() - (ENVELOPE_LEN - 1);
            EntryPayload::Normal(Batch(value.slice(PAYLOAD_AT..end)))
        }
        MEMBERSHIP => {
            let membership = membership(&mut reader)?;
            reader.end()?;
            EntryPayload::Membership(membership)
        }
        _ => return Err(reader.malformed("unknown kind of entry")),
    };
    Ok(Entry { log_id, payload })
}

/// How many bytes [`encode_entry`] writes, without writing them.
#[must_use]
pub fn encoded_entry_len(entry: &Entry) -> usize {
    let payload = match &entry.payload {
        EntryPayload::Blank => 0,
        EntryPayload::Normal(batch) => batch.len(),
        EntryPayload::Membership(membership) => membership_len(membership),
    };
    PAYLOAD_AT + payload + (ENVELOPE_LEN - 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::member::Member;
    use crate::type_config::{LogId, Membership};
    use std::collections::BTreeMap;

    fn samples() -> Vec<Entry> {
        let members = BTreeMap::from([(1u64, Member::default())]);
        let payloads = [
            EntryPayload::Blank,
            EntryPayload::Normal(Batch::default()),
            EntryPayload::Normal(Batch(Bytes::from_static(b"commands"))),
            EntryPayload::Membership(Membership::from(members)),
        ];
        let entry = |payload| Entry { log_id: LogId::new_term_index(3, 1 << 40), payload };
        payloads.into_iter().map(entry).collect()
    }

    #[test]
    fn decodes_what_it_encodes() {
        for entry in samples() {
            let mut out = Vec::new();
            encode_entry(&entry, &mut out);
            assert_eq!(out.len(), encoded_entry_len(&entry));
            assert_eq!(decode_entry(&Bytes::from(out)), Ok(entry));
        }
    }

    #[test]
    fn refuses_every_flipped_bit_and_every_cut() {
        for entry in samples() {
            let mut out = Vec::new();
            encode_entry(&entry, &mut out);
            for bit in 0..out.len() * 8 {
                let mut damaged = out.clone();
                damaged[bit / 8] ^= 1 << (bit % 8);
                assert!(decode_entry(&Bytes::from(damaged)).is_err(), "bit {bit}");
            }
            for cut in 0..out.len() {
                assert!(decode_entry(&Bytes::copy_from_slice(&out[..cut])).is_err());
            }
        }
    }

    /// The layout is on disk: whoever changes these bytes owes a new version.
    #[test]
    fn the_layout_is_pinned() {
        let mut out = Vec::new();
        encode_entry(&samples()[2], &mut out);
        let (sealed, checksum) = out.split_at(out.len() - 4);
        let expected = b"\x01\0\0\0\0\0\0\0\x03\0\0\x01\0\0\0\0\0\x01commands";
        assert_eq!(sealed, expected);
        assert_eq!(checksum, crc32fast::hash(sealed).to_be_bytes());
    }
}
