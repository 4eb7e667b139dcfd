//! One `quartet server` process.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::{eventually, quartet_binary};

/// Bytes of a log that are shown when a test fails.
const LAST_BYTES: usize = 6_000;

/// A node's process, and how to start it again.
#[derive(Debug)]
pub struct NodeProcess {
    name: String,
    config: PathBuf,
    log: PathBuf,
    environment: Vec<(String, String)>,
    child: Option<Child>,
}

impl NodeProcess {
    /// A node that is not started yet. Its output goes to `log`.
    pub fn new(name: &str, config: PathBuf, log: PathBuf, environment: Vec<(String, String)>) -> Self {
        Self { name: name.to_owned(), config, log, environment, child: None }
    }

    /// Starts it, or starts it again.
    ///
    /// # Errors
    ///
    /// It runs already, or cannot be started.
    pub fn start(&mut self) -> Result<()> {
        ensure!(self.child.is_none(), "{} runs already", self.name);
        let log = OpenOptions::new().create(true).append(true).open(&self.log).context("opening its log")?;
        let child = Command::new(quartet_binary()?)
            .args([Path::new("server"), Path::new("--config"), &self.config])
            .envs(self.environment.iter().map(|(key, value)| (key, value)))
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("starting {}", self.name))?;
        self.child = Some(child);
        Ok(())
    }

    /// Its process id.
    ///
    /// # Errors
    ///
    /// It does not run.
    pub fn pid(&self) -> Result<u32> {
        Ok(self.child.as_ref().with_context(|| format!("{} does not run", self.name))?.id())
    }

    /// Whether it was started and has not been seen to end.
    pub fn is_started(&self) -> bool {
        self.child.is_some()
    }

    /// `kill -9`, and waits until the process is gone.
    ///
    /// # Errors
    ///
    /// It does not run.
    pub fn kill(&mut self) -> Result<()> {
        let mut child = self.child.take().with_context(|| format!("{} does not run", self.name))?;
        child.kill()?;
        child.wait()?;
        Ok(())
    }

    /// Sends a signal.
    ///
    /// # Errors
    ///
    /// It does not run.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        let pid = Pid::from_raw(i32::try_from(self.pid()?)?);
        kill(pid, signal).with_context(|| format!("sending {signal} to {}", self.name))
    }

    /// SIGSTOP, and waits until every thread stands still: until then one may still read what clients send.
    ///
    /// # Errors
    ///
    /// It does not run, or a thread goes on.
    pub async fn pause(&self) -> Result<()> {
        self.signal(Signal::SIGSTOP)?;
        let tasks = format!("/proc/{}/task", self.pid()?);
        eventually("every thread stands still", Duration::from_secs(10), || async {
            let mut still = true;
            for task in std::fs::read_dir(&tasks)? {
                let stat = std::fs::read_to_string(task?.path().join("stat")).unwrap_or_default();
                // The state is the first word after the name in parentheses.
                let state = stat.rsplit(')').next().unwrap_or_default().trim_start().chars().next();
                still &= matches!(state, None | Some('T' | 't'));
            }
            Ok(still.then_some(()))
        })
        .await
    }

    /// Waits until the process has ended by itself.
    ///
    /// # Errors
    ///
    /// It still runs when `limit` has passed.
    pub async fn ended(&mut self, limit: Duration) -> Result<ExitStatus> {
        let name = self.name.clone();
        let child =
            std::sync::Mutex::new(self.child.as_mut().with_context(|| format!("{name} does not run"))?);
        let status = eventually(&format!("{name} ends"), limit, || async {
            let mut child = child.lock().map_err(|_| anyhow::anyhow!("a panic while waiting"))?;
            Ok(child.try_wait()?)
        })
        .await?;
        self.child = None;
        Ok(status)
    }

    /// Everything it has written.
    ///
    /// # Errors
    ///
    /// The log cannot be read.
    pub fn log(&self) -> Result<String> {
        let bytes = std::fs::read(&self.log).with_context(|| format!("reading {}", self.log.display()))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Empties the log, so that what comes next can be told from what was.
    ///
    /// # Errors
    ///
    /// The log cannot be written.
    pub fn clear_log(&self) -> Result<()> {
        File::create(&self.log).with_context(|| format!("emptying {}", self.log.display())).map(drop)
    }

    /// The end of its log, for a failing test.
    pub fn last_words(&self) -> String {
        let log = self.log().unwrap_or_default();
        let mut start = log.len().saturating_sub(LAST_BYTES);
        while !log.is_char_boundary(start) {
            start += 1;
        }
        format!("--- the end of the log of {} ---\n{}", self.name, &log[start..])
    }
}

impl Drop for NodeProcess {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // Already gone is as good.
            drop(child.kill());
            drop(child.wait());
        }
    }
}
