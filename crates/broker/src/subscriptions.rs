//! Topic filters → sessions: the trie that PUBLISH is matched against.
//!
//! One node per topic level, in an arena; one hash table for the whole trie leads from (parent, level) to the child,
//! hashed under a seed kept in the replicated state, since clients choose the levels. `+` has its own edge; the
//! subscribers of `…/#` sit on the node before the `#`, so that `sport/#` matches `sport` too.
//!
//! ```text
//!   root ─ "sport" ─┬─ "tennis" ─ + ─ "score"     subscribers of sport/tennis/+/score
//!                   └ multi: subscribers of sport/#
//! ```
//!
//! Nothing here recurses, nothing iterates over the hash table, and where a node lies in the arena is never seen: the
//! broker sorts what matched by session. The trie follows from the sessions' own lists and is built anew when a state is
//! thawed.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::hash::Hasher;
use core::num::NonZeroU32;

use hashbrown::HashTable;
use quartet_packet::{SubscriptionOptions, Topic, TopicFilter};
use siphasher::sip::SipHasher13;

use crate::SessionSlot;

/// How one filter of one session is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Subscription {
    /// The options it was made with; the QoS is the granted one.
    pub options: SubscriptionOptions,
    /// Subscription Identifier, 1 to 268,435,455.
    pub identifier: Option<NonZeroU32>,
}

/// A place in the arena.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place(u32);

const ROOT: Place = Place(0);

type Subscribers = BTreeMap<SessionSlot, Subscription>;

#[derive(Clone, Debug)]
struct Node {
    parent: Place,
    edge: Edge,
    /// Children by name; they are found through the table.
    named: u32,
    /// The child for `+`.
    plus: Option<Place>,
    /// Filters that end here.
    exact: Subscribers,
    /// Filters that end with a `#` after here.
    multi: Subscribers,
}

/// How a node hangs on its parent.
#[derive(Clone, Debug)]
enum Edge {
    Named(Box<[u8]>),
    Plus,
}

/// The trie.
#[derive(Clone, Debug)]
pub(crate) struct Subscriptions {
    seed: u64,
    nodes: Vec<Node>,
    free: Vec<Place>,
    named: HashTable<Place>,
    count: usize,
}

impl Subscriptions {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            seed,
            nodes: Vec::from([node(ROOT, Edge::Plus)]),
            free: Vec::new(),
            named: HashTable::new(),
            count: 0,
        }
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.count
    }

    /// Adds or replaces.
    pub(crate) fn insert(&mut self, filter: &TopicFilter, session: SessionSlot, subscription: Subscription) {
        let (levels, multi) = levels(filter);
        let mut place = ROOT;
        for level in levels {
            place = match self.child(place, level) {
                Some(child) => child,
                None => self.grow(place, level),
            };
        }
        let subscribers = self.subscribers_mut(place, multi);
        if subscribers.insert(session, subscription).is_none() {
            self.count += 1;
        }
    }

    /// Removes, and with it the branch that leads nowhere else. False if there was none.
    pub(crate) fn remove(&mut self, filter: &TopicFilter, session: SessionSlot) -> bool {
        let (levels, multi) = levels(filter);
        let mut place = ROOT;
        for level in levels {
            match self.child(place, level) {
                Some(child) => place = child,
                None => return false,
            }
        }
        if self.subscribers_mut(place, multi).remove(&session).is_none() {
            return false;
        }
        self.count -= 1;
        self.prune(place);
        true
    }

    /// Shows each subscription whose filter matches, in no order that means anything.
    pub(crate) fn matching(&self, topic: &Topic, mut visit: impl FnMut(SessionSlot, &Subscription)) {
        let levels: smallvec::SmallVec<[&[u8]; 16]> = topic.as_bytes().split(|byte| *byte == b'/').collect();
        let dollar = topic.is_dollar();
        let mut show = |subscribers: &Subscribers| {
            for (session, subscription) in subscribers {
                visit(*session, subscription);
            }
        };
        let mut open: smallvec::SmallVec<[(Place, usize); 16]> = smallvec::smallvec![(ROOT, 0)];
        while let Some((place, depth)) = open.pop() {
            let node = self.node(place);
            // A filter that begins with a wildcard does not match a topic that begins with `$` [MQTT-4.7.2-1].
            let wild = !(dollar && depth == 0);
            if wild {
                show(&node.multi);
            }
            let Some(level) = levels.get(depth) else {
                show(&node.exact);
                continue;
            };
            if let (Some(plus), true) = (node.plus, wild) {
                open.push((plus, depth + 1));
            }
            if node.named > 0
                && let Some(child) = self.named_child(place, level)
            {
                open.push((child, depth + 1));
            }
        }
    }

    /// Every subscription, for comparison with the sessions' lists; in the arena's order.
    pub(crate) fn for_each(&self, mut visit: impl FnMut(&[u8], SessionSlot, &Subscription)) {
        for start in 0..self.nodes.len() {
            let Ok(start) = u32::try_from(start) else {
                return;
            };
            let node = self.node(Place(start));
            if node.exact.is_empty() && node.multi.is_empty() {
                continue;
            }
            let mut path: Vec<&[u8]> = Vec::new();
            let mut place = Place(start);
            while place != ROOT {
                let node = self.node(place);
                path.push(match &node.edge {
                    Edge::Named(level) => level,
                    Edge::Plus => b"+",
                });
                place = node.parent;
            }
            path.reverse();
            for (session, subscription) in &node.exact {
                visit(&path.join(&b'/'), *session, subscription);
            }
            path.push(b"#");
            for (session, subscription) in &node.multi {
                visit(&path.join(&b'/'), *session, subscription);
            }
        }
    }

    /// Arena nodes in use, the root apart.
    #[cfg(test)]
    pub(crate) fn nodes(&self) -> usize {
        self.nodes.len() - self.free.len() - 1
    }

    fn node(&self, place: Place) -> &Node {
        &self.nodes[index(place)]
    }

    fn node_mut(&mut self, place: Place) -> &mut Node {
        &mut self.nodes[index(place)]
    }

    fn subscribers_mut(&mut self, place: Place, multi: bool) -> &mut Subscribers {
        let node = self.node_mut(place);
        if multi { &mut node.multi } else { &mut node.exact }
    }

    fn child(&self, parent: Place, level: &[u8]) -> Option<Place> {
        if level == b"+" { self.node(parent).plus } else { self.named_child(parent, level) }
    }

    fn named_child(&self, parent: Place, level: &[u8]) -> Option<Place> {
        let hash = hash(self.seed, parent, level);
        let found = self.named.find(hash, |place| hangs(&self.nodes, *place, parent, level));
        found.copied()
    }

    fn grow(&mut self, parent: Place, level: &[u8]) -> Place {
        let plus = level == b"+";
        let edge = if plus { Edge::Plus } else { Edge::Named(level.into()) };
        let fresh = node(parent, edge);
        let place = match self.free.pop() {
            Some(place) => {
                *self.node_mut(place) = fresh;
                place
            }
            None => {
                let place = u32::try_from(self.nodes.len());
                self.nodes.push(fresh);
                Place(place.expect("settings bound subscriptions far below 2^32 levels"))
            }
        };
        if plus {
            self.node_mut(parent).plus = Some(place);
            return place;
        }
        self.node_mut(parent).named += 1;
        let (seed, nodes) = (self.seed, &self.nodes);
        let rehash = |place: &Place| match &nodes[index(*place)] {
            Node { edge: Edge::Named(level), parent, .. } => hash(seed, *parent, level),
            Node { edge: Edge::Plus, .. } => 0,
        };
        self.named.insert_unique(hash(seed, parent, level), place, rehash);
        place
    }

    /// Gives back the nodes from here upwards that nothing needs.
    fn prune(&mut self, from: Place) {
        let mut place = from;
        while place != ROOT {
            let node = self.node_mut(place);
            let needed =
                node.named > 0 || node.plus.is_some() || !node.exact.is_empty() || !node.multi.is_empty();
            if needed {
                return;
            }
            let parent = node.parent;
            let edge = core::mem::replace(&mut node.edge, Edge::Plus);
            match edge {
                Edge::Plus => self.node_mut(parent).plus = None,
                Edge::Named(level) => {
                    let hash = hash(self.seed, parent, &level);
                    if let Ok(entry) = self.named.find_entry(hash, |found| *found == place) {
                        entry.remove();
                    }
                    self.node_mut(parent).named -= 1;
                }
            }
            self.free.push(place);
            place = parent;
        }
    }
}

fn node(parent: Place, edge: Edge) -> Node {
    Node { parent, edge, named: 0, plus: None, exact: Subscribers::new(), multi: Subscribers::new() }
}

/// The levels before a final `#`, and whether there is one.
fn levels(filter: &TopicFilter) -> (impl Iterator<Item = &[u8]>, bool) {
    let bytes = filter.as_bytes();
    let (path, multi) = match bytes {
        b"#" => (None, true),
        _ => match bytes.strip_suffix(b"/#") {
            Some(path) => (Some(path), true),
            None => (Some(bytes), false),
        },
    };
    let levels = path.into_iter().flat_map(|path| path.split(|byte| *byte == b'/'));
    (levels, multi)
}

fn hangs(nodes: &[Node], place: Place, parent: Place, level: &[u8]) -> bool {
    let node = &nodes[index(place)];
    match &node.edge {
        Edge::Named(name) => node.parent == parent && **name == *level,
        Edge::Plus => false,
    }
}

fn hash(seed: u64, parent: Place, level: &[u8]) -> u64 {
    let mut hasher = SipHasher13::new_with_keys(seed, u64::from(parent.0));
    hasher.write(level);
    hasher.finish()
}

fn index(place: Place) -> usize {
    usize::try_from(place.0).expect("a machine that holds the state has 32 bit addresses at least")
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeSet;
    use alloc::string::String;

    use proptest::prelude::*;
    use quartet_packet::matches;

    use super::*;

    const OPTIONS: Subscription = Subscription {
        options: SubscriptionOptions {
            qos: quartet_packet::QoS::AtLeastOnce,
            no_local: false,
            retain_as_published: false,
            retain_handling: quartet_packet::RetainHandling::Send,
        },
        identifier: None,
    };

    fn level(wild: bool) -> impl Strategy<Value = String> {
        let levels = ["", "a", "b", "$x", "+"];
        let most: usize = if wild { 5 } else { 4 };
        (0..most).prop_map(move |choice| levels[choice].into())
    }

    prop_compose! {
        fn topic()(levels in prop::collection::vec(level(false), 1..5)) -> String {
            levels.join("/")
        }
    }

    prop_compose! {
        fn filter()(levels in prop::collection::vec(level(true), 1..5), multi: bool) -> String {
            let path = levels.join("/");
            if multi && levels.len() == 1 { "#".into() }
            else if multi { path + "/#" }
            else { path }
        }
    }

    proptest! {
        /// Adding and removing in any order, the trie finds what the plain reading of section 4.7 finds.
        #[test]
        fn the_trie_matches_as_the_plain_matcher(
            changes in prop::collection::vec((filter(), 0_u32..4, any::<bool>()), 1..60),
            topics in prop::collection::vec(topic(), 1..20),
        ) {
            let mut trie = Subscriptions::new(7);
            let mut plain = BTreeSet::new();
            for (filter, session, add) in changes {
                let Ok(filter) = TopicFilter::try_from(filter.as_str()) else { continue };
                let session = SessionSlot(session);
                if add {
                    trie.insert(&filter, session, OPTIONS);
                    plain.insert((filter, session));
                } else {
                    let removed = trie.remove(&filter, session);
                    prop_assert_eq!(removed, plain.remove(&(filter, session)));
                }
                prop_assert_eq!(trie.len(), plain.len());
            }
            for topic in topics {
                let Ok(topic) = Topic::try_from(topic.as_str()) else { continue };
                let mut found = Vec::new();
                trie.matching(&topic, |session, _| found.push(session));
                found.sort_unstable();
                let expected = plain.iter().filter(|(filter, _)| matches(filter, &topic));
                let mut expected: Vec<_> = expected.map(|(_, session)| *session).collect();
                expected.sort_unstable();
                prop_assert_eq!(found, expected, "{}", topic);
            }
            for (filter, session) in &plain {
                trie.remove(filter, *session);
            }
            prop_assert_eq!(trie.nodes(), 0, "removing frees every branch");
            prop_assert!(trie.named.is_empty());
        }
    }
}
