//! `quartet dev`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

use crate::dev::{self, directory};
use crate::open_files;

/// Run a cluster on this machine: real processes, real disks, one port for clients
///
/// Clients connect to PORT, where a balancer hands each connection to the next live node; the nodes
/// themselves take MQTT on PORT+1 … PORT+N and talk to each other on PORT+1001 … PORT+1000+N.
/// A killed node stays dead until you bring it back. Ctrl-C ends everything and keeps the data;
/// the next start on the same directory goes on with it.
///
/// Examples:
///   quartet dev
///   quartet dev --nodes 5 --port 2883 --dir /tmp/five --respawn-after 5
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub(crate) struct Arguments {
    /// Number of nodes, 1 to 9 [default: as before in this directory, else 3]
    #[arg(long, value_name = "N")]
    nodes: Option<u16>,

    /// Port for clients; the nodes' ports follow from it [default: as before in this directory, else 1883]
    #[arg(short, long, value_name = "PORT")]
    port: Option<u16>,

    /// Where configuration, data, logs and process ids live
    #[arg(long, value_name = "DIR", default_value = directory::DEFAULT)]
    dir: PathBuf,

    /// Start a node again so many seconds after it ended, whatever ended it
    #[arg(long, value_name = "SECONDS")]
    respawn_after: Option<u32>,
}

/// Runs the command.
pub(crate) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    open_files::raise_limit();
    let Arguments { nodes, port, dir, respawn_after } = arguments;
    let respawn_after = respawn_after.map(|seconds| Duration::from_secs(seconds.into()));
    dev::run(dev::Options { nodes, port, dir, respawn_after }).await?;
    Ok(ExitCode::SUCCESS)
}
