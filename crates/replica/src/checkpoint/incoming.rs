//! A checkpoint that is being received from a peer.

use std::fs::{self, File};
use std::io::Write;
use std::path::PathBuf;

use super::{CheckpointFile, failed};
use crate::Error;

/// The part that has come. Removed again unless it is finished.
pub(crate) struct Incoming {
    path: PathBuf,
    file: File,
    left: u64,
    finished: bool,
}

impl Incoming {
    pub(super) fn create(path: PathBuf, length: u64) -> Result<Self, Error> {
        let file = File::create(&path).map_err(|error| failed(&path, "making the file", &error))?;
        Ok(Self { path, file, left: length, finished: false })
    }

    /// Adds the next bytes. Blocks.
    pub(crate) fn write(&mut self, chunk: &[u8]) -> Result<(), Error> {
        self.left = self.left.checked_sub(chunk.len() as u64).ok_or_else(|| self.wrong_length())?;
        self.file.write_all(chunk).map_err(|error| failed(&self.path, "writing it", &error))
    }

    /// All has come: synced when this returns, and not yet looked at. Blocks.
    pub(crate) fn finish(mut self) -> Result<CheckpointFile, Error> {
        if self.left != 0 {
            return Err(self.wrong_length());
        }
        self.file.sync_all().map_err(|error| failed(&self.path, "syncing it", &error))?;
        self.finished = true;
        CheckpointFile::open_at(self.path.clone())
    }

    fn wrong_length(&self) -> Error {
        let why = "the peer sent another length than it said".to_owned();
        Error::Checkpoint { path: self.path.clone(), why, remedy: "it is sent again" }
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        if !self.finished {
            fs::remove_file(&self.path).ok();
        }
    }
}
