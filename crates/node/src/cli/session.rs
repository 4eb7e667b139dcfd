//! `quartet session …`.

mod show;

use std::process::ExitCode;

use clap::Subcommand;

/// Look into a session.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Show(show::Arguments),
}

/// Runs the command.
pub(crate) async fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Show(arguments) => show::run(arguments).await,
    }
}
