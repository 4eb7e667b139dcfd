//! AUTH: a step of enhanced authentication (MQTT 5.0 section 3.15); not in earlier versions.

use bytes::Bytes;

use crate::{ReasonCode, UserProperties, Utf8String};

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
