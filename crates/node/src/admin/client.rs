//! Asks a node's admin service, with a bound on how long.

use std::time::Duration;

use tonic::Code;
use tonic::transport::Endpoint;

use super::VERSION;
use super::wire::admin_client::AdminClient;
use super::wire::{NodeStatusReply, NodeStatusRequest, SessionReply, SessionRequest};

/// Largest reply taken, in bytes: a session with very many subscriptions and open handshakes, cut by the service.
const LARGEST_REPLY: usize = 16 << 20;

/// Why a node gave no answer, in words that follow its name: "node-2 …".
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Error {
    /// Nothing listens there.
    #[error("does not answer on {0}: connection refused (is its process running?)")]
    Refused(String),
    /// It listens and says nothing.
    #[error("does not answer on {0} within {1:?} (stopped, or too busy?)")]
    Silent(String, Duration),
    /// Something else listens there, or another version of us.
    #[error("does not answer on {0} as a quartet node does: {1}")]
    Foreign(String, String),
    /// The address itself is wrong.
    #[error("cannot be asked: {0:?} is no host:port")]
    Address(String),
}

/// How the node at `address` (host:port) is.
pub(crate) async fn node_status(address: &str, within: Duration) -> Result<NodeStatusReply, Error> {
    ask(address, within, async |client: &mut AdminClient<_>| {
        let request = NodeStatusRequest { version: VERSION, cluster_id: String::new() };
        client.node_status(request).await.map(tonic::Response::into_inner)
    })
    .await
}

/// A session as the node at `address` has applied it.
pub(crate) async fn session(address: &str, client_id: &str, within: Duration) -> Result<SessionReply, Error> {
    ask(address, within, async |client: &mut AdminClient<_>| {
        let client_id = client_id.to_owned();
        let request = SessionRequest { version: VERSION, cluster_id: String::new(), client_id };
        client.session(request).await.map(tonic::Response::into_inner)
    })
    .await
}

async fn ask<T>(
    address: &str,
    within: Duration,
    question: impl AsyncFnOnce(&mut AdminClient<tonic::transport::Channel>) -> Result<T, tonic::Status>,
) -> Result<T, Error> {
    let endpoint = Endpoint::from_shared(format!("http://{address}"))
        .map_err(|_| Error::Address(address.to_owned()))?
        .connect_timeout(within);
    let answer = async {
        let channel = endpoint.connect().await.map_err(|error| unreachable(address, within, &error))?;
        let mut client = AdminClient::new(channel).max_decoding_message_size(LARGEST_REPLY);
        question(&mut client).await.map_err(|status| match status.code() {
            Code::DeadlineExceeded | Code::Cancelled => Error::Silent(address.to_owned(), within),
            Code::Unavailable => Error::Refused(address.to_owned()),
            _ => Error::Foreign(address.to_owned(), status.message().to_owned()),
        })
    };
    match tokio::time::timeout(within, answer).await {
        Ok(answer) => answer,
        Err(_) => Err(Error::Silent(address.to_owned(), within)),
    }
}

/// The innermost cause tells: a refused connection has an `io::Error` under two layers of transport.
fn unreachable(address: &str, within: Duration, error: &(dyn std::error::Error + 'static)) -> Error {
    let mut cause = Some(error);
    let mut last = error.to_string();
    while let Some(error) = cause {
        if let Some(io) = error.downcast_ref::<std::io::Error>() {
            match io.kind() {
                std::io::ErrorKind::ConnectionRefused => return Error::Refused(address.to_owned()),
                std::io::ErrorKind::TimedOut => return Error::Silent(address.to_owned(), within),
                _ => {}
            }
        }
        last = error.to_string();
        cause = error.source();
    }
    Error::Foreign(address.to_owned(), last)
}
