//! The protocol versions, which CONNECT names by a protocol name and a level.

/// A version of MQTT. The order is by age, so `version >= Version::V3_1_1` reads as it should.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// MQTT 3.1 (IBM and Eurotech, 2010): protocol name `MQIsdp`, level 3.
    V3_1,
    /// MQTT 3.1.1 (OASIS, 2014): protocol name `MQTT`, level 4.
    V3_1_1,
    /// MQTT 5.0 (OASIS, 2019): protocol name `MQTT`, level 5.
    V5,
}

impl Version {
    /// All of them, oldest first.
    pub const ALL: [Self; 3] = [Self::V3_1, Self::V3_1_1, Self::V5];

    /// The protocol level byte of CONNECT.
    pub const fn level(self) -> u8 {
        match self {
            Self::V3_1 => 3,
            Self::V3_1_1 => 4,
            Self::V5 => 5,
        }
    }

    /// The protocol name of CONNECT.
    pub const fn protocol_name(self) -> &'static str {
        match self {
            Self::V3_1 => "MQIsdp",
            Self::V3_1_1 | Self::V5 => "MQTT",
        }
    }

    /// The version with this level, if there is one.
    pub const fn from_level(level: u8) -> Option<Self> {
        match level {
            3 => Some(Self::V3_1),
            4 => Some(Self::V3_1_1),
            5 => Some(Self::V5),
            _ => None,
        }
    }

    /// Whether packets of this version carry properties and reason codes.
    pub const fn is_v5(self) -> bool {
        matches!(self, Self::V5)
    }
}
