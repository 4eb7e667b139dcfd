//! `quartet config …`.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};

use crate::config::{Config, Overrides};

/// Check or print a node's configuration.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Say whether a node would start with this configuration
    ///
    /// Every fault is one line: file:line:column, key, what is wrong, what to write. Exit code 0 or 1.
    Check(Arguments),
    /// Print the configuration in force, defaults included, and where each value comes from
    ///
    /// What is printed is itself a configuration file.
    Print(Arguments),
}

/// A file, and what lies over it.
#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// The node's configuration file
    #[arg(long, value_name = "FILE")]
    config: PathBuf,

    /// A setting over file and environment, as limits.receive_maximum=100
    #[arg(long, value_name = "SECTION.KEY=VALUE")]
    set: Vec<String>,
}

/// Runs the command.
pub(crate) fn run(command: Command) -> anyhow::Result<ExitCode> {
    let mut out = anstream::stdout().lock();
    match command {
        Command::Check(arguments) => {
            let config = arguments.load()?;
            writeln!(out, "{}: {} would start", arguments.config.display(), config.node.name)?;
        }
        Command::Print(arguments) => write!(out, "{}", arguments.load()?)?,
    }
    Ok(ExitCode::SUCCESS)
}

impl Arguments {
    fn load(&self) -> anyhow::Result<Config> {
        Ok(Config::load(&self.config, Overrides::of_process(&self.set))?)
    }
}
