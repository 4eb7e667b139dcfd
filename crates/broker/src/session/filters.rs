//! A session's own list of its subscriptions: what the matching trie is built from.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;

use quartet_packet::TopicFilter;

use crate::digest::{Kind, Mixer};
use crate::subscriptions::Subscription;

/// Filters and how each is served. Shared on copying, since a frozen session may have a hundred thousand and most
/// changes of a session leave them alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Filters {
    by_filter: Arc<BTreeMap<TopicFilter, Subscription>>,
    digest: u64,
}

impl Filters {
    pub(crate) fn insert(&mut self, filter: TopicFilter, subscription: Subscription) -> Option<Subscription> {
        self.digest ^= element(&filter, &subscription);
        let old = self.by_filter.get(&filter).copied();
        if let Some(old) = &old {
            self.digest ^= element(&filter, old);
        }
        Arc::make_mut(&mut self.by_filter).insert(filter, subscription);
        old
    }

    /// Removes by the filter's bytes, compared one by one ([MQTT-3.10.4-1]).
    pub(crate) fn remove(&mut self, filter: &[u8]) -> Option<TopicFilter> {
        if !self.by_filter.contains_key(filter) {
            return None;
        }
        let (filter, old) = Arc::make_mut(&mut self.by_filter).remove_entry(filter)?;
        self.digest ^= element(&filter, &old);
        Some(filter)
    }

    pub(crate) fn first(&self) -> Option<&TopicFilter> {
        self.by_filter.first_key_value().map(|(filter, _)| filter)
    }

    pub(crate) fn contains(&self, filter: &TopicFilter) -> bool {
        self.by_filter.contains_key(filter)
    }

    pub(crate) fn len(&self) -> usize {
        self.by_filter.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&TopicFilter, &Subscription)> {
        self.by_filter.iter()
    }

    pub(crate) fn digest(&self) -> u64 {
        self.digest
    }

    pub(crate) fn recompute_digest(&self) -> u64 {
        let elements = self.iter();
        elements.fold(0, |digest, (filter, subscription)| digest ^ element(filter, subscription))
    }
}

fn element(filter: &TopicFilter, subscription: &Subscription) -> u64 {
    let options = &subscription.options;
    Mixer::new(Kind::Subscription)
        .bytes(filter.as_bytes())
        .word(u64::from(options.qos.value()))
        .flag(options.no_local)
        .flag(options.retain_as_published)
        .word(u64::from(options.retain_handling.value()))
        .optional(subscription.identifier.map(|id| u64::from(id.get())))
        .finish()
}
