//! Runs the checker and says what it saw.

use core::time::Duration;
use std::time::Instant;

use stateright::{Checker, HasDiscoveries, Model};

use crate::model::{Bounds, Handshakes};
use crate::sin::Sin;

/// The size of a search.
#[derive(Clone, Copy, Debug)]
pub struct Counts {
    /// Different states.
    pub states: usize,
    /// Steps taken, those to known states included.
    pub generated: usize,
    /// The longest of the shortest ways to a state, in states.
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
    /// The steps that lead there; the fewest there are where one thread searched.
    pub steps: Vec<String>,
}

/// Walks through everything within the bounds, or until something is broken, or `most` steps were taken (0: no limit).
///
/// # Errors
/// A broken property and the way to it.
pub fn check(bounds: Bounds, threads: usize, most: usize) -> Result<Counts, Found> {
    search(Handshakes::new(bounds, None), threads, most)
}

/// The shortest way to what a sin breaks, if there is one within the bounds and `most` steps.
#[must_use]
pub fn counterexample(bounds: Bounds, sin: Sin, most: usize) -> (Option<Found>, Option<Counts>) {
    match search(Handshakes::new(bounds, Some(sin)), 1, most) {
        Ok(counts) => (None, Some(counts)),
        Err(found) => (Some(found), None),
    }
}

fn search(model: Handshakes, threads: usize, most: usize) -> Result<Counts, Found> {
    let started = Instant::now();
    let builder = model.checker().threads(threads).finish_when(HasDiscoveries::AnyFailures);
    let builder = if most == 0 { builder } else { builder.target_state_count(most) };
    let checker = builder.spawn_bfs().join();
    for (name, path) in checker.discoveries() {
        if checker
            .model()
            .properties()
            .iter()
            .any(|property| property.name == name && property.expectation.discovery_is_failure())
        {
            let steps = path.into_actions().iter().map(|action| format!("{action:?}")).collect();
            return Err(Found { property: name, steps });
        }
    }
    let complete = checker.is_done() && (most == 0 || checker.state_count() < most);
    if checker.discovery("everything is delivered").is_none() {
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
