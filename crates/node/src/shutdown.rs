//! The end of a node: in order when it is asked to stop, at once when it has failed.
//!
//! ```text
//!   leadership handed over ─► clients told (0x8B) and flushed ─► end of this boot committed ─► gRPC closed
//! ```
//! Nothing of it is needed for safety: what is committed survives a kill at any moment. It only spares others the wait
//! for an election and for silence, and tells clients why. The node stays a member, and is missed until it returns.

use std::time::Duration;

use quartet_connection::Stop;

use crate::front_end::FrontEnd;
use crate::grpc;

/// How long clients may take to be told and flushed. One that takes no bytes must not keep the others from an end in
/// order.
const FAREWELL: Duration = Duration::from_secs(3);

/// Stops a node whose listeners are closed; bounded by its shutdown time-out.
pub(crate) async fn in_order(front: &FrontEnd, grpc: grpc::Serving) {
    tracing::info!(connections = front.metrics.connections(), "handing over, and closing the clients");
    let steps = async {
        // First the leadership: while clients are closed, the cluster goes on under another.
        front.replica.transfer_leadership().await;
        close_clients(front, Stop::ServerStopping).await;
        // Peers must be heard until the end of this boot is committed.
        front.replica.shutdown().await;
        grpc.close().await;
    };
    let most = front.limits.shutdown_timeout;
    if tokio::time::timeout(most, steps).await.is_err() {
        tracing::warn!("not all was done within {most:?}; ending anyway");
    }
}

/// Closes the clients of a node whose replica has failed.
pub(crate) async fn after_failure(front: &FrontEnd) {
    close_clients(front, Stop::NotServing).await;
    front.replica.abort().await;
}

async fn close_clients(front: &FrontEnd, stop: Stop) {
    front.mailboxes.stop_all(stop);
    front.tasks.close();
    if tokio::time::timeout(FAREWELL, front.tasks.wait()).await.is_err() {
        tracing::warn!(connections = front.metrics.connections(), "not all clients could be told");
    }
}
