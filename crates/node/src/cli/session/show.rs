//! `quartet session show`.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Args;
use serde_json::{Value, json};

use crate::admin::client;
use crate::admin::wire::{Session, SessionReply, Step};
use crate::cli::cluster::members::{self, ANSWER_TIMEOUT, Target};
use crate::cli::style::{FAINT, STRONG, WARNING};
use crate::cli::table::{Align, Cell, Table};
use crate::cli::words;

/// Show one session: where it is connected, what it subscribes to, what waits, and each open handshake
///
/// Sessions are the same on every node; the node that has applied most is asked.
///
/// Exit codes: 0 there is such a session; 1 there is none, or no node answers.
///
/// Examples:
///   quartet session show alice
///   quartet session show alice --address 127.0.0.1:2884 --json
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub(crate) struct Arguments {
    /// The client's id
    #[arg(value_name = "CLIENT_ID")]
    client_id: String,

    #[command(flatten)]
    target: Target,

    /// Print JSON for programs
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub(crate) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let members = members::ask(&arguments.target.addresses()?).await;
    let newest = members
        .iter()
        .filter_map(|member| member.status.as_ref().ok().map(|status| (status.applied_index, member)))
        .max_by_key(|(applied, _)| *applied);
    let Some((_, member)) = newest else {
        let faults: Vec<String> = members
            .iter()
            .filter_map(|member| member.status.as_ref().err().map(|error| format!("{} {error}", member.name)))
            .collect();
        bail!("no node answers: {}", faults.join("; "));
    };
    let client_id = &arguments.client_id;
    let reply = client::session(&member.address, client_id, ANSWER_TIMEOUT)
        .await
        .with_context(|| format!("session {client_id:?} cannot be read from {}", member.name))?;
    let Some(session) = &reply.session else {
        bail!(
            "there is no session {client_id:?}: it never was, or it ended (clean start, expiry); {} has applied {}",
            member.name,
            reply.applied_index
        );
    };
    let mut out = anstream::stdout().lock();
    if arguments.json {
        writeln!(out, "{:#}", to_json(&reply, session))?;
    } else {
        out.write_all(text(session)?.as_bytes())?;
    }
    Ok(ExitCode::SUCCESS)
}

fn version(level: u32) -> &'static str {
    match level {
        3 => "MQTT 3.1",
        4 => "MQTT 3.1.1",
        5 => "MQTT 5.0",
        _ => "MQTT",
    }
}

/// Which way the message of a handshake goes, seen from the broker.
fn direction(step: Step) -> &'static str {
    match step {
        Step::Unspecified => "?",
        Step::AwaitingPubrel => "← client",
        Step::AwaitingPuback | Step::AwaitingPubrec | Step::AwaitingPubcomp => "→ client",
    }
}

/// Where a handshake stands.
fn step(step: Step) -> &'static str {
    match step {
        Step::Unspecified => "in a step this quartet does not know; use the nodes' own version",
        Step::AwaitingPubrel => "QoS 2  PUBREC sent, awaiting PUBREL",
        Step::AwaitingPuback => "QoS 1  PUBLISH sent, awaiting PUBACK",
        Step::AwaitingPubrec => "QoS 2  PUBLISH sent, awaiting PUBREC",
        Step::AwaitingPubcomp => "QoS 2  PUBREL sent, awaiting PUBCOMP",
    }
}

/// For programs: stable words.
fn step_word(step: Step) -> &'static str {
    match step {
        Step::Unspecified => "unknown",
        Step::AwaitingPubrel => "awaiting-pubrel",
        Step::AwaitingPuback => "awaiting-puback",
        Step::AwaitingPubrec => "awaiting-pubrec",
        Step::AwaitingPubcomp => "awaiting-pubcomp",
    }
}

fn expiry(session: &Session) -> String {
    match (session.session_expiry, session.expires_in_milliseconds) {
        (_, Some(left)) => format!("ends in {} unless the client returns", words::span(left)),
        (u32::MAX, None) => "never expires".to_owned(),
        (0, None) => "ends with its connection".to_owned(),
        (seconds, None) => format!("kept {} after a disconnect", words::span(u64::from(seconds) * 1000)),
    }
}

fn text(session: &Session) -> Result<String, std::fmt::Error> {
    let mut text = String::new();
    writeln!(
        text,
        "{STRONG}{}{STRONG:#}  {}, {}",
        session.client_id,
        version(session.protocol_level),
        expiry(session)
    )?;
    match &session.connection {
        Some(connection) => writeln!(
            text,
            "connected   to {} (boot {}, connection {}), since log index {}",
            connection.node_name, connection.boot, connection.serial, connection.since_index
        )?,
        None => writeln!(text, "connected   {WARNING}no{WARNING:#}")?,
    }
    let queue = session.queue.unwrap_or_default();
    write!(
        text,
        "queue       {} waiting, {}",
        words::count(queue.messages, "message"),
        words::bytes(queue.bytes)
    )?;
    match queue.overflowed {
        0 => writeln!(text)?,
        lost => writeln!(text, "; {WARNING}{lost} not enqueued, the queue was full{WARNING:#}")?,
    }
    subscriptions(&mut text, session)?;
    handshakes(&mut text, session)?;
    Ok(text)
}

fn subscriptions(text: &mut String, session: &Session) -> std::fmt::Result {
    if session.subscriptions.is_empty() {
        return writeln!(text, "\nno subscriptions");
    }
    let mut table =
        Table::new(&[("subscription", Align::Left), ("QoS", Align::Right), ("options", Align::Left)]);
    for subscription in &session.subscriptions {
        let mut options = Vec::new();
        if subscription.no_local {
            options.push("no local".to_owned());
        }
        if subscription.retain_as_published {
            options.push("retain as published".to_owned());
        }
        if subscription.identifier != 0 {
            options.push(format!("identifier {}", subscription.identifier));
        }
        table.row(vec![
            Cell::plain(&subscription.filter),
            Cell::plain(subscription.qos),
            Cell::plain(options.join(", ")),
        ]);
    }
    write!(text, "\n{table}")?;
    left_out(text, session.subscriptions_left_out)
}

fn handshakes(text: &mut String, session: &Session) -> std::fmt::Result {
    if session.handshakes.is_empty() {
        return writeln!(text, "\nno open handshakes");
    }
    let mut table = Table::new(&[("handshake", Align::Left), ("id", Align::Right), ("step", Align::Left)]);
    for handshake in &session.handshakes {
        table.row(vec![
            Cell::plain(direction(handshake.step())),
            Cell::plain(handshake.packet_id),
            Cell::plain(step(handshake.step())),
        ]);
    }
    write!(text, "\n{table}")?;
    left_out(text, session.handshakes_left_out)
}

fn left_out(text: &mut String, count: u64) -> std::fmt::Result {
    if count > 0 {
        writeln!(text, "{FAINT}and {count} more{FAINT:#}")?;
    }
    Ok(())
}

fn to_json(reply: &SessionReply, session: &Session) -> Value {
    let queue = session.queue.unwrap_or_default();
    json!({
        "applied": reply.applied_index,
        "client_id": session.client_id,
        "protocol_level": session.protocol_level,
        "session_expiry": session.session_expiry,
        "expires_in_milliseconds": session.expires_in_milliseconds,
        "connection": session.connection.as_ref().map(|connection| json!({
            "node": connection.node_name, "node_id": connection.node_id, "boot": connection.boot,
            "serial": connection.serial, "since": connection.since_index,
        })),
        "queue": { "messages": queue.messages, "bytes": queue.bytes, "overflowed": queue.overflowed },
        "subscriptions": session.subscriptions.iter().map(|subscription| json!({
            "filter": subscription.filter, "qos": subscription.qos, "no_local": subscription.no_local,
            "retain_as_published": subscription.retain_as_published, "identifier": subscription.identifier,
        })).collect::<Vec<_>>(),
        "subscriptions_left_out": session.subscriptions_left_out,
        "handshakes": session.handshakes.iter().map(|handshake| json!({
            "direction": if handshake.step() == Step::AwaitingPubrel { "from-client" } else { "to-client" },
            "packet_id": handshake.packet_id, "step": step_word(handshake.step()),
        })).collect::<Vec<_>>(),
        "handshakes_left_out": session.handshakes_left_out,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::wire::{Connection, Handshake, Queue, Subscription};

    fn session() -> Session {
        Session {
            client_id: "alice".into(),
            protocol_level: 5,
            connection: Some(Connection {
                node_id: 2,
                boot: 4,
                serial: 17,
                node_name: "node-2".into(),
                since_index: 815,
            }),
            session_expiry: 86_400,
            expires_in_milliseconds: None,
            subscriptions: vec![Subscription {
                filter: "demo/#".into(),
                qos: 2,
                no_local: true,
                retain_as_published: false,
                identifier: 7,
            }],
            queue: Some(Queue { messages: 3, bytes: 2048, overflowed: 0 }),
            handshakes: vec![
                Handshake { packet_id: 7, step: Step::AwaitingPubrel.into() },
                Handshake { packet_id: 12, step: Step::AwaitingPubcomp.into() },
            ],
            handshakes_left_out: 0,
            subscriptions_left_out: 0,
        }
    }

    fn plain(session: &Session) -> String {
        anstream::adapter::strip_str(&text(session).expect("text")).to_string()
    }

    #[test]
    fn a_session_as_people_see_it() {
        assert_eq!(
            plain(&session()),
            "alice  MQTT 5.0, kept 1 d after a disconnect\n\
             connected   to node-2 (boot 4, connection 17), since log index 815\n\
             queue       3 messages waiting, 2 KiB\n\
             \n\
             subscription  QoS  options\n\
             demo/#          2  no local, identifier 7\n\
             \n\
             handshake  id  step\n\
             ← client    7  QoS 2  PUBREC sent, awaiting PUBREL\n\
             → client   12  QoS 2  PUBREL sent, awaiting PUBCOMP\n"
        );
    }

    #[test]
    fn a_quiet_session_says_so() {
        let quiet = Session {
            connection: None,
            expires_in_milliseconds: Some(90_000),
            subscriptions: Vec::new(),
            handshakes: Vec::new(),
            queue: Some(Queue { messages: 1, bytes: 5, overflowed: 9 }),
            ..session()
        };
        assert_eq!(
            plain(&quiet),
            "alice  MQTT 5.0, ends in 1 min 30 s unless the client returns\n\
             connected   no\n\
             queue       1 message waiting, 5 B; 9 not enqueued, the queue was full\n\
             \n\
             no subscriptions\n\
             \n\
             no open handshakes\n"
        );
    }

    #[test]
    fn json_has_stable_words() {
        let session = session();
        let value = to_json(&SessionReply { applied_index: 900, ..SessionReply::default() }, &session);
        assert_eq!(value["handshakes"][0]["direction"], "from-client");
        assert_eq!(value["handshakes"][1]["step"], "awaiting-pubcomp");
        assert_eq!(value["connection"]["node"], "node-2");
    }
}
