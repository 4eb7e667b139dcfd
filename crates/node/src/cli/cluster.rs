//! `quartet cluster …`: questions to a whole cluster.

pub(crate) mod health;
pub(crate) mod members;
mod status;
mod wait;

use std::process::ExitCode;

use clap::Subcommand;

/// Ask a whole cluster.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Status(status::Arguments),
    Wait(wait::Arguments),
}

/// Runs the command.
pub(crate) async fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Status(arguments) => status::run(arguments).await,
        Command::Wait(arguments) => wait::run(arguments).await,
    }
}
