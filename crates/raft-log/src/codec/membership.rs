//! A membership, alone or with the log id of the entry that brought it.
//!
//! ```text
//!   membership  = count(4) voter-set*   count(4) member*
//!   voter-set   = count(4) node-id(8)*            one set, or two during a joint change
//!   member      = node-id(8) name peer-address client-address
//!   stored      = present(1) [log-id(16)]  membership
//! ```
//!
//! A member that is in no voter set is a learner. Sets and members are in ascending order of node
//! id, so equal memberships have equal bytes.

use std::collections::{BTreeMap, BTreeSet};

use super::log_id::{log_id, put_log_id};
use super::reader::{Reader, put_count, put_string};
use super::{seal, unseal};
use crate::error::Error;
use crate::member::Member;
use crate::type_config::{Membership, StoredMembership};

/// Writes one value to the end of `out`.
pub fn encode_membership(membership: &Membership, out: &mut Vec<u8>) {
    seal(out, |out| put_membership(membership, out));
}

/// The inverse of [`encode_membership`].
///
/// # Errors
/// [`Error::Malformed`], also for a voter that is not a member.
pub fn decode_membership(value: &[u8]) -> Result<Membership, Error> {
    let mut reader = Reader::new("membership", unseal("membership", value)?);
    let membership = membership(&mut reader)?;
    reader.end()?;
    Ok(membership)
}

/// Writes one value to the end of `out`.
pub fn encode_stored_membership(stored: &StoredMembership, out: &mut Vec<u8>) {
    seal(out, |out| {
        out.push(u8::from(stored.log_id().is_some()));
        if let Some(log_id) = stored.log_id() {
            put_log_id(log_id, out);
        }
        put_membership(stored.membership(), out);
    });
}

/// The inverse of [`encode_stored_membership`].
///
/// # Errors
/// [`Error::Malformed`], also for a voter that is not a member.
pub fn decode_stored_membership(value: &[u8]) -> Result<StoredMembership, Error> {
    let mut reader = Reader::new("stored membership", unseal("stored membership", value)?);
    let log_id = match reader.u8()? {
        0 => None,
        1 => Some(log_id(&mut reader)?),
        _ => return Err(reader.malformed("presence is neither 0 nor 1")),
    };
    let membership = membership(&mut reader)?;
    reader.end()?;
    Ok(StoredMembership::new(log_id, membership))
}

pub(super) fn put_membership(membership: &Membership, out: &mut Vec<u8>) {
    put_count(membership.get_joint_config().len(), out);
    for voters in membership.get_joint_config() {
        put_count(voters.len(), out);
        for node_id in voters {
            out.extend_from_slice(&node_id.to_be_bytes());
        }
    }
    put_count(membership.nodes().count(), out);
    for (node_id, member) in membership.nodes() {
        out.extend_from_slice(&node_id.to_be_bytes());
        put_string(&member.name, out);
        put_string(&member.peer_address, out);
        put_string(&member.client_address, out);
    }
}

/// Length of what [`put_membership`] writes.
pub(super) fn membership_len(membership: &Membership) -> usize {
    let voters = membership.get_joint_config().iter();
    let members = membership.nodes();
    8 + voters.map(|set| 4 + 8 * set.len()).sum::<usize>()
        + members
            .map(|(_, m)| 20 + m.name.len() + m.peer_address.len() + m.client_address.len())
            .sum::<usize>()
}

pub(super) fn membership(reader: &mut Reader<'_>) -> Result<Membership, Error> {
    let mut joint = Vec::new();
    for _ in 0..reader.count(4)? {
        let mut voters = BTreeSet::new();
        for _ in 0..reader.count(8)? {
            voters.insert(reader.u64()?);
        }
        joint.push(voters);
    }
    let mut members = BTreeMap::new();
    for _ in 0..reader.count(20)? {
        let node_id = reader.u64()?;
        let member = Member {
            name: reader.string()?,
            peer_address: reader.string()?,
            client_address: reader.string()?,
        };
        members.insert(node_id, member);
    }
    Membership::new(joint, members).map_err(|_| reader.malformed("voters that are no members"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::type_config::LogId;

    fn sample() -> Membership {
        let member = |n: u64| Member {
            name: format!("quartet-{n}"),
            peer_address: format!("10.0.0.{n}:7400"),
            client_address: String::new(),
        };
        let members: BTreeMap<u64, Member> = (1..=4).map(|n| (n, member(n))).collect();
        let joint = vec![BTreeSet::from([1, 2, 3]), BTreeSet::from([2, 3, 4])];
        Membership::new(joint, members).unwrap()
    }

    #[test]
    fn decodes_what_it_encodes() {
        for membership in [Membership::default(), sample()] {
            let mut out = Vec::new();
            encode_membership(&membership, &mut out);
            assert_eq!(decode_membership(&out), Ok(membership.clone()));
            assert_eq!(out.len(), super::super::ENVELOPE_LEN + membership_len(&membership));
            for log_id in [None, Some(LogId::new_term_index(3, 9))] {
                let stored = StoredMembership::new(log_id, membership.clone());
                let mut out = Vec::new();
                encode_stored_membership(&stored, &mut out);
                assert_eq!(decode_stored_membership(&out), Ok(stored));
            }
        }
    }

    #[test]
    fn refuses_a_count_that_the_bytes_cannot_back() {
        let mut out = Vec::new();
        seal(&mut out, |out| out.extend_from_slice(&u32::MAX.to_be_bytes()));
        let why = "more items than bytes";
        let what = "membership";
        assert_eq!(decode_membership(&out), Err(Error::Malformed { what, why }));
    }

    #[test]
    fn refuses_a_voter_that_is_no_member() {
        let mut out = Vec::new();
        seal(&mut out, |out| {
            put_count(1, out);
            put_count(1, out);
            out.extend_from_slice(&7u64.to_be_bytes());
            put_count(0, out);
        });
        assert!(decode_membership(&out).is_err());
    }
}
