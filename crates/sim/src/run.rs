//! One run from its seed to its judgement.

use std::panic::{AssertUnwindSafe, catch_unwind};

use quartet_broker::Counters;

use crate::checkers;
use crate::cluster::Cluster;
use crate::sin::Sin;
use crate::violation::Violation;

/// What to run.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    /// Decides everything.
    pub seed: u64,
    /// Steps of the first phase.
    pub steps: u64,
    /// A bug planted on purpose.
    pub sin: Option<Sin>,
    /// Whether to keep the trace's lines: slow, for a person.
    pub trace: bool,
}

/// What came of a run.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Of the whole trace: equal for equal seeds.
    pub trace_hash: u64,
    /// Entries of the log.
    pub entries: u64,
    /// Messages published.
    pub messages: usize,
    /// Deliveries to subscribers.
    pub deliveries: usize,
    /// What the core counted: connections superseded and fenced, messages expired and overflowed, …
    pub counters: Counters,
    /// Boots of all nodes.
    pub boots: u64,
    /// Nothing, or the first promise that was broken.
    pub violation: Option<Violation>,
    /// The options that the seed drew, for a person.
    pub options: String,
    /// The trace's lines, if they were kept.
    pub lines: Vec<String>,
}

impl Run {
    /// A run of the default length.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { seed, steps: DEFAULT_STEPS, sin: None, trace: false }
    }

    /// With a sin.
    #[must_use]
    pub fn with_sin(self, sin: Sin) -> Self {
        Self { sin: Some(sin), ..self }
    }

    /// Runs both phases and judges.
    #[must_use]
    pub fn run(self) -> Outcome {
        let mut cluster = match Cluster::new(self.seed, self.sin, self.trace) {
            Ok(cluster) => cluster,
            Err(violation) => return Outcome::failed_to_start(violation),
        };
        // A panic is a finding like any other: it gets the seed's options and trace with it.
        let finished = catch_unwind(AssertUnwindSafe(|| whole(&mut cluster, self.steps)));
        let violation = match finished {
            Ok(Ok(())) => None,
            Ok(Err(violation)) => Some(violation),
            Err(panic) => {
                let text = panic.downcast_ref::<String>().cloned();
                let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
                Some(Violation::new("nothing panics", text.unwrap_or_default()))
            }
        };
        Outcome {
            trace_hash: cluster.trace.hash(),
            entries: cluster.entries().0,
            messages: cluster.history.messages.len(),
            deliveries: cluster.history.deliveries.values().map(Vec::len).sum(),
            counters: cluster.log.tip().statistics().counters,
            boots: cluster.nodes.iter().map(|node| node.boot.0).sum(),
            violation,
            options: format!("{:#?}", cluster.options),
            lines: cluster.trace.into_lines(),
        }
    }

    /// The command that runs this again with its trace.
    #[must_use]
    pub fn replay(self) -> String {
        let features = if self.sin.is_some_and(Sin::inside_apply) { " --features weakened" } else { "" };
        let sin = self.sin.map_or_else(String::new, |sin| format!(" --sin {sin:?}"));
        format!(
            "cargo run --release -p quartet-sim{features} -- run --seed {} --steps {}{sin} --trace",
            self.seed, self.steps
        )
    }
}

/// Steps of the first phase where nothing else is said: enough for some dozen messages and a dozen hops.
pub const DEFAULT_STEPS: u64 = 3000;

fn whole(cluster: &mut Cluster, steps: u64) -> Result<(), Violation> {
    for _ in 0..steps {
        cluster.chaos()?;
    }
    match cluster.heal() {
        Ok(()) => checkers::judge(cluster),
        // What came twice or out of order says more than that something hangs.
        Err(violation) => checkers::judge_unfinished(cluster).and(Err(violation)),
    }
}

impl Outcome {
    fn failed_to_start(violation: Violation) -> Self {
        Self {
            trace_hash: 0,
            entries: 0,
            messages: 0,
            deliveries: 0,
            counters: Counters::default(),
            boots: 0,
            violation: Some(violation),
            options: String::new(),
            lines: Vec::new(),
        }
    }
}
