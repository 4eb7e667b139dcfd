//! CPU time of processes, from `/proc`.

use std::fs;

use anyhow::{Context, Result};

/// Clock ticks a second in `/proc/PID/stat`; Linux has told user space 100 for decades.
const TICKS: f64 = 100.0;

/// User and system seconds of all threads of these processes together.
pub(crate) fn seconds(pids: &[u32]) -> Result<f64> {
    pids.iter().map(|pid| seconds_of(&pid.to_string())).sum()
}

/// The same for the load itself.
pub(crate) fn own_seconds() -> Result<f64> {
    seconds_of("self")
}

fn seconds_of(process: &str) -> Result<f64> {
    let path = format!("/proc/{process}/stat");
    let text = fs::read_to_string(&path).with_context(|| format!("reading {path}"))?;
    // The name in parentheses may hold anything; the numbers come after its end.
    let (_, numbers) = text.rsplit_once(')').with_context(|| format!("no name in {path}"))?;
    let field = |place: usize| -> Result<f64> {
        let word =
            numbers.split_whitespace().nth(place).with_context(|| format!("no field {place} in {path}"))?;
        Ok(word.parse()?)
    };
    Ok((field(11)? + field(12)?) / TICKS)
}
