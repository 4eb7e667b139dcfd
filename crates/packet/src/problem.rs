//! What can be wrong with bytes or with a packet, one variant a rule, and the reason code of each.

use crate::subscribe::MAX_FILTERS;
use crate::{MAX_USER_PROPERTIES, ReasonCode, StringProblem, TopicProblem};

/// Why bytes are refused. `field` is the standard's name of the field; `property` its identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// Type 0, or AUTH before 5.0.
    #[error("packet type {value} is reserved")]
    ReservedPacketType {
        /// The number of the type.
        value: u8,
    },
    /// A packet that only the other side sends.
    #[error("a packet that only the other side may send")]
    WrongDirection,
    /// Anything else before CONNECT `[MQTT-3.1.0-1]`.
    #[error("the first packet is not connect")]
    FirstNotConnect,
    /// CONNECT after CONNECT `[MQTT-3.1.0-2]`.
    #[error("a second connect")]
    SecondConnect,
    /// The low half of the first byte is not what the type prescribes `[MQTT-2.1.3-1]`.
    #[error("fixed header flags {flags:#06b} are not allowed here")]
    FixedHeaderFlags {
        /// The four bits.
        flags: u8,
    },
    /// DUP on QoS 0 `[MQTT-3.3.1-2]`.
    #[error("dup is set on qos 0")]
    DupWithoutQos,
    /// QoS bits of value 3 `[MQTT-3.3.1-4]`.
    #[error("qos 3 in {field}")]
    Qos3 {
        /// Where.
        field: &'static str,
    },
    /// Over the size limit that holds for the connection now.
    #[error("a packet of {size} bytes is over the limit of {limit}; send less or raise the limit")]
    TooLarge {
        /// Whole packet in bytes, fixed header included.
        size: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// The packet or property block ends inside a field.
    #[error("ends inside {field}")]
    CutShort {
        /// The field it ends in.
        field: &'static str,
    },
    /// Bytes after the last field.
    #[error("{count} bytes after the last field")]
    TrailingBytes {
        /// How many.
        count: usize,
    },
    /// More than four bytes, or more than needed `[MQTT-1.5.5-1]`.
    #[error("{field} is not a variable byte integer in its shortest form")]
    VariableByteInteger {
        /// Which one.
        field: &'static str,
    },
    /// Not a string as MQTT allows it `[MQTT-1.5.4-1]` `[MQTT-1.5.4-2]`.
    #[error("{field}: {problem}")]
    String {
        /// Which one.
        field: &'static str,
        /// What is wrong with it.
        problem: StringProblem,
    },
    /// Not a topic name, where one is due.
    #[error("{field}: {problem}")]
    Topic {
        /// Which one.
        field: &'static str,
        /// What is wrong with it.
        problem: TopicProblem,
    },
    /// A PUBLISH of 5.0 without topic name and without alias.
    #[error("neither topic name nor topic alias")]
    NoTopic,
    /// Packet identifier 0 `[MQTT-2.2.1-3]`.
    #[error("packet identifier 0")]
    PacketIdZero,
    /// The protocol name is neither `MQTT` nor `MQIsdp` `[MQTT-3.1.2-1]`.
    #[error("unknown protocol name")]
    ProtocolName,
    /// A level that this crate does not speak `[MQTT-3.1.2-2]`.
    #[error("unknown protocol level {level}")]
    ProtocolLevel {
        /// The level byte.
        level: u8,
    },
    /// Reserved bit of the connect flags `[MQTT-3.1.2-3]`.
    #[error("the reserved connect flag is set")]
    ReservedConnectFlag,
    /// Will QoS or Will Retain without Will Flag `[MQTT-3.1.2-11]` `[MQTT-3.1.2-13]`.
    #[error("will qos or will retain without the will flag")]
    WillFlags,
    /// Password without User Name before 5.0 `[MQTT3-3.1.2-22]`.
    #[error("a password without a user name")]
    PasswordWithoutUserName,
    /// Reserved bits of the connect acknowledge flags `[MQTT-3.2.2-1]`.
    #[error("connect acknowledge flags {flags:#010b}")]
    ConnAckFlags {
        /// The byte.
        flags: u8,
    },
    /// Session Present with an error `[MQTT-3.2.2-6]`.
    #[error("session present with an error")]
    SessionPresentWithError,
    /// A return code above 5 in a CONNACK before 5.0.
    #[error("return code {code} is reserved")]
    ReturnCode {
        /// The byte.
        code: u8,
    },
    /// A number that is no reason code, or not one of this packet's.
    #[error("reason code {code:#04x} is not one of this packet")]
    ReasonCode {
        /// The byte.
        code: u8,
    },
    /// A property that is unknown or not allowed in this packet (section 2.2.2.2).
    #[error("property {property:#04x} is not allowed here")]
    PropertyNotAllowed {
        /// Its identifier.
        property: u8,
    },
    /// A property twice that may come once.
    #[error("property {property:#04x} comes twice")]
    PropertyTwice {
        /// Its identifier.
        property: u8,
    },
    /// A property value outside its range, such as 0 for Receive Maximum.
    #[error("property {property:#04x} has a forbidden value")]
    PropertyValue {
        /// Its identifier.
        property: u8,
    },
    /// More User Properties than [`MAX_USER_PROPERTIES`].
    #[error("over {MAX_USER_PROPERTIES} user properties in one block")]
    TooManyUserProperties,
    /// Topic Alias 0 `[MQTT-3.3.2-8]`.
    #[error("topic alias 0")]
    TopicAliasZero,
    /// A Subscription Identifier in a PUBLISH from a client `[MQTT-3.3.4-6]`.
    #[error("a client's publish carries a subscription identifier")]
    SubscriptionIdentifierFromClient,
    /// Authentication Data without Authentication Method.
    #[error("authentication data without a method")]
    AuthenticationDataWithoutMethod,
    /// An AUTH that says something but names no method.
    #[error("no authentication method")]
    NoAuthenticationMethod,
    /// SUBSCRIBE or UNSUBSCRIBE without a filter `[MQTT-3.8.3-2]` `[MQTT-3.10.3-2]`.
    #[error("no topic filter")]
    NoFilter,
    /// SUBSCRIBE or UNSUBSCRIBE with more than [`MAX_FILTERS`] filters.
    #[error("over {MAX_FILTERS} topic filters in one packet; send several")]
    TooManyFilters,
    /// SUBACK or UNSUBACK without a reason code.
    #[error("no reason code")]
    NoReasonCode,
    /// Reserved bits of the subscription options `[MQTT-3.8.3-5]`.
    #[error("reserved bits in subscription options {options:#010b}")]
    SubscriptionOptions {
        /// The byte.
        options: u8,
    },
    /// Retain Handling 3.
    #[error("retain handling 3")]
    RetainHandling3,
    /// No Local on a shared subscription `[MQTT-3.8.3-4]`.
    #[error("no local on a shared subscription")]
    NoLocalOnShared,
}

impl Problem {
    /// The reason code to answer with, in CONNACK or DISCONNECT of 5.0: 0x81 for what is no packet,
    /// 0x82 for a packet used wrongly, and the particular ones.
    pub const fn reason(&self) -> ReasonCode {
        match self {
            Self::ReservedPacketType { .. }
            | Self::FixedHeaderFlags { .. }
            | Self::DupWithoutQos
            | Self::Qos3 { .. }
            | Self::CutShort { .. }
            | Self::TrailingBytes { .. }
            | Self::VariableByteInteger { .. }
            | Self::String { .. }
            | Self::Topic { problem: TopicProblem::String(_), .. }
            | Self::ReservedConnectFlag
            | Self::WillFlags
            | Self::PasswordWithoutUserName
            | Self::ConnAckFlags { .. }
            | Self::ReturnCode { .. }
            | Self::ReasonCode { .. }
            | Self::PropertyNotAllowed { .. }
            | Self::SubscriptionOptions { .. } => ReasonCode::MalformedPacket,
            Self::WrongDirection
            | Self::FirstNotConnect
            | Self::SecondConnect
            | Self::NoTopic
            | Self::PacketIdZero
            | Self::SessionPresentWithError
            | Self::PropertyTwice { .. }
            | Self::PropertyValue { .. }
            | Self::SubscriptionIdentifierFromClient
            | Self::AuthenticationDataWithoutMethod
            | Self::NoAuthenticationMethod
            | Self::NoFilter
            | Self::NoReasonCode
            | Self::RetainHandling3
            | Self::NoLocalOnShared => ReasonCode::ProtocolError,
            Self::Topic {
                problem:
                    TopicProblem::Empty | TopicProblem::Wildcard { .. } | TopicProblem::TooManyLevels { .. },
                ..
            } => ReasonCode::TopicNameInvalid,
            Self::TooLarge { .. } => ReasonCode::PacketTooLarge,
            Self::ProtocolName | Self::ProtocolLevel { .. } => ReasonCode::UnsupportedProtocolVersion,
            Self::TopicAliasZero => ReasonCode::TopicAliasInvalid,
            Self::TooManyUserProperties | Self::TooManyFilters => ReasonCode::QuotaExceeded,
        }
    }
}
