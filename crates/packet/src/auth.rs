//! AUTH: a step of enhanced authentication (MQTT 5.0 section 3.15); not in earlier versions.

use bytes::Bytes;

use crate::encode::check_binary;
use crate::properties::{PropertyBlock, UserPropertiesReader, id};
use crate::reader::Reader;
use crate::writer::Sink;
use crate::{EncodeError, PacketType, Problem, ReasonCode, UserProperties, Utf8String};

/// AUTH. The shortest form, without any byte after the fixed header, is Success without properties.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct Auth {
    /// Success, continue or re-authenticate.
    pub reason: ReasonCode,
    /// Authentication Method; present whenever there are other properties.
    pub authentication_method: Option<Utf8String>,
    /// Authentication Data; never without a method.
    pub authentication_data: Option<Bytes>,
    /// For a person who diagnoses.
    pub reason_string: Option<Utf8String>,
    /// User Properties, in order.
    pub user_properties: UserProperties,
}

impl Auth {
    pub(crate) fn decode(reader: &mut Reader) -> Result<Self, Problem> {
        let mut auth = Self::default();
        if reader.is_at_end() {
            return Ok(auth);
        }
        auth.reason = reader.reason(PacketType::Auth)?;
        auth.read_properties(reader)?;
        if auth.says_something() && auth.authentication_method.is_none() {
            return Err(Problem::NoAuthenticationMethod);
        }
        Ok(auth)
    }

    /// Whether it is more than its shortest form.
    fn says_something(&self) -> bool {
        *self != Self::default()
    }

    fn read_properties(&mut self, reader: &mut Reader) -> Result<(), Problem> {
        let mut block = PropertyBlock::read(reader)?;
        let mut user_properties = UserPropertiesReader::default();
        while let Some(id) = block.next_id()? {
            match id {
                id::AUTHENTICATION_METHOD => {
                    self.authentication_method = Some(block.string("authentication method")?);
                }
                id::AUTHENTICATION_DATA => {
                    self.authentication_data = Some(block.binary("authentication data")?);
                }
                id::REASON_STRING => self.reason_string = Some(block.string("reason string")?),
                id::USER_PROPERTY => user_properties.read(&mut block)?,
                _ => return Err(block.not_allowed()),
            }
        }
        self.user_properties = user_properties.finish(&block);
        Ok(())
    }

    pub(crate) fn check(&self) -> Result<(), EncodeError> {
        if self.says_something() && self.authentication_method.is_none() {
            return Err(EncodeError::NoAuthenticationMethod(PacketType::Auth));
        }
        check_binary("authentication data", self.authentication_data.as_deref())
    }

    pub(crate) fn put(&self, out: &mut dyn Sink) {
        if !self.says_something() {
            return;
        }
        out.u8(self.reason.value());
        out.property_block(&|out| {
            out.string_property(id::AUTHENTICATION_METHOD, self.authentication_method.as_ref());
            out.binary_property(id::AUTHENTICATION_DATA, self.authentication_data.as_ref());
            out.string_property(id::REASON_STRING, self.reason_string.as_ref());
            out.put(self.user_properties.as_bytes());
        });
    }
}

impl core::fmt::Debug for Auth {
    /// Authentication data is secret: only its presence is shown.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Auth")
            .field("reason", &self.reason)
            .field("authentication_method", &self.authentication_method)
            .field("authentication_data", &self.authentication_data.as_ref().map(|_| "***"))
            .field("reason_string", &self.reason_string)
            .field("user_properties", &self.user_properties)
            .finish()
    }
}
