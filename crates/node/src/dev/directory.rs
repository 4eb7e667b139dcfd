//! The directory of a local cluster.
//!
//! ```text
//!   DIR/dev.toml              number of nodes and port, written once
//!   DIR/lock                  held while `quartet dev` runs on it
//!   DIR/node-K/quartet.toml   written once, then yours to edit
//!   DIR/node-K/pid            of the running process, written by the node itself
//!   DIR/node-K/log            what it says; log.old is what it said before it grew too long
//!   DIR/node-K/data/          its disk
//! ```

use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use super::plan::Plan;

/// Where a local cluster lives unless told otherwise: in sight, and easy to remove.
pub(crate) const DEFAULT: &str = "quartet-dev";

/// A log longer than this is put aside at the next start, in bytes.
const LONGEST_LOG: u64 = 64 << 20;

/// A directory, and what is where in it.
#[derive(Clone, Debug)]
pub(crate) struct Directory {
    root: PathBuf,
}

impl Directory {
    /// The directory at this path, which may not exist yet.
    pub(crate) fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// Of node `number`, from 1.
    pub(crate) fn node(&self, number: u16) -> PathBuf {
        self.root.join(format!("node-{number}"))
    }

    /// The configuration of node `number`.
    pub(crate) fn configuration(&self, number: u16) -> PathBuf {
        self.node(number).join("quartet.toml")
    }

    /// Where node `number` says what it does.
    pub(crate) fn log(&self, number: u16) -> PathBuf {
        self.node(number).join("log")
    }

    /// All nodes' configurations, by number.
    pub(crate) fn configurations(&self) -> io::Result<Vec<PathBuf>> {
        let mut numbers: Vec<u16> = Vec::new();
        for entry in fs::read_dir(&self.root)? {
            let name = entry?.file_name();
            let number: Option<u16> =
                name.to_str().and_then(|name| name.strip_prefix("node-")).and_then(|n| n.parse().ok());
            numbers.extend(number);
        }
        numbers.sort_unstable();
        let files = numbers.into_iter().map(|number| self.configuration(number));
        Ok(files.filter(|file| file.exists()).collect())
    }

    /// Keeps a second `quartet dev` off, until the returned file is dropped.
    pub(crate) fn lock(&self) -> anyhow::Result<File> {
        let root = self.root.display();
        fs::create_dir_all(&self.root).with_context(|| {
            format!("{root}: the directory cannot be made; choose another with --dir DIR")
        })?;
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(self.root.join("lock"))
            .with_context(|| {
            format!("{root}: the directory cannot be written; choose another with --dir DIR")
        })?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(TryLockError::WouldBlock) => {
                bail!(
                    "{root}: another quartet dev runs on this directory; end it, or choose another with --dir DIR"
                )
            }
            Err(TryLockError::Error(error)) => {
                bail!("{root}/lock: {error}; choose another directory with --dir DIR")
            }
        }
    }

    /// What the directory was made for, if it was.
    pub(crate) fn plan(&self) -> anyhow::Result<Option<Plan>> {
        let path = self.root.join("dev.toml");
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => bail!("{}: {error}", path.display()),
        };
        let number = |table: &toml::Table, key: &str| {
            table.get(key).and_then(toml::Value::as_integer).and_then(|number| u16::try_from(number).ok())
        };
        let table: Option<toml::Table> = text.parse().ok();
        let plan = table
            .and_then(|table| Some(Plan { nodes: number(&table, "nodes")?, port: number(&table, "port")? }));
        match plan {
            Some(plan) => Ok(Some(plan)),
            None => bail!(
                "{}: it should hold `nodes = …` and `port = …`; mend it, or choose another directory with --dir DIR",
                path.display()
            ),
        }
    }

    /// Makes what is missing for a cluster of this plan; leaves what is there as it is.
    pub(crate) fn prepare(&self, plan: Plan) -> anyhow::Result<()> {
        let Plan { nodes, port } = plan;
        let about = "# Made by `quartet dev`: the shape of this cluster, which its data depends on.";
        write_new(&self.root.join("dev.toml"), &format!("{about}\nnodes = {nodes}\nport = {port}\n"))?;
        for number in 1..=nodes {
            let directory = self.node(number);
            fs::create_dir_all(&directory).with_context(|| directory.display().to_string())?;
            write_new(&self.configuration(number), &configuration(plan, number)?)?;
            set_long_log_aside(&self.log(number))?;
        }
        Ok(())
    }

    /// The end of a node's log: its last line that says anything.
    pub(crate) fn last_words(&self, number: u16) -> Option<String> {
        let text = read_end(&self.log(number)).ok()?;
        text.lines().rev().map(str::trim).find(|line| !line.is_empty()).map(str::to_owned)
    }
}

/// Bytes at the end of a log that are looked at for its last line.
const LOG_END: u64 = 4096;

fn read_end(path: &Path) -> io::Result<String> {
    use std::io::{Read, Seek, SeekFrom};
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(LOG_END)))?;
    let mut bytes = Vec::new();
    file.take(LOG_END).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Writes a file that is not there yet, whole or not at all.
fn write_new(path: &Path, text: &str) -> anyhow::Result<()> {
    if path.exists() {
        return Ok(());
    }
    let unfinished = path.with_extension("unfinished");
    fs::write(&unfinished, text)
        .and_then(|()| fs::rename(&unfinished, path))
        .with_context(|| format!("{}: it cannot be written; is the disk full?", path.display()))
}

fn set_long_log_aside(log: &Path) -> anyhow::Result<()> {
    match fs::metadata(log) {
        Ok(about) if about.len() > LONGEST_LOG => {
            fs::rename(log, log.with_extension("old")).with_context(|| log.display().to_string())
        }
        _ => Ok(()),
    }
}

/// The configuration of node `number`. Paths are relative to the file, so that the directory can be moved.
fn configuration(plan: Plan, number: u16) -> anyhow::Result<String> {
    let mut text = String::new();
    writeln!(
        text,
        "# Node {number} of {} of a local cluster. Made by `quartet dev`, which leaves it alone from now on: edit it as\n\
         # you like. Start this node by hand with: quartet server --config FILE\n\
         \n\
         [node]\n\
         name = \"node-{number}\"\n\
         data_dir = \"data\"\n\
         pid_file = \"pid\"\n\
         \n\
         # Where MQTT clients connect.\n\
         [[listener]]\n\
         address = \"{}\"\n\
         \n\
         # Where the other nodes and `quartet cluster` connect (gRPC), and the first members: the same on all.\n\
         [cluster]\n\
         address = \"{}\"\n\
         seeds = [",
        plan.nodes,
        plan.listener(number),
        plan.cluster(number),
    )?;
    for seed in 1..=plan.nodes {
        writeln!(text, "  \"node-{seed}={}\",", plan.cluster(seed))?;
    }
    writeln!(text, "]")?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Overrides};

    const PLAN: Plan = Plan { nodes: 3, port: 1883 };

    #[test]
    fn what_is_written_is_a_good_configuration() {
        let root = tempfile::tempdir().expect("a directory");
        let directory = Directory::new(root.path());
        assert_eq!(directory.plan().expect("none yet"), None);
        directory.prepare(PLAN).expect("made");
        assert_eq!(directory.plan().expect("there now"), Some(PLAN));
        let files = directory.configurations().expect("readable");
        assert_eq!(files.len(), 3);
        for (number, file) in (1..).zip(&files) {
            let config = Config::load(file, Overrides::default()).expect("good");
            assert_eq!(config.node.name, format!("node-{number}"));
            assert_eq!(config.node.data_dir, directory.node(number).join("data"));
            assert_eq!(config.node.pid_file, Some(directory.node(number).join("pid")));
            assert_eq!(config.listeners[0].address, PLAN.listener(number));
            assert_eq!(config.cluster.address, PLAN.cluster(number));
            assert_eq!(config.cluster.seeds.len(), 3);
        }
    }

    #[test]
    fn what_was_edited_stays() {
        let root = tempfile::tempdir().expect("a directory");
        let directory = Directory::new(root.path());
        directory.prepare(PLAN).expect("made");
        fs::write(directory.configuration(2), "mine").expect("written");
        directory.prepare(PLAN).expect("again");
        assert_eq!(fs::read_to_string(directory.configuration(2)).expect("there"), "mine");
    }

    #[test]
    fn one_at_a_time() {
        let root = tempfile::tempdir().expect("a directory");
        let held = Directory::new(root.path()).lock().expect("free");
        let said = Directory::new(root.path()).lock().expect_err("held").to_string();
        assert!(said.contains("another quartet dev runs on this directory"), "{said}");
        drop(held);
        Directory::new(root.path()).lock().expect("free again");
    }

    #[test]
    fn last_words() {
        let root = tempfile::tempdir().expect("a directory");
        let directory = Directory::new(root.path());
        directory.prepare(PLAN).expect("made");
        assert_eq!(directory.last_words(1), None);
        let long = "x".repeat(10_000);
        fs::write(directory.log(1), format!("{long}\nerror: disk full\n\n")).expect("written");
        assert_eq!(directory.last_words(1), Some("error: disk full".into()));
    }
}
