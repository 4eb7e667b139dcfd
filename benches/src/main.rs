//! `quartet-load`: a closed-loop load for any MQTT broker, and what came of it.
//!
//! Each publisher keeps a window of messages in flight on a topic of its own; subscribers with kept sessions take
//! them on other nodes. One thread runs all clients and does little for a message, so that on a small machine
//! the broker and not the load is measured: whatever has arrived on a socket is worked off in one go and answered
//! in one write.
//!
//! ```text
//!   publisher i ── topic i ──►  broker  ── topic i ──►  subscriber i mod M      (M subscribers)
//!        ▲  acknowledgement frees a place in the window; at QoS 0 the delivery does  │
//!        └───────────────────────────────────────────────────────────────────────────┘
//! ```
//!
//! As many subscribers as publishers make pairs; fewer, fan-in; more, fan-out. A message carries its number and the
//! time it was sent: subscribers count what is missing or out of order, and measure how long it took.

mod connection;
mod cpu;
mod frames;
mod histogram;
mod options;
mod publisher;
mod report;
mod run;
mod shared;
mod subscriber;

use anyhow::{Context, Result};
use clap::Parser;

use options::Options;

fn main() -> Result<()> {
    let options = Options::parse();
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().context("the runtime")?;
    let report = tokio::task::LocalSet::new().block_on(&runtime, run::run(&options))?;
    report.print(options.json)
}
