//! `quartet cluster wait`.

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use tokio::time::{Instant, sleep, timeout_at};

use super::members::{self, Member, Target};
use crate::config::units::{Span, parse_span};

/// Wait until every node of a cluster serves clients
///
/// A directory that does not exist yet is waited for too, so it can follow `quartet dev` in a script.
///
/// Exit codes: 0 every node serves; 1 some do not in time.
///
/// Examples:
///   quartet cluster wait --dir ./quartet-dev
///   quartet cluster wait --address 127.0.0.1:2884 --timeout 5s
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub(crate) struct Arguments {
    #[command(flatten)]
    target: Target,

    /// How long, as 500ms, 60s or 2min
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = parse_span)]
    timeout: Span,
}

/// Between two rounds of questions: each costs a node next to nothing.
const PAUSE: Duration = Duration::from_millis(100);

/// Runs the command.
pub(crate) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let deadline = Instant::now() + arguments.timeout.0;
    let mut last: anyhow::Result<Vec<Member>>;
    loop {
        last = match arguments.target.addresses() {
            Err(error) => Err(error),
            Ok(addresses) => match timeout_at(deadline, members::ask(&addresses)).await {
                Ok(members) if members.iter().all(Member::serving) => {
                    let mut out = anstream::stdout().lock();
                    let plural = if members.len() == 1 { "node serves" } else { "nodes serve" };
                    writeln!(out, "{} {plural}", members.len())?;
                    return Ok(ExitCode::SUCCESS);
                }
                Ok(members) => Ok(members),
                Err(_) => Ok(Vec::new()),
            },
        };
        if Instant::now() + PAUSE >= deadline {
            break;
        }
        sleep(PAUSE).await;
    }
    anyhow::bail!("after {}: {}", arguments.timeout, unready(&last?));
}

/// Who does not serve, and why.
fn unready(members: &[Member]) -> String {
    if members.is_empty() {
        return "no node has answered in time".to_owned();
    }
    let faults = members.iter().filter_map(|member| match &member.status {
        Err(error) => Some(format!("{} {error}", member.name)),
        Ok(_) => member.fault(),
    });
    faults.collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::super::members::tests::{down, member};
    use super::*;
    use crate::admin::wire::Role;

    #[test]
    fn says_who_does_not_serve() {
        let mut stopped = member(2, Role::Follower);
        if let Ok(status) = &mut stopped.status {
            status.serving = false;
            status.not_serving_reason = "no leader is heard".into();
        }
        assert_eq!(
            unready(&[member(1, Role::Leader), stopped, down(3)]),
            "node-2 does not serve (no leader is heard); node-3 does not answer on 127.0.0.1:2886: connection refused \
             (is its process running?)"
        );
        assert_eq!(unready(&[]), "no node has answered in time");
    }
}
