//! How a test runs: its own runtime, a limit for the whole story, the nodes' last words when it fails.

use std::cell::RefCell;
use std::fmt::Display;
use std::future::Future;
use std::io::Write as _;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::time::Instant;

thread_local! {
    /// Tails of the logs of the clusters that this test's thread has dropped.
    static LAST_WORDS: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// Runs one test's future and, if it fails or outlasts `limit`, shows the ends of its nodes' logs.
///
/// # Errors
///
/// What the future returned, or that the limit passed.
pub fn story(limit: Duration, told: impl Future<Output = Result<()>>) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("while starting the test's runtime")?;
    let outcome = runtime.block_on(async {
        match tokio::time::timeout(limit, told).await {
            Ok(outcome) => outcome,
            Err(_) => bail!("the whole test took longer than {limit:?}"),
        }
    });
    if outcome.is_err() {
        LAST_WORDS.with_borrow(|words| words.iter().for_each(tell));
    }
    LAST_WORDS.with_borrow_mut(Vec::clear);
    outcome
}

/// Keeps what would explain a failure until it is known whether there is one.
pub(crate) fn keep_last_words(words: String) {
    if std::thread::panicking() {
        tell(words);
    } else {
        LAST_WORDS.with_borrow_mut(|kept| kept.push(words));
    }
}

/// Says something that must be seen even when the test passes: the test runner captures `println!`.
pub fn tell(words: impl Display) {
    // Nobody is left to tell if stderr itself is gone.
    drop(writeln!(std::io::stderr(), "{words}"));
}

/// Longest pause between two questions of [`eventually`].
const LONGEST_PAUSE: Duration = Duration::from_millis(250);

/// Asks until the answer is `Some`, with growing pauses between, or fails when `limit` has passed.
///
/// # Errors
///
/// That the limit passed, with the last error of the question if it ended in one.
pub async fn eventually<T, F>(what: &str, limit: Duration, mut question: impl FnMut() -> F) -> Result<T>
where
    F: Future<Output = Result<Option<T>>>,
{
    let until = Instant::now() + limit;
    let mut pause = Duration::from_millis(10);
    loop {
        let last = match question().await {
            Ok(Some(answer)) => return Ok(answer),
            Ok(None) => None,
            Err(error) => Some(error),
        };
        if Instant::now() >= until {
            let what = format!("waited {limit:?} in vain until {what}");
            return Err(
                last.map_or_else(|| anyhow::anyhow!(what.clone()), |error| error.context(what.clone()))
            );
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 3 / 2).min(LONGEST_PAUSE);
    }
}

/// A size of a test: the usual one, or the larger one of the long runs (`QUARTET_LONG=1`).
pub fn size(usual: u64, long: u64) -> u64 {
    if std::env::var_os("QUARTET_LONG").is_some() { long } else { usual }
}
