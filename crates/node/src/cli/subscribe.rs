//! `quartet sub`, and what it shares with `quartet pub`: which broker, as whom.

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use quartet_packet::{Publish, QoS, TopicFilter, Utf8String, Version};
use tokio::signal::unix::{SignalKind, signal};

use super::publish::teller;
use crate::client::Options;
use crate::client::subscriber::{self, Next, Wish};

/// Which broker, and as whom.
#[derive(Args, Debug)]
pub(crate) struct Broker {
    /// Host name or address
    #[arg(short = 'h', long, value_name = "HOST", default_value = "127.0.0.1")]
    host: String,

    /// Port
    #[arg(short, long, value_name = "PORT", default_value_t = 1883)]
    port: u16,

    /// Client id [default: a random one]
    #[arg(short, long, value_name = "CLIENT_ID", value_parser = parse_client_id)]
    id: Option<Utf8String>,

    /// Protocol version: 5, 311 or 31 (also mqttv5, mqttv311, mqttv31)
    #[arg(short = 'V', long = "protocol-version", value_name = "VERSION", default_value = "5", value_parser = parse_version)]
    version: Version,

    /// Keep alive in seconds; 0 turns it off
    #[arg(short, long, value_name = "SECONDS", default_value_t = 60)]
    keepalive: u16,

    /// Print help
    #[arg(long, action = clap::ArgAction::Help)]
    help: Option<bool>,
}

impl Broker {
    /// For the client; `role` begins a random client id.
    pub(super) fn options(self, role: &str) -> anyhow::Result<Options> {
        let client_id = match self.id {
            Some(id) => id,
            None => Utf8String::try_from(format!("quartet-{role}-{:08x}", rand::random::<u32>()))
                .context("client id")?,
        };
        Ok(Options {
            host: self.host,
            port: self.port,
            version: self.version,
            client_id,
            keep_alive: Duration::from_secs(self.keepalive.into()),
        })
    }
}

/// Subscribe, and print each message's payload on a line
///
/// A lost connection does not matter with MQTT 5.0, or with -c: it connects again, to whichever node, and
/// the session goes on. With -c the session also outlives this command; messages wait for the next one
/// with the same -i. Flags are those of mosquitto_sub where both have them.
///
/// Exit codes: 0 ended by -C, Ctrl-C or a closed pipe; 1 refused, no connection, or -W passed before -C.
///
/// Examples:
///   quartet sub -t 'demo/#' -q 2 -v
///   quartet sub -i alice -c -t 'demo/#' -q 2 -C 10 -W 60
#[derive(Args, Debug)]
#[command(verbatim_doc_comment, disable_help_flag = true)]
pub(crate) struct Arguments {
    #[command(flatten)]
    broker: Broker,

    /// Topic filter; may be given several times
    #[arg(short, long, value_name = "FILTER", required = true, value_parser = parse_filter)]
    topic: Vec<TopicFilter>,

    /// Quality of service at most: 0, 1 or 2
    #[arg(short, long, value_name = "QOS", default_value = "0", value_parser = parse_qos)]
    qos: QoS,

    /// Take up this client id's session and leave it for next time; needs -i
    #[arg(short = 'c', long = "disable-clean-session", requires = "id")]
    persistent: bool,

    /// How long the session outlives its connection [default: 86400 with -c, else 300]; 4294967295 is for ever
    #[arg(short = 'x', long, value_name = "SECONDS")]
    session_expiry: Option<u32>,

    /// Leave after so many messages
    #[arg(short = 'C', long, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,

    /// Leave after so many seconds; an error if -C is not reached by then
    #[arg(short = 'W', long, value_name = "SECONDS")]
    wait: Option<u32>,

    /// Print the topic before each payload
    #[arg(short, long)]
    verbose: bool,
}

/// Default of -x with -c, in seconds: a day is enough to come back, and nothing is left for ever by accident.
const KEPT: u32 = 86_400;
/// Default of -x without -c, in seconds: rides over a failover.
const PASSING: u32 = 300;

/// Runs the command.
pub(crate) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let Arguments { broker, topic, qos, persistent, session_expiry, count, wait, verbose } = arguments;
    let options = broker.options("sub")?;
    let session_expiry = session_expiry.unwrap_or(if persistent { KEPT } else { PASSING });
    let wish = Wish { filters: topic, qos, persistent, session_expiry };
    let mut left = count;
    let mut closed = false;
    let mut hear = |publish: &Publish| match print(publish, verbose) {
        Ok(()) => {
            left = left.map(|left| left.saturating_sub(1));
            Ok(if left == Some(0) { Next::Enough } else { Next::More })
        }
        // Whoever reads us has read enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
            closed = true;
            Ok(Next::Enough)
        }
        Err(error) => Err(error),
    };
    let mut interrupt = signal(SignalKind::interrupt()).context("signals")?;
    let mut terminate = signal(SignalKind::terminate()).context("signals")?;
    let mut timed_out = false;
    let stop = async {
        let late = async {
            match wait {
                Some(seconds) => tokio::time::sleep(Duration::from_secs(seconds.into())).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            () = late => timed_out = true,
        }
    };
    subscriber::run(&options, &wish, &mut hear, &mut teller(), stop).await?;
    match (timed_out, left) {
        (true, Some(left)) if left > 0 && !closed => {
            bail!("-W passed, and {left} of the -C messages have not come")
        }
        _ => Ok(ExitCode::SUCCESS),
    }
}

fn print(publish: &Publish, verbose: bool) -> io::Result<()> {
    // Payloads are any bytes: they go out as they are, not through anything that knows of colours.
    let mut out = io::stdout().lock();
    if let Some(topic) = publish.topic.as_ref().filter(|_| verbose) {
        write!(out, "{} ", topic.as_str())?;
    }
    out.write_all(&publish.payload)?;
    out.write_all(b"\n")?;
    out.flush()
}

fn parse_filter(text: &str) -> Result<TopicFilter, String> {
    TopicFilter::try_from(text).map_err(|error| error.to_string())
}

fn parse_client_id(text: &str) -> Result<Utf8String, String> {
    Utf8String::try_from(text).map_err(|error| error.to_string())
}

/// 0, 1 or 2.
pub(super) fn parse_qos(text: &str) -> Result<QoS, String> {
    text.parse().ok().and_then(QoS::from_u8).ok_or_else(|| "QoS is 0, 1 or 2".to_owned())
}

fn parse_version(text: &str) -> Result<Version, String> {
    match text.to_ascii_lowercase().trim_start_matches("mqttv").replace('.', "").as_str() {
        "5" | "50" => Ok(Version::V5),
        "311" => Ok(Version::V3_1_1),
        "31" => Ok(Version::V3_1),
        _ => Err("the versions are 5, 311 and 31".to_owned()),
    }
}
