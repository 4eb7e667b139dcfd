//! Directories that are not opened, each with its own one-line error, and left as they were.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use openraft::storage::RaftLogStorage;
use quartet_raft_log::{Config, Error, Vote, format, open};
use rocksdb::{DB, Options};

use crate::setup::{CLUSTER, append_and_wait, directory, entries, identity, reopen};

/// Every file and its bytes.
fn contents(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(contents(&path));
        } else {
            files.insert(path.clone(), fs::read(path).unwrap());
        }
    }
    files
}

/// Opens, expects a refusal of one line that names the directory, and nothing changed.
fn refused(config: &Config) -> Error {
    let before = contents(&config.dir);
    let error = open(config).err().unwrap();
    let text = error.to_string();
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(text.contains(config.dir.to_str().unwrap()), "{text}");
    assert_eq!(contents(&config.dir), before, "{text}");
    error
}

/// Changes stored values as another release, or a fault, might have left them.
fn change(dir: &Path, change: impl FnOnce(&DB)) {
    let families = ["default", "log", "meta"];
    let db = DB::open_cf(&Options::default(), dir.join("rocksdb"), families).unwrap();
    change(&db);
}

#[test]
fn an_unformatted_directory() {
    let dir = tempfile::tempdir().unwrap();
    let config = Config::new(dir.path());
    assert!(matches!(refused(&config), Error::NotFormatted { .. }));
    let missing = Config::new(dir.path().join("missing"));
    assert!(matches!(open(&missing), Err(Error::NotFormatted { .. })));
    assert!(!missing.dir.exists());
}

#[test]
fn a_directory_of_something_else() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("holiday.jpg"), b"dear").unwrap();
    let Error::Foreign { found, .. } = refused(&Config::new(dir.path())) else {
        panic!("not refused as foreign");
    };
    assert_eq!(found, "holiday.jpg");
    let formatted = format(dir.path(), &identity());
    assert!(matches!(formatted, Err(Error::Foreign { .. })), "{formatted:?}");
}

#[test]
fn a_second_format() {
    let dir = directory();
    let before = contents(dir.path());
    let again = format(dir.path(), &identity());
    assert!(matches!(again, Err(Error::AlreadyFormatted { .. })), "{again:?}");
    assert_eq!(contents(dir.path()), before);
}

#[test]
fn a_format_that_was_interrupted_is_begun_anew() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir_all(dir.path().join("rocksdb.unfinished/rubbish")).unwrap();
    fs::create_dir(dir.path().join("lost+found")).unwrap();
    let config = Config::new(dir.path());
    assert!(matches!(refused(&config), Error::NotFormatted { .. }));
    format(dir.path(), &identity()).unwrap();
    assert_eq!(open(&config).unwrap().identity, identity());
}

#[tokio::test]
async fn another_cluster() {
    let dir = directory();
    let mut log = reopen(dir.path());
    log.save_vote(&Vote::new(1, 1)).await.unwrap();
    drop(log);
    let mut config = Config::new(dir.path());
    config.cluster_id = Some(0xbad);
    let error = refused(&config);
    let text = error.to_string();
    assert!(text.contains("000000c1") && text.contains("00000bad"), "{text}");
    assert!(matches!(error, Error::OtherCluster { .. }));
    config.cluster_id = Some(CLUSTER);
    open(&config).unwrap();
}

#[tokio::test]
async fn a_later_format() {
    let dir = directory();
    change(dir.path(), |db| {
        // Version 7 in the envelope of this release.
        let mut value = vec![1, 0, 0, 0, 0, 0, 0, 0, 7];
        value.extend(crc32fast::hash(&value).to_be_bytes());
        db.put_cf(db.cf_handle("meta").unwrap(), "F", value).unwrap();
    });
    let error = refused(&Config::new(dir.path()));
    assert!(matches!(error, Error::FormatVersion { found: 7, .. }), "{error}");
}

#[tokio::test]
async fn data_without_an_identity() {
    for key in ["I", "F"] {
        let dir = directory();
        let mut log = reopen(dir.path());
        append_and_wait(&mut log, entries(1, 0..3, 40)).await;
        drop(log);
        change(dir.path(), |db| {
            db.delete_cf(db.cf_handle("meta").unwrap(), key).unwrap();
        });
        let error = refused(&Config::new(dir.path()));
        assert!(matches!(error, Error::NoIdentity { .. }), "{error}");
    }
}

#[test]
fn a_directory_that_is_open() {
    let dir = directory();
    let log = reopen(dir.path());
    assert!(matches!(refused(&Config::new(dir.path())), Error::Locked { .. }));
    let again = format(dir.path(), &identity());
    assert!(matches!(again, Err(Error::AlreadyFormatted { .. })));
    // And from another process, which is this test again.
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["refuse::opened_by_a_child", "--exact", "--nocapture"])
        .env("QUARTET_OPEN_THIS", dir.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stderr);
    assert!(said.contains("is in use by another process"), "{said}");
    assert!(!child.status.success());
    drop(log);
    reopen(dir.path());
}

/// Opens the directory it is told, or one of its own.
#[test]
fn opened_by_a_child() {
    let own = directory();
    let told = std::env::var_os("QUARTET_OPEN_THIS").map(PathBuf::from);
    let opened = open(&Config::new(told.as_deref().unwrap_or(own.path())));
    if let Err(error) = opened {
        panic!("{error}");
    }
}

#[tokio::test]
async fn an_append_that_leaves_a_hole() {
    let dir = directory();
    let mut log = reopen(dir.path());
    append_and_wait(&mut log, entries(1, 0..3, 40)).await;
    for wrong in [entries(1, 4..5, 40), entries(1, 2..4, 40)] {
        let refused = log.append(wrong, openraft::storage::IOFlushed::noop()).await;
        let text = refused.unwrap_err().to_string();
        assert!(text.contains("expects 3"), "{text}");
    }
    append_and_wait(&mut log, entries(1, 3..4, 40)).await;
}
