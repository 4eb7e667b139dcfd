//! A vote: term (8 bytes), node voted for (8 bytes), whether a quorum granted it (1 byte).

use super::reader::Reader;
use super::{seal, unseal};
use crate::error::Error;
use crate::type_config::Vote;

/// Writes one value to the end of `out`, 22 bytes.
pub fn encode_vote(vote: &Vote, out: &mut Vec<u8>) {
    seal(out, |out| {
        out.extend_from_slice(&vote.leader_id.term.to_be_bytes());
        out.extend_from_slice(&vote.leader_id.voted_for.to_be_bytes());
        out.push(u8::from(vote.committed));
    });
}

/// The inverse of [`encode_vote`].
///
/// # Errors
/// [`Error::Malformed`].
pub fn decode_vote(value: &[u8]) -> Result<Vote, Error> {
    let mut reader = Reader::new("vote", unseal("vote", value)?);
    let term = reader.u64()?;
    let voted_for = reader.u64()?;
    let vote = match reader.u8()? {
        0 => Vote::new(term, voted_for),
        1 => Vote::new_committed(term, voted_for),
        _ => return Err(reader.malformed("committed is neither 0 nor 1")),
    };
    reader.end()?;
    Ok(vote)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decodes_what_it_encodes() {
        for vote in [Vote::new(7, u64::MAX), Vote::new_committed(u64::MAX, 0)] {
            let mut out = Vec::new();
            encode_vote(&vote, &mut out);
            assert_eq!(decode_vote(&out), Ok(vote));
        }
    }

    /// The layout is on disk: whoever changes these bytes owes a new version.
    #[test]
    fn the_layout_is_pinned() {
        let mut out = Vec::new();
        encode_vote(&Vote::new_committed(5, 3), &mut out);
        let (body, checksum) = out.split_at(18);
        assert_eq!(body, [1, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 3, 1]);
        assert_eq!(checksum, crc32fast::hash(body).to_be_bytes());
    }
}
