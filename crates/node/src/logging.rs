//! Sets up what the process says on standard error.

use std::io::{IsTerminal, stderr};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::Subscriber;

use crate::config::log::{Config, Format, Level};

/// Starts logging. Called once, before anything is said.
pub(crate) fn start(config: &Config) {
    let builder = Subscriber::builder().with_env_filter(filter(config.level)).with_writer(stderr);
    match config.format {
        Format::Json => builder.json().flatten_event(true).with_current_span(false).init(),
        Format::Text => {
            let colours =
                stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
            builder.with_ansi(colours).with_target(false).init();
        }
    }
}

/// Our own crates at the level asked for. Libraries tell their inner workings at `info`; an operator wants that
/// only when looking for something. openraft warns at every failed heartbeat to a dead peer, which we say once.
fn filter(level: Level) -> EnvFilter {
    let (libraries, openraft) = match level {
        Level::Error => ("error", "off"),
        Level::Warn | Level::Info => ("warn", "error"),
        Level::Debug => ("info", "info"),
        Level::Trace => ("debug", "debug"),
    };
    let own = level.name();
    let ours = OURS.map(|name| format!("{name}={own}")).join(",");
    EnvFilter::new(format!("{libraries},openraft={openraft},{ours}"))
}

/// The crates whose words an operator reads.
const OURS: [&str; 6] = [
    "quartet",
    "quartet_broker",
    "quartet_connection",
    "quartet_packet",
    "quartet_raft_log",
    "quartet_replica",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_are_quieter_than_we_are() {
        let said = filter(Level::Info).to_string();
        assert!(said.contains("quartet_replica=info") && said.contains("quartet=info"), "{said}");
        assert!(said.split(',').any(|directive| directive == "warn"), "{said}");
    }
}
