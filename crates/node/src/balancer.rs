//! The balancer of `quartet dev`: one TCP port before the nodes of the local cluster.
//!
//! Each client connection goes to the next node in turn, those that serve first. If that node cannot be reached the
//! next one is tried, before a single byte of the client was taken; afterwards the connection lives and dies with
//! its node, because only the client's own reconnection may resume a session.
//!
//! ```text
//!   client ──── bytes ───► node        client's FIN   → FIN to the node, answers still pass
//!   client ◄─── bytes ──── node        node's FIN/RST → what it said is passed, FIN to the client, then the end
//!                                      client's RST   → the node's socket is dropped at once
//! ```
//!
//! It knows nothing of MQTT. It leaves out what a real balancer has: weights, health checks of its own, PROXY
//! headers.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

/// Most client connections at once; further clients wait in the listener's backlog. Two sockets and two buffers
/// each: more belongs on the nodes' own ports.
const MOST_CONNECTIONS: usize = 10_000;

/// How long one node may take to accept: loopback answers at once or never.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// How long a client may take to end its own half after the node ended: enough to read what the node said last,
/// which a reset would destroy.
const LINGER: Duration = Duration::from_secs(1);

/// Bytes read at once in one direction: a few packets of a busy client, small enough for thousands of idle ones.
const BUFFER: usize = 16 << 10;

/// Pause after `accept` failed for want of file descriptors or memory: they come back when connections end.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A node as the balancer sees it.
#[derive(Debug)]
pub(crate) struct Backend {
    /// Where it takes MQTT.
    pub(crate) address: SocketAddr,
    /// Whether it was seen serving; one that was not is only tried after those that were.
    serving: AtomicBool,
}

/// What happened so far.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    /// Client connections accepted.
    pub(crate) accepted: AtomicU64,
    /// Client connections open now.
    pub(crate) open: AtomicUsize,
    /// Nodes passed over because they could not be reached.
    pub(crate) passed_over: AtomicU64,
    /// Clients sent away because no node could be reached.
    pub(crate) sent_away: AtomicU64,
}

/// The balancer's state, shared with whoever watches the nodes.
#[derive(Debug)]
pub(crate) struct Balancer {
    backends: Vec<Backend>,
    turn: AtomicUsize,
    /// What happened so far.
    pub(crate) counts: Counts,
}

impl Balancer {
    /// Balances over these addresses, none of them seen serving yet.
    pub(crate) fn new(addresses: impl IntoIterator<Item = SocketAddr>) -> Self {
        let backend = |address| Backend { address, serving: AtomicBool::new(false) };
        Self {
            backends: addresses.into_iter().map(backend).collect(),
            turn: AtomicUsize::new(0),
            counts: Counts::default(),
        }
    }

    /// Says whether the backend at this place (in the order given to `new`) serves.
    pub(crate) fn set_serving(&self, place: usize, serving: bool) {
        if let Some(backend) = self.backends.get(place) {
            backend.serving.store(serving, Ordering::Relaxed);
        }
    }

    /// Accepts until the listener's task is dropped.
    pub(crate) async fn run(self: Arc<Self>, listener: TcpListener) {
        let room = Arc::new(Semaphore::new(MOST_CONNECTIONS));
        loop {
            let Ok(permit) = Arc::clone(&room).acquire_owned().await else { return };
            match listener.accept().await {
                Ok((client, _)) => {
                    let balancer = Arc::clone(&self);
                    tokio::spawn(async move {
                        balancer.counts.accepted.fetch_add(1, Ordering::Relaxed);
                        balancer.counts.open.fetch_add(1, Ordering::Relaxed);
                        balancer.serve(client).await;
                        balancer.counts.open.fetch_sub(1, Ordering::Relaxed);
                        drop(permit);
                    });
                }
                // A client that gave up while it waited, or no descriptors left: neither ends the listener.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(_) => sleep(ACCEPT_PAUSE).await,
            }
        }
    }

    async fn serve(&self, client: TcpStream) {
        match self.connect().await {
            Some(node) => relay(client, node).await,
            None => {
                self.counts.sent_away.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// A connection to the next node in turn that takes one.
    async fn connect(&self) -> Option<TcpStream> {
        for place in self.order() {
            let address = self.backends[place].address;
            if let Ok(Ok(node)) = timeout(CONNECT_TIMEOUT, TcpStream::connect(address)).await {
                return Some(node);
            }
            self.counts.passed_over.fetch_add(1, Ordering::Relaxed);
        }
        None
    }

    /// All places from the one whose turn it is, those that serve first.
    fn order(&self) -> Vec<usize> {
        let count = self.backends.len();
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let serving = |place: &usize| self.backends[*place].serving.load(Ordering::Relaxed);
        let round = |from: usize, places: &[usize]| -> Vec<usize> {
            let from = if places.is_empty() { 0 } else { from % places.len() };
            places[from..].iter().chain(&places[..from]).copied().collect()
        };
        let (first, then): (Vec<usize>, Vec<usize>) = (0..count).partition(serving);
        let mut order = round(turn, &first);
        order.extend(round(turn, &then));
        order
    }
}

/// Carries bytes both ways until the connection is over.
async fn relay(mut client: TcpStream, mut node: TcpStream) {
    // Small packets go out at once on both sides; a socket that cannot be told so still works.
    let _delayed = client.set_nodelay(true).and(node.set_nodelay(true));
    let (mut from_client, mut to_client) = client.split();
    let (mut from_node, mut to_node) = node.split();
    {
        let mut up = pin!(pump(&mut from_client, &mut to_node));
        let mut down = pin!(pump(&mut from_node, &mut to_client));
        let up_first = tokio::select! {
            end = &mut up => Some(end),
            end = &mut down => match end {
                End::Finished | End::ReadFailed => None,
                End::WriteFailed => return,
            },
        };
        match up_first {
            // The client has sent its last word; the node may still answer it.
            Some(End::Finished) => {
                down.await;
            }
            Some(End::ReadFailed) => return,
            // The node is gone; what it said before may still be on its way.
            Some(End::WriteFailed) => {
                if timeout(LINGER, down).await.is_err() {
                    return;
                }
            }
            // The node has sent its last word, and the client has been told.
            None => {
                if let Ok(End::Finished | End::ReadFailed) = timeout(LINGER, up).await {
                    return;
                }
            }
        }
    }
    // Reading until the client ends as well keeps the kernel from resetting what it has not read yet.
    let mut ignored = [0; 1024];
    let drain = async { while matches!(from_client.read(&mut ignored).await, Ok(1..)) {} };
    // A client that does not end by then is dropped.
    let _ended = timeout(LINGER, drain).await;
}

/// How one direction ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// The sender ended its half.
    Finished,
    /// The sender is gone.
    ReadFailed,
    /// The receiver is gone.
    WriteFailed,
}

/// Carries bytes one way; the receiver is told when no more come.
async fn pump(from: &mut ReadHalf<'_>, to: &mut WriteHalf<'_>) -> End {
    let mut buffer = vec![0; BUFFER];
    let end = loop {
        match from.read(&mut buffer).await {
            Ok(0) => break End::Finished,
            Ok(count) => {
                if to.write_all(&buffer[..count]).await.is_err() {
                    return End::WriteFailed;
                }
            }
            Err(_) => break End::ReadFailed,
        }
    };
    match to.shutdown().await {
        Ok(()) => end,
        Err(_) => End::WriteFailed,
    }
}

#[cfg(test)]
mod tests;
