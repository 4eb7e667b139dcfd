//! Many seeds of the simulation, with every guard in place: nothing may be found.
//!
//! `QUARTET_SIM_SEEDS` sets how many (default 6000, in the long tests 100,000), `QUARTET_SIM_FIRST` the first (default 1). A
//! failure prints the seed and the command that replays it with its trace.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use quartet_sim::Run;

/// Seeds where nothing else is said: about ten seconds of processor time.
const SEEDS: u64 = 6000;

/// Seeds in the long tests: about three minutes of processor time.
const MANY_SEEDS: u64 = 100_000;

fn number(name: &str, default: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|error| panic!("{name}={text}: {error}")),
        Err(_) => default,
    }
}

#[test]
fn nothing_is_found_in_many_seeds() {
    let first = number("QUARTET_SIM_FIRST", 1);
    let seeds = if std::env::var_os("QUARTET_LONG").is_some() { MANY_SEEDS } else { SEEDS };
    let last = first + number("QUARTET_SIM_SEEDS", seeds);
    let next = AtomicU64::new(first);
    let messages = AtomicU64::new(0);
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= last {
                return;
            }
            let run = Run::new(seed);
            let outcome = run.run();
            if let Some(violation) = outcome.violation {
                panic!("seed {seed}: {violation}\n{}\nagain: {}", outcome.options, run.replay());
            }
            messages.fetch_add(outcome.deliveries as u64, Ordering::Relaxed);
        }
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..2).map(|_| scope.spawn(work)).collect();
        for worker in workers {
            worker.join().expect("every seed holds");
        }
    });
    // A simulation in which nothing is delivered finds nothing either.
    assert!(messages.load(Ordering::Relaxed) > last - first);
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    for seed in 1..40 {
        let run = Run { steps: 1500, ..Run::new(seed) };
        let (once, again) = (run.run(), Run { trace: true, ..run }.run());
        assert_eq!(once.trace_hash, again.trace_hash, "seed {seed}");
        assert!(!again.lines.is_empty());
    }
    let hashes = [Run::new(1).run().trace_hash, Run::new(2).run().trace_hash];
    assert_ne!(hashes[0], hashes[1]);
}

/// A simulation in which nothing goes wrong shows nothing: each kind of trouble that the core counts must have come.
#[test]
fn every_trouble_comes() {
    let (mut superseded, mut fenced, mut poisoned, mut overflowed, mut expired, mut ended, mut boots) =
        (0, 0, 0, 0, 0, 0, 0);
    for seed in 1..=400 {
        let outcome = Run::new(seed).run();
        superseded += outcome.counters.superseded;
        fenced += outcome.counters.fenced;
        poisoned += outcome.counters.poisoned;
        overflowed += outcome.counters.overflowed;
        expired += outcome.counters.expired;
        ended += outcome.counters.sessions_expired;
        boots += outcome.boots;
    }
    let troubles = [superseded, fenced, poisoned, overflowed, expired, ended];
    assert!(troubles.iter().all(|trouble| *trouble > 20), "{troubles:?}");
    assert!(boots > 400 * 5, "{boots}");
    eprintln!(
        "superseded, fenced, poisoned, overflowed, expired, sessions expired: {troubles:?}; boots {boots}"
    );
}
