//! The RocksDB under the log: its options, its errors in our words, its few kinds of read.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use rocksdb::{
    ColumnFamily, ColumnFamilyDescriptor, DB, DBCompressionType, DBRecoveryMode, ErrorKind, IteratorMode,
    Options, ReadOptions, WriteBatch, WriteOptions,
};

use crate::codec;
use crate::error::Error;
use crate::keys::{Key, LOG, META};
use crate::type_config::Entry;

/// One memtable of entries. Large, so that most entries are purged before they would be written a
/// second time, into an SST file.
const WRITE_BUFFER_BYTES: usize = 64 << 20;
/// Memtables before writes wait for a flush: room for a burst while the disk is busy.
const WRITE_BUFFERS: i32 = 4;
/// The write-ahead log may hold this much before RocksDB flushes what still needs it. It bounds
/// what a restart has to replay, when flushes cannot keep up with writes.
const WAL_BYTES: u64 = 256 << 20;
/// Old write-ahead log files kept to be overwritten: a sync then has no file growth to journal.
const RECYCLED_WALS: usize = 4;
/// Files at level 0 before they are merged; purged entries vanish then.
const LEVEL0_FILES: i32 = 8;
/// The database has few files; this bounds their handles.
const OPEN_FILES: i32 = 256;
/// RocksDB's own diagnostic log files, each of at most [`INFO_LOG_BYTES`].
const INFO_LOGS: usize = 4;
const INFO_LOG_BYTES: usize = 4 << 20;

/// An open database with both column families.
pub(crate) struct Database {
    db: DB,
    dir: PathBuf,
    /// Kept for RocksDB's own counters, which live in them.
    #[cfg(test)]
    options: Options,
}

fn options() -> Options {
    let mut options = Options::default();
    options.set_max_total_wal_size(WAL_BYTES);
    options.set_recycle_log_file_num(RECYCLED_WALS);
    // `meta` changes with every write but never fills a memtable: flushed alone, its small values
    // would pin every write-ahead log file until the bound, and none could be recycled before.
    options.set_atomic_flush(true);
    // Torn tails are dropped, and told from lost ones by the durable mark.
    options.set_wal_recovery_mode(DBRecoveryMode::PointInTime);
    options.set_max_open_files(OPEN_FILES);
    options.set_max_background_jobs(2);
    options.set_keep_log_file_num(INFO_LOGS);
    options.set_max_log_file_size(INFO_LOG_BYTES);
    options.set_stats_dump_period_sec(0);
    #[cfg(test)]
    options.enable_statistics();
    options
}

fn families() -> [ColumnFamilyDescriptor; 2] {
    let mut log = Options::default();
    // Payloads are mostly compressed or tiny, and reads of cold entries are rare.
    log.set_compression_type(DBCompressionType::None);
    log.set_write_buffer_size(WRITE_BUFFER_BYTES);
    log.set_max_write_buffer_number(WRITE_BUFFERS);
    log.set_level_zero_file_num_compaction_trigger(LEVEL0_FILES);
    [ColumnFamilyDescriptor::new(LOG, log), ColumnFamilyDescriptor::new(META, Options::default())]
}

impl Database {
    /// Makes a new database; `dir` names the data directory in errors.
    pub(crate) fn create(path: &Path, dir: &Path) -> Result<Self, Error> {
        let mut options = options();
        options.create_if_missing(true);
        options.create_missing_column_families(true);
        options.set_error_if_exists(true);
        let db = DB::open_cf_descriptors(&options, path, families())
            .map_err(|e| explain(dir, "creating the database", &e))?;
        Ok(Self::new(db, dir, options))
    }

    /// Opens an existing database. What its write-ahead log holds is written to synced files
    /// before this returns: everything that can be read is durable.
    pub(crate) fn open(path: &Path, dir: &Path) -> Result<Self, Error> {
        let options = options();
        let db = DB::open_cf_descriptors(&options, path, families())
            .map_err(|e| explain(dir, "opening the database", &e))?;
        Ok(Self::new(db, dir, options))
    }

    /// Opens an existing database without changing a byte of it.
    pub(crate) fn open_to_look(path: &Path, dir: &Path) -> Result<Self, Error> {
        let options = options();
        let db = DB::open_cf_descriptors_read_only(&options, path, families(), false)
            .map_err(|e| explain(dir, "reading the database", &e))?;
        Ok(Self::new(db, dir, options))
    }

    #[cfg_attr(not(test), expect(unused_variables, reason = "kept for tests only"))]
    fn new(db: DB, dir: &Path, options: Options) -> Self {
        Self {
            db,
            dir: dir.to_owned(),
            #[cfg(test)]
            options,
        }
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(crate) fn family(&self, name: &str) -> &ColumnFamily {
        self.db.cf_handle(name).expect("both families are opened with the database")
    }

    /// One value, as stored.
    pub(crate) fn get(&self, key: Key) -> Result<Option<Vec<u8>>, Error> {
        self.db
            .get_cf(self.family(key.family()), key.bytes())
            .map_err(|e| explain(&self.dir, "reading a value", &e))
    }

    /// One value, decoded; what does not decode is damage.
    pub(crate) fn read<T>(
        &self,
        key: Key,
        decode: impl FnOnce(&[u8]) -> Result<T, Error>,
    ) -> Result<Option<T>, Error> {
        let value = self.get(key)?;
        let decoded = value.map(|value| decode(&value)).transpose();
        decoded.map_err(|error| self.damaged(error.to_string()))
    }

    /// Writes and syncs: the batch is on disk when this returns `Ok`.
    pub(crate) fn write(&self, batch: WriteBatch) -> Result<(), Error> {
        let mut durably = WriteOptions::default();
        durably.set_sync(true);
        self.db.write_opt(batch, &durably).map_err(|e| explain(&self.dir, "writing the log", &e))
    }

    /// The keys of one family from `from` on, with their values, while `take` wants them.
    pub(crate) fn scan(
        &self,
        family: &str,
        from: &[u8],
        mut take: impl FnMut(&[u8]) -> bool,
    ) -> Result<(), Error> {
        let from = IteratorMode::From(from, rocksdb::Direction::Forward);
        for item in self.db.iterator_cf(self.family(family), from) {
            let (key, _) = item.map_err(|e| explain(&self.dir, "scanning", &e))?;
            if !take(&key) {
                break;
            }
        }
        Ok(())
    }

    /// The entries from index `start` up to `end`, exclusive, as they are now; to be drawn later.
    pub(crate) fn entries(&self, start: u64, end: u64) -> Entries<'_> {
        let mut read = ReadOptions::default();
        read.set_iterate_upper_bound(Key::Entry(end).bytes());
        // Entries read from disk are old ones, read once.
        read.fill_cache(false);
        let mut cursor = self.db.raw_iterator_cf_opt(self.family(LOG), read);
        cursor.seek(Key::Entry(start).bytes());
        Entries { database: self, cursor, next: start, end }
    }

    /// The last entry, if it has an index of at least `from`.
    pub(crate) fn last_entry(&self, from: u64) -> Result<Option<Entry>, Error> {
        let mut read = ReadOptions::default();
        read.set_iterate_lower_bound(Key::Entry(from).bytes());
        let mut cursor = self.db.raw_iterator_cf_opt(self.family(LOG), read);
        cursor.seek_to_last();
        cursor.status().map_err(|e| explain(&self.dir, "looking for the last entry", &e))?;
        let last = cursor.item().map(|(key, value)| self.entry(key, value));
        last.transpose()
    }

    /// The index of the first entry at or after `from`.
    pub(crate) fn first_index(&self, from: u64) -> Result<Option<u64>, Error> {
        let mut cursor = self.db.raw_iterator_cf(self.family(LOG));
        cursor.seek(Key::Entry(from).bytes());
        cursor.status().map_err(|e| explain(&self.dir, "looking for the first entry", &e))?;
        let key = cursor.key();
        key.map(|key| Key::entry_index(key).ok_or_else(|| self.damaged("a log key of wrong length")))
            .transpose()
    }

    fn entry(&self, key: &[u8], value: &[u8]) -> Result<Entry, Error> {
        let index = Key::entry_index(key).ok_or_else(|| self.damaged("a log key of wrong length"))?;
        let entry = codec::decode_entry(&Bytes::copy_from_slice(value))
            .map_err(|error| self.damaged_entry(index, error.to_string()))?;
        if entry.log_id.index == index {
            Ok(entry)
        } else {
            let other = entry.log_id.index;
            Err(self.damaged_entry(index, format!("it holds entry {other}")))
        }
    }

    pub(crate) fn damaged(&self, why: impl Into<String>) -> Error {
        Error::Damaged { dir: self.dir.clone(), why: why.into() }
    }

    fn damaged_entry(&self, index: u64, why: impl Into<String>) -> Error {
        Error::DamagedEntry { dir: self.dir.clone(), index, why: why.into() }
    }
}

/// Entries in order of index, without holes: one that is missing is an error.
pub(crate) struct Entries<'a> {
    database: &'a Database,
    cursor: rocksdb::DBRawIterator<'a>,
    next: u64,
    end: u64,
}

impl Iterator for Entries<'_> {
    type Item = Result<Entry, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.next >= self.end {
            return None;
        }
        let item = self.cursor.item();
        let entry = item.map(|(key, value)| self.database.entry(key, value));
        let entry = match (entry, self.cursor.status()) {
            (_, Err(error)) => {
                let why = error.into_string();
                Err(self.database.damaged_entry(self.next, why))
            }
            (Some(Ok(entry)), Ok(())) if entry.log_id.index == self.next => Ok(entry),
            (Some(Ok(_)) | None, Ok(())) => Err(self.database.damaged_entry(self.next, "it is missing")),
            (Some(Err(error)), Ok(())) => Err(error),
        };
        self.next = if entry.is_ok() { self.next.saturating_add(1) } else { self.end };
        self.cursor.next();
        Some(entry)
    }
}

/// What the operator should hear, of what RocksDB says in its own words.
fn explain(dir: &Path, doing: &'static str, error: &rocksdb::Error) -> Error {
    let dir = dir.to_owned();
    let why = error.to_string();
    // The system's message is all that crosses RocksDB's C interface.
    if why.contains("No space left on device") || why.contains("Disk quota exceeded") {
        return Error::DiskFull { dir, doing };
    }
    // A tool of RocksDB's own has the database open: it does not know our lock.
    if why.contains("LOCK: Resource temporarily unavailable") {
        return Error::Locked { dir };
    }
    match error.kind() {
        ErrorKind::Corruption | ErrorKind::NotFound | ErrorKind::InvalidArgument => {
            Error::Damaged { dir, why }
        }
        // `ErrorKind` is RocksDB's own list; whatever else it says is said on.
        _ => Error::Io { dir, doing, why },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rocksdb::statistics::Ticker;

    /// No test that kills processes can tell a synced write from one in the page cache; RocksDB's
    /// own count of syncs can.
    #[test]
    fn every_write_is_synced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("rocksdb");
        let database = Database::create(&path, dir.path()).unwrap();
        let synced = || database.options.get_ticker_count(Ticker::WalFileSynced);
        let before = synced();
        for n in 1..=10 {
            let mut batch = WriteBatch::default();
            batch.put_cf(database.family(META), Key::Slot(0).bytes(), [n]);
            database.write(batch).unwrap();
            assert_eq!(synced() - before, u64::from(n));
        }
    }
}
