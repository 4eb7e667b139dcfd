//! What PUBACK, PUBREC, PUBREL and PUBCOMP have in common: all their fields and both wire forms.
//!
//! They stay four types, so that none can be taken for another. Before 5.0 only the packet identifier
//! is on the wire; in 5.0 the reason may be left out when it is Success without properties, and the
//! property length when there are none.

use crate::properties::{PropertyBlock, UserPropertiesReader, id};
use crate::reader::Reader;
use crate::writer::Sink;
use crate::{Problem, UserProperties, Utf8String};

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

            pub(crate) fn decode(
                version: $crate::Version,
                reader: &mut $crate::reader::Reader,
            ) -> Result<Self, $crate::Problem> {
                let mut packet = Self::new(reader.packet_id()?);
                if version.is_v5() && !reader.is_at_end() {
                    packet.reason = reader.reason($crate::PacketType::$name)?;
                    if !reader.is_at_end() {
                        (packet.reason_string, packet.user_properties) =
                            $crate::acknowledgement::read_properties(reader)?;
                    }
                }
                Ok(packet)
            }

            pub(crate) fn put(
                &self,
                version: $crate::Version,
                out: &mut dyn $crate::writer::Sink,
            ) {
                out.u16(self.packet_id.get());
                if !version.is_v5() {
                    return;
                }
                let bare = self.reason_string.is_none() && self.user_properties.is_empty();
                if bare && self.reason == $crate::ReasonCode::Success {
                    return;
                }
                out.u8(self.reason.value());
                if !bare {
                    $crate::acknowledgement::put_properties(
                        self.reason_string.as_ref(),
                        &self.user_properties,
                        out,
                    );
                }
            }
        }
    };
}

pub(crate) use acknowledgement;

/// The properties of the four, and of SUBACK and UNSUBACK: Reason String and User Properties.
pub(crate) fn read_properties(reader: &mut Reader) -> Result<(Option<Utf8String>, UserProperties), Problem> {
    let mut block = PropertyBlock::read(reader)?;
    let mut reason_string = None;
    let mut user_properties = UserPropertiesReader::default();
    while let Some(id) = block.next_id()? {
        match id {
            id::REASON_STRING => reason_string = Some(block.string("reason string")?),
            id::USER_PROPERTY => user_properties.read(&mut block)?,
            _ => return Err(block.not_allowed()),
        }
    }
    Ok((reason_string, user_properties.finish(&block)))
}

/// Writes what [`read_properties`] reads.
pub(crate) fn put_properties(
    reason_string: Option<&Utf8String>,
    user_properties: &UserProperties,
    out: &mut dyn Sink,
) {
    out.property_block(&|out| {
        out.string_property(id::REASON_STRING, reason_string);
        out.put(user_properties.as_bytes());
    });
}
