//! What waits to be proposed, one queue a node, taken in turns.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use quartet_broker::NodeId;

use crate::codec::batch::Numbered;

/// Names one stream of one node; a later stream of that node ends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StreamId {
    node: NodeId,
    opened: u64,
}

#[derive(Default)]
struct Queue {
    opened: u64,
    segments: VecDeque<Numbered>,
    bytes: usize,
}

/// The queues. Their number is that of nodes that ever streamed to this one.
#[derive(Default)]
pub(super) struct Queues {
    by_node: BTreeMap<NodeId, Queue>,
    cluster: VecDeque<Bytes>,
    opened: u64,
    /// Whose turn it was last.
    turn: Option<NodeId>,
    bytes: usize,
}

impl Queues {
    pub(super) fn open(&mut self, node: NodeId) -> StreamId {
        self.opened += 1;
        let queue = self.by_node.entry(node).or_default();
        self.bytes -= queue.bytes;
        *queue = Queue { opened: self.opened, ..Queue::default() };
        StreamId { node, opened: self.opened }
    }

    /// Bytes in a stream's queue; `None` if it is not its node's newest.
    pub(super) fn bytes_of(&self, stream: StreamId) -> Option<usize> {
        self.by_node.get(&stream.node).filter(|queue| queue.opened == stream.opened).map(|queue| queue.bytes)
    }

    pub(super) fn push(&mut self, stream: StreamId, segment: Numbered) {
        if let Some(queue) = self.by_node.get_mut(&stream.node) {
            queue.bytes += segment.commands.len();
            self.bytes += segment.commands.len();
            queue.segments.push_back(segment);
        }
    }

    pub(super) fn push_cluster(&mut self, command: Bytes, limit: usize) -> bool {
        let room = self.cluster.len() < limit;
        if room {
            self.cluster.push_back(command);
        }
        room
    }

    pub(super) fn pop_cluster(&mut self) -> Option<Bytes> {
        self.cluster.pop_front()
    }

    /// The next segment of at most `room` bytes, of the node whose turn it is. A node whose next one is larger is
    /// passed over; it has its turn in the next entry.
    pub(super) fn pop(&mut self, room: usize) -> Option<Numbered> {
        let after: Vec<NodeId> = match self.turn {
            None => self.by_node.keys().copied().collect(),
            Some(turn) => {
                let behind =
                    self.by_node.range((std::ops::Bound::Excluded(turn), std::ops::Bound::Unbounded));
                behind.chain(self.by_node.range(..=turn)).map(|(node, _)| *node).collect()
            }
        };
        for node in after {
            let Some(queue) = self.by_node.get_mut(&node) else { continue };
            if queue.segments.front().is_none_or(|segment| segment.encoded_len() > room) {
                continue;
            }
            if let Some(segment) = queue.segments.pop_front() {
                queue.bytes -= segment.commands.len();
                self.bytes -= segment.commands.len();
                self.turn = Some(node);
                return Some(segment);
            }
        }
        None
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn is_empty(&self) -> bool {
        self.cluster.is_empty() && self.by_node.values().all(|queue| queue.segments.is_empty())
    }

    /// Drops all that waits, and ends all streams.
    pub(super) fn clear(&mut self) {
        self.cluster.clear();
        self.by_node.clear();
        self.bytes = 0;
    }
}

#[cfg(test)]
mod tests {
    use quartet_broker::{Boot, Number, Origin};

    use super::*;

    fn segment(node: u64, first: u64, bytes: usize) -> Numbered {
        let origin = Origin { node: NodeId(node), boot: Boot(1) };
        Numbered { origin, first: Number(first), count: 1, commands: Bytes::from(vec![0; bytes]) }
    }

    fn taken(queues: &mut Queues, room: usize) -> Option<(u64, u64)> {
        queues.pop(room).map(|segment| (segment.origin.node.0, segment.first.0))
    }

    #[test]
    fn nodes_take_turns_and_keep_their_order() {
        let mut queues = Queues::default();
        let one = queues.open(NodeId(1));
        let two = queues.open(NodeId(2));
        for first in 1..=3 {
            queues.push(one, segment(1, first, 10));
        }
        queues.push(two, segment(2, 1, 10));
        let order: Vec<_> = std::iter::from_fn(|| taken(&mut queues, 1000)).collect();
        assert_eq!(order, [(1, 1), (2, 1), (1, 2), (1, 3)]);
        assert!(queues.is_empty());
        assert_eq!(queues.bytes(), 0);
    }

    #[test]
    fn a_large_segment_does_not_hold_up_other_nodes() {
        let mut queues = Queues::default();
        let one = queues.open(NodeId(1));
        let two = queues.open(NodeId(2));
        queues.push(one, segment(1, 1, 5000));
        queues.push(one, segment(1, 2, 1));
        queues.push(two, segment(2, 1, 10));
        assert_eq!(taken(&mut queues, 1000), Some((2, 1)));
        assert_eq!(taken(&mut queues, 1000), None, "never out of order within a node");
        assert_eq!(taken(&mut queues, usize::MAX), Some((1, 1)));
        assert_eq!(taken(&mut queues, 1000), Some((1, 2)));
    }

    #[test]
    fn a_later_stream_ends_the_one_before() {
        let mut queues = Queues::default();
        let old = queues.open(NodeId(1));
        queues.push(old, segment(1, 1, 10));
        let new = queues.open(NodeId(1));
        assert_eq!(queues.bytes_of(old), None);
        assert_eq!(queues.bytes_of(new), Some(0));
        assert!(queues.is_empty());
    }
}
