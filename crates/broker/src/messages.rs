//! How many places of the state refer to each stored message.
//!
//! The bytes live in a store beside the core, told by effects: `Store` once, before the first delivery, `Release` after
//! the last reference is gone. The counts follow from the sessions and are built anew when a state is thawed; only the
//! next handle is kept.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crate::{Effect, MessageHandle};

/// Handles and their reference counts. As many as are queued or in flight: bounded by the sessions' limits.
#[derive(Clone, Debug)]
pub(crate) struct Messages {
    next: MessageHandle,
    references: BTreeMap<MessageHandle, u32>,
}

impl Messages {
    pub(crate) fn new(next: MessageHandle) -> Self {
        Self { next, references: BTreeMap::new() }
    }

    /// The handle that the next message will get.
    pub(crate) fn next(&self) -> MessageHandle {
        self.next
    }

    /// Uses up the next handle.
    pub(crate) fn name(&mut self) -> MessageHandle {
        let handle = self.next;
        self.next = MessageHandle(handle.0 + 1);
        handle
    }

    /// Counts `references` more places.
    pub(crate) fn refer(&mut self, handle: MessageHandle, references: u32) {
        *self.references.entry(handle).or_insert(0) += references;
    }

    /// One place less; the last one lets go of the bytes.
    pub(crate) fn release(&mut self, handle: MessageHandle, effects: &mut Vec<Effect>) {
        let Some(references) = self.references.get_mut(&handle) else {
            return;
        };
        *references = references.saturating_sub(1);
        if *references == 0 {
            self.references.remove(&handle);
            effects.push(Effect::Release { handle });
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.references.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (MessageHandle, u32)> {
        self.references.iter().map(|(handle, references)| (*handle, *references))
    }
}
