//! Time goes on in a quiet cluster: the entry's time is all that this command brings.

/// Nothing but the entry's time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AdvanceTime;
