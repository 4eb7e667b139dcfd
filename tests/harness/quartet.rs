//! The binary under test, and its short commands.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tokio::process::Command;

/// Longest that a short command may take.
const LIMIT: Duration = Duration::from_secs(90);

/// Where the binary is: `QUARTET_BIN`, or beside the test's own executable.
///
/// # Errors
///
/// It is not there.
pub fn quartet_binary() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("QUARTET_BIN") {
        return Ok(path.into());
    }
    let test = std::env::current_exe().context("where is this test's executable")?;
    let beside = test.ancestors().skip(1).take(2).map(|directory| directory.join("quartet"));
    let found = beside.into_iter().find(|path| path.is_file());
    found.with_context(|| {
        format!("no `quartet` beside {}: build it (cargo build --release) or set QUARTET_BIN", test.display())
    })
}

/// A command that ended.
#[derive(Debug)]
pub struct Finished {
    /// Exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    /// What it wrote to stdout.
    pub stdout: String,
    /// What it wrote to stderr.
    pub stderr: String,
}

impl Finished {
    /// Insists on an exit code.
    ///
    /// # Errors
    ///
    /// Another code, with all that the command said.
    pub fn expect_code(self, code: i32) -> Result<Self> {
        ensure!(self.code == Some(code), "expected exit code {code}: {self:?}");
        Ok(self)
    }
}

/// Runs `quartet` with these arguments to its end.
///
/// # Errors
///
/// It cannot be started or does not end in time.
pub async fn quartet(arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Result<Finished> {
    let mut command = Command::new(quartet_binary()?);
    command.args(arguments).stdin(Stdio::null()).kill_on_drop(true);
    let shown = format!("{:?}", command.as_std());
    let output = tokio::time::timeout(LIMIT, command.output())
        .await
        .with_context(|| format!("{shown} did not end within {LIMIT:?}"))?
        .with_context(|| format!("starting {shown}"))?;
    Ok(Finished {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}
