//! `quartet-sim`: runs of the simulation and the model check by hand, for longer than a test may take.
#![expect(clippy::print_stdout, reason = "this is a command line: what it finds goes to standard output")]

use std::process::ExitCode;

use clap::{Parser, Subcommand};
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
    /// How many seeds each planted bug needs to be found.
    Sins {
        /// Most seeds to try for each.
        #[arg(long, default_value_t = 1000)]
        seeds: u64,
        /// Steps of the first phase of each.
        #[arg(long, default_value_t = DEFAULT_STEPS)]
        steps: u64,
    },
}

fn parse_sin(text: &str) -> Result<Sin, String> {
    let found = Sin::ALL.into_iter().find(|sin| format!("{sin:?}").eq_ignore_ascii_case(text));
    found.ok_or_else(|| format!("no such bug: {text}; one of {:?}", Sin::ALL))
}

fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::Run { seed, seeds, steps, sin, trace } => run(seed, seeds, steps, sin, trace),
        Command::Sins { seeds, steps } => sins(seeds, steps),
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
        let found = (1..=seeds).find_map(|seed| {
            let violation = Run { seed, steps, sin: Some(sin), trace: false }.run().violation?;
            Some((seed, violation))
        });
        match found {
            Some((seed, violation)) => {
                println!("{:>2} {sin:?}: seed {seed}: {}", sin.invariant(), violation.property);
            }
            None => {
                missed = true;
                println!("{:>2} {sin:?}: not found in {seeds} seeds", sin.invariant());
            }
        }
    }
    if missed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
