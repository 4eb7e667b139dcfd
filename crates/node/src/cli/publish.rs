//! `quartet pub`.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write, stdin};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use bytes::Bytes;
use clap::{ArgGroup, Args};
use quartet_packet::{QoS, Topic};
use tokio::sync::mpsc;

use super::style::WARNING;
use super::subscribe::{Broker, parse_qos};
use crate::client::publisher::{self, Wish};

/// Publish messages, and wait until they are acknowledged
///
/// A lost connection does not matter at QoS 1 and 2: it connects again, to whichever node, and goes on
/// where the handshake was. Flags are those of mosquitto_pub where both have them.
///
/// Exit codes: 0 all acknowledged; 1 some refused, or no connection.
///
/// Examples:
///   quartet pub -t demo/hello -m hello -q 2
///   seq 1000 | quartet pub -t demo/numbers -l -q 2 -V 311
#[derive(Args, Debug)]
#[command(verbatim_doc_comment, disable_help_flag = true)]
#[command(group(ArgGroup::new("payload").required(true).args(["message", "lines", "null", "file"])))]
pub(crate) struct Arguments {
    #[command(flatten)]
    broker: Broker,

    /// Topic to publish to
    #[arg(short, long, value_name = "TOPIC", value_parser = parse_topic)]
    topic: Topic,

    /// The payload
    #[arg(short, long, value_name = "TEXT", allow_hyphen_values = true)]
    message: Option<String>,

    /// A message for every line of standard input, without its line end
    #[arg(short, long)]
    lines: bool,

    /// An empty payload
    #[arg(short, long)]
    null: bool,

    /// The payload is this file's content; - is standard input
    #[arg(short, long, value_name = "FILE")]
    file: Option<PathBuf>,

    /// Quality of service: 0 at most once, 1 at least once, 2 exactly once
    #[arg(short, long, value_name = "QOS", default_value = "0", value_parser = parse_qos)]
    qos: QoS,

    /// The broker keeps the last such message for later subscribers
    #[arg(short, long)]
    retain: bool,
}

/// Lines read ahead of the broker's acknowledgements.
const READ_AHEAD: usize = 64;

/// Longest line or file published, in bytes: no broker takes a larger packet.
const LONGEST: u64 = 256 << 20;

/// Runs the command.
pub(crate) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let Arguments { broker, topic, message, lines, null: _, file, qos, retain } = arguments;
    let options = broker.options("pub")?;
    let (sender, payloads) = mpsc::channel(READ_AHEAD);
    if lines {
        // A thread of its own: reading a terminal blocks, and the process must end without it.
        std::thread::spawn(move || read_lines(&sender));
    } else {
        let payload = match (message, file) {
            (Some(text), _) => Bytes::from(text),
            (None, Some(file)) => read_file(&file)?,
            (None, None) => Bytes::new(),
        };
        sender.send(Ok(payload)).await.context("the first message")?;
        drop(sender);
    }
    publisher::run(&options, &Wish { topic, qos, retain }, payloads, &mut teller()).await?;
    Ok(ExitCode::SUCCESS)
}

/// Says lines to the person at the terminal, a repeated one only once; standard output is for messages.
pub(super) fn teller() -> impl FnMut(&str) {
    let mut last = String::new();
    move |line| {
        if line != last {
            line.clone_into(&mut last);
            // If standard error is closed nobody wants to know.
            let _said = writeln!(anstream::stderr().lock(), "{WARNING}{line}{WARNING:#}");
        }
    }
}

fn read_lines(sender: &mpsc::Sender<std::io::Result<Bytes>>) {
    let mut input = BufReader::new(stdin());
    loop {
        let mut line = Vec::new();
        let item = match (&mut input).take(LONGEST).read_until(b'\n', &mut line) {
            Ok(0) => return,
            Ok(_) => {
                if line.last() == Some(&b'\n') {
                    line.pop();
                }
                Ok(Bytes::from(line))
            }
            Err(error) => Err(error),
        };
        let failed = item.is_err();
        if sender.blocking_send(item).is_err() || failed {
            return;
        }
    }
}

fn read_file(path: &Path) -> anyhow::Result<Bytes> {
    let mut payload = Vec::new();
    let source: anyhow::Result<Box<dyn Read>> = match path.as_os_str() == "-" {
        true => Ok(Box::new(stdin())),
        false => File::open(path).map(|file| Box::new(file) as Box<dyn Read>).map_err(Into::into),
    };
    source
        .and_then(|source| Ok(source.take(LONGEST + 1).read_to_end(&mut payload)?))
        .with_context(|| format!("{}: it cannot be read", path.display()))?;
    if payload.len() as u64 > LONGEST {
        bail!("{}: it is larger than an MQTT packet may be (256 MiB); publish it in parts", path.display());
    }
    Ok(Bytes::from(payload))
}

fn parse_topic(text: &str) -> Result<Topic, String> {
    Topic::try_from(text).map_err(|error| error.to_string())
}
