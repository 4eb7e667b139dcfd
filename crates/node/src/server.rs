//! One node: the replica, the gRPC server of peers and operators, the MQTT listeners, and the order in which they
//! start and stop.
//!
//! ```text
//!   start   all ports bound ─► replica ─► gRPC (peers, admin) ─► MQTT accepted
//!   stop    nothing accepted ─► leadership handed over ─► clients told (0x8B), flushed ─► boot ended ─► gRPC closed
//! ```
//! Ports are bound first, so that a taken one is found before anything on the disk is touched. Stopping never means
//! leaving the cluster: the node is missed until it starts again.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use quartet_broker::ConnectionId;
use quartet_replica::{Replica, Serving};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;

use crate::connection_task;
use crate::front_end::FrontEnd;
use crate::grpc::Grpc;
use crate::listener::tcp;
use crate::mailboxes::{Effects, Mailboxes, Stray};
use crate::metrics::Metrics;
use crate::qos0::Qos0;
use crate::shutdown;

/// All that a node needs to run; checked by `config.rs`, never changed after the start.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    /// Where MQTT clients connect (TCP). At least one.
    pub(crate) listeners: Vec<SocketAddr>,
    /// Whether listening beyond loopback is allowed though there is no encryption and no authentication yet.
    pub(crate) insecure: bool,
    /// Where peers and operators connect (gRPC).
    pub(crate) cluster: SocketAddr,
    /// What holds for each client connection: time-outs, packet sizes, receive maximum.
    pub(crate) connection: quartet_connection::Config,
    /// What holds for all client connections of this node together.
    pub(crate) limits: Limits,
    /// The Raft member: identity, directories, seeds, time-outs.
    pub(crate) replica: quartet_replica::Config,
}

/// Bounds of one node's front end, each with its reason.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    /// Most client connections at once: each costs a file descriptor and some kilobytes. Beyond, the listener stops
    /// accepting until one ends.
    pub(crate) maximum_connections: usize,
    /// CONNECTs a second for one client id, sustained: two clients that share an id by mistake take each other's
    /// session over as fast as they can, and each turn is a log entry.
    pub(crate) connects_per_second: u32,
    /// CONNECTs for one client id at once, above the sustained rate.
    pub(crate) connect_burst: u32,
    /// How long a client may take no bytes, though some are due, before it counts as gone.
    pub(crate) write_timeout: Duration,
    /// How long a stop may take before the process ends anyway.
    pub(crate) shutdown_timeout: Duration,
}

/// What the admin service may use of the running node.
#[derive(Clone)]
pub(crate) struct Handle {
    /// The Raft member: status, inspection.
    pub(crate) replica: Replica,
    /// Counters of the front end.
    pub(crate) metrics: Arc<Metrics>,
    /// When this process began to serve.
    pub(crate) started: Instant,
}

/// Why a node does not start, or stops by itself.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// An address that anybody could reach.
    #[error(
        "{what} {address} is not loopback, but there is no encryption and no authentication yet; use 127.0.0.1, or \
         allow it with node.insecure = true"
    )]
    NotLoopback {
        /// Which address.
        what: &'static str,
        /// The address.
        address: SocketAddr,
    },
    /// An address that cannot be had.
    #[error("{what} {address}: {source}; end whoever holds it, or choose another address")]
    Listen {
        /// Which address.
        what: &'static str,
        /// The address.
        address: SocketAddr,
        /// The system's word.
        source: std::io::Error,
    },
    /// The replica did not start, or failed.
    #[error(transparent)]
    Replica(#[from] quartet_replica::Error),
}

/// Runs a node until `stop` resolves (SIGTERM, Ctrl-C), then stops it in order. `services` makes the gRPC services
/// that are mounted beside the peers' (the admin service) from the running node's handle.
///
/// # Errors
/// What kept the node from starting (a taken port, a refused address, a foreign directory), or made it stop by
/// itself (a disk that cannot be trusted); one line each that says what to do.
pub(crate) async fn run(
    config: Config,
    services: impl FnOnce(Handle) -> tonic::service::Routes,
    stop: impl Future<Output = ()>,
) -> Result<(), Error> {
    check_addresses(&config)?;
    let grpc = Grpc::bind(config.cluster)?;
    let mut listeners = Vec::new();
    for &address in &config.listeners {
        let what = "MQTT listener";
        listeners.push(tcp::bind(address).map_err(|source| Error::Listen { what, address, source })?);
    }

    let metrics = Arc::new(Metrics::default());
    let (mailboxes, strays) = Mailboxes::new(Arc::clone(&metrics));
    let mailboxes = Arc::new(mailboxes);
    let qos0 = Arc::new(Qos0::new(Arc::clone(&mailboxes)));
    let sink = Arc::new(Effects::new(Arc::clone(&mailboxes), Arc::clone(&qos0)));
    let replica_config = config.replica.clone();
    let replica = tokio::task::block_in_place(|| Replica::start(replica_config, sink))?;
    qos0.start(&replica);
    let handle = Handle { replica: replica.clone(), metrics: Arc::clone(&metrics), started: Instant::now() };
    let grpc = grpc.start(&replica, services(handle))?;

    let front = Arc::new(FrontEnd::new(
        replica.clone(),
        mailboxes,
        qos0,
        metrics,
        config.connection,
        config.limits.clone(),
    ));
    let connections = Arc::new(Semaphore::new(config.limits.maximum_connections.min(Semaphore::MAX_PERMITS)));
    let mut tasks = JoinSet::new();
    for listener in listeners {
        tasks.spawn(tcp::accept(listener, Arc::clone(&front), Arc::clone(&connections)));
    }
    tasks.spawn(let_go(Arc::clone(&front), strays));
    tasks.spawn(tell_serving(replica.clone()));

    let failure = tokio::select! {
        () = stop => None,
        error = replica.failed() => Some(error),
    };
    // Listeners close here: nothing new is accepted.
    tasks.shutdown().await;
    match failure {
        None => {
            shutdown::in_order(&front, grpc).await;
            Ok(())
        }
        Some(error) => {
            shutdown::after_failure(&front).await;
            Err(error.into())
        }
    }
}

/// Nothing is encrypted or authenticated yet, so nobody from outside may reach a node by mistake.
fn check_addresses(config: &Config) -> Result<(), Error> {
    if config.insecure {
        return Ok(());
    }
    let listeners = config.listeners.iter().map(|address| ("MQTT listener", *address));
    for (what, address) in listeners.chain([("cluster address", config.cluster)]) {
        if !address.ip().is_loopback() {
            return Err(Error::NotLoopback { what, address });
        }
    }
    Ok(())
}

/// Lets go of sessions that a snapshot gave to connections which are no more.
async fn let_go(front: Arc<FrontEnd>, mut strays: mpsc::Receiver<Stray>) {
    while let Some(Stray { serial, session }) = strays.recv().await {
        if let Some(origin) = front.origin() {
            let connection = ConnectionId { node: origin.node, boot: origin.boot, serial };
            connection_task::disconnect(&front, connection, session);
        }
    }
}

/// One line whenever this node begins or ceases to serve.
async fn tell_serving(replica: Replica) {
    let mut serving = replica.serving();
    let mut last = Serving::Forming;
    loop {
        let now = *serving.borrow_and_update();
        if now != last {
            tracing::info!("{}", if now.is_yes() { "serving clients" } else { now.reason() });
            last = now;
        }
        if serving.changed().await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests;
