//! What a data directory holds, opened and checked before anything runs on it.
//!
//! ```text
//!   <data_dir>/raft-log/      identity, boot counter, votes, entries      (quartet-raft-log)
//!   <data_dir>/checkpoints/   whole copies of the state                   (checkpoint)
//! ```

use std::path::{Path, PathBuf};
use std::sync::Arc;

use openraft::storage::RaftLogStorage;
use quartet_raft_log::{Identity, Opened, RaftLog};

use crate::Error;
use crate::applier::Applier;
use crate::checkpoint::Checkpoints;
use crate::config::Config;
use crate::counters::Counters;

/// A formatted directory.
pub(crate) struct Disk {
    pub(crate) identity: Identity,
    pub(crate) log: RaftLog,
    pub(crate) checkpoints: Checkpoints,
    /// The state of the newest checkpoint, or the empty one.
    pub(crate) applier: Applier,
}

const LOG: &str = "raft-log";
const CHECKPOINTS: &str = "checkpoints";

/// What else a data directory may hold: a file system's own.
const LOST_AND_FOUND: &str = "lost+found";

/// Where the log lives.
pub(crate) fn log_dir(config: &Config) -> PathBuf {
    config.data_dir.join(LOG)
}

fn checkpoint_dir(config: &Config) -> PathBuf {
    config.data_dir.join(CHECKPOINTS)
}

/// A directory with anything of somebody else's in it is a wrong path: nothing is written beside it.
fn refuse_foreign(dir: &Path) -> Result<(), Error> {
    let Ok(entries) = dir.read_dir() else {
        // Not there yet, or not to be read: formatting it tells which.
        return Ok(());
    };
    let names = entries.filter_map(|entry| entry.ok().map(|entry| entry.file_name()));
    let foreign = names.filter(|name| name != LOG && name != CHECKPOINTS && name != LOST_AND_FOUND).min();
    match foreign {
        None => Ok(()),
        Some(found) => {
            Err(Error::Foreign { dir: dir.to_owned(), found: found.to_string_lossy().into_owned() })
        }
    }
}

/// Opens the directory; `None` if it is pristine. Blocks.
///
/// # Errors
/// Whatever makes this disk one that is not to be trusted.
pub(crate) fn open(config: &Config, counters: &Arc<Counters>) -> Result<Option<Disk>, Error> {
    refuse_foreign(&config.data_dir)?;
    let checkpoints = checkpoint_dir(config);
    let Opened { identity, log } =
        match quartet_raft_log::open(&quartet_raft_log::Config::new(log_dir(config))) {
            Ok(opened) => opened,
            Err(quartet_raft_log::Error::NotFormatted { .. }) => {
                // The log is gone but the state is not: the identity it had must not be taken by an empty disk.
                if checkpoints.read_dir().is_ok_and(|mut files| files.next().is_some()) {
                    let why = "there are checkpoints but no raft log beside them".to_owned();
                    let remedy =
                        "rebuild this node from its peers under a new node id, in an empty directory";
                    return Err(Error::Checkpoint { path: checkpoints, why, remedy });
                }
                return Ok(None);
            }
            Err(error) => return Err(error.into()),
        };
    let (checkpoints, loaded) = Checkpoints::open(&checkpoints, identity.cluster_id, Arc::clone(counters))?;
    let mut applier = loaded.unwrap_or_else(|| Applier::new(identity.cluster_id));
    applier.poisoned = Arc::new(log.poisoned()?.into_iter().collect());
    applier.panic_on_topic = config.panic_on_topic.as_deref().map(Arc::from);
    Ok(Some(Disk { identity, log, checkpoints, applier }))
}

impl Disk {
    /// Refuses a log that begins behind the entry that the state ends with.
    pub(crate) async fn check_reach(&mut self) -> Result<(), Error> {
        let state = self.log.get_log_state().await.map_err(|error| Error::Raft { why: error.to_string() })?;
        let purged = state.last_purged_log_id.map(|purged| purged.index);
        let applied = self.applier.last_applied.map(|last| last.index);
        match purged {
            Some(purged) if applied.is_none_or(|applied| applied < purged) => {
                Err(Error::Hole { checkpoint: applied.unwrap_or(0), first: purged + 1 })
            }
            Some(_) | None => Ok(()),
        }
    }
}
