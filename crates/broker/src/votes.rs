//! Digests that nodes have proposed, and what they say together.
//!
//! The core only counts; whoever runs the node acts on it: a minority that differs stops and is rebuilt from its
//! peers; without a majority there is an alarm, and nobody stops.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crate::{LogIndex, NodeId};

/// Indexes whose votes are kept: votes come seconds apart and are decided within one round trip, so a few are plenty.
pub(crate) const INDEXES_KEPT: usize = 16;

/// Votes kept for one index: no cluster votes with more nodes.
pub(crate) const VOTES_KEPT: usize = 64;

/// What the votes for one index say.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum DigestVerdict {
    /// Not enough votes yet.
    Waiting,
    /// A majority of the voters has this digest, and nobody who voted differs.
    Agreed(u64),
    /// A majority agrees, and these differ: they are to stop and be rebuilt.
    Minority {
        /// What the majority has.
        majority: u64,
        /// Who differs, ascending.
        differing: Vec<NodeId>,
    },
    /// All voted and no digest has a majority: an alarm, and nobody stops.
    Split,
}

/// Votes by index.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Votes {
    by_index: BTreeMap<LogIndex, BTreeMap<NodeId, u64>>,
}

impl Votes {
    /// Records a node's first word on an index, unless the index is older than all that are kept.
    pub(crate) fn record(&mut self, node: NodeId, index: LogIndex, digest: u64) {
        let oldest = self.by_index.first_key_value().map(|(index, _)| *index);
        let known = self.by_index.contains_key(&index);
        if !known && self.by_index.len() >= INDEXES_KEPT {
            if oldest.is_some_and(|oldest| index < oldest) {
                return;
            }
            self.by_index.pop_first();
        }
        let votes = self.by_index.entry(index).or_default();
        if votes.len() < VOTES_KEPT {
            votes.entry(node).or_insert(digest);
        }
    }

    pub(crate) fn verdict(&self, index: LogIndex, voters: &[NodeId]) -> DigestVerdict {
        let Some(votes) = self.by_index.get(&index) else {
            return DigestVerdict::Waiting;
        };
        let mut counts: BTreeMap<u64, usize> = BTreeMap::new();
        let mut cast = 0_usize;
        for voter in voters {
            if let Some(digest) = votes.get(voter) {
                *counts.entry(*digest).or_default() += 1;
                cast += 1;
            }
        }
        let majority = counts.iter().find(|(_, count)| **count > voters.len() / 2).map(|(digest, _)| *digest);
        let Some(majority) = majority else {
            return if cast == voters.len() && cast > 0 {
                DigestVerdict::Split
            } else {
                DigestVerdict::Waiting
            };
        };
        // Learners have no vote, but one that differs is as wrong.
        let differing: Vec<NodeId> =
            votes.iter().filter(|(_, digest)| **digest != majority).map(|(node, _)| *node).collect();
        if differing.is_empty() {
            DigestVerdict::Agreed(majority)
        } else {
            DigestVerdict::Minority { majority, differing }
        }
    }

    /// The newest index that anybody voted on.
    pub(crate) fn newest(&self) -> Option<LogIndex> {
        self.by_index.last_key_value().map(|(index, _)| *index)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (LogIndex, NodeId, u64)> {
        self.by_index.iter().flat_map(|(index, votes)| {
            let index = *index;
            votes.iter().map(move |(node, digest)| (index, *node, *digest))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INDEX: LogIndex = LogIndex(7);
    const VOTERS: [NodeId; 3] = [NodeId(1), NodeId(2), NodeId(3)];

    fn verdict(votes: &[(u64, u64)]) -> DigestVerdict {
        let mut state = Votes::default();
        for (node, digest) in votes {
            state.record(NodeId(*node), INDEX, *digest);
        }
        state.verdict(INDEX, &VOTERS)
    }

    #[test]
    fn a_majority_of_the_voters_decides() {
        assert_eq!(verdict(&[]), DigestVerdict::Waiting);
        assert_eq!(verdict(&[(1, 5)]), DigestVerdict::Waiting);
        assert_eq!(verdict(&[(1, 5), (2, 6)]), DigestVerdict::Waiting);
        assert_eq!(verdict(&[(1, 5), (2, 5)]), DigestVerdict::Agreed(5));
        assert_eq!(verdict(&[(1, 5), (2, 6), (3, 7)]), DigestVerdict::Split);
        let minority = DigestVerdict::Minority { majority: 5, differing: Vec::from([NodeId(2)]) };
        assert_eq!(verdict(&[(1, 5), (2, 6), (3, 5)]), minority);
    }

    #[test]
    fn a_learner_has_no_vote_and_may_still_differ() {
        assert_eq!(verdict(&[(1, 5), (9, 5)]), DigestVerdict::Waiting);
        let minority = DigestVerdict::Minority { majority: 5, differing: Vec::from([NodeId(9)]) };
        assert_eq!(verdict(&[(1, 5), (3, 5), (9, 6)]), minority);
    }

    #[test]
    fn the_first_word_counts() {
        assert_eq!(verdict(&[(1, 5), (1, 6), (2, 5)]), DigestVerdict::Agreed(5));
    }

    #[test]
    fn only_the_newest_indexes_are_kept() {
        let mut votes = Votes::default();
        for index in 1..=100 {
            votes.record(NodeId(1), LogIndex(index), 5);
            votes.record(NodeId(1), LogIndex(1), 5);
        }
        assert_eq!(votes.iter().count(), INDEXES_KEPT);
        assert_eq!(votes.newest(), Some(LogIndex(100)));
        for node in 1..1_000 {
            votes.record(NodeId(node), LogIndex(100), 5);
        }
        assert_eq!(votes.iter().count(), INDEXES_KEPT - 1 + VOTES_KEPT);
    }
}
