//! DISCONNECT: the last packet on a connection (MQTT 5.0 section 3.14).

use crate::properties::{PropertyBlock, UserPropertiesReader, id};
use crate::reader::Reader;
use crate::writer::Sink;
use crate::{PacketType, Problem, ReasonCode, Role, UserProperties, Utf8String, Version};

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
    pub(crate) fn decode(version: Version, role: Role, reader: &mut Reader) -> Result<Self, Problem> {
        let mut disconnect = Self::default();
        if version.is_v5() && !reader.is_at_end() {
            disconnect.reason = reader.reason(PacketType::Disconnect)?;
            if !reader.is_at_end() {
                disconnect.read_properties(role, reader)?;
            }
        }
        Ok(disconnect)
    }

    fn read_properties(&mut self, role: Role, reader: &mut Reader) -> Result<(), Problem> {
        let mut block = PropertyBlock::read(reader)?;
        let mut user_properties = UserPropertiesReader::default();
        while let Some(id) = block.next_id()? {
            match id {
                id::SESSION_EXPIRY_INTERVAL if role == Role::Client => {
                    return Err(block.bad_value());
                }
                id::SESSION_EXPIRY_INTERVAL => self.session_expiry = Some(block.u32()?),
                id::REASON_STRING => self.reason_string = Some(block.string("reason string")?),
                id::USER_PROPERTY => user_properties.read(&mut block)?,
                id::SERVER_REFERENCE => {
                    self.server_reference = Some(block.string("server reference")?);
                }
                _ => return Err(block.not_allowed()),
            }
        }
        self.user_properties = user_properties.finish(&block);
        Ok(())
    }

    pub(crate) fn put(&self, version: Version, out: &mut dyn Sink) {
        if !version.is_v5() {
            return;
        }
        let bare = self.session_expiry.is_none()
            && self.reason_string.is_none()
            && self.server_reference.is_none()
            && self.user_properties.is_empty();
        if bare && self.reason == ReasonCode::Success {
            return;
        }
        out.u8(self.reason.value());
        if bare {
            return;
        }
        out.property_block(&|out| {
            out.u32_property(id::SESSION_EXPIRY_INTERVAL, self.session_expiry);
            out.string_property(id::REASON_STRING, self.reason_string.as_ref());
            out.put(self.user_properties.as_bytes());
            out.string_property(id::SERVER_REFERENCE, self.server_reference.as_ref());
        });
    }
}
