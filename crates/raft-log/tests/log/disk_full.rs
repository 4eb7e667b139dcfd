//! A disk that takes no more: one clear error for everyone, and what was flushed is there afterwards.
//!
//! The test runs itself as a child: once under a limit on the size of files, which any system has,
//! and once on a file system of a few MiB, mounted in a mount namespace of the child's own.

use std::path::Path;
use std::process::{Command, Output};

use openraft::storage::{RaftLogReader, RaftLogStorage};
use quartet_raft_log::{Error, Vote};

use crate::setup::{append, directory, entries, read_all, reopen};

const DIR: &str = "QUARTET_FULL_DIR";
const EXPECT: &str = "QUARTET_FULL_EXPECT";

/// Runs the child test in a shell that prepares `$1`, its directory, first.
fn child(shell: &[&str], prepare: &str, expect: &str, dir: &Path) -> Output {
    let script = format!("{prepare} && exec \"$0\" disk_full::fill_and_reopen --exact --nocapture");
    let (program, before) = shell.split_first().unwrap();
    Command::new(program)
        .args(before)
        .args(["sh", "-c", &script])
        .arg(std::env::current_exe().unwrap())
        .arg(dir)
        .env(DIR, dir)
        .env(EXPECT, expect)
        .output()
        .unwrap()
}

fn passed(output: &Output) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let ran = String::from_utf8_lossy(&output.stdout);
    assert!(ran.contains("1 passed"), "{ran}");
}

#[test]
fn a_limit_on_file_size_is_one_clear_error() {
    let dir = tempfile::tempdir().unwrap();
    // SIGXFSZ would kill; ignored, it becomes an error of write. The limit is in blocks of 512 or
    // 1024 bytes, as the shell has it: some MiB either way.
    let prepare = "trap '' XFSZ && ulimit -f 6000";
    passed(&child(&["env"], prepare, "File too large", dir.path()));
}

#[test]
fn a_full_disk_is_one_clear_error() {
    let dir = tempfile::tempdir().unwrap();
    let mount = "mount -t tmpfs -o size=12m tmpfs \"$1\"";
    let namespaces = [&["unshare", "-rm"][..], &["unshare", "-m"]];
    let allowed = |shell: &&&[&str]| {
        let probe = Command::new(shell[0])
            .args(&shell[1..])
            .args(["sh", "-c", &mount.replace('1', "0")])
            .arg(dir.path())
            .output();
        probe.is_ok_and(|probe| probe.status.success())
    };
    let Some(shell) = namespaces.iter().find(allowed) else {
        eprintln!("not run: this system lets no test mount a file system of its own");
        return;
    };
    passed(&child(shell, mount, "disk full at", dir.path()));
}

/// Alone, it fills nothing, and shows that the disk at hand is not full. As a child, it writes until
/// the disk refuses.
#[tokio::test]
async fn fill_and_reopen() {
    let Some(told) = std::env::var_os(DIR) else {
        let dir = directory();
        crate::setup::append_and_wait(&mut reopen(dir.path()), entries(1, 0..9, 10_000)).await;
        return;
    };
    let dir = Path::new(&told);
    quartet_raft_log::format(dir, &crate::setup::identity()).unwrap();
    let mut log = reopen(dir);
    let failed = log.failed();
    log.save_vote(&Vote::new(7, 1)).await.unwrap();
    let mut flushed = 0;
    let error = loop {
        let next = entries(1, flushed..flushed + 10, 10_000);
        match append(&mut log, next).await.await.unwrap() {
            Ok(()) => flushed += 10,
            Err(error) => break error,
        }
        assert!(flushed < 100_000, "the disk never got full");
    };
    let text = error.to_string();
    assert_eq!(text.lines().count(), 1, "{text}");
    let expected = std::env::var(EXPECT).unwrap();
    assert!(text.contains(&expected), "{text}");
    assert!(text.contains(dir.to_str().unwrap()), "{text}");
    assert_eq!(failed.borrow().as_ref().map(Error::to_string), Some(text.clone()));
    let vote = log.save_vote(&Vote::new(8, 1)).await.unwrap_err();
    assert_eq!(vote.to_string(), text, "a failed log stays failed");
    drop(log);
    assert!(flushed > 50, "{flushed} entries before the disk was full");
    if expected != "disk full at" {
        return;
    }
    // With room again (it grows by remounting), all that was flushed is there.
    let grown = Command::new("mount").args(["-o", "remount,size=200m"]).arg(dir).status();
    assert!(grown.unwrap().success());
    let mut log = reopen(dir);
    let found = read_all(&mut log).await;
    assert!(found.len() as u64 >= flushed, "{} of {flushed}", found.len());
    assert_eq!(found, entries(1, 0..found.len() as u64, 10_000));
    let mut reader = log.get_log_reader().await;
    assert_eq!(reader.read_vote().await.unwrap(), Some(Vote::new(7, 1)));
}
