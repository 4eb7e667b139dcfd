//! New behaviour is switched on through the log, once every member knows it: all nodes change at one index.

/// Raise the behaviour version; a lower or equal one changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Upgrade {
    /// The version to go to.
    pub behaviour: u16,
}
