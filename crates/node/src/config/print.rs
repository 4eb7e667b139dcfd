//! The configuration in force, as TOML that says where each value comes from.

use std::fmt;

use super::Config;
use super::layers::Origin;
use super::reader::header;

impl fmt::Display for Config {
    /// TOML: every key, each with its origin unless it is the default. Reads back as the same configuration.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.effective.iter().map(|e| e.key.len() + e.toml.len() + 3).max().unwrap_or(0).min(60);
        let mut section = None;
        for effective in &self.effective {
            if section != Some(&effective.section) {
                let gap = if section.is_some() { "\n" } else { "" };
                writeln!(f, "{gap}{}", header(&effective.section))?;
                section = Some(&effective.section);
            }
            let line = format!("{} = {}", effective.key, effective.toml);
            match &effective.origin {
                Origin::Default => writeln!(f, "{line}")?,
                origin => writeln!(f, "{line:width$}  # {origin}")?,
            }
        }
        Ok(())
    }
}
