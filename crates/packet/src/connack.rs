//! CONNACK: the server's answer to CONNECT (MQTT 5.0 section 3.2).

use core::num::{NonZeroU16, NonZeroU32};

use bytes::Bytes;

use crate::encode::check_binary;
use crate::properties::{PropertyBlock, UserPropertiesReader, id};
use crate::reader::Reader;
use crate::writer::Sink;
use crate::{EncodeError, PacketType, Problem, QoS, ReasonCode, UserProperties, Utf8String, Version};

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
    pub(crate) fn decode(version: Version, reader: &mut Reader) -> Result<Self, Problem> {
        let flags = reader.u8("connect acknowledge flags")?;
        // MQTT 3.1 has no Session Present and reserves the whole byte.
        if version > Version::V3_1 && flags & !1 != 0 {
            return Err(Problem::ConnAckFlags { flags });
        }
        let session_present = version > Version::V3_1 && flags == 1;
        let reason = if version.is_v5() {
            reader.reason(PacketType::ConnAck)?
        } else {
            let code = reader.u8("return code")?;
            ReasonCode::from_connect_return_code(code).ok_or(Problem::ReturnCode { code })?
        };
        if session_present && reason.is_error() {
            return Err(Problem::SessionPresentWithError);
        }
        let mut connack = Self::new(reason);
        connack.session_present = session_present;
        if version.is_v5() {
            connack.read_properties(reader)?;
        }
        Ok(connack)
    }

    fn read_properties(&mut self, reader: &mut Reader) -> Result<(), Problem> {
        let mut block = PropertyBlock::read(reader)?;
        let mut user_properties = UserPropertiesReader::default();
        while let Some(id) = block.next_id()? {
            match id {
                id::SESSION_EXPIRY_INTERVAL => self.session_expiry = Some(block.u32()?),
                id::RECEIVE_MAXIMUM => self.receive_maximum = Some(block.nonzero_u16()?),
                id::MAXIMUM_QOS => {
                    self.maximum_qos = match block.flag()? {
                        false => QoS::AtMostOnce,
                        true => QoS::AtLeastOnce,
                    };
                }
                id::RETAIN_AVAILABLE => self.retain_available = block.flag()?,
                id::MAXIMUM_PACKET_SIZE => self.maximum_packet_size = Some(block.nonzero_u32()?),
                id::ASSIGNED_CLIENT_IDENTIFIER => {
                    let client_id = block.string("assigned client identifier")?;
                    self.assigned_client_identifier = Some(client_id);
                }
                id::TOPIC_ALIAS_MAXIMUM => self.topic_alias_maximum = block.u16()?,
                id::REASON_STRING => self.reason_string = Some(block.string("reason string")?),
                id::USER_PROPERTY => user_properties.read(&mut block)?,
                id::WILDCARD_SUBSCRIPTION_AVAILABLE => {
                    self.wildcard_subscription_available = block.flag()?;
                }
                id::SUBSCRIPTION_IDENTIFIER_AVAILABLE => {
                    self.subscription_identifiers_available = block.flag()?;
                }
                id::SHARED_SUBSCRIPTION_AVAILABLE => {
                    self.shared_subscription_available = block.flag()?;
                }
                id::SERVER_KEEP_ALIVE => self.server_keep_alive = Some(block.u16()?),
                id::RESPONSE_INFORMATION => {
                    self.response_information = Some(block.string("response information")?);
                }
                id::SERVER_REFERENCE => {
                    self.server_reference = Some(block.string("server reference")?);
                }
                id::AUTHENTICATION_METHOD => {
                    self.authentication_method = Some(block.string("authentication method")?);
                }
                id::AUTHENTICATION_DATA => {
                    self.authentication_data = Some(block.binary("authentication data")?);
                }
                _ => return Err(block.not_allowed()),
            }
        }
        if self.authentication_data.is_some() && self.authentication_method.is_none() {
            return Err(Problem::AuthenticationDataWithoutMethod);
        }
        self.user_properties = user_properties.finish(&block);
        Ok(())
    }

    pub(crate) fn check(&self, version: Version) -> Result<(), EncodeError> {
        let sayable = match version {
            Version::V3_1 | Version::V3_1_1 => self.reason.connect_return_code().is_some(),
            Version::V5 => self.reason.allowed_in(PacketType::ConnAck),
        };
        if !sayable {
            return Err(EncodeError::Reason { packet: PacketType::ConnAck, reason: self.reason });
        }
        if self.authentication_data.is_some() && self.authentication_method.is_none() {
            return Err(EncodeError::NoAuthenticationMethod(PacketType::ConnAck));
        }
        check_binary("authentication data", self.authentication_data.as_deref())
    }

    pub(crate) fn put(&self, version: Version, out: &mut dyn Sink) {
        let session_present = self.session_present && !self.reason.is_error();
        match version {
            Version::V3_1 | Version::V3_1_1 => {
                out.u8(u8::from(session_present && version > Version::V3_1));
                out.u8(self.reason.connect_return_code().unwrap_or(3));
            }
            Version::V5 => {
                out.u8(u8::from(session_present));
                out.u8(self.reason.value());
                out.property_block(&|out| self.put_properties(out));
            }
        }
    }

    fn put_properties(&self, out: &mut dyn Sink) {
        out.u32_property(id::SESSION_EXPIRY_INTERVAL, self.session_expiry);
        out.u16_property(id::RECEIVE_MAXIMUM, self.receive_maximum.map(NonZeroU16::get));
        if self.maximum_qos < QoS::ExactlyOnce {
            out.put(&[id::MAXIMUM_QOS, self.maximum_qos.value()]);
        }
        out.flag_property(id::RETAIN_AVAILABLE, self.retain_available, true);
        let maximum_packet_size = self.maximum_packet_size.map(NonZeroU32::get);
        out.u32_property(id::MAXIMUM_PACKET_SIZE, maximum_packet_size);
        let client_id = self.assigned_client_identifier.as_ref();
        out.string_property(id::ASSIGNED_CLIENT_IDENTIFIER, client_id);
        let topic_alias_maximum = Some(self.topic_alias_maximum).filter(|&maximum| maximum > 0);
        out.u16_property(id::TOPIC_ALIAS_MAXIMUM, topic_alias_maximum);
        out.string_property(id::REASON_STRING, self.reason_string.as_ref());
        out.put(self.user_properties.as_bytes());
        let wildcards = self.wildcard_subscription_available;
        out.flag_property(id::WILDCARD_SUBSCRIPTION_AVAILABLE, wildcards, true);
        let identifiers = self.subscription_identifiers_available;
        out.flag_property(id::SUBSCRIPTION_IDENTIFIER_AVAILABLE, identifiers, true);
        let shared = self.shared_subscription_available;
        out.flag_property(id::SHARED_SUBSCRIPTION_AVAILABLE, shared, true);
        out.u16_property(id::SERVER_KEEP_ALIVE, self.server_keep_alive);
        out.string_property(id::RESPONSE_INFORMATION, self.response_information.as_ref());
        out.string_property(id::SERVER_REFERENCE, self.server_reference.as_ref());
        out.string_property(id::AUTHENTICATION_METHOD, self.authentication_method.as_ref());
        out.binary_property(id::AUTHENTICATION_DATA, self.authentication_data.as_ref());
    }
}
