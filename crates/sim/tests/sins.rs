//! Every bug planted on purpose is found, within a stated number of seeds.
//!
//! Those inside `apply` need the feature `weakened`: `cargo test -p quartet-sim --features weakened`.

use quartet_sim::{Run, Sin};

/// Most seeds each bug may take: several times what the rarest took when this was written (see MODEL.md).
const SEEDS: u64 = 10_000;

#[test]
fn every_sin_is_found() {
    let mut missed = Vec::new();
    for sin in Sin::ALL.into_iter().filter(|sin| sin.possible()) {
        match (1..=SEEDS).find(|seed| Run::new(*seed).with_sin(sin).run().violation.is_some()) {
            Some(seed) => eprintln!("invariant {:>2}: {sin:?} found by seed {seed}", sin.invariant()),
            None => missed.push(sin),
        }
    }
    assert!(missed.is_empty(), "not found in {SEEDS} seeds: {missed:?}");
}
