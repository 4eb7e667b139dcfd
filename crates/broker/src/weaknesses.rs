//! Guards that a test may take away, to show that the simulation and the model check notice.
//!
//! Without the cargo feature `weakened` this type has no fields and every guard stands, whatever is asked; nothing in
//! the log can change it in either build. The feature is for `sim` and its tests only, and a build with it says so:
//! [`WEAKENED`](crate::WEAKENED).

/// Which guards are gone. The default is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Weaknesses {
    /// Numbers up to the cursor are applied again.
    #[cfg(feature = "weakened")]
    pub accept_repeated: bool,
    /// Numbers beyond the next are applied, and the cursor jumps.
    #[cfg(feature = "weakened")]
    pub accept_gaps: bool,
    /// An unknown or ended boot counts as a fresh one.
    #[cfg(feature = "weakened")]
    pub ignore_boots: bool,
    /// A boot that ends is forgotten, and an unknown one counts as a fresh one.
    #[cfg(feature = "weakened")]
    pub forget_boots: bool,
    /// A NodeUp of an ended boot opens it again.
    #[cfg(feature = "weakened")]
    pub reopen_boots: bool,
    /// A NodeUp leaves the connections of the boot before alone.
    #[cfg(feature = "weakened")]
    pub keep_earlier_boots: bool,
    /// Commands of a connection that owns nothing any more still count.
    #[cfg(feature = "weakened")]
    pub no_fencing: bool,
    /// A CONNECT counts however late it comes.
    #[cfg(feature = "weakened")]
    pub no_read_at: bool,
}

#[cfg(feature = "weakened")]
impl Weaknesses {
    pub(crate) fn accepts_repeated(self) -> bool {
        self.accept_repeated
    }
    pub(crate) fn accepts_gaps(self) -> bool {
        self.accept_gaps
    }
    pub(crate) fn ignores_boots(self) -> bool {
        self.ignore_boots
    }
    pub(crate) fn forgets_boots(self) -> bool {
        self.forget_boots
    }
    pub(crate) fn reopens_boots(self) -> bool {
        self.reopen_boots
    }
    pub(crate) fn keeps_earlier_boots(self) -> bool {
        self.keep_earlier_boots
    }
    pub(crate) fn lacks_fencing(self) -> bool {
        self.no_fencing
    }
    pub(crate) fn lacks_read_at(self) -> bool {
        self.no_read_at
    }
}

#[cfg(not(feature = "weakened"))]
impl Weaknesses {
    pub(crate) fn accepts_repeated(self) -> bool {
        false
    }
    pub(crate) fn accepts_gaps(self) -> bool {
        false
    }
    pub(crate) fn ignores_boots(self) -> bool {
        false
    }
    pub(crate) fn forgets_boots(self) -> bool {
        false
    }
    pub(crate) fn reopens_boots(self) -> bool {
        false
    }
    pub(crate) fn keeps_earlier_boots(self) -> bool {
        false
    }
    pub(crate) fn lacks_fencing(self) -> bool {
        false
    }
    pub(crate) fn lacks_read_at(self) -> bool {
        false
    }
}
