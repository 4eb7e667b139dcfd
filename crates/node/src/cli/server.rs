//! `quartet server`.

use std::fs;
use std::future::pending;
use std::io::{ErrorKind, Read, stdin};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, anyhow};
use clap::Args;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;
use tracing::{info, warn};

use crate::config::{Config, Overrides};
use crate::{admin, logging, open_files, port_holder, server};

/// Run one node
///
/// Settings come from, each over the ones before: defaults, FILE, the environment
/// (QUARTET__SECTION__KEY), and --set section.key=value. `quartet config print` shows the result.
/// SIGTERM and Ctrl-C stop it in order: it hands over leadership, tells its clients, and stays a member.
///
/// Exit codes: 0 stopped in order; 1 it could not start, or stopped by itself, with one line that says why.
///
/// Examples:
///   quartet server --config /etc/quartet/quartet.toml
///   QUARTET__LOG__LEVEL=debug quartet server --config n1.toml --set limits.receive_maximum=100
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub(crate) struct Arguments {
    /// The node's configuration file
    #[arg(long, value_name = "FILE")]
    config: PathBuf,

    /// Listen beyond this machine, although nothing is encrypted and nobody is asked for a password
    #[arg(long)]
    insecure: bool,

    /// A setting over file and environment, as limits.receive_maximum=100
    #[arg(long, value_name = "SECTION.KEY=VALUE")]
    set: Vec<String>,

    /// Stop when standard input ends: whoever started us holds its other end, and may die without a word
    #[arg(long, hide = true)]
    until_stdin_closes: bool,
}

/// How long tasks may linger after the node has stopped: nothing of value is left in them.
const LAST_TASKS: Duration = Duration::from_secs(1);

/// Runs the command.
pub(crate) fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let mut set = arguments.set;
    if arguments.insecure {
        set.push("node.insecure=true".to_owned());
    }
    let config = Config::load(&arguments.config, Overrides::of_process(&set))?;
    logging::start(&config.log);
    let files = open_files::raise_limit();
    let connections = config.limits.maximum_connections;
    if files < u64::from(connections).saturating_add(OTHER_FILES) {
        warn!(
            files,
            connections, "the limit of open files (ulimit -n) is too low for limits.maximum_connections"
        );
    }
    let _pid_file = config.node.pid_file.as_deref().map(PidFile::write).transpose()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("the runtime")?;
    let result = runtime.block_on(async {
        let stop = stop(arguments.until_stdin_closes)?;
        info!(node = config.node.name, version = env!("CARGO_PKG_VERSION"), "starting");
        server::run(config.server(), admin::routes, stop).await.map_err(with_holder)?;
        info!("stopped");
        Ok(ExitCode::SUCCESS)
    });
    runtime.shutdown_timeout(LAST_TASKS);
    result
}

/// Adds who holds a taken port, where that can be known.
fn with_holder(error: server::Error) -> anyhow::Error {
    match &error {
        server::Error::Listen { what, address, source } if source.kind() == ErrorKind::AddrInUse => anyhow!(
            "{what} {address} is taken {}; end that one, or choose another address in the configuration",
            port_holder::who(address.port())
        ),
        _ => error.into(),
    }
}

/// Files and sockets besides clients': the log, checkpoints, peers.
const OTHER_FILES: u64 = 512;

/// Resolves when the node is to stop. A second signal ends the process at once, as one who asks twice means it.
fn stop(until_stdin_closes: bool) -> anyhow::Result<impl Future<Output = ()>> {
    let mut interrupt = signal(SignalKind::interrupt()).context("signals")?;
    let mut terminate = signal(SignalKind::terminate()).context("signals")?;
    let closed = until_stdin_closes.then(stdin_closed);
    Ok(async move {
        let why = tokio::select! {
            name = either(&mut interrupt, &mut terminate) => name,
            () = async { match closed { Some(closed) => drop(closed.await), None => pending().await } } => {
                "quartet dev has ended"
            }
        };
        info!(why, "stopping; a second signal ends the process at once");
        tokio::spawn(async move {
            either(&mut interrupt, &mut terminate).await;
            std::process::exit(1);
        });
    })
}

async fn either(interrupt: &mut Signal, terminate: &mut Signal) -> &'static str {
    tokio::select! {
        _ = interrupt.recv() => "SIGINT",
        _ = terminate.recv() => "SIGTERM",
    }
}

/// Resolves when standard input ends. A thread of its own, since reading a pipe blocks; it ends with the process.
fn stdin_closed() -> oneshot::Receiver<()> {
    let (closed, waiting) = oneshot::channel();
    std::thread::spawn(move || {
        let mut ignored = [0; 64];
        while matches!(stdin().lock().read(&mut ignored), Ok(1..)) {}
        drop(closed);
    });
    waiting
}

/// Holds this process's id for scripts; removed in an orderly stop, if it is still ours.
#[derive(Debug)]
struct PidFile {
    path: PathBuf,
}

impl PidFile {
    fn write(path: &Path) -> anyhow::Result<Self> {
        let text = format!("{}\n", std::process::id());
        let unfinished = path.with_extension(format!("{}.unfinished", std::process::id()));
        path.parent()
            .map_or(Ok(()), fs::create_dir_all)
            .and_then(|()| fs::write(&unfinished, text))
            .and_then(|()| fs::rename(&unfinished, path))
            .with_context(|| {
                format!(
                    "node.pid_file {} cannot be written; mend the path or leave the key out",
                    path.display()
                )
            })?;
        Ok(Self { path: path.to_owned() })
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        let ours =
            fs::read_to_string(&self.path).is_ok_and(|text| text.trim() == std::process::id().to_string());
        if ours {
            // What stays behind names a process that is gone, which whoever reads it must expect anyway.
            let _removed = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pid_file_lives_as_long_as_its_process_unless_another_took_it() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("new/pid");
        let file = PidFile::write(&path).expect("written");
        assert_eq!(fs::read_to_string(&path).expect("there").trim(), std::process::id().to_string());
        drop(file);
        assert!(!path.exists());
        let file = PidFile::write(&path).expect("written");
        fs::write(&path, "1\n").expect("taken over");
        drop(file);
        assert_eq!(fs::read_to_string(&path).expect("left"), "1\n");
    }

    #[test]
    fn a_pid_file_that_cannot_be_is_one_line() {
        let error = PidFile::write(Path::new("/proc/nowhere/pid")).expect_err("refused");
        let said = format!("{error:#}");
        assert!(said.starts_with("node.pid_file /proc/nowhere/pid cannot be written;"), "{said}");
        assert!(!said.contains('\n'));
    }
}
