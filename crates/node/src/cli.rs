//! The command line: one file a command; the doc comments of the arguments are the help.
//!
//! Exit codes are the same everywhere: 0 it is as asked; 1 it is not, or an error, said in one line on standard
//! error; 2 the command line itself is wrong, or (`cluster status`) nothing is acknowledged.

pub(crate) mod cluster;
mod config;
mod dev;
mod publish;
mod server;
mod session;
pub(crate) mod style;
mod subscribe;
pub(crate) mod table;
pub(crate) mod words;

use std::process::ExitCode;

use anyhow::Context;
use clap::{Parser, Subcommand};

/// A clustered MQTT broker: a QoS 2 handshake survives the node it began on
///
/// First minute:
///   quartet dev                                three nodes on this machine, clients on port 1883
///   quartet sub -i alice -c -q 2 -t 'demo/#'   in a second terminal
///   quartet pub -q 2 -t demo/hello -m hello    in a third
///
/// Exit codes: 0 as asked; 1 not so, or an error; 2 wrong usage, or nothing is acknowledged (cluster status).
#[derive(Debug, Parser)]
#[command(name = "quartet", version, verbatim_doc_comment, max_term_width = 100)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Server(server::Arguments),
    Dev(dev::Arguments),
    /// Ask a whole cluster: how it is, or wait until it serves
    #[command(subcommand)]
    Cluster(cluster::Command),
    /// Look into a session
    #[command(subcommand)]
    Session(session::Command),
    /// Check or print a node's configuration
    #[command(subcommand)]
    Config(config::Command),
    Pub(publish::Arguments),
    Sub(subscribe::Arguments),
}

impl Arguments {
    /// Runs the command.
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        match self.command {
            Command::Server(arguments) => server::run(arguments),
            Command::Dev(arguments) => block_on(dev::run(arguments)),
            Command::Cluster(command) => block_on(cluster::run(command)),
            Command::Session(command) => block_on(session::run(command)),
            Command::Config(command) => config::run(command),
            Command::Pub(arguments) => block_on(publish::run(arguments)),
            Command::Sub(arguments) => block_on(subscribe::run(arguments)),
        }
    }
}

/// One thread is plenty for a command that waits for answers, and for a balancer.
fn block_on(command: impl Future<Output = anyhow::Result<ExitCode>>) -> anyhow::Result<ExitCode> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().context("the runtime")?;
    runtime.block_on(command)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_holds_together() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn wrong_usage_is_exit_code_2() {
        for line in [
            &["quartet"][..],
            &["quartet", "serve"],
            &["quartet", "server"],
            &["quartet", "cluster", "status", "--dir", "a", "--address", "b:1"],
            &["quartet", "pub", "-t", "a"],
            &["quartet", "sub"],
            &["quartet", "cluster", "wait", "--timeout", "60"],
        ] {
            let error = Arguments::try_parse_from(line).expect_err("refused");
            assert_eq!(error.exit_code(), 2, "{line:?}");
        }
    }

    #[test]
    fn help_and_version_are_exit_code_0() {
        for line in [&["quartet", "--help"][..], &["quartet", "--version"], &["quartet", "pub", "--help"]] {
            assert_eq!(Arguments::try_parse_from(line).expect_err("help").exit_code(), 0, "{line:?}");
        }
    }

    #[test]
    fn mosquitto_users_find_their_flags() {
        for line in [
            "quartet pub -h localhost -p 1884 -t a/b -m hello -q 2 -i me -V 5",
            "quartet pub -t a -l",
            "quartet pub -t a -n",
            "quartet sub -h ::1 -t a -t b/# -q 1 -i me -c -V 311 -C 3 -v",
            "quartet sub -t a -V mqttv5 -x 3600",
        ] {
            let parsed = Arguments::try_parse_from(line.split(' '));
            assert!(parsed.is_ok(), "{line}: {}", parsed.err().map(|e| e.to_string()).unwrap_or_default());
        }
    }
}
