//! One node's process, as far as it is ours.
//!
//! A child ends with us even if we are killed: its standard input is a pipe whose only other end is here, and it
//! stops when that closes. It has a process group of its own, so that Ctrl-C reaches only us, and we end the nodes in
//! order.

use std::fs::OpenOptions;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{ExitStatus, Stdio};

use anyhow::Context;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::process::ChildStdin;
use tokio::sync::mpsc;

/// The hidden flag of `quartet server` that makes it stop when its standard input closes.
pub(crate) const UNTIL_STDIN_CLOSES: &str = "--until-stdin-closes";

/// A running child.
#[derive(Debug)]
pub(crate) struct Child {
    /// Its process.
    pub(crate) pid: u32,
    /// Held open for as long as it is to live.
    _stdin: ChildStdin,
}

/// A child's end.
#[derive(Debug)]
pub(crate) struct Ended {
    /// Which node, from 1.
    pub(crate) number: u16,
    /// Which process it was.
    pub(crate) pid: u32,
    /// How.
    pub(crate) how: String,
}

impl Child {
    /// Starts `quartet server` for node `number`; its end is told to `ended`.
    pub(crate) fn start(
        number: u16,
        configuration: &Path,
        log: &Path,
        ended: mpsc::Sender<Ended>,
    ) -> anyhow::Result<Self> {
        let program = std::env::current_exe().context("where this program is")?;
        let log_file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(log)
            .with_context(|| format!("{}: it cannot be written", log.display()))?;
        let mut command = std::process::Command::new(&program);
        command
            .arg("server")
            .arg("--config")
            .arg(configuration)
            .arg(UNTIL_STDIN_CLOSES)
            .stdin(Stdio::piped())
            .stdout(log_file.try_clone().context("the log")?)
            .stderr(log_file)
            .process_group(0);
        let mut child = tokio::process::Command::from(command)
            .spawn()
            .with_context(|| format!("{} cannot be started", program.display()))?;
        let pid = child.id().context("the node ended at once")?;
        let stdin = child.stdin.take().context("the node's standard input")?;
        tokio::spawn(async move {
            let how = match child.wait().await {
                Ok(status) => describe(status),
                Err(error) => error.to_string(),
            };
            // Nobody to tell: the supervisor is gone, and so will be this process.
            let _told = ended.send(Ended { number, pid, how }).await;
        });
        Ok(Self { pid, _stdin: stdin })
    }
}

/// Sends a signal to a process; `false` if there is no such process any more.
pub(crate) fn signal(pid: u32, signal: Signal) -> bool {
    i32::try_from(pid).is_ok_and(|pid| kill(Pid::from_raw(pid), signal).is_ok())
}

/// Whether a process is there.
pub(crate) fn exists(pid: u32) -> bool {
    i32::try_from(pid).is_ok_and(|pid| kill(Pid::from_raw(pid), None).is_ok())
}

/// How a process ended, in words.
fn describe(status: ExitStatus) -> String {
    match (status.signal(), status.code()) {
        (Some(number), _) => match Signal::try_from(number) {
            Ok(signal) => format!("killed by {}", signal.as_str()),
            Err(_) => format!("killed by signal {number}"),
        },
        (None, Some(0)) => "stopped in order".to_owned(),
        (None, Some(code)) => format!("exit code {code}"),
        (None, None) => "ended".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_in_words() {
        assert_eq!(describe(ExitStatus::from_raw(9)), "killed by SIGKILL");
        assert_eq!(describe(ExitStatus::from_raw(0)), "stopped in order");
        assert_eq!(describe(ExitStatus::from_raw(1 << 8)), "exit code 1");
    }

    #[test]
    fn processes_that_are_there_and_are_not() {
        assert!(exists(std::process::id()));
        assert!(!exists(u32::MAX), "not even a process id");
    }
}
