//! A frozen state with its messages: a node's checkpoint, and what a node far behind is sent.

use std::collections::BTreeMap;

use quartet_broker::{Broker, Error, Frozen, Message, MessageHandle, Number};

use crate::sin::Sin;
use crate::violation::Violation;

/// A state at one index.
#[derive(Clone, Debug)]
pub(crate) struct Snapshot {
    frozen: Frozen,
    store: BTreeMap<MessageHandle, Message>,
}

impl Snapshot {
    /// Freezes a state.
    pub(crate) fn take(broker: &Broker, store: &BTreeMap<MessageHandle, Message>) -> Self {
        Self { frozen: broker.freeze(), store: store.clone() }
    }

    /// Brings it back to life, from plain parts as a checkpoint's reader would.
    pub(crate) fn thaw(
        &self,
        sin: Option<Sin>,
    ) -> Result<(Broker, BTreeMap<MessageHandle, Message>), Violation> {
        let mut parts = self.frozen.parts();
        if sin == Some(Sin::CursorForgotten) {
            for (_, stream) in &mut parts.header.streams {
                stream.cursor = Number(0);
            }
            // Whoever forgets the cursors does not digest them either.
            if let Err(Error::Digest { found, .. }) = Broker::thaw(parts.clone()) {
                parts.header.digest = found;
            }
        }
        let mut broker = Broker::thaw(parts)
            .map_err(|error| Violation::new("what is frozen can be thawed", error.to_string()))?;
        weaken(&mut broker, sin);
        Ok((broker, self.store.clone()))
    }
}

/// Takes the guard away that this sin is about; nothing without the feature.
pub(crate) fn weaken(broker: &mut Broker, sin: Option<Sin>) {
    #[cfg(feature = "weakened")]
    {
        let weak = &mut broker.weaknesses;
        weak.accept_gaps = sin == Some(Sin::GapsAccepted);
        weak.accept_repeated = sin == Some(Sin::RepeatsAccepted);
        weak.ignore_boots = sin == Some(Sin::BootsIgnored);
        weak.forget_boots = sin == Some(Sin::BootsForgotten);
        weak.reopen_boots = sin == Some(Sin::BootsReopened);
        weak.keep_earlier_boots = sin == Some(Sin::EarlierBootsKept);
        weak.no_fencing = sin == Some(Sin::NoFencing);
    }
    #[cfg(not(feature = "weakened"))]
    let _ = (broker, sin);
}
