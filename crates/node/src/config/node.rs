//! `[node]`: what this process is called and where it keeps its data.

use std::path::{Path, PathBuf};

use super::reader::Reader;

/// Settings of the node itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Config {
    /// Its name: one of the seeds'. An address for people, never an identity: that is on the disk.
    pub(crate) name: String,
    /// Where log, state and identity live. Relative paths start at the configuration file's directory.
    pub(crate) data_dir: PathBuf,
    /// Where the process id is written at each start; nowhere if absent.
    pub(crate) pid_file: Option<PathBuf>,
    /// Whether it may listen beyond loopback, where anybody could reach it: nothing is encrypted or
    /// authenticated yet.
    pub(crate) insecure: bool,
}

/// Longest node name in bytes: it stands in tables, metrics and every peer's memory.
const LONGEST_NAME: usize = 64;

impl Config {
    /// Reads the section; relative paths start at `base`. `None` where a required key is missing.
    pub(super) fn read(reader: &mut Reader, base: &Path) -> Option<Self> {
        let mut section = reader.section("node");
        let name = section.required::<String>("name", "name = \"node-1\"");
        let data_dir = section.required::<PathBuf>("data_dir", "data_dir = \"data\"");
        let pid_file = section.optional::<PathBuf>("pid_file", |_| Ok(()));
        let insecure = section.get("insecure", false);
        if let Some(name) = &name
            && !valid_name(name)
        {
            let text = format!(
                "node.name = {name:?}: a name is 1 to {LONGEST_NAME} letters, digits, '-', '_' or '.'; \
                 choose one like \"node-1\""
            );
            reader.problem("node.name", text);
        }
        Some(Self {
            name: name?,
            data_dir: base.join(data_dir?),
            pid_file: pid_file.map(|path| base.join(path)),
            insecure,
        })
    }
}

/// Whether a name can stand in tables, file names and metrics as it is.
pub(super) fn valid_name(name: &str) -> bool {
    (1..=LONGEST_NAME).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
}
