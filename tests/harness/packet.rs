//! What a broker sends, as the tests see it.

use std::fmt;

/// A packet from the broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Packet {
    /// CONNACK.
    ConnAck {
        /// Session Present.
        session_present: bool,
        /// Return code, or reason code in 5.0.
        code: u8,
        /// Empty before 5.0.
        properties: Vec<Property>,
    },
    /// PUBLISH.
    Publish(Publish),
    /// PUBACK, PUBREC, PUBREL or PUBCOMP.
    Ack {
        /// Which of the four.
        kind: AckKind,
        /// Packet Identifier.
        id: u16,
        /// Reason code; 0 when left out and before 5.0.
        code: u8,
    },
    /// SUBACK.
    SubAck {
        /// Packet Identifier.
        id: u16,
        /// One code a filter.
        codes: Vec<u8>,
    },
    /// UNSUBACK.
    UnsubAck {
        /// Packet Identifier.
        id: u16,
        /// One code a filter; empty before 5.0.
        codes: Vec<u8>,
    },
    /// PINGRESP.
    PingResp,
    /// DISCONNECT, 5.0 only.
    Disconnect {
        /// Reason code; 0 when left out.
        code: u8,
    },
    /// AUTH, 5.0 only.
    Auth {
        /// Reason code; 0 when left out.
        code: u8,
    },
}

/// A PUBLISH from the broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publish {
    /// Sent before, perhaps.
    pub dup: bool,
    /// 0, 1 or 2.
    pub qos: u8,
    /// A retained message.
    pub retain: bool,
    /// Topic Name.
    pub topic: String,
    /// Packet Identifier, with QoS 1 and 2 only.
    pub id: Option<u16>,
    /// Empty before 5.0.
    pub properties: Vec<Property>,
    /// Application Message.
    pub payload: Vec<u8>,
}

/// The four acknowledgements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the standard's names")]
pub enum AckKind {
    PubAck,
    PubRec,
    PubRel,
    PubComp,
}

/// A property: its identifier and value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Property {
    /// Property Identifier of 5.0, section 2.2.2.2.
    pub id: u8,
    /// The value in the form its identifier asks for.
    pub value: PropertyValue,
}

/// The value of a property.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PropertyValue {
    /// Byte, Two Byte, Four Byte or Variable Byte Integer.
    Number(u32),
    /// UTF-8 Encoded String, or Binary Data.
    Bytes(Vec<u8>),
    /// UTF-8 String Pair.
    Pair(String, String),
}

impl Packet {
    /// The number behind a property of CONNACK, if it is there.
    pub fn connack_number(&self, property: u8) -> Option<u32> {
        let Self::ConnAck { properties, .. } = self else { return None };
        properties.iter().find(|p| p.id == property).and_then(|p| match &p.value {
            PropertyValue::Number(number) => Some(*number),
            PropertyValue::Bytes(_) | PropertyValue::Pair(..) => None,
        })
    }
}

/// One line for a transcript.
impl fmt::Display for Packet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ConnAck { session_present, code, .. } => {
                write!(f, "CONNACK 0x{code:02x} session present {}", u8::from(*session_present))
            }
            Self::Publish(publish) => publish.fmt(f),
            Self::Ack { kind, id, code } => write!(f, "{kind} {id} 0x{code:02x}"),
            Self::SubAck { id, codes } => write!(f, "SUBACK {id} {codes:02x?}"),
            Self::UnsubAck { id, codes } => write!(f, "UNSUBACK {id} {codes:02x?}"),
            Self::PingResp => f.write_str("PINGRESP"),
            Self::Disconnect { code } => write!(f, "DISCONNECT 0x{code:02x}"),
            Self::Auth { code } => write!(f, "AUTH 0x{code:02x}"),
        }
    }
}

impl fmt::Display for Publish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = &self.payload[..self.payload.len().min(32)];
        write!(
            f,
            "PUBLISH {} QoS {} DUP {} `{}` {} bytes `{}`",
            self.id.unwrap_or(0),
            self.qos,
            u8::from(self.dup),
            self.topic,
            self.payload.len(),
            String::from_utf8_lossy(shown)
        )
    }
}

impl fmt::Display for AckKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PubAck => "PUBACK",
            Self::PubRec => "PUBREC",
            Self::PubRel => "PUBREL",
            Self::PubComp => "PUBCOMP",
        })
    }
}
