//! The bytes of everything that is stored, and of what peers send each other: written by hand, so
//! that no release of openraft can change what is on disk.
//!
//! Every value has one shape, in big-endian order throughout:
//!
//! ```text
//!   ┌─────────┬──────────────┬─────────────────────────────┐
//!   │ version │ body         │ crc32 of version and body   │
//!   │ 1 byte  │ 0..n bytes   │ 4 bytes                     │
//!   └─────────┴──────────────┴─────────────────────────────┘
//! ```
//!
//! The version comes first, so that a later release can tell an old value from a new one before it
//! reads on. The checksum is ours besides RocksDB's own, because a value also crosses the wire and
//! memory. A body whose last field has no length takes all that is left.
//!
//! One type one file; each gives `encode_x` and `decode_x`. Encoding cannot fail.

mod entry;
mod identity;
mod log_id;
mod membership;
mod number;
mod reader;
mod vote;

pub use entry::{decode_entry, encode_entry, encoded_entry_len};
pub use identity::{decode_identity, encode_identity};
pub use log_id::{decode_log_id, encode_log_id};
pub use membership::{
    decode_membership, decode_stored_membership, encode_membership, encode_stored_membership,
};
pub(crate) use number::{decode_number, encode_number};
pub use vote::{decode_vote, encode_vote};

use crate::error::Error;

/// The version that this release writes and reads, first byte of every value.
pub const VERSION: u8 = 1;

/// Length of the version and the checksum around a body.
pub(crate) const ENVELOPE_LEN: usize = 1 + 4;

/// Writes one value to the end of `out`; `body` writes what stands between version and checksum.
fn seal(out: &mut Vec<u8>, body: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.push(VERSION);
    body(out);
    let checksum = crc32fast::hash(&out[start..]);
    out.extend_from_slice(&checksum.to_be_bytes());
}

/// The body of a value, after its version and checksum were found right.
fn unseal<'a>(what: &'static str, value: &'a [u8]) -> Result<&'a [u8], Error> {
    let malformed = |why| Error::Malformed { what, why };
    let (sealed, checksum) =
        value.split_last_chunk::<4>().ok_or(malformed("shorter than version and checksum"))?;
    let (version, body) = sealed.split_first().ok_or(malformed("shorter than version and checksum"))?;
    if *version != VERSION {
        return Err(malformed("unknown format version"));
    }
    if crc32fast::hash(sealed) != u32::from_be_bytes(*checksum) {
        return Err(malformed("checksum mismatch"));
    }
    Ok(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flipped_bit_is_noticed() {
        let mut value = Vec::new();
        seal(&mut value, |out| out.extend_from_slice(b"some body"));
        assert_eq!(unseal("test", &value), Ok(&b"some body"[..]));
        for bit in 0..value.len() * 8 {
            let mut damaged = value.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(unseal("test", &damaged).is_err(), "bit {bit}");
        }
        for cut in 0..value.len() {
            assert!(unseal("test", &value[..cut]).is_err(), "cut at {cut}");
        }
    }
}
