//! The gRPC server of one node: peers and operators, on one port.
//!
//! It runs on Raft's threads: a storm of clients must not delay a heartbeat.

use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use quartet_replica::Replica;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tonic::service::Routes;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;

use crate::server::Error;

/// How long it may take to close: its long calls end with the replica.
const CLOSE: Duration = Duration::from_secs(1);

/// The port, bound and not yet served.
#[derive(Debug)]
pub(crate) struct Grpc {
    listener: TcpListener,
    address: SocketAddr,
}

/// The server.
#[derive(Debug)]
pub(crate) struct Serving {
    close: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Grpc {
    /// Takes the port.
    ///
    /// # Errors
    /// [`Error::Listen`].
    pub(crate) fn bind(address: SocketAddr) -> Result<Self, Error> {
        let listen = || {
            let listener = TcpListener::bind(address)?;
            listener.set_nonblocking(true)?;
            Ok(listener)
        };
        let listener =
            listen().map_err(|source| Error::Listen { what: "cluster address", address, source })?;
        Ok(Self { listener, address })
    }

    /// Serves the peers and `services`.
    ///
    /// # Errors
    /// [`Error::Listen`].
    pub(crate) fn start(self, replica: &Replica, services: Routes) -> Result<Serving, Error> {
        let Self { listener, address } = self;
        let runtime = replica.runtime();
        let listener = {
            let _on = runtime.enter();
            let what = "cluster address";
            tokio::net::TcpListener::from_std(listener).map_err(|source| Error::Listen {
                what,
                address,
                source,
            })?
        };
        let (close, closed) = oneshot::channel::<()>();
        let routes = services.add_service(replica.peer_service());
        let task = runtime.spawn(async move {
            let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
            let until = async {
                closed.await.ok();
            };
            let server = Server::builder().add_routes(routes);
            if let Err(error) = server.serve_with_incoming_shutdown(incoming, until).await {
                tracing::error!("gRPC server: {error}");
            }
        });
        Ok(Serving { close, task })
    }
}

impl Serving {
    /// Closes it.
    pub(crate) async fn close(self) {
        let Self { close, mut task } = self;
        close.send(()).ok();
        if tokio::time::timeout(CLOSE, &mut task).await.is_err() {
            task.abort();
        }
    }
}
