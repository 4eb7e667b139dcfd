//! `quartet`: one binary that is the server, a local cluster, and the tools to look at both.
//!
//! `cli` has a file for every command; what a command does is beside it: `server` runs a node, `dev` a local
//! cluster behind a `balancer`, `client` speaks MQTT for `pub` and `sub`, `admin` asks and answers questions.

mod admin;
mod balancer;
mod cli;
mod client;
mod config;
mod connect_rate;
mod connection_task;
mod dev;
mod front_end;
mod grpc;
mod listener;
mod logging;
mod mailbox;
mod mailboxes;
mod metrics;
mod open_files;
mod outgoing;
mod port_holder;
mod qos0;
mod server;
mod shutdown;

use std::io::{ErrorKind, Write};
use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let error = match cli::Arguments::parse().run() {
        Ok(code) => return code,
        Err(error) => error,
    };
    // Whoever reads us has read enough (`quartet sub … | head -1`).
    if error.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == ErrorKind::BrokenPipe) {
        return ExitCode::SUCCESS;
    }
    let mut out = anstream::stderr().lock();
    let style = cli::style::BAD;
    for line in whole(&error).lines() {
        if writeln!(out, "{style}error:{style:#} {line}").is_err() {
            break;
        }
    }
    ExitCode::FAILURE
}

/// The error and its causes, each said once: many messages quote their cause already.
fn whole(error: &anyhow::Error) -> String {
    error.chain().skip(1).fold(error.to_string(), |said, cause| {
        let cause = cause.to_string();
        if said.contains(&cause) { said } else { format!("{said}: {cause}") }
    })
}

#[cfg(test)]
mod tests {
    use anyhow::{Context, anyhow};

    #[test]
    fn a_cause_is_said_once() {
        let error =
            Err::<(), _>(anyhow!("disk full")).context("log: disk full").context("node-1").expect_err("one");
        assert_eq!(super::whole(&error), "node-1: log: disk full");
    }
}
