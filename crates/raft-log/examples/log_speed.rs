//! How fast the log takes entries, each of 256 commands of 40 bytes, with a given number in flight:
//! the next is appended when the oldest is on disk, as Raft's pipeline does.
//!
//! `cargo run --release -p quartet-raft-log --example log_speed [directory] [seconds]`
#![allow(clippy::print_stdout, reason = "the numbers are what the program is for")]

use std::collections::VecDeque;
use std::error::Error;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use bytes::Bytes;
use openraft::storage::RaftLogStorage;
use openraft::type_config::TypeConfigExt;
use quartet_raft_log::{
    Batch, Config, Entry, EntryPayload, IOFlushed, Identity, LogId, TypeConfig, format, open,
};

const COMMANDS: u32 = 256;
const COMMAND_BYTES: usize = 40;
/// Purged in steps of this many entries, as after a checkpoint.
const PURGE_EVERY: u64 = 20_000;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let base = args
        .next()
        .map_or_else(std::env::temp_dir, PathBuf::from)
        .join(format!("log_speed-{}", std::process::id()));
    let seconds = args.next().map_or(Ok(3), |n| n.parse())?;
    println!("in flight  entries/s  commands/s   MB/s  entries/sync  sync mean  sync max  p50      p99");
    for in_flight in [1, 4, 16, 64, 256] {
        let dir = base.join(in_flight.to_string());
        let measured = measure(dir, in_flight, Duration::from_secs(seconds)).await;
        std::fs::remove_dir_all(&base)?;
        measured?;
    }
    Ok(())
}

async fn measure(dir: PathBuf, in_flight: usize, time: Duration) -> Result<(), Box<dyn Error>> {
    let identity = Identity { cluster_id: 1, node_id: 1, name: "speed".to_owned() };
    format(&dir, &identity)?;
    let mut log = open(&Config::new(&dir))?.log;
    let commands = usize::try_from(COMMANDS)?;
    let payload = Bytes::from(vec![0x5a; commands * COMMAND_BYTES]);

    let begun = Instant::now();
    let mut waiting = VecDeque::new();
    let mut latencies = Vec::new();
    let mut index = 0;
    while begun.elapsed() < time || !waiting.is_empty() {
        if begun.elapsed() < time && waiting.len() < in_flight {
            let entry = Entry {
                log_id: LogId::new_term_index(1, index),
                payload: EntryPayload::Normal(Batch(payload.clone())),
            };
            let (done, flushed) = TypeConfig::oneshot();
            log.append([entry], IOFlushed::signal(done)).await?;
            waiting.push_back((Instant::now(), flushed));
            index += 1;
            if index % PURGE_EVERY == 0 {
                let upto = LogId::new_term_index(1, index - PURGE_EVERY / 2);
                log.purge(upto).await?;
            }
        } else if let Some((appended, flushed)) = waiting.pop_front() {
            flushed.await??;
            latencies.push(appended.elapsed());
        }
    }
    let took = begun.elapsed().as_secs_f64();
    let s = log.statistics();
    let rate = per_second(s.entries, took);
    let mean = s.sync_time / u32::try_from(s.syncs)?.max(1);
    latencies.sort_unstable();
    let at = |percent: usize| latencies[(latencies.len() - 1) * percent / 100];
    println!(
        "{in_flight:>9} {rate:>10.0} {:>11.0} {:>6.1} {:>13.1} {mean:>10.0?} {:>9.1?} {:<8.0?} {:.1?}",
        rate * f64::from(COMMANDS),
        per_second(s.bytes, took) / 1e6,
        per_second(s.entries, per_second(s.syncs, 1.0)),
        s.sync_time_max,
        at(50),
        at(99),
    );
    Ok(())
}

/// A count below 2^53 as a rate: exact in a float.
#[allow(clippy::cast_precision_loss, reason = "counts of a run of seconds")]
fn per_second(count: u64, seconds: f64) -> f64 {
    count as f64 / seconds
}
