//! The state in 64 bits, kept up with every change, so that nodes can compare notes.
//!
//! The digest is the XOR of one hash per element of the state (a held identifier, a message in flight, a subscription,
//! …): an element that comes or goes toggles its hash, so a change costs what it touches and not what there is. Words
//! are mixed one by one in a fixed order; derived `Hash` is not used, since compilers may change what it feeds. The
//! hash finds accidents, not attacks: nobody votes who could not also lie.

/// An odd constant without structure (the golden ratio's bits).
const MULTIPLIER: u64 = 0x9E37_79B9_7F4A_7C15;

/// What kind of element a hash is of, so that equal words of different kinds do not cancel.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Header,
    Settings,
    Stream,
    EndedBoot,
    EndedSession,
    Vote,
    Session,
    Identity,
    Unreleased,
    Inflight,
    Queued,
    Subscription,
}

impl Kind {
    fn word(self) -> u64 {
        match self {
            Self::Header => 1,
            Self::Settings => 2,
            Self::Stream => 3,
            Self::EndedBoot => 4,
            Self::EndedSession => 5,
            Self::Vote => 6,
            Self::Session => 7,
            Self::Identity => 8,
            Self::Unreleased => 9,
            Self::Inflight => 10,
            Self::Queued => 11,
            Self::Subscription => 12,
        }
    }
}

/// The hash of one element while its words come in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mixer(u64);

impl Mixer {
    pub(crate) fn new(kind: Kind) -> Self {
        Self(MULTIPLIER).word(kind.word())
    }

    #[must_use]
    pub(crate) fn word(self, word: u64) -> Self {
        let mixed = (self.0 ^ word).wrapping_mul(MULTIPLIER);
        Self((mixed ^ (mixed >> 29)).wrapping_add(MULTIPLIER))
    }

    #[must_use]
    pub(crate) fn flag(self, flag: bool) -> Self {
        self.word(u64::from(flag))
    }

    /// Absent is told apart from every value.
    #[must_use]
    pub(crate) fn optional(self, word: Option<u64>) -> Self {
        match word {
            Some(word) => self.word(1).word(word),
            None => self.word(0),
        }
    }

    /// The length goes in too, so that neighbours cannot trade bytes.
    #[must_use]
    pub(crate) fn bytes(self, bytes: &[u8]) -> Self {
        let mut mixer = self.word(length(bytes.len()));
        let (chunks, rest) = bytes.as_chunks::<8>();
        for chunk in chunks {
            mixer = mixer.word(u64::from_le_bytes(*chunk));
        }
        let mut last = [0_u8; 8];
        for (to, from) in last.iter_mut().zip(rest) {
            *to = *from;
        }
        mixer.word(u64::from_le_bytes(last))
    }

    pub(crate) fn finish(self) -> u64 {
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        word ^ (word >> 31)
    }
}

/// A length as a word, the same on every machine.
pub(crate) fn length(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}
