//! The data directory: made once, locked while open, and checked before anything in it is changed.
//!
//! ```text
//!   <dir>/lock            held (flock) while the log is open
//!   <dir>/durable.mark    how far the log was once on disk, see `mark`
//!   <dir>/rocksdb/        entries, vote, identity
//! ```
//!
//! `format` builds the database under another name and renames it last: a directory is formatted
//! entirely or not at all. Opening looks first with a read-only database, so a directory that is
//! refused is left as it was found.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use rocksdb::WriteBatch;

use crate::codec::{decode_identity, decode_number, encode_identity, encode_number};
use crate::database::Database;
use crate::error::Error;
use crate::identity::Identity;
use crate::keys::{FORMAT, Key};
use crate::mark::Mark;

const LOCK: &str = "lock";
const MARK: &str = "durable.mark";
const DATABASE: &str = "rocksdb";
const UNFINISHED: &str = "rocksdb.unfinished";
/// What a fresh file system holds; a volume mounted at the directory is empty nevertheless.
const LOST_AND_FOUND: &str = "lost+found";

/// Makes `dir` the data directory of the node `identity`: an empty log, no vote, boot 0. The
/// directory is created if need be. Durable when this returns.
///
/// # Errors
/// [`Error::AlreadyFormatted`] the second time; [`Error::Foreign`] if the directory holds anything
/// else; [`Error::Locked`], [`Error::DiskFull`], [`Error::Io`].
pub fn format(dir: &Path, identity: &Identity) -> Result<(), Error> {
    let io = |e: io::Error| explain(dir, "formatting it", &e);
    fs::create_dir_all(dir).map_err(io)?;
    if dir.join(DATABASE).try_exists().map_err(io)? {
        let dir = dir.to_owned();
        return Err(Error::AlreadyFormatted { dir });
    }
    refuse_foreign(dir)?;
    let _held = lock(dir)?;

    let unfinished = dir.join(UNFINISHED);
    if unfinished.try_exists().map_err(io)? {
        fs::remove_dir_all(&unfinished).map_err(io)?;
    }
    let database = Database::create(&unfinished, dir)?;
    let mut batch = WriteBatch::default();
    let mut put = |key: Key, value: Vec<u8>| {
        batch.put_cf(database.family(key.family()), key.bytes(), value);
    };
    let mut value = Vec::new();
    encode_identity(identity, &mut value);
    put(Key::Identity, value);
    put(Key::Format, encode_number(u64::from(FORMAT)));
    put(Key::Boot, encode_number(0));
    put(Key::Write, encode_number(0));
    database.write(batch)?;
    drop(database);

    Mark::create(&dir.join(MARK)).map_err(io)?;
    fs::rename(&unfinished, dir.join(DATABASE)).map_err(io)?;
    sync_directory(dir).map_err(io)?;
    let parent = dir.parent().filter(|p| !p.as_os_str().is_empty());
    sync_directory(parent.unwrap_or(Path::new("."))).map_err(io)
}

/// A directory that was found to be ours and whole. Nothing in it has been changed yet.
pub(crate) struct Checked {
    pub(crate) dir: PathBuf,
    pub(crate) lock: File,
    pub(crate) identity: Identity,
    pub(crate) mark: Mark,
}

/// Locks and checks a directory; see `open` for what is refused.
pub(crate) fn check(dir: &Path, cluster_id: Option<u128>) -> Result<Checked, Error> {
    let io = |e: io::Error| explain(dir, "opening it", &e);
    if !dir.join(DATABASE).try_exists().map_err(io)? {
        if dir.is_dir() {
            refuse_foreign(dir)?;
        }
        let dir = dir.to_owned();
        return Err(Error::NotFormatted { dir });
    }
    let lock = lock(dir)?;
    let damaged = |why: &str| Error::Damaged { dir: dir.to_owned(), why: why.to_owned() };

    let database = Database::open_to_look(&dir.join(DATABASE), dir)?;
    let number = |key| database.read(key, |value| decode_number("number", value));
    // The version is looked at first: of another layout nothing else can be judged.
    let found = match number(Key::Format)? {
        None => {
            let dir = dir.to_owned();
            return Err(Error::NoIdentity { dir });
        }
        Some(found) => u32::try_from(found).unwrap_or(u32::MAX),
    };
    if found != FORMAT {
        return Err(Error::FormatVersion { dir: dir.to_owned(), found, supported: FORMAT });
    }
    let Some(identity) = database.read(Key::Identity, decode_identity)? else {
        let dir = dir.to_owned();
        return Err(Error::NoIdentity { dir });
    };
    if let Some(expected) = cluster_id.filter(|id| *id != identity.cluster_id) {
        return Err(Error::OtherCluster { dir: dir.to_owned(), found: identity.cluster_id, expected });
    }
    let (mark, durable) = match Mark::open(&dir.join(MARK)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(damaged("its durable mark is missing"));
        }
        opened => opened.map_err(io)?,
    };
    let durable = durable.ok_or_else(|| damaged("neither slot of its durable mark reads"))?;
    let found = number(Key::Write)?.ok_or_else(|| damaged("its write number is missing"))?;
    if found < durable {
        return Err(Error::LostTail { dir: dir.to_owned(), durable, found });
    }
    Ok(Checked { dir: dir.to_owned(), lock, identity, mark })
}

impl Checked {
    /// Opens the database for writing.
    pub(crate) fn database(&self) -> Result<Database, Error> {
        Database::open(&self.dir.join(DATABASE), &self.dir)
    }
}

fn refuse_foreign(dir: &Path) -> Result<(), Error> {
    let io = |e: io::Error| explain(dir, "listing it", &e);
    let mut names = Vec::new();
    for entry in fs::read_dir(dir).map_err(io)? {
        names.push(entry.map_err(io)?.file_name());
    }
    names.sort();
    let ours = [LOCK, MARK, DATABASE, UNFINISHED, LOST_AND_FOUND];
    match names.iter().find(|name| !ours.iter().any(|our| name == our)) {
        None => Ok(()),
        Some(found) => {
            Err(Error::Foreign { dir: dir.to_owned(), found: found.to_string_lossy().into_owned() })
        }
    }
}

fn lock(dir: &Path) -> Result<File, Error> {
    let io = |e: io::Error| explain(dir, "locking it", &e);
    let mut options = OpenOptions::new();
    options.create(true).truncate(false).write(true);
    let file = options.open(dir.join(LOCK)).map_err(io)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            let dir = dir.to_owned();
            Err(Error::Locked { dir })
        }
        Err(TryLockError::Error(error)) => Err(io(error)),
    }
}

fn sync_directory(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// The operating system's refusal in our words.
pub(crate) fn explain(dir: &Path, doing: &'static str, error: &io::Error) -> Error {
    let dir = dir.to_owned();
    if matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) {
        return Error::DiskFull { dir, doing };
    }
    let why = error.to_string();
    Error::Io { dir, doing, why }
}
