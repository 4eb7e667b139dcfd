//! `quartet cluster status`.

use std::io::Write;
use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};

use super::health::Health;
use super::members::{self, Member, Target};
use crate::admin::wire::Role;
use crate::cli::style;
use crate::cli::table::{Align, Cell, Table};
use crate::cli::words;

/// Show every node of a cluster, and how the cluster is in one line of words
///
/// Exit codes: 0 healthy; 1 degraded; 2 nothing is acknowledged, or no node answers.
///
/// Examples:
///   quartet cluster status
///   quartet cluster status --address 10.0.0.7:2884 --json
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub(crate) struct Arguments {
    #[command(flatten)]
    target: Target,

    /// Print JSON for programs
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub(crate) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let members = members::ask(&arguments.target.addresses()?).await;
    let health = Health::of(&members);
    let mut out = anstream::stdout().lock();
    if arguments.json {
        writeln!(out, "{:#}", to_json(&members, &health))?;
    } else {
        write!(out, "{}", table(&members))?;
        for member in &members {
            if let Err(error) = &member.status {
                writeln!(out, "{} {error}", member.name)?;
            }
        }
        let style = match health.code() {
            0 => style::GOOD,
            1 => style::WARNING,
            _ => style::BAD,
        };
        writeln!(out, "{style}{}{style:#}", health.sentence())?;
    }
    Ok(health.exit_code())
}

/// The highest commit anybody knows of: what lag is measured against.
fn committed(members: &[Member]) -> u64 {
    members
        .iter()
        .filter_map(|member| member.status.as_ref().ok())
        .map(|s| s.committed_index)
        .max()
        .unwrap_or(0)
}

fn role_name(role: Role) -> &'static str {
    match role {
        Role::Unspecified => "unknown",
        Role::Forming => "forming",
        Role::Learner => "learner",
        Role::Follower => "follower",
        Role::Candidate => "candidate",
        Role::Leader => "leader",
        Role::Stopped => "stopped",
    }
}

fn table(members: &[Member]) -> Table {
    let committed = committed(members);
    let mut table = Table::new(&[
        ("node", Align::Left),
        ("role", Align::Left),
        ("serves", Align::Left),
        ("term", Align::Right),
        ("applied", Align::Right),
        ("lag", Align::Right),
        ("connections", Align::Right),
        ("sessions", Align::Right),
        ("version", Align::Left),
        ("uptime", Align::Right),
    ]);
    for member in members {
        table.row(match &member.status {
            Err(_) => {
                let mut row = vec![Cell::plain(&member.name), Cell::styled("down", style::BAD)];
                row.resize(10, Cell::plain("-"));
                row
            }
            Ok(status) => {
                let role = status.role();
                let role_style = if role == Role::Leader { style::STRONG } else { style::PLAIN };
                let serves = match status.serving {
                    true => Cell::styled("yes", style::GOOD),
                    false => Cell::styled("no", style::WARNING),
                };
                vec![
                    Cell::plain(&member.name),
                    Cell::styled(role_name(role), role_style),
                    serves,
                    Cell::plain(status.term),
                    Cell::plain(status.applied_index),
                    Cell::plain(committed.saturating_sub(status.applied_index)),
                    Cell::plain(status.connections),
                    Cell::plain(status.sessions),
                    Cell::plain(&status.software_version),
                    Cell::plain(words::span(status.uptime_milliseconds)),
                ]
            }
        });
    }
    table
}

fn to_json(members: &[Member], health: &Health) -> Value {
    let committed = committed(members);
    let nodes: Vec<Value> = members
        .iter()
        .map(|member| match &member.status {
            Err(error) => json!({
                "name": member.name, "address": member.address, "voter": member.voter,
                "answers": false, "role": "down", "serving": false, "error": error.to_string(),
            }),
            Ok(status) => json!({
                "name": member.name, "address": member.address, "voter": member.voter,
                "answers": true,
                "node_id": status.node_id, "boot": status.boot, "process_id": status.process_id,
                "role": role_name(status.role()), "term": status.term, "leader_id": status.leader_id,
                "serving": status.serving, "not_serving_reason": status.not_serving_reason,
                "last_log": status.last_log_index, "committed": status.committed_index,
                "applied": status.applied_index, "lag": committed.saturating_sub(status.applied_index),
                "connections": status.connections, "sessions": status.sessions,
                "subscriptions": status.subscriptions, "queued_messages": status.queued_messages,
                "overflowed_messages": status.overflowed_messages,
                "poisoned_commands": status.poisoned_commands,
                "version": status.software_version, "uptime_milliseconds": status.uptime_milliseconds,
            }),
        })
        .collect();
    let cluster_id =
        members.iter().find_map(|m| m.status.as_ref().ok().map(|status| status.cluster_id.clone()));
    json!({
        "cluster_id": cluster_id, "health": health.word(), "sentence": health.sentence(), "nodes": nodes,
    })
}

#[cfg(test)]
mod tests {
    use super::super::members::tests::{down, member};
    use super::*;

    #[test]
    fn the_table_as_people_see_it() {
        let members = [member(1, Role::Follower), member(2, Role::Leader), down(3)];
        let plain = anstream::adapter::strip_str(&table(&members).to_string()).to_string();
        assert_eq!(
            plain,
            "node    role      serves  term  applied  lag  connections  sessions  version     uptime\n\
             node-1  follower  yes        3     1199    1           10        64  0.1.0    1 h 1 min\n\
             node-2  leader    yes        3     1198    2           20        64  0.1.0    2 h 2 min\n\
             node-3  down      -          -        -    -            -         -  -                -\n"
        );
    }

    #[test]
    fn json_has_what_programs_ask_for() {
        let members = [member(1, Role::Leader), down(2)];
        let value = to_json(&members, &Health::of(&members));
        assert_eq!(value["health"], "no-quorum");
        assert_eq!(value["nodes"][0]["role"], "leader");
        assert_eq!(value["nodes"][0]["lag"], 1);
        assert_eq!(value["nodes"][1]["answers"], false);
        assert!(
            value["nodes"][1]["error"].as_str().is_some_and(|error| error.contains("connection refused"))
        );
    }
}
