//! Whole clusters of real processes, judged from outside over real sockets.
//!
//! Nothing of the broker's own code is used here: the bytes that clients send are written by hand ([`frame`])
//! and what comes back is read by a second, strict decoder ([`Packet`]), so that the broker's codec cannot
//! hide its own mistakes. Three kinds of client stand on top of each other:
//!
//! ```text
//! Client       one TCP connection; sends any bytes, reads one packet with a deadline, keeps a transcript
//! Publisher    a sender's Session State of MQTT 4.1: what is unacknowledged, and at which step
//! Subscriber   a receiver's Session State: which packet identifiers are not released, what was delivered
//! ```
//!
//! A [`Publisher`] and a [`Subscriber`] outlive their connection and can be moved to any node; what they see
//! is judged as it comes (a second delivery, a changed packet identifier, a wrong DUP is an error at once).
//!
//! [`Cluster`] starts `quartet server` processes on a loopback address of its own, kills, stops and restarts
//! them; [`Dev`] runs `quartet dev`. Everything started is ended by its pid when the value is dropped.
//! Tests wait for conditions with a deadline and never sleep for luck.

mod brokers;
mod client;
mod cluster;
mod connect;
mod dev;
pub mod frame;
mod history;
mod load;
mod loopback;
mod node_process;
mod packet;
mod publisher;
mod quartet;
mod read;
mod story;
mod subscriber;
mod unique;
mod version;

pub use brokers::Brokers;
pub use client::{Client, DEADLINE, Event, QUIET, is_lost};
pub use cluster::{Cluster, ClusterOptions, NodeStatus};
pub use connect::{Connect, Will};
pub use dev::Dev;
pub use history::{Expected, History, numbered, parse_numbered};
pub use load::{Load, LoadReport, Reader};
pub use loopback::{Loopback, PortBlock};
pub use node_process::NodeProcess;
pub use packet::{AckKind, Packet, Property, PropertyValue, Publish};
pub use publisher::{Publisher, Step};
pub use quartet::{Finished, quartet, quartet_binary};
pub use read::decode;
pub use story::{eventually, size, story, tell};
pub use subscriber::{Delivery, Subscriber};
pub use unique::unique;
pub use version::{BOTH, Version};
