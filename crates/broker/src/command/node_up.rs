//! A node begins a boot. Counts only above the highest boot known of it; ends all connections of earlier ones.

use crate::Origin;

/// A node begins a boot; its stream starts at number 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NodeUp {
    /// Which node and boot.
    pub origin: Origin,
}
