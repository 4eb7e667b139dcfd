//! The few colours used, and what they mean. `anstream` drops them where nobody would see them: in a pipe, a file, or
//! with `NO_COLOR` set.

use anstyle::{AnsiColor, Style};

/// No colour.
pub(crate) const PLAIN: Style = Style::new();
/// As it should be.
pub(crate) const GOOD: Style = AnsiColor::Green.on_default();
/// Works, and wants attention.
pub(crate) const WARNING: Style = AnsiColor::Yellow.on_default();
/// Does not work.
pub(crate) const BAD: Style = AnsiColor::Red.on_default().bold();
/// Stands out.
pub(crate) const STRONG: Style = Style::new().bold();
/// Stands back.
pub(crate) const FAINT: Style = Style::new().dimmed();
