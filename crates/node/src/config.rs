//! The configuration of one node: read once at start, checked, then never changed.
//!
//! ```text
//! defaults  <  quartet.toml  <  QUARTET__SECTION__KEY  <  --set section.key=value
//! ```
//!
//! Each component's settings are a `Config` of their own in a file of their own, composed here; rules that look at
//! several of them are in `check`. Whatever is wrong is said all at once, one line a fault: where it was written,
//! which key, what is wrong, what to write instead. The core never sees any of this: it gets numbers.

mod check;
pub(crate) mod cluster;
mod field;
mod layers;
pub(crate) mod limits;
pub(crate) mod listener;
pub(crate) mod log;
mod nearest;
pub(crate) mod node;
mod print;
mod problem;
mod reader;
mod server;
mod settings;
pub(crate) mod units;

use std::fs;
use std::path::Path;

use quartet_broker::Settings;

use layers::Layers;
pub(crate) use problem::Error;
use reader::{Effective, Reader};

/// Largest configuration file, in bytes: a few hundred lines. A larger one is another file by mistake.
const LARGEST_FILE: u64 = 1 << 20;

/// What a node is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Config {
    /// The node itself.
    pub(crate) node: node::Config,
    /// Where clients connect; at least one.
    pub(crate) listeners: Vec<listener::Config>,
    /// The other nodes.
    pub(crate) cluster: cluster::Config,
    /// What clients may ask.
    pub(crate) limits: limits::Config,
    /// What to propose as replicated settings when the cluster is formed.
    pub(crate) settings: Settings,
    /// What is told about all this.
    pub(crate) log: log::Config,
    effective: Vec<Effective>,
}

/// What lies over the file.
#[derive(Clone, Debug, Default)]
pub(crate) struct Overrides {
    /// The process's environment; only what begins with `QUARTET__` counts.
    pub(crate) environment: Vec<(String, String)>,
    /// `--set` flags in the order given.
    pub(crate) flags: Vec<String>,
}

impl Overrides {
    /// This process's environment, and these flags.
    pub(crate) fn of_process(flags: &[String]) -> Self {
        let environment = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .filter(|(name, _)| name.starts_with(layers::PREFIX))
            .collect();
        Self { environment, flags: flags.to_vec() }
    }
}

impl Config {
    /// Reads the file at `path` with what lies over it.
    pub(crate) fn load(path: &Path, overrides: Overrides) -> Result<Self, Error> {
        let unreadable = |cause| Error::Unreadable { path: path.display().to_string(), cause };
        let size = fs::metadata(path).map_err(unreadable)?.len();
        if size > LARGEST_FILE {
            return Err(Error::TooLarge { path: path.display().to_string(), size, limit: LARGEST_FILE });
        }
        let text = fs::read_to_string(path).map_err(unreadable)?;
        Self::read(path, &text, overrides)
    }

    /// Reads `text`, which is what the file at `path` holds.
    pub(crate) fn read(path: &Path, text: &str, overrides: Overrides) -> Result<Self, Error> {
        let mut layers = Layers::default();
        layers.file(path, text);
        if !layers.problems.is_empty() {
            // What is missing from a file that could not be read is not missing.
            return Err(Error::Wrong(layers.problems));
        }
        layers.environment(overrides.environment);
        for flag in &overrides.flags {
            layers.flag(flag);
        }
        let base = path.parent().unwrap_or(Path::new(""));
        let mut reader = Reader::new(layers);
        let node = node::Config::read(&mut reader, base);
        let listeners = listener::read(&mut reader);
        let cluster = cluster::Config::read(&mut reader);
        let limits = limits::Config::read(&mut reader);
        let settings = settings::read(&mut reader);
        let log = log::Config::read(&mut reader);
        if let (Some(node), Some(cluster)) = (&node, &cluster) {
            check::all(&mut reader, node, &listeners, cluster, &limits);
        }
        let (effective, problems) = reader.finish();
        match (node, cluster) {
            (Some(node), Some(cluster)) if problems.is_empty() => {
                Ok(Self { node, listeners, cluster, limits, settings, log, effective })
            }
            _ => Err(Error::Wrong(problems)),
        }
    }
}

#[cfg(test)]
mod tests;
