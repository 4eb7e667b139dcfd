//! What a subscriber may be owed, as far as it can know itself (invariant 17).
//!
//! ```text
//!        SUBSCRIBE made   SUBACK seen        UNSUBSCRIBE made   UNSUBACK seen
//!  never ──────┼──── perhaps ──┼──── surely ────────┼──── perhaps ────┼──── never
//! ```

use crate::history::{Asked, History};
use crate::link::Filter;

/// Whether a filter was in force over a stretch of steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Subscribed {
    /// All the time.
    Surely,
    /// Not at all.
    Never,
    /// Who knows.
    Perhaps,
}

/// Whether any of a client's filters that take `topic` was in force from a step to another (`None`: to the end).
pub(crate) fn subscribed(
    history: &History,
    client: usize,
    filters: &[Filter],
    topic: u8,
    from: u64,
    to: Option<u64>,
) -> Subscribed {
    let mut best = Subscribed::Never;
    for filter in filters.iter().filter(|filter| filter.matches(topic)) {
        let events = history.subscriptions.get(&(client, *filter)).map_or(&[][..], Vec::as_slice);
        match one(events, from, to) {
            Subscribed::Surely => return Subscribed::Surely,
            Subscribed::Perhaps => best = Subscribed::Perhaps,
            Subscribed::Never => {}
        }
    }
    best
}

fn one(events: &[(u64, Asked)], from: u64, to: Option<u64>) -> Subscribed {
    // At a step's own events the order within the step is not known: both sides count.
    let before = events.iter().filter(|(step, _)| *step < from).map(|(_, asked)| *asked);
    let during = events.iter().any(|(step, _)| *step >= from && to.is_none_or(|to| *step <= to));
    let mut state = Subscribed::Never;
    let mut open = 0_u32;
    for asked in before {
        // A request that was made again before it was answered has several answers to come; the last one settles.
        match asked {
            Asked::Subscribe | Asked::Unsubscribe => {
                open += 1;
                state = Subscribed::Perhaps;
            }
            Asked::SubAck => (open, state) = (0, Subscribed::Surely),
            Asked::UnsubAck => (open, state) = (0, Subscribed::Never),
        }
    }
    match during || open > 0 {
        true => Subscribed::Perhaps,
        false => state,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_between_the_acknowledgement_and_the_next_request_it_is_sure() {
        let events =
            [(5, Asked::Subscribe), (9, Asked::SubAck), (20, Asked::Unsubscribe), (25, Asked::UnsubAck)];
        assert_eq!(one(&events, 1, Some(4)), Subscribed::Never);
        assert_eq!(one(&events, 1, Some(6)), Subscribed::Perhaps);
        assert_eq!(one(&events, 6, Some(7)), Subscribed::Perhaps);
        assert_eq!(one(&events, 10, Some(19)), Subscribed::Surely);
        assert_eq!(one(&events, 10, None), Subscribed::Perhaps);
        assert_eq!(one(&events, 26, None), Subscribed::Never);
    }
}
