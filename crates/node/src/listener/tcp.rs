//! Plain TCP: accept, and give each socket its task.
//!
//! Accepting never outruns the node: at the most connections it may have, it stops until one ends, and clients wait in
//! the system's backlog. Out of descriptors or memory, it pauses instead of spinning.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::Semaphore;

use crate::connection_task;
use crate::front_end::FrontEnd;

/// Connections that the system accepts ahead of us. A whole cluster's clients may come at once after a failover;
/// Linux cuts this to `net.core.somaxconn`.
const BACKLOG: u32 = 4096;

/// Pause after accepting failed: long enough for something to be freed, short enough for clients that wait.
const PAUSE: Duration = Duration::from_millis(100);

/// Opens the socket.
///
/// # Errors
/// The system's: the address is taken or not this machine's.
pub(crate) fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Accepts until dropped. `connections` bounds those of all listeners together.
pub(crate) async fn accept(listener: TcpListener, front: Arc<FrontEnd>, connections: Arc<Semaphore>) {
    loop {
        let Ok(permit) = Arc::clone(&connections).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((socket, _)) => {
                // Small packets wait for nobody.
                if let Err(error) = socket.set_nodelay(true) {
                    tracing::debug!("tcp_nodelay: {error}");
                }
                connection_task::spawn(&front, socket, permit);
            }
            Err(error) => {
                front.metrics.accept_failures.inc();
                tracing::warn!("accept: {error}; trying again in {PAUSE:?}");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}
