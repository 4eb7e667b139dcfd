//! What a client does that ends its connection, and the reason code that says so.

use quartet_packet::{DecodeError, ReasonCode};

/// A broken rule. The text goes into the Reason String of 5.0 and into the node's log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The bytes are no packet, or one that may not come here [MQTT-4.13.1-1].
    #[error(transparent)]
    Packet(#[from] DecodeError),
    /// No CONNECT in time.
    #[error("no connect within the time-out")]
    ConnectTimeout,
    /// Nothing came within one and a half keep alives [MQTT-3.1.2-22].
    #[error("no packet within one and a half times the keep alive")]
    KeepAliveTimeout,
    /// No client id, by a client that must give one [MQTT3-3.1.3-8].
    #[error("a client id is needed here; without clean session it names the session to come back to")]
    NoClientId,
    /// Wills are not built yet.
    #[error("wills are not available yet; connect without one")]
    WillNotAvailable,
    /// A retained will [MQTT-3.2.2-13].
    #[error("retained messages are not available yet; connect without a retained will")]
    WillRetain,
    /// Enhanced authentication [MQTT-4.12.0-1].
    #[error("no authentication method is available; connect without one")]
    AuthenticationMethod,
    /// AUTH though CONNECT named no method [MQTT-4.12.0-7].
    #[error("auth without an authentication method in connect")]
    UnexpectedAuth,
    /// A DISCONNECT with a reason that only servers have [MQTT-3.14.2-1].
    #[error("reason code {:#04x} is not one of a client's disconnect", .0.value())]
    DisconnectReason(ReasonCode),
    /// DISCONNECT sets a session expiry where CONNECT had 0 (MQTT 5.0 section 3.14.2.2.2).
    #[error("disconnect sets a session expiry interval, but connect had none")]
    SessionExpiry,
    /// PUBLISH with RETAIN [MQTT-3.2.2-14].
    #[error("retained messages are not available yet; publish without retain")]
    Retain,
    /// PUBLISH to `$…` by a client of a version that has no way to be refused one message [MQTT3-3.3.5-2].
    #[error("topics that begin with $ are not for clients to publish to")]
    DollarTopic,
    /// The core refuses a PUBLISH by a client of such a version [MQTT3-3.3.5-2].
    #[error("a message was refused with {:#04x}, which this version cannot be told otherwise", .0.value())]
    Refused(ReasonCode),
    /// More unfinished QoS 1 and 2 messages than CONNACK allows [MQTT-3.3.4-7].
    #[error("over {0} unfinished messages, the receive maximum of this server")]
    ReceiveMaximum(u16),
    /// An alias above the maximum of CONNACK [MQTT-3.3.2-9].
    #[error("topic alias {alias} is above the maximum of {maximum}")]
    TopicAliasTooHigh {
        /// The alias.
        alias: u16,
        /// What CONNACK said.
        maximum: u16,
    },
    /// An alias that stands for nothing on this connection [MQTT-3.3.2-7].
    #[error("topic alias {0} was not set on this connection")]
    TopicAliasUnknown(u16),
    /// An answer does not fit the client's Maximum Packet Size, and may not be left out [MQTT-3.1.2-24].
    #[error("an answer of {size} bytes does not fit the client's maximum packet size of {limit}")]
    AnswerTooLarge {
        /// Its size.
        size: usize,
        /// The client's limit.
        limit: usize,
    },
    /// A packet could not be encoded, or its message is missing: a fault of this server.
    #[error("a packet could not be made; this is a fault of the server")]
    Internal,
}

impl Error {
    /// The reason code of 5.0; [`Ending`](crate::Ending) says which packet carries it, if any.
    #[must_use]
    pub fn reason(&self) -> ReasonCode {
        match self {
            Self::Packet(error) => error.reason,
            Self::ConnectTimeout | Self::Refused(_) => ReasonCode::UnspecifiedError,
            Self::KeepAliveTimeout => ReasonCode::KeepAliveTimeout,
            Self::NoClientId => ReasonCode::ClientIdentifierNotValid,
            Self::WillNotAvailable | Self::Internal => ReasonCode::ImplementationSpecificError,
            Self::WillRetain | Self::Retain => ReasonCode::RetainNotSupported,
            Self::AuthenticationMethod => ReasonCode::BadAuthenticationMethod,
            Self::UnexpectedAuth
            | Self::DisconnectReason(_)
            | Self::SessionExpiry
            | Self::TopicAliasUnknown(_) => ReasonCode::ProtocolError,
            Self::DollarTopic => ReasonCode::TopicNameInvalid,
            Self::ReceiveMaximum(_) => ReasonCode::ReceiveMaximumExceeded,
            Self::TopicAliasTooHigh { .. } => ReasonCode::TopicAliasInvalid,
            Self::AnswerTooLarge { .. } => ReasonCode::PacketTooLarge,
        }
    }
}
