//! Runs the checker and says what it saw.

use core::time::Duration;
use std::time::Instant;

use stateright::{Checker, CheckerBuilder, HasDiscoveries, Model};

use crate::model::{Bounds, Handshakes};

/// The size of a search.
#[derive(Clone, Copy, Debug)]
pub struct Counts {
    /// Different states.
    pub states: usize,
    /// Steps taken, those to known states included.
    pub generated: usize,
    /// The longest walk, in states.
    pub depth: usize,
    /// How long it took.
    pub elapsed: Duration,
    /// Whether every state within the bounds was seen.
    pub complete: bool,
}

/// A broken property.
#[derive(Clone, Debug)]
pub struct Found {
    /// Which.
    pub property: &'static str,
    /// The steps that lead there.
    pub steps: Vec<String>,
}

/// Walks through everything within the bounds, or until something is broken, or `most` steps were taken (0: no limit).
///
/// In depth: what waits to be visited then fits into memory, however many states there are.
///
/// # Errors
/// A broken property and a way to it, not the shortest: [`counterexample`] finds that.
pub fn check(bounds: Bounds, threads: usize, most: usize) -> Result<Counts, Found> {
    let started = Instant::now();
    let checker = builder(Handshakes::new(bounds, None), threads, most).spawn_dfs().join();
    verdict(&checker, started, most)
}

/// The shortest way to what a model's sin breaks, if there is one within its bounds and `most` steps (0: no limit): in
/// breadth, by one thread.
#[must_use]
pub fn counterexample(model: Handshakes, most: usize) -> (Option<Found>, Option<Counts>) {
    let started = Instant::now();
    let checker = builder(model, 1, most).spawn_bfs().join();
    match verdict(&checker, started, most) {
        Ok(counts) => (None, Some(counts)),
        Err(found) => (Some(found), None),
    }
}

fn builder(model: Handshakes, threads: usize, most: usize) -> CheckerBuilder<Handshakes> {
    let builder = model.checker().threads(threads).finish_when(HasDiscoveries::AnyFailures);
    if most == 0 { builder } else { builder.target_state_count(most) }
}

fn verdict(checker: &impl Checker<Handshakes>, started: Instant, most: usize) -> Result<Counts, Found> {
    let failures: Vec<&str> = checker
        .model()
        .properties()
        .iter()
        .filter(|property| property.expectation.discovery_is_failure())
        .map(|property| property.name)
        .collect();
    let mut discoveries = checker.discoveries().into_iter();
    if let Some((property, path)) = discoveries.find(|(name, _)| failures.contains(name)) {
        let steps = path.into_actions().iter().map(|action| format!("{action:?}")).collect();
        return Err(Found { property, steps });
    }
    let complete = most == 0 || checker.state_count() < most;
    if complete && checker.discovery("everything is delivered").is_none() {
        return Err(Found { property: "everything is delivered", steps: vec!["never".to_owned()] });
    }
    Ok(Counts {
        states: checker.unique_state_count(),
        generated: checker.state_count(),
        depth: checker.max_depth(),
        elapsed: started.elapsed(),
        complete,
    })
}
