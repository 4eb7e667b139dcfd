//! A process that is killed while it writes: what it was told is on disk, is there.
//!
//! The test runs itself as a child, which appends without pause and prints what its callbacks tell
//! it; then kills it, and reads.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use openraft::storage::{RaftLogReader, RaftLogStorage};
use quartet_raft_log::Vote;
use tempfile::TempDir;

use crate::setup::{append, directory, entries, id, read_all, reopen};

const DIR: &str = "QUARTET_KILL_DIR";
/// Entries that the child keeps when it purges.
const KEPT: u64 = 100;

/// How a child writes, and how often it is killed.
struct Plan {
    test: &'static str,
    /// Kills in a row, each on what the one before left.
    rounds: u64,
    /// Flushes that the child tells of before it is killed.
    flushes: usize,
    /// Bytes of an entry.
    bytes: usize,
    /// Entries between two purges.
    purge_every: u64,
}

#[tokio::test]
async fn what_was_flushed_survives_a_kill() {
    let plan = Plan {
        test: "kill::what_was_flushed_survives_a_kill",
        rounds: 6,
        flushes: 300,
        bytes: 500,
        purge_every: u64::MAX,
    };
    kill_and_read(&plan).await;
}

/// Enough bytes that RocksDB writes over old write-ahead logs, whose old records stand behind the
/// new ones.
#[tokio::test]
async fn what_was_flushed_to_recycled_files_survives_a_kill() {
    let plan = Plan {
        test: "kill::what_was_flushed_to_recycled_files_survives_a_kill",
        rounds: 2,
        flushes: 900,
        bytes: 100_000,
        purge_every: 50,
    };
    if let Some(dir) = kill_and_read(&plan).await {
        let said = std::fs::read_dir(dir.path().join("rocksdb")).unwrap();
        let said = said.map(|file| file.unwrap().path());
        let mut logs = said.filter(|path| path.to_string_lossy().contains("/LOG"));
        let recycled = |path| std::fs::read_to_string(path).unwrap().contains("reusing log");
        assert!(logs.any(recycled), "no write-ahead log was recycled");
    }
}

async fn kill_and_read(plan: &Plan) -> Option<TempDir> {
    if let Some(dir) = std::env::var_os(DIR) {
        write_until_killed(Path::new(&dir), plan).await;
        return None;
    }
    let dir = directory();
    let mut boots = 0;
    for round in 1..=plan.rounds {
        let told = run_and_kill(dir.path(), plan);
        let last = |word: &str| {
            let told = told.iter().rev().find_map(|line| line.strip_prefix(word));
            told.map(|number| number.parse::<u64>().unwrap())
        };
        let (flushed, term) = (last("flushed ").unwrap(), last("voted ").unwrap());
        assert!(last("boot ").unwrap() > boots, "a boot was given twice");
        boots = last("boot ").unwrap();

        let mut log = reopen(dir.path());
        let end = log.get_log_state().await.unwrap().last_log_id.unwrap().index;
        assert!(end >= flushed, "round {round}: flushed {flushed}, found {end}");
        let mut reader = log.get_log_reader().await;
        let vote = reader.read_vote().await.unwrap().unwrap();
        assert!(vote.leader_id.term >= term, "round {round}: {vote} of {term}");
        // All of it, in order, with its bytes.
        let purged = log.get_log_state().await.unwrap().last_purged_log_id;
        let start = purged.map_or(0, |purged| purged.index + 1);
        assert!(start <= flushed);
        assert_eq!(read_all(&mut log).await, entries(1, start..end + 1, plan.bytes));
        let committed = log.read_committed().await.unwrap();
        assert!(committed.is_none_or(|committed| committed.index <= end));
    }
    Some(dir)
}

/// Starts the child, kills it in full flight, and returns all it said before.
fn run_and_kill(dir: &Path, plan: &Plan) -> Vec<String> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([plan.test, "--exact", "--nocapture"])
        .env(DIR, dir)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut told = Vec::new();
    while told.iter().filter(|line: &&String| line.starts_with("flushed ")).count() < plan.flushes {
        told.push(lines.next().expect("the child ended by itself").unwrap());
    }
    child.kill().unwrap();
    // What was still in the pipe, but for a line cut in the middle.
    let mut rest: Vec<String> = lines.map_while(Result::ok).collect();
    rest.pop();
    told.extend(rest);
    child.wait().unwrap();
    told
}

async fn write_until_killed(dir: &Path, plan: &Plan) {
    let say = |word: &str, number: u64| {
        let mut out = std::io::stdout().lock();
        writeln!(out, "{word} {number}").and_then(|()| out.flush()).ok();
    };
    let mut log = reopen(dir);
    say("boot", log.next_boot().await.unwrap());
    let state = log.get_log_state().await.unwrap();
    let mut next = state.last_log_id.map_or(0, |last| last.index + 1);
    let mut reader = log.get_log_reader().await;
    let vote = reader.read_vote().await.unwrap();
    let mut term = vote.map_or(0, |vote| vote.leader_id.term);
    let (queue, mut waiting) = tokio::sync::mpsc::channel(64);
    tokio::spawn(async move {
        while let Some((index, flushed)) = waiting.recv().await {
            let flushed: crate::setup::Flushed = flushed;
            flushed.await.unwrap().unwrap();
            say("flushed", index);
        }
    });
    loop {
        for size in 1..=5 {
            let flushed = append(&mut log, entries(1, next..next + size, plan.bytes)).await;
            next += size;
            queue.send((next - 1, flushed)).await.unwrap();
            log.save_committed(Some(id(1, next - 1))).await.unwrap();
        }
        if next % plan.purge_every < 15 && next > KEPT {
            log.purge(id(1, next - KEPT)).await.unwrap();
        }
        term += 1;
        log.save_vote(&Vote::new(term, 1)).await.unwrap();
        say("voted", term);
    }
}
