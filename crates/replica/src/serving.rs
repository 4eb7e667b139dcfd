//! Whether this node can serve clients: it must be able to acknowledge.

/// Ready for clients, or why not. Refuse CONNECT and show unready unless [`Serving::Yes`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Serving {
    /// A leader was heard lately, the log is applied, the boot is live.
    Yes,
    /// Not yet part of a cluster.
    Forming,
    /// No leader was heard for [`leaderless`](crate::Timing::leaderless).
    NoLeader,
    /// A leader is there, but this node is too far behind in applying.
    Behind,
    /// The start of this boot is not applied yet.
    BootNotApplied,
    /// Shutting down, or failed.
    Stopping,
}

impl Serving {
    /// Whether clients are to be served.
    #[must_use]
    pub fn is_yes(self) -> bool {
        self == Self::Yes
    }

    /// The reason for people.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::Yes => "serving",
            Self::Forming => "not yet part of a cluster",
            Self::NoLeader => "no leader is heard",
            Self::Behind => "behind in applying the log",
            Self::BootNotApplied => "the start of this node is not committed yet",
            Self::Stopping => "stopping",
        }
    }
}
