//! Why a connection ends, and what is said before the socket closes.
//!
//! ```text
//!                         5.0                       3.1.1, 3.1
//!   before CONNACK        CONNACK with a code       CONNACK with a return code
//!   after CONNACK         DISCONNECT with a code    nothing
//! ```
//! Where the standard has no code for the packet, nothing is said: closing is always allowed.

use core::fmt;

use quartet_broker::CloseReason;
use quartet_packet::{PacketType, ReasonCode};

use crate::{Error, Refusal, Stop};

/// Why a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The client's DISCONNECT, with its reason.
    Disconnected(ReasonCode),
    /// The socket closed or failed without one.
    PeerClosed,
    /// The client broke a rule, or asked for what is not there.
    Broken(Error),
    /// The core ended it.
    Closed(CloseReason),
    /// The node did not propose its CONNECT.
    Refused(Refusal),
    /// The node ended it.
    Stopped(Stop),
}

impl Ending {
    /// The reason code for a client that has no CONNACK yet; a 3.x client is told the return code that stands for
    /// it, if one does. `None`: close without a word.
    pub(crate) fn in_connack(self) -> Option<ReasonCode> {
        let reason = match self {
            Self::Disconnected(_) | Self::PeerClosed | Self::Broken(Error::ConnectTimeout) => return None,
            Self::Broken(error) => error.reason(),
            // A living client tries again; a CONNACK would have it give up.
            Self::Closed(CloseReason::Superseded | CloseReason::SessionTakenOver) => return None,
            Self::Closed(CloseReason::NotAuthorized) => ReasonCode::NotAuthorized,
            Self::Closed(CloseReason::QuotaExceeded) => ReasonCode::QuotaExceeded,
            Self::Closed(CloseReason::Poisoned) => ReasonCode::ImplementationSpecificError,
            Self::Closed(CloseReason::ProtocolError) => ReasonCode::ProtocolError,
            Self::Refused(Refusal::NotServing)
            | Self::Stopped(
                Stop::ServerStopping | Stop::NotServing | Stop::BootEnded | Stop::SnapshotInstalled,
            ) => ReasonCode::ServerUnavailable,
            Self::Refused(Refusal::ConnectionRateExceeded) => ReasonCode::ConnectionRateExceeded,
            Self::Stopped(Stop::SlowPeer) => return None,
        };
        reason.allowed_in(PacketType::ConnAck).then_some(reason)
    }

    /// The reason code of the DISCONNECT to a connected 5.0 client. `None`: close without a word.
    pub(crate) fn in_disconnect(self) -> Option<ReasonCode> {
        let reason = match self {
            // Nothing may follow a client's DISCONNECT [MQTT-3.14.4-2].
            Self::Disconnected(_) | Self::PeerClosed | Self::Stopped(Stop::SlowPeer) => return None,
            Self::Broken(error) => error.reason(),
            Self::Closed(CloseReason::SessionTakenOver) => ReasonCode::SessionTakenOver,
            Self::Closed(CloseReason::Superseded) => return None,
            Self::Closed(CloseReason::NotAuthorized) => ReasonCode::NotAuthorized,
            Self::Closed(CloseReason::QuotaExceeded) => ReasonCode::QuotaExceeded,
            Self::Closed(CloseReason::Poisoned) => ReasonCode::ImplementationSpecificError,
            Self::Closed(CloseReason::ProtocolError) => ReasonCode::ProtocolError,
            Self::Refused(Refusal::ConnectionRateExceeded) => ReasonCode::ConnectionRateExceeded,
            Self::Stopped(Stop::ServerStopping) => ReasonCode::ServerShuttingDown,
            Self::Refused(Refusal::NotServing)
            | Self::Stopped(Stop::NotServing | Stop::BootEnded | Stop::SnapshotInstalled) => {
                ReasonCode::ServerBusy
            }
        };
        reason.allowed_in(PacketType::Disconnect).then_some(reason)
    }

    /// Whether the replicated state has let go of the connection already, or never had it: nothing is left to
    /// propose.
    pub(crate) fn is_known_to_the_state(self) -> bool {
        match self {
            Self::Closed(_) | Self::Refused(_) | Self::Stopped(Stop::BootEnded) => true,
            Self::Disconnected(_)
            | Self::PeerClosed
            | Self::Broken(_)
            | Self::Stopped(
                Stop::ServerStopping | Stop::NotServing | Stop::SlowPeer | Stop::SnapshotInstalled,
            ) => false,
        }
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::Disconnected(reason) => {
                return write!(f, "the client disconnected with {:#04x}", reason.value());
            }
            Self::Broken(error) => return write!(f, "{error}"),
            Self::PeerClosed => "the client closed the connection without disconnect",
            Self::Closed(CloseReason::SessionTakenOver) => "another connection has this client id now",
            Self::Closed(CloseReason::Superseded) => {
                "another connect of this client id came first; try again"
            }
            Self::Closed(CloseReason::NotAuthorized) => "the session belongs to another principal",
            Self::Closed(CloseReason::QuotaExceeded) => "the cluster holds as many sessions as it may",
            Self::Closed(CloseReason::Poisoned) => {
                "a command of this connection could not be applied and was skipped"
            }
            Self::Closed(CloseReason::ProtocolError) => "a packet does not fit the state of its handshake",
            Self::Refused(Refusal::ConnectionRateExceeded) => {
                "this client id connects too often; wait a little"
            }
            Self::Refused(Refusal::NotServing) | Self::Stopped(Stop::NotServing) => {
                "this node has no leader or lags behind; connect to another"
            }
            Self::Stopped(Stop::ServerStopping) => "this node stops; connect to another",
            Self::Stopped(Stop::BootEnded) => "the cluster took this node for dead; connect again",
            Self::Stopped(Stop::SnapshotInstalled) => {
                "this node fell behind and was brought up to date; connect again"
            }
            Self::Stopped(Stop::SlowPeer) => "the client takes no bytes",
        };
        f.write_str(text)
    }
}
