//! A process that is killed while it writes: what it was told is on disk, is there.
//!
//! The test runs itself as a child, which appends without pause and prints what its callbacks tell
//! it; then kills it, and reads.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use openraft::storage::{RaftLogReader, RaftLogStorage};
use quartet_raft_log::Vote;

use crate::setup::{append, directory, entries, id, read_all, reopen};

const DIR: &str = "QUARTET_KILL_DIR";
/// Kills in a row, each on what the one before left.
const ROUNDS: u64 = 6;
/// Lines of the child before it is killed.
const LINES: usize = 300;

#[tokio::test]
async fn what_was_flushed_survives_a_kill() {
    if let Some(dir) = std::env::var_os(DIR) {
        return write_until_killed(Path::new(&dir)).await;
    }
    let dir = directory();
    let mut boots = 0;
    for round in 1..=ROUNDS {
        let told = run_and_kill(dir.path());
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
        assert_eq!(read_all(&mut log).await, entries(1, 0..end + 1, 500));
        let committed = log.read_committed().await.unwrap();
        assert!(committed.is_none_or(|committed| committed.index <= end));
    }
}

/// Starts the child, kills it in full flight, and returns all it said before.
fn run_and_kill(dir: &Path) -> Vec<String> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["kill::what_was_flushed_survives_a_kill", "--exact", "--nocapture"])
        .env(DIR, dir)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut told = Vec::new();
    while told.iter().filter(|line: &&String| line.starts_with("flushed ")).count() < LINES {
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

async fn write_until_killed(dir: &Path) {
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
            let flushed = append(&mut log, entries(1, next..next + size, 500)).await;
            next += size;
            queue.send((next - 1, flushed)).await.unwrap();
            log.save_committed(Some(id(1, next - 1))).await.unwrap();
        }
        term += 1;
        log.save_vote(&Vote::new(term, 1)).await.unwrap();
        say("voted", term);
    }
}
