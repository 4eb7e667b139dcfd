//! A refusal of bytes, with all that is needed to answer it.

use crate::{ConnAck, PacketType, Problem, ReasonCode, Version};

/// Why a connection's bytes were refused. The connection is closed; before that, a DISCONNECT with
/// `reason` may be sent if `version` is 5.0 and the client had been accepted, or what
/// [`connack`](Self::connack) gives if it had not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{}: {problem}", packet_type.map_or("packet", PacketType::name))]
pub struct DecodeError {
    /// The reason code to say it with.
    pub reason: ReasonCode,
    /// What is wrong.
    pub problem: Problem,
    /// In which packet, if its type was readable.
    pub packet_type: Option<PacketType>,
    /// The version of the connection, if it was known by then.
    pub version: Option<Version>,
}

impl DecodeError {
    /// The CONNACK that may answer a refused CONNECT, and the version to write it in; `None` if the
    /// connection is to be closed without one.
    ///
    /// An unknown level is answered with return code 1 `[MQTT3-3.1.2-2]`, in the form that every client can
    /// read, whatever it hoped for: 5.0 leaves open how `[MQTT-3.1.2-2]`. What else is wrong with a CONNECT
    /// only 5.0 has codes for; 3.1.1 closes `[MQTT3-3.1.4-1]`.
    pub fn connack(&self) -> Option<(Version, ConnAck)> {
        let form = if let Problem::ProtocolLevel { .. } = self.problem {
            Version::V3_1_1
        } else if self.packet_type == Some(PacketType::Connect)
            && self.problem != Problem::SecondConnect
            && self.version == Some(Version::V5)
        {
            Version::V5
        } else {
            return None;
        };
        Some((form, ConnAck::new(self.reason)))
    }
}
