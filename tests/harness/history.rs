//! The judge of what was delivered: each acknowledged message exactly once, in order.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};

use crate::Delivery;

/// Payload of the `number`th message of `publisher`, padded to `length` bytes if it is shorter.
pub fn numbered(publisher: &str, number: u64, length: usize) -> Vec<u8> {
    let mut payload = format!("{publisher}#{number}#").into_bytes();
    if payload.len() < length {
        payload.resize(length, b'.');
    }
    payload
}

/// Publisher and number of a payload made by [`numbered`].
pub fn parse_numbered(payload: &[u8]) -> Option<(String, u64)> {
    let text = std::str::from_utf8(payload).ok()?;
    let mut parts = text.split('#');
    let publisher = parts.next()?;
    Some((publisher.to_owned(), parts.next()?.parse().ok()?))
}

/// What is owed for one publisher.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// Numbers 1 to n, each once, in order.
    ExactlyOnce(u64),
    /// Numbers 1 to n, repetitions allowed; first arrivals in order (QoS 1).
    AtLeastOnce(u64),
    /// Numbers 1 to the first for certain; up to the second perhaps (sent, never acknowledged); each once.
    Between(u64, u64),
}

/// Deliveries, sorted by publisher.
#[derive(Debug, Default)]
pub struct History {
    numbers: BTreeMap<String, Vec<u64>>,
}

impl History {
    /// Sorts the numbered messages of one subscriber; others are left out.
    pub fn of(deliveries: &[Delivery]) -> Self {
        let mut history = Self::default();
        for delivery in deliveries {
            if let Some((publisher, number)) = parse_numbered(&delivery.payload) {
                history.numbers.entry(publisher).or_default().push(number);
            }
        }
        history
    }

    /// Judges what came from `publisher`.
    ///
    /// # Errors
    ///
    /// The first numbers that are missing, came twice, or came out of order.
    pub fn judge(&self, publisher: &str, expected: Expected) -> Result<()> {
        let empty = Vec::new();
        let came = self.numbers.get(publisher).unwrap_or(&empty);
        let mut firsts = came.clone();
        if matches!(expected, Expected::AtLeastOnce(_)) {
            let mut highest = 0;
            firsts.retain(|number| {
                let first = *number > highest;
                highest = highest.max(*number);
                first
            });
        }
        let (owed, sent) = match expected {
            Expected::ExactlyOnce(count) | Expected::AtLeastOnce(count) => (count, count),
            Expected::Between(owed, sent) => (owed, sent),
        };
        let mut sorted = firsts.clone();
        sorted.sort_unstable();
        let twice: Vec<u64> =
            sorted.windows(2).filter(|pair| pair[0] == pair[1]).map(|pair| pair[0]).collect();
        ensure!(twice.is_empty(), "{publisher}: came twice: {}", some(&twice));
        let missing: Vec<u64> = (1..=owed).filter(|number| sorted.binary_search(number).is_err()).collect();
        ensure!(missing.is_empty(), "{publisher}: lost, or overtaken at QoS 1: {}", some(&missing));
        let invented: Vec<u64> =
            sorted.iter().copied().filter(|number| !(1..=sent).contains(number)).collect();
        ensure!(invented.is_empty(), "{publisher}: never sent: {}", some(&invented));
        let disorder: Vec<u64> =
            firsts.windows(2).filter(|pair| pair[0] > pair[1]).map(|pair| pair[1]).collect();
        ensure!(disorder.is_empty(), "{publisher}: came after later ones: {}", some(&disorder));
        Ok(())
    }
}

fn some(numbers: &[u64]) -> String {
    let shown = &numbers[..numbers.len().min(10)];
    format!("{} messages, first {shown:?}", numbers.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn history(numbers: &[u64]) -> History {
        let delivery = |number: &u64| Delivery {
            topic: "t".to_owned(),
            payload: numbered("p", *number, 0),
            qos: 2,
            id: Some(1),
            dup: false,
        };
        History::of(&numbers.iter().map(delivery).collect::<Vec<_>>())
    }

    #[test]
    fn loss_repetition_disorder_and_invention_are_seen() {
        assert!(history(&[1, 2, 3]).judge("p", Expected::ExactlyOnce(3)).is_ok());
        for wrong in [&[1, 3][..], &[1, 2, 2, 3], &[1, 3, 2], &[1, 2, 3, 4]] {
            assert!(history(wrong).judge("p", Expected::ExactlyOnce(3)).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn at_qos_1_only_first_arrivals_are_ordered() {
        assert!(history(&[1, 2, 1, 2, 3]).judge("p", Expected::AtLeastOnce(3)).is_ok());
        assert!(history(&[1, 3, 2]).judge("p", Expected::AtLeastOnce(3)).is_err());
    }

    #[test]
    fn what_was_never_acknowledged_may_have_come() {
        assert!(history(&[1, 2]).judge("p", Expected::Between(1, 3)).is_ok());
        assert!(history(&[2]).judge("p", Expected::Between(1, 3)).is_err());
    }
}
