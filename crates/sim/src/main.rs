//! `quartet-sim`: runs of the simulation and the model check by hand, for longer than a test may take.
#![expect(clippy::print_stdout, reason = "this is a command line: what it finds goes to standard output")]

use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use quartet_packet::QoS;
use quartet_sim::model::{Bounds, Found, Handshakes, bounds_for, bounds_for_harm, check, counterexample};
use quartet_sim::{DEFAULT_STEPS, Run, Sin};

/// Simulates whole clusters and checks the model.
#[derive(Debug, Parser)]
#[command(name = "quartet-sim", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run seeds of the simulation; stops at the first that fails.
    Run {
        /// The first seed.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// How many seeds, counting up.
        #[arg(long, default_value_t = 1)]
        seeds: u64,
        /// Steps of the first phase of each.
        #[arg(long, default_value_t = DEFAULT_STEPS)]
        steps: u64,
        /// A bug to plant, by its name in `sins`.
        #[arg(long, value_parser = parse_sin)]
        sin: Option<Sin>,
        /// Print the trace of every run.
        #[arg(long)]
        trace: bool,
    },
    /// How many seeds each planted bug needs to be found, and to show in what an application sees.
    Sins {
        /// Most seeds to try for each.
        #[arg(long, default_value_t = 1000)]
        seeds: u64,
        /// Steps of the first phase of each.
        #[arg(long, default_value_t = DEFAULT_STEPS)]
        steps: u64,
    },
    /// Walk through all interleavings of the tiny cluster, within bounds.
    Model {
        #[command(flatten)]
        bounds: BoundsArguments,
        /// A bug to plant: prints the shortest way to what it breaks.
        #[arg(long, value_parser = parse_sin)]
        sin: Option<Sin>,
        /// With a bug planted: only what an application sees counts, not that somebody waits.
        #[arg(long)]
        harm: bool,
        /// Plant every bug, one after another, each within bounds of its own.
        #[arg(long)]
        sins: bool,
        /// Threads of the search (with a planted bug always one, for the shortest way).
        #[arg(long, default_value_t = 1)]
        threads: usize,
        /// Give up after so many steps; 0 never.
        #[arg(long, default_value_t = 0)]
        most: usize,
    },
}

/// How much may happen in one walk of the model.
#[derive(Clone, Copy, Debug, Args)]
struct BoundsArguments {
    /// Messages, at most 15.
    #[arg(long, default_value_t = 2)]
    messages: u8,
    /// How many the publisher has open at once.
    #[arg(long, default_value_t = 1)]
    window: u8,
    /// QoS of the messages: 1 or 2.
    #[arg(long, default_value_t = 2)]
    qos: u8,
    /// Connections that the publisher gives up.
    #[arg(long, default_value_t = 1)]
    publisher_cuts: u8,
    /// Connections that the subscriber gives up.
    #[arg(long, default_value_t = 0)]
    subscriber_cuts: u8,
    /// Restarts of nodes.
    #[arg(long, default_value_t = 0)]
    restarts: u8,
    /// Declarations that a living node is down.
    #[arg(long, default_value_t = 0)]
    downs: u8,
    /// Jumps of a node to the log's end.
    #[arg(long, default_value_t = 0)]
    snapshots: u8,
    /// Let the publisher send packets behind its CONNECT.
    #[arg(long)]
    eager: bool,
    /// How often a planted bug may act.
    #[arg(long, default_value_t = 1)]
    repeats: u8,
}

impl From<BoundsArguments> for Bounds {
    fn from(arguments: BoundsArguments) -> Self {
        Self {
            messages: arguments.messages,
            window: arguments.window,
            qos: if arguments.qos == 1 { QoS::AtLeastOnce } else { QoS::ExactlyOnce },
            publisher_cuts: arguments.publisher_cuts,
            subscriber_cuts: arguments.subscriber_cuts,
            restarts: arguments.restarts,
            downs: arguments.downs,
            snapshots: arguments.snapshots,
            eager: arguments.eager,
            repeats: arguments.repeats,
        }
    }
}

fn parse_sin(text: &str) -> Result<Sin, String> {
    let found = Sin::ALL.into_iter().find(|sin| format!("{sin:?}").eq_ignore_ascii_case(text));
    found.ok_or_else(|| format!("no such bug: {text}; one of {:?}", Sin::ALL))
}

fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::Run { seed, seeds, steps, sin, trace } => run(seed, seeds, steps, sin, trace),
        Command::Sins { seeds, steps } => sins(seeds, steps),
        Command::Model { sins: true, most, .. } => every_sin(most),
        Command::Model { bounds, sin: Some(sin), harm, most, .. } => {
            model_with(bounds.into(), sin, harm, most)
        }
        Command::Model { bounds, sin: None, threads, most, .. } => model(bounds.into(), threads, most),
    }
}

fn run(first: u64, seeds: u64, steps: u64, sin: Option<Sin>, trace: bool) -> ExitCode {
    let (mut messages, mut deliveries, mut entries) = (0, 0, 0);
    for seed in first..first + seeds {
        let run = Run { seed, steps, sin, trace };
        let outcome = run.run();
        for line in &outcome.lines {
            println!("{line}");
        }
        if let Some(violation) = outcome.violation {
            println!("{}", outcome.options);
            println!("seed {seed} after {} entries: {violation}", outcome.entries);
            println!("again: {}", run.replay());
            return ExitCode::FAILURE;
        }
        messages += outcome.messages;
        deliveries += outcome.deliveries;
        entries += outcome.entries;
    }
    println!(
        "{seeds} seeds from {first}, {steps} steps each: {entries} entries, {messages} messages, {deliveries} deliveries, nothing found"
    );
    ExitCode::SUCCESS
}

fn sins(seeds: u64, steps: u64) -> ExitCode {
    let mut missed = false;
    for sin in Sin::ALL.into_iter().filter(|sin| sin.possible()) {
        let mut first = None;
        let harm = (1..=seeds).find_map(|seed| {
            let violation = Run { seed, steps, sin: Some(sin), trace: false }.run().violation?;
            first.get_or_insert((seed, violation.property));
            violation.harms().then_some((seed, violation.property))
        });
        let say = |found: Option<(u64, &str)>| match found {
            Some((seed, property)) => format!("seed {seed}: {property}"),
            None => format!("not in {seeds} seeds"),
        };
        println!("{:>2} {sin:?} | {} | {}", sin.invariant(), say(first), say(harm));
        missed |= first.is_none();
    }
    if missed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn model(bounds: Bounds, threads: usize, most: usize) -> ExitCode {
    match check(bounds, threads, most) {
        Ok(counts) => {
            println!(
                "{bounds:?}: {} states, {} steps, {} deep, {:.1} s, complete: {}; nothing found",
                counts.states,
                counts.generated,
                counts.depth,
                counts.elapsed.as_secs_f64(),
                counts.complete
            );
            ExitCode::SUCCESS
        }
        Err(found) => {
            println!("{} broken in {} steps:", found.property, found.steps.len());
            found.steps.iter().for_each(|step| println!("  {step}"));
            ExitCode::FAILURE
        }
    }
}

fn model_with(bounds: Bounds, sin: Sin, harm: bool, most: usize) -> ExitCode {
    let model = Handshakes::new(bounds, Some(sin));
    match counterexample(if harm { model.harms_only() } else { model }, most) {
        (Some(found), _) => {
            println!("{sin:?}: {} broken in {} steps:", found.property, found.steps.len());
            found.steps.iter().for_each(|step| println!("  {step}"));
            ExitCode::SUCCESS
        }
        (None, counts) => {
            println!("{sin:?}: not found in {counts:?}");
            ExitCode::FAILURE
        }
    }
}

fn every_sin(most: usize) -> ExitCode {
    let mut missed = false;
    for sin in Sin::ALL.into_iter().filter(|sin| sin.possible()) {
        let Some(bounds) = bounds_for(sin) else {
            println!("{:>2} {sin:?}: not modelled", sin.invariant());
            continue;
        };
        let harmful = bounds_for_harm(sin).unwrap_or(bounds);
        let say = |found: &Option<Found>| match found {
            Some(found) => format!("{}, {} steps", found.property, found.steps.len()),
            None => format!("not in {most} steps"),
        };
        let (first, _) = counterexample(Handshakes::new(bounds, Some(sin)), most);
        let (harm, _) = counterexample(Handshakes::new(harmful, Some(sin)).harms_only(), most);
        println!("{:>2} {sin:?} | {} | {}", sin.invariant(), say(&first), say(&harm));
        missed |= first.is_none();
    }
    if missed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
