//! `quartet dev`: a local cluster behind its balancer, as a newcomer starts it.

use std::fs::OpenOptions;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::story::keep_last_words;
use crate::{PortBlock, eventually, quartet, quartet_binary};

/// A running `quartet dev`, ended by Ctrl-C when dropped.
#[derive(Debug)]
pub struct Dev {
    directory: PathBuf,
    ports: PortBlock,
    log: PathBuf,
    child: Option<Child>,
    nodes: usize,
    more: Vec<String>,
}

impl Dev {
    /// Prepares a cluster of three in `directory` without starting it.
    ///
    /// # Errors
    ///
    /// No ports are free.
    pub fn prepare(directory: &Path, more: &[&str]) -> Result<Self> {
        let more = more.iter().map(|argument| (*argument).to_owned()).collect();
        let log = directory.with_extension("dev-log");
        Ok(Self {
            directory: directory.to_owned(),
            ports: PortBlock::take()?,
            log,
            child: None,
            nodes: 3,
            more,
        })
    }

    /// Starts it and waits with `quartet cluster wait` until it serves.
    ///
    /// # Errors
    ///
    /// It does not serve in time.
    pub async fn start(&mut self) -> Result<()> {
        self.spawn()?;
        self.serves().await
    }

    /// Starts it.
    ///
    /// # Errors
    ///
    /// It runs already.
    pub fn spawn(&mut self) -> Result<()> {
        ensure!(self.child.is_none(), "quartet dev runs already");
        let log = OpenOptions::new().create(true).append(true).open(&self.log)?;
        let child = Command::new(quartet_binary()?)
            .args([
                "dev",
                "--nodes",
                &self.nodes.to_string(),
                "--port",
                &self.ports.first().to_string(),
                "--dir",
            ])
            .arg(&self.directory)
            .args(&self.more)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("starting quartet dev")?;
        self.child = Some(child);
        Ok(())
    }

    /// Waits with `quartet cluster wait` until every node serves.
    ///
    /// # Errors
    ///
    /// It does not in time.
    pub async fn serves(&self) -> Result<()> {
        let directory = self.directory.to_string_lossy();
        // The directory is there a moment after the start.
        eventually("quartet cluster wait says that all serve", Duration::from_secs(70), || async {
            let waited = quartet(["cluster", "wait", "--dir", &directory, "--timeout", "60s"]).await?;
            waited.expect_code(0).map(Some)
        })
        .await
        .map(drop)
    }

    /// The balancer's address.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), self.ports.first())
    }

    /// A node's own address, counted from 1 as on the command line.
    pub fn node_address(&self, node: u16) -> SocketAddr {
        SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), self.ports.first() + node)
    }

    /// A node's directory, counted from 1.
    pub fn node_directory(&self, node: u16) -> PathBuf {
        self.directory.join(format!("node-{node}"))
    }

    /// What is in a node's pid file.
    ///
    /// # Errors
    ///
    /// It is not there or holds no number.
    pub fn node_pid(&self, node: u16) -> Result<i32> {
        let path = self.node_directory(node).join("pid");
        let text = std::fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
        text.trim().parse().with_context(|| format!("`{text}` in {}", path.display()))
    }

    /// `kill -9` of a node by its pid file, and waits until it is gone.
    ///
    /// # Errors
    ///
    /// There is no such process.
    pub async fn kill_node(&self, node: u16) -> Result<()> {
        let pid = self.node_pid(node)?;
        kill(Pid::from_raw(pid), Signal::SIGKILL)
            .with_context(|| format!("killing node {node}, process {pid}"))?;
        eventually("the killed node is gone", Duration::from_secs(10), || async {
            Ok(gone(pid).then_some(()))
        })
        .await
    }

    /// Ctrl-C: SIGINT to the one process in the foreground; waits for its end.
    ///
    /// # Errors
    ///
    /// It does not end in time.
    pub async fn interrupt(&mut self) -> Result<ExitStatus> {
        let child = self.child.as_mut().context("quartet dev does not run")?;
        kill(Pid::from_raw(i32::try_from(child.id())?), Signal::SIGINT)?;
        let child = std::sync::Mutex::new(child);
        let status = eventually("quartet dev ends on Ctrl-C", Duration::from_secs(30), || async {
            let mut child = child.lock().map_err(|_| anyhow::anyhow!("a panic while waiting"))?;
            Ok(child.try_wait()?)
        })
        .await?;
        self.child = None;
        Ok(status)
    }

    /// Whether a process is a node of this cluster: a number in an old pid file may be somebody else's by now.
    fn runs(&self, pid: i32) -> bool {
        let command = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&command).contains(&*self.directory.to_string_lossy())
    }

    /// Everything it has written to the terminal.
    ///
    /// # Errors
    ///
    /// The file cannot be read.
    pub fn output(&self) -> Result<String> {
        Ok(String::from_utf8_lossy(&std::fs::read(&self.log)?).into_owned())
    }

    /// The directory as an argument.
    pub fn directory(&self) -> &Path {
        &self.directory
    }
}

/// Whether a process is gone (a zombie counts as gone: it runs no more).
fn gone(pid: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit(')').next().unwrap_or_default().trim_start().chars().next();
    kill(Pid::from_raw(pid), None) == Err(Errno::ESRCH) || state == Some('Z')
}

impl Drop for Dev {
    fn drop(&mut self) {
        keep_last_words(format!("--- quartet dev said ---\n{}", self.output().unwrap_or_default()));
        let pids: Vec<i32> =
            (1..=3).filter_map(|node| self.node_pid(node).ok()).filter(|pid| self.runs(*pid)).collect();
        if let Some(mut child) = self.child.take() {
            // A test that fails half-way leaves nodes behind unless they are ended here, one by one.
            drop(child.kill());
            drop(child.wait());
            for pid in pids {
                kill(Pid::from_raw(pid), Signal::SIGKILL).ok();
            }
        }
        drop(std::fs::remove_file(&self.log));
    }
}
