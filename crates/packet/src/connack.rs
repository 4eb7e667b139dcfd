//! CONNACK: the server's answer to CONNECT (MQTT 5.0 section 3.2).

use core::num::{NonZeroU16, NonZeroU32};

use bytes::Bytes;

use crate::{QoS, ReasonCode, UserProperties, Utf8String};

/// CONNACK. Before 5.0 only `session_present` (not in 3.1) and `reason` are on the wire, the reason as
/// its [return code](ReasonCode::connect_return_code).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ConnAck {
    /// Whether the server had a session; only with Success `[MQTT-3.2.2-6]`.
    pub session_present: bool,
    /// Success, or why the connection ends.
    pub reason: ReasonCode,
    /// Session Expiry Interval in seconds, if not the client's.
    pub session_expiry: Option<u32>,
    /// Receive Maximum; absent is 65 535.
    pub receive_maximum: Option<NonZeroU16>,
    /// Maximum QoS; default 2.
    pub maximum_qos: QoS,
    /// Retain Available; default `true`.
    pub retain_available: bool,
    /// Maximum Packet Size in bytes, fixed header included; absent is no limit.
    pub maximum_packet_size: Option<NonZeroU32>,
    /// Assigned Client Identifier, for a client that gave none.
    pub assigned_client_identifier: Option<Utf8String>,
    /// Topic Alias Maximum; 0, the default, allows none.
    pub topic_alias_maximum: u16,
    /// For a person who diagnoses.
    pub reason_string: Option<Utf8String>,
    /// User Properties, in order.
    pub user_properties: UserProperties,
    /// Wildcard Subscription Available; default `true`.
    pub wildcard_subscription_available: bool,
    /// Subscription Identifiers Available; default `true`.
    pub subscription_identifiers_available: bool,
    /// Shared Subscription Available; default `true`.
    pub shared_subscription_available: bool,
    /// Server Keep Alive in seconds, if not the client's.
    pub server_keep_alive: Option<u16>,
    /// Response Information.
    pub response_information: Option<Utf8String>,
    /// Server Reference.
    pub server_reference: Option<Utf8String>,
    /// Authentication Method.
    pub authentication_method: Option<Utf8String>,
    /// Authentication Data; never without a method.
    pub authentication_data: Option<Bytes>,
}

impl ConnAck {
    /// A reason and no session, with every default of the standard.
    pub fn new(reason: ReasonCode) -> Self {
        Self {
            session_present: false,
            reason,
            session_expiry: None,
            receive_maximum: None,
            maximum_qos: QoS::ExactlyOnce,
            retain_available: true,
            maximum_packet_size: None,
            assigned_client_identifier: None,
            topic_alias_maximum: 0,
            reason_string: None,
            user_properties: UserProperties::default(),
            wildcard_subscription_available: true,
            subscription_identifiers_available: true,
            shared_subscription_available: true,
            server_keep_alive: None,
            response_information: None,
            server_reference: None,
            authentication_method: None,
            authentication_data: None,
        }
    }
}
