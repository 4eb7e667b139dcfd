//! CONNECT: the first packet of a client (MQTT 5.0 section 3.1).

use core::fmt;
use core::num::{NonZeroU16, NonZeroU32};

use bytes::Bytes;

use crate::{PublishProperties, QoS, Topic, UserProperties, Utf8String, Version};

/// CONNECT. Fields that a version lacks are absent, or have the default that the newer standard gives.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Connect {
    /// By protocol name and level; what follows on the connection has this version.
    pub version: Version,
    /// Clean Start; Clean Session before 5.0.
    pub clean_start: bool,
    /// Keep Alive in seconds; 0 turns it off.
    pub keep_alive: u16,
    /// May be empty: a server of 5.0, or of 3.1.1 with clean session, chooses one; else the answer is
    /// return code 2 `[MQTT3-3.1.3-8]`, which is the receiver's to say, not the decoder's.
    pub client_id: Utf8String,
    /// The message to publish if the connection ends badly.
    pub will: Option<Will>,
    /// User Name.
    pub username: Option<Utf8String>,
    /// Password; before 5.0 only with a user name `[MQTT3-3.1.2-22]`.
    pub password: Option<Bytes>,
    /// Session Expiry Interval in seconds; `u32::MAX` never expires, absent is 0.
    pub session_expiry: Option<u32>,
    /// Receive Maximum; absent is 65 535.
    pub receive_maximum: Option<NonZeroU16>,
    /// Maximum Packet Size in bytes, fixed header included; absent is no limit.
    pub maximum_packet_size: Option<NonZeroU32>,
    /// Topic Alias Maximum; 0, the default, allows none.
    pub topic_alias_maximum: u16,
    /// Request Response Information; default `false`.
    pub request_response_information: bool,
    /// Request Problem Information; default `true`.
    pub request_problem_information: bool,
    /// User Properties, in order.
    pub user_properties: UserProperties,
    /// Authentication Method.
    pub authentication_method: Option<Utf8String>,
    /// Authentication Data; never without a method.
    pub authentication_data: Option<Bytes>,
}

/// The will of a CONNECT: what is published when the connection ends without a normal DISCONNECT.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Will {
    /// QoS to publish with.
    pub qos: QoS,
    /// Whether it is published as a retained message.
    pub retain: bool,
    /// Where to.
    pub topic: Topic,
    /// Will Payload, up to 65 535 bytes of any kind.
    pub payload: Bytes,
    /// Will Delay Interval in seconds; 0 before 5.0.
    pub delay_interval: u32,
    /// Message Expiry Interval in seconds.
    pub message_expiry: Option<u32>,
    /// What is published with it unaltered.
    pub properties: PublishProperties,
}

impl Connect {
    /// A clean start without anything else; keep alive off.
    pub fn new(version: Version, client_id: Utf8String) -> Self {
        Self {
            version,
            clean_start: true,
            keep_alive: 0,
            client_id,
            will: None,
            username: None,
            password: None,
            session_expiry: None,
            receive_maximum: None,
            maximum_packet_size: None,
            topic_alias_maximum: 0,
            request_response_information: false,
            request_problem_information: true,
            user_properties: UserProperties::default(),
            authentication_method: None,
            authentication_data: None,
        }
    }
}

impl fmt::Debug for Connect {
    /// Password and authentication data are secrets: only their presence is shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connect")
            .field("version", &self.version)
            .field("clean_start", &self.clean_start)
            .field("keep_alive", &self.keep_alive)
            .field("client_id", &self.client_id)
            .field("will", &self.will)
            .field("username", &self.username)
            .field("password", &self.password.as_ref().map(|_| "***"))
            .field("session_expiry", &self.session_expiry)
            .field("receive_maximum", &self.receive_maximum)
            .field("maximum_packet_size", &self.maximum_packet_size)
            .field("topic_alias_maximum", &self.topic_alias_maximum)
            .field("request_response_information", &self.request_response_information)
            .field("request_problem_information", &self.request_problem_information)
            .field("user_properties", &self.user_properties)
            .field("authentication_method", &self.authentication_method)
            .field("authentication_data", &self.authentication_data.as_ref().map(|_| "***"))
            .finish()
    }
}
