//! A node's identity: cluster id (16 bytes), node id (8 bytes), name (length and UTF-8).

use super::reader::{Reader, put_string};
use super::{seal, unseal};
use crate::error::Error;
use crate::identity::Identity;

/// Writes one value to the end of `out`.
pub fn encode_identity(identity: &Identity, out: &mut Vec<u8>) {
    seal(out, |out| {
        out.extend_from_slice(&identity.cluster_id.to_be_bytes());
        out.extend_from_slice(&identity.node_id.to_be_bytes());
        put_string(&identity.name, out);
    });
}

/// The inverse of [`encode_identity`].
///
/// # Errors
/// [`Error::Malformed`].
pub fn decode_identity(value: &[u8]) -> Result<Identity, Error> {
    let mut reader = Reader::new("node identity", unseal("node identity", value)?);
    let identity = Identity { cluster_id: reader.u128()?, node_id: reader.u64()?, name: reader.string()? };
    reader.end()?;
    Ok(identity)
}
