//! Bugs planted on purpose: each takes one guard of the design away, and a checker must find it.
//!
//! A simulation that finds nothing proves nothing until it has found what was hidden. Sins of the front end live in
//! this crate's [`node`](crate::node); sins inside `apply` need the broker's feature `weakened`, which lets a state be
//! told to leave one of its guards out and otherwise changes nothing.

/// One guard taken away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Sin {
    /// PUBACK leaves when the PUBLISH is proposed.
    PubAckBeforeCommit,
    /// PUBREC leaves when the PUBLISH is proposed.
    PubRecBeforeCommit,
    /// PUBCOMP leaves when the PUBREL is proposed.
    PubCompBeforeCommit,
    /// SUBACK leaves when the SUBSCRIBE is proposed.
    SubAckBeforeCommit,
    /// Our PUBREL leaves when the subscriber's PUBREC is proposed.
    PubRelBeforeCommit,
    /// The front end numbers what it delivers, each connection anew.
    PacketIdsOfFrontEnd,
    /// A refused PUBLISH is answered by the front end and never becomes a command.
    RefusedByFrontEnd,
    /// What is in doubt is proposed again without its number.
    RetriedWithoutNumber,
    /// What a connection proposed is forgotten when it dies: its numbers are never sent again, or come to stand for others.
    WindowForgetsDead,
    /// `apply` takes any number above the cursor.
    GapsAccepted,
    /// `apply` takes numbers it has had.
    RepeatsAccepted,
    /// Checkpoints and snapshots leave the cursors out.
    CursorForgotten,
    /// A node starts again under the boot it had.
    BootNotDurable,
    /// A node goes on under a boot that the log has ended.
    OwnEndIgnored,
    /// `apply` takes commands of any boot, known or not.
    BootsIgnored,
    /// A boot that ended is forgotten, and what is not known is taken for new.
    BootsForgotten,
    /// A NodeUp that comes late opens an ended boot again.
    BootsReopened,
    /// A NodeUp leaves the connections of earlier boots alone.
    EarlierBootsKept,
    /// A connection that no longer owns a session still changes it.
    NoFencing,
    /// CONNECT says that it was read at the end of time.
    NoReadAt,
    /// What a client sent before CONNACK is proposed right behind its CONNECT.
    ProposedBeforeConnAck,
    /// What a client sent before CONNACK is proposed though the client has closed.
    PeerCloseIgnored,
    /// A node that installed a snapshot keeps its connections.
    SnapshotKeepsConnections,
}

impl Sin {
    /// All of them, in the order of the invariants they break.
    pub const ALL: [Self; 23] = [
        Self::PubAckBeforeCommit,
        Self::PubRecBeforeCommit,
        Self::PubCompBeforeCommit,
        Self::SubAckBeforeCommit,
        Self::PubRelBeforeCommit,
        Self::PacketIdsOfFrontEnd,
        Self::RefusedByFrontEnd,
        Self::RetriedWithoutNumber,
        Self::WindowForgetsDead,
        Self::GapsAccepted,
        Self::RepeatsAccepted,
        Self::CursorForgotten,
        Self::BootNotDurable,
        Self::OwnEndIgnored,
        Self::BootsIgnored,
        Self::BootsForgotten,
        Self::BootsReopened,
        Self::EarlierBootsKept,
        Self::NoFencing,
        Self::NoReadAt,
        Self::ProposedBeforeConnAck,
        Self::PeerCloseIgnored,
        Self::SnapshotKeepsConnections,
    ];

    /// The number of the invariant that it breaks (ARCHITECTURE.md lists them).
    #[must_use]
    pub fn invariant(self) -> u8 {
        match self {
            Self::PubAckBeforeCommit
            | Self::PubRecBeforeCommit
            | Self::PubCompBeforeCommit
            | Self::SubAckBeforeCommit => 1,
            Self::PubRelBeforeCommit => 2,
            Self::PacketIdsOfFrontEnd => 3,
            Self::RefusedByFrontEnd => 5,
            Self::RetriedWithoutNumber
            | Self::WindowForgetsDead
            | Self::GapsAccepted
            | Self::RepeatsAccepted
            | Self::CursorForgotten => 6,
            Self::BootNotDurable
            | Self::OwnEndIgnored
            | Self::BootsIgnored
            | Self::BootsForgotten
            | Self::BootsReopened
            | Self::EarlierBootsKept => 7,
            Self::NoFencing | Self::NoReadAt | Self::ProposedBeforeConnAck | Self::PeerCloseIgnored => 8,
            Self::SnapshotKeepsConnections => 16,
        }
    }

    /// Whether it lives inside `apply`, and so can only be committed with the feature `weakened`.
    #[must_use]
    pub fn inside_apply(self) -> bool {
        match self {
            Self::GapsAccepted
            | Self::RepeatsAccepted
            | Self::BootsIgnored
            | Self::BootsForgotten
            | Self::BootsReopened
            | Self::EarlierBootsKept
            | Self::NoFencing => true,
            Self::PubAckBeforeCommit
            | Self::PubRecBeforeCommit
            | Self::PubCompBeforeCommit
            | Self::SubAckBeforeCommit
            | Self::PubRelBeforeCommit
            | Self::PacketIdsOfFrontEnd
            | Self::RefusedByFrontEnd
            | Self::RetriedWithoutNumber
            | Self::WindowForgetsDead
            | Self::CursorForgotten
            | Self::BootNotDurable
            | Self::OwnEndIgnored
            | Self::NoReadAt
            | Self::ProposedBeforeConnAck
            | Self::PeerCloseIgnored
            | Self::SnapshotKeepsConnections => false,
        }
    }

    /// Whether it is the thin front end that commits it: the real one has no such switch.
    #[must_use]
    pub(crate) fn of_front_end(self) -> bool {
        match self {
            Self::PubAckBeforeCommit
            | Self::PubRecBeforeCommit
            | Self::PubCompBeforeCommit
            | Self::SubAckBeforeCommit
            | Self::PubRelBeforeCommit
            | Self::PacketIdsOfFrontEnd
            | Self::RefusedByFrontEnd
            | Self::WindowForgetsDead
            | Self::NoReadAt
            | Self::ProposedBeforeConnAck
            | Self::PeerCloseIgnored => true,
            Self::RetriedWithoutNumber
            | Self::GapsAccepted
            | Self::RepeatsAccepted
            | Self::CursorForgotten
            | Self::BootNotDurable
            | Self::OwnEndIgnored
            | Self::BootsIgnored
            | Self::BootsForgotten
            | Self::BootsReopened
            | Self::EarlierBootsKept
            | Self::NoFencing
            | Self::SnapshotKeepsConnections => false,
        }
    }

    /// Whether this build can commit it.
    #[must_use]
    pub fn possible(self) -> bool {
        cfg!(feature = "weakened") || !self.inside_apply()
    }
}
