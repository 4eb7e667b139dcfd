//! What PUBACK, PUBREC, PUBREL and PUBCOMP have in common: all their fields and both wire forms.
//!
//! They stay four types, so that none can be taken for another. Before 5.0 only the packet identifier
//! is on the wire; in 5.0 the reason may be left out when it is Success without properties, and the
//! property length when there are none.

/// Defines one of the four packet types.
macro_rules! acknowledgement {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash)]
        pub struct $name {
            /// Of the PUBLISH that the handshake is about.
            pub packet_id: $crate::PacketId,
            /// Success in all versions before 5.0.
            pub reason: $crate::ReasonCode,
            /// For a person who diagnoses; 5.0 only.
            pub reason_string: Option<$crate::Utf8String>,
            /// 5.0 only.
            pub user_properties: $crate::UserProperties,
        }

        impl $name {
            /// Success, without properties.
            pub fn new(packet_id: $crate::PacketId) -> Self {
                Self::with_reason(packet_id, $crate::ReasonCode::Success)
            }

            /// A reason, without properties.
            pub fn with_reason(packet_id: $crate::PacketId, reason: $crate::ReasonCode) -> Self {
                Self {
                    packet_id,
                    reason,
                    reason_string: None,
                    user_properties: $crate::UserProperties::default(),
                }
            }
        }
    };
}

pub(crate) use acknowledgement;
