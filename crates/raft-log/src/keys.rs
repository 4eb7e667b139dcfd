//! Every key of the database, in one enum.
//!
//! | column family | key bytes                    | value                                  | variant     |
//! |---------------|------------------------------|----------------------------------------|-------------|
//! | `log`         | index (8)                    | the entry                              | `Entry`     |
//! | `meta`        | `F`                          | format version of the directory        | `Format`    |
//! | `meta`        | `I`                          | cluster id, node id, name              | `Identity`  |
//! | `meta`        | `B`                          | the highest boot made durable          | `Boot`      |
//! | `meta`        | `V`                          | vote: Raft's term and voted-for        | `Vote`      |
//! | `meta`        | `C`                          | log id known to be committed           | `Committed` |
//! | `meta`        | `P`                          | log id of the last entry purged        | `Purged`    |
//! | `meta`        | `W`                          | number of the write that put it there  | `Write`     |
//! | `meta`        | `X` index (8) position (4)   | nothing: the key says it               | `Poisoned`  |
//! | `meta`        | `S` slot (1)                 | bytes of the crate above               | `Slot`      |
//!
//! All numbers are big-endian, so that keys sort as their numbers do. Values are as in
//! [`crate::codec`], except a slot's, which is not ours to read.

use crate::poisoned::Poisoned;

/// Column family of the entries; its own, because it alone is large and purged by ranges.
pub(crate) const LOG: &str = "log";
/// Column family of everything else: a few small values, overwritten often.
pub(crate) const META: &str = "meta";

/// The layout of the directory and its keys as this release writes it.
pub(crate) const FORMAT: u32 = 1;

/// Names one stored value; see the table above.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    Entry(u64),
    Format,
    Identity,
    Boot,
    Vote,
    Committed,
    Purged,
    Write,
    Poisoned(Poisoned),
    Slot(u8),
}

impl Key {
    /// The column family it lives in.
    pub(crate) fn family(self) -> &'static str {
        match self {
            Self::Entry(_) => LOG,
            Self::Format
            | Self::Identity
            | Self::Boot
            | Self::Vote
            | Self::Committed
            | Self::Purged
            | Self::Write
            | Self::Poisoned(_)
            | Self::Slot(_) => META,
        }
    }

    /// The key within its family.
    pub(crate) fn bytes(self) -> Vec<u8> {
        match self {
            Self::Entry(index) => index.to_be_bytes().to_vec(),
            Self::Format => b"F".to_vec(),
            Self::Identity => b"I".to_vec(),
            Self::Boot => b"B".to_vec(),
            Self::Vote => b"V".to_vec(),
            Self::Committed => b"C".to_vec(),
            Self::Purged => b"P".to_vec(),
            Self::Write => b"W".to_vec(),
            Self::Poisoned(Poisoned { index, position }) => {
                [b"X", &index.to_be_bytes()[..], &position.to_be_bytes()[..]].concat()
            }
            Self::Slot(slot) => vec![b'S', slot],
        }
    }

    /// The index in a key of the `log` family, or `None` if it is not one.
    pub(crate) fn entry_index(key: &[u8]) -> Option<u64> {
        key.try_into().ok().map(u64::from_be_bytes)
    }

    /// What a key of the `meta` family says was poisoned, or `None` if it is not such a key.
    pub(crate) fn poisoned(key: &[u8]) -> Option<Poisoned> {
        let (index, position) = key.strip_prefix(b"X")?.split_first_chunk::<8>()?;
        Some(Poisoned {
            index: u64::from_be_bytes(*index),
            position: u32::from_be_bytes(position.try_into().ok()?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_sort_as_their_numbers_do() {
        let poisoned = |index, position| Key::Poisoned(Poisoned { index, position });
        let ascending = [poisoned(0, u32::MAX), poisoned(255, 0), poisoned(256, 0), poisoned(256, 256)];
        assert!(ascending.map(Key::bytes).is_sorted());
        assert!([0, 255, 256, u64::MAX].map(|i| Key::Entry(i).bytes()).is_sorted());
    }

    #[test]
    fn keys_read_back() {
        let poisoned = Poisoned { index: 1 << 33, position: 70_000 };
        assert_eq!(Key::poisoned(&Key::Poisoned(poisoned).bytes()), Some(poisoned));
        assert_eq!(Key::poisoned(&Key::Purged.bytes()), None);
        assert_eq!(Key::entry_index(&Key::Entry(9).bytes()), Some(9));
        assert_eq!(Key::entry_index(b"short"), None);
    }
}
