//! One checkpoint's file.
//!
//! ```text
//!   "quartet\n"                              8 bytes
//!   length(4)  kind(1) body  crc32(4)        a record; the length is of kind and body, the checksum over both
//!   …                                        head, state, session*, message*, end
//! ```
//!
//! Numbers around records are big-endian. A file is complete if it ends with its `end` record, which counts the others.

use std::fmt;
use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use parking_lot::Mutex;
use quartet_broker::{Frozen, Thaw};

use crate::Error;
use crate::applier::Applier;
use crate::codec::Malformed;
use crate::codec::checkpoint::{
    Head, head, put_head, put_session, put_state, put_stored, session, state, stored,
};
use crate::message_store::{MessageStore, PinnedMessages};

const MAGIC: &[u8; 8] = b"quartet\n";

const HEAD: u8 = 1;
const STATE: u8 = 2;
const SESSION: u8 = 3;
const MESSAGE: u8 = 4;
const END: u8 = 5;

/// Bytes written between two syncs: so that the end does not find a gigabyte to be flushed in the way of the log.
const SYNC_EVERY: usize = 8 << 20;

/// A checkpoint's file, held open: it can be read even when its name is gone.
#[derive(Clone)]
pub(crate) struct CheckpointFile {
    path: PathBuf,
    file: Arc<File>,
    length: u64,
    /// What it holds, if it was loaded already and nobody has taken that yet.
    loaded: Arc<Mutex<Option<(Head, Applier)>>>,
}

impl fmt::Debug for CheckpointFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CheckpointFile({}, {} bytes)", self.path.display(), self.length)
    }
}

impl CheckpointFile {
    pub(crate) fn open_at(path: PathBuf) -> Result<Self, Error> {
        let open = || {
            let file = File::open(&path)?;
            let length = file.metadata()?.len();
            Ok((file, length))
        };
        match open() {
            Ok((file, length)) => Ok(Self { path, file: Arc::new(file), length, loaded: Arc::default() }),
            Err(error) => Err(super::failed(&path, "opening it", &error)),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes in it.
    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// The bytes from `offset` on, `most` at most; empty at the end. Blocks.
    pub(crate) fn chunk(&self, offset: u64, most: usize) -> io::Result<Bytes> {
        let left = usize::try_from(self.length.saturating_sub(offset)).unwrap_or(usize::MAX);
        let mut chunk = vec![0; left.min(most)];
        self.file.read_exact_at(&mut chunk, offset)?;
        Ok(chunk.into())
    }

    /// Reads only the head.
    pub(crate) fn head(&self, cluster_id: u128) -> Result<Head, Error> {
        let mut records = Records::new(self).map_err(|error| self.damaged(error))?;
        self.read_head(&mut records, cluster_id)
    }

    /// Loads it now, so that damage is found before anybody relies on it; the next [`load`](Self::load) takes the result.
    pub(crate) fn verify(&self, cluster_id: u128) -> Result<(), Error> {
        let loaded = self.load(cluster_id)?;
        *self.loaded.lock() = Some(loaded);
        Ok(())
    }

    /// Reads all of it; every checksum and the state's digest are checked.
    pub(crate) fn load(&self, cluster_id: u128) -> Result<(Head, Applier), Error> {
        if let Some(loaded) = self.loaded.lock().take() {
            return Ok(loaded);
        }
        let mut records = Records::new(self).map_err(|error| self.damaged(error))?;
        let head = self.read_head(&mut records, cluster_id)?;
        let applier = load(&mut records, &head).map_err(|why| self.damaged(why))?;
        Ok((head, applier))
    }

    fn read_head(&self, records: &mut Records<'_>, cluster_id: u128) -> Result<Head, Error> {
        let head = match records.next().map_err(|error| self.damaged(error))? {
            (HEAD, body) => head(body).map_err(|error| self.damaged(error))?,
            _ => return Err(self.damaged("it does not begin with a head")),
        };
        if head.cluster_id != cluster_id {
            let why = format!("it is of cluster {:032x}", head.cluster_id);
            let remedy = "check the data directory: it mixes clusters";
            return Err(Error::Checkpoint { path: self.path.clone(), why, remedy });
        }
        Ok(head)
    }

    fn damaged(&self, why: impl ToString) -> Error {
        Error::Checkpoint {
            path: self.path.clone(),
            why: format!("damaged: {}", why.to_string()),
            remedy: "an older one is used if the log reaches back to it, else rebuild this node from its peers",
        }
    }
}

fn load(records: &mut Records<'_>, head: &Head) -> Result<Applier, String> {
    let text = |error: Malformed| error.to_string();
    let mut thaw = match records.next().map_err(|error| error.to_string())? {
        (STATE, body) => Thaw::new(state(body).map_err(text)?).map_err(|error| error.to_string())?,
        _ => return Err("the state does not follow the head".to_owned()),
    };
    let mut messages = MessageStore::default();
    loop {
        match records.next().map_err(|error| error.to_string())? {
            (SESSION, body) => {
                thaw.session(session(body).map_err(text)?).map_err(|error| error.to_string())?
            }
            (MESSAGE, body) => {
                let (handle, message) = stored(body).map_err(text)?;
                messages.store(handle, &message);
            }
            (END, body) => {
                if body[..] != (records.read - 1).to_be_bytes() || records.left != 0 {
                    return Err("its end does not count its records".to_owned());
                }
                break;
            }
            _ => return Err("a record of an unknown kind".to_owned()),
        }
    }
    let broker = thaw.finish().map_err(|error| error.to_string())?;
    Ok(Applier::at(broker, messages, head.last_log_id, head.membership.clone()))
}

/// Reads records one after another.
struct Records<'a> {
    file: io::BufReader<At<'a>>,
    left: u64,
    read: u64,
}

/// Reads a shared file from a place of its own.
struct At<'a> {
    file: &'a File,
    offset: u64,
}

impl Read for At<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(buffer, self.offset)?;
        self.offset += read as u64;
        Ok(read)
    }
}

impl<'a> Records<'a> {
    fn new(file: &'a CheckpointFile) -> io::Result<Self> {
        let at = At { file: &file.file, offset: 0 };
        let mut records =
            Self { file: io::BufReader::with_capacity(256 << 10, at), left: file.length, read: 0 };
        if records.take(MAGIC.len() as u64)?[..] != MAGIC[..] {
            return Err(io::Error::other("it is no checkpoint"));
        }
        Ok(records)
    }

    /// Kind and body of the next record.
    fn next(&mut self) -> io::Result<(u8, Bytes)> {
        let length = self.number()?;
        let mut record = self.take(u64::from(length))?;
        let checksum = self.number()?;
        if record.is_empty() || crc32fast::hash(&record) != checksum {
            return Err(io::Error::other(format!("checksum mismatch in record {}", self.read)));
        }
        self.read += 1;
        let kind = record.split_to(1);
        Ok((kind[0], record))
    }

    fn number(&mut self) -> io::Result<u32> {
        let bytes = self.take(4)?;
        <[u8; 4]>::try_from(&bytes[..]).map(u32::from_be_bytes).map_err(io::Error::other)
    }

    fn take(&mut self, length: u64) -> io::Result<Bytes> {
        self.left = self.left.checked_sub(length).ok_or_else(|| io::Error::other("it ends early"))?;
        let length = usize::try_from(length).map_err(io::Error::other)?;
        let mut bytes = BytesMut::zeroed(length);
        self.file.read_exact(&mut bytes)?;
        Ok(bytes.freeze())
    }
}

/// Writes a whole file and syncs it.
pub(super) fn write(path: &Path, head: &Head, frozen: &Frozen, messages: &PinnedMessages) -> io::Result<()> {
    let mut records = RecordWriter::create(path)?;
    records.put(HEAD, |out| put_head(head, out))?;
    records.put(STATE, |out| put_state(frozen.header(), out))?;
    for session in frozen.sessions() {
        records.put(SESSION, |out| put_session(&session, out))?;
    }
    for (handle, message) in messages.iter() {
        records.put(MESSAGE, |out| put_stored(handle, message, out))?;
    }
    let written = records.written;
    records.put(END, |out| out.extend_from_slice(&written.to_be_bytes()))?;
    records.file.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()
}

struct RecordWriter {
    file: BufWriter<File>,
    record: BytesMut,
    written: u64,
    unsynced: usize,
}

impl RecordWriter {
    fn create(path: &Path) -> io::Result<Self> {
        let mut file = BufWriter::with_capacity(1 << 20, File::create(path)?);
        file.write_all(MAGIC)?;
        Ok(Self { file, record: BytesMut::new(), written: 0, unsynced: 0 })
    }

    fn put(&mut self, kind: u8, body: impl FnOnce(&mut BytesMut)) -> io::Result<()> {
        self.record.clear();
        self.record.extend_from_slice(&[kind]);
        body(&mut self.record);
        let length = u32::try_from(self.record.len()).map_err(io::Error::other)?;
        self.file.write_all(&length.to_be_bytes())?;
        self.file.write_all(&self.record)?;
        self.file.write_all(&crc32fast::hash(&self.record).to_be_bytes())?;
        self.written += 1;
        self.unsynced += self.record.len();
        if self.unsynced >= SYNC_EVERY {
            self.unsynced = 0;
            self.file.flush()?;
            self.file.get_ref().sync_data()?;
        }
        Ok(())
    }
}
