//! DISCONNECT: the last packet on a connection (MQTT 5.0 section 3.14).

use crate::{ReasonCode, UserProperties, Utf8String};

/// DISCONNECT. Before 5.0 only clients send it, without any field.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Disconnect {
    /// Success is normal disconnection: the will is dropped.
    pub reason: ReasonCode,
    /// Session Expiry Interval in seconds; only from a client `[MQTT-3.14.2-2]`.
    pub session_expiry: Option<u32>,
    /// For a person who diagnoses.
    pub reason_string: Option<Utf8String>,
    /// Where to go instead; only from a server.
    pub server_reference: Option<Utf8String>,
    /// User Properties, in order.
    pub user_properties: UserProperties,
}

impl Disconnect {
    /// A reason, without properties.
    pub fn new(reason: ReasonCode) -> Self {
        Self { reason, ..Self::default() }
    }
}
