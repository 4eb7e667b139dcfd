//! CONNECT: the first packet of a client (MQTT 5.0 section 3.1).

use core::fmt;
use core::num::{NonZeroU16, NonZeroU32};

use bytes::Bytes;

use crate::encode::check_binary;
use crate::properties::{PropertyBlock, UserPropertiesReader, id};
use crate::reader::Reader;
use crate::writer::Sink;
use crate::{EncodeError, PacketType, Problem, QoS, UserProperties, Utf8String, Version, Will};

/// Bits of the connect flags (section 3.1.2.3); the will's are with [`Will`].
mod flag {
    pub(super) const RESERVED: u8 = 0x01;
    pub(super) const CLEAN_START: u8 = 0x02;
    pub(super) const WILL: u8 = 0x04;
    pub(super) const WILL_QOS: u8 = 0x18;
    pub(super) const WILL_RETAIN: u8 = 0x20;
    pub(super) const PASSWORD: u8 = 0x40;
    pub(super) const USERNAME: u8 = 0x80;
}

/// CONNECT. Fields that a version lacks are absent, or have the default that the newer standard gives.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Connect {
    /// By protocol name and level; what follows on the connection has this version.
    pub version: Version,
    /// Clean Start; Clean Session before 5.0.
    pub clean_start: bool,
    /// Keep Alive in seconds; 0 turns it off.
    pub keep_alive: u16,
    /// May be empty: a server of 5.0, or of 3.1.1 with clean session, chooses one; else the answer is
    /// return code 2 `[MQTT3-3.1.3-8]`, which is the receiver's to say, not the decoder's.
    pub client_id: Utf8String,
    /// The message to publish if the connection ends badly.
    pub will: Option<Will>,
    /// User Name.
    pub username: Option<Utf8String>,
    /// Password; before 5.0 only with a user name `[MQTT3-3.1.2-22]`.
    pub password: Option<Bytes>,
    /// Session Expiry Interval in seconds; `u32::MAX` never expires, absent is 0.
    pub session_expiry: Option<u32>,
    /// Receive Maximum; absent is 65 535.
    pub receive_maximum: Option<NonZeroU16>,
    /// Maximum Packet Size in bytes, fixed header included; absent is no limit.
    pub maximum_packet_size: Option<NonZeroU32>,
    /// Topic Alias Maximum; 0, the default, allows none.
    pub topic_alias_maximum: u16,
    /// Request Response Information; default `false`.
    pub request_response_information: bool,
    /// Request Problem Information; default `true`.
    pub request_problem_information: bool,
    /// User Properties, in order.
    pub user_properties: UserProperties,
    /// Authentication Method.
    pub authentication_method: Option<Utf8String>,
    /// Authentication Data; never without a method.
    pub authentication_data: Option<Bytes>,
}

impl Connect {
    /// A clean start without anything else; keep alive off.
    pub fn new(version: Version, client_id: Utf8String) -> Self {
        Self {
            version,
            clean_start: true,
            keep_alive: 0,
            client_id,
            will: None,
            username: None,
            password: None,
            session_expiry: None,
            receive_maximum: None,
            maximum_packet_size: None,
            topic_alias_maximum: 0,
            request_response_information: false,
            request_problem_information: true,
            user_properties: UserProperties::default(),
            authentication_method: None,
            authentication_data: None,
        }
    }
    /// Reads protocol name and level, which say how to read everything else.
    pub(crate) fn decode_version(reader: &mut Reader) -> Result<Version, Problem> {
        let name = reader.binary("protocol name")?;
        let named = |version: &Version| name == version.protocol_name();
        if !Version::ALL.iter().any(named) {
            return Err(Problem::ProtocolName);
        }
        let level = reader.u8("protocol level")?;
        let version = Version::from_level(level).filter(named);
        version.ok_or(Problem::ProtocolLevel { level })
    }

    /// Reads what follows the level.
    pub(crate) fn decode(version: Version, reader: &mut Reader) -> Result<Self, Problem> {
        let flags = reader.u8("connect flags")?;
        let will_qos = check_flags(flags, version)?;
        let keep_alive = reader.u16("keep alive")?;
        let mut connect = Self::new(version, Utf8String::default());
        connect.clean_start = flags & flag::CLEAN_START != 0;
        connect.keep_alive = keep_alive;
        if version.is_v5() {
            connect.read_properties(reader)?;
        }
        connect.client_id = reader.string("client identifier")?;
        if flags & flag::WILL != 0 {
            let retain = flags & flag::WILL_RETAIN != 0;
            connect.will = Some(Will::decode(will_qos, retain, version, reader)?);
        }
        // In 3.1 the Remaining Length has precedence: a flag may announce what is not there.
        let missing = |reader: &Reader| version == Version::V3_1 && reader.is_at_end();
        if flags & flag::USERNAME != 0 && !missing(reader) {
            connect.username = Some(reader.string("user name")?);
        }
        if flags & flag::PASSWORD != 0 && !missing(reader) {
            connect.password = Some(reader.binary("password")?);
        }
        reader.finish()?;
        Ok(connect)
    }

    fn read_properties(&mut self, reader: &mut Reader) -> Result<(), Problem> {
        let mut block = PropertyBlock::read(reader)?;
        let mut user_properties = UserPropertiesReader::default();
        while let Some(id) = block.next_id()? {
            match id {
                id::SESSION_EXPIRY_INTERVAL => self.session_expiry = Some(block.u32()?),
                id::RECEIVE_MAXIMUM => self.receive_maximum = Some(block.nonzero_u16()?),
                id::MAXIMUM_PACKET_SIZE => self.maximum_packet_size = Some(block.nonzero_u32()?),
                id::TOPIC_ALIAS_MAXIMUM => self.topic_alias_maximum = block.u16()?,
                id::REQUEST_RESPONSE_INFORMATION => {
                    self.request_response_information = block.flag()?;
                }
                id::REQUEST_PROBLEM_INFORMATION => {
                    self.request_problem_information = block.flag()?;
                }
                id::USER_PROPERTY => user_properties.read(&mut block)?,
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

    pub(crate) fn check(&self) -> Result<(), EncodeError> {
        if !self.version.is_v5() && self.password.is_some() && self.username.is_none() {
            return Err(EncodeError::PasswordWithoutUserName);
        }
        if self.authentication_data.is_some() && self.authentication_method.is_none() {
            return Err(EncodeError::NoAuthenticationMethod(PacketType::Connect));
        }
        check_binary("password", self.password.as_deref())?;
        check_binary("authentication data", self.authentication_data.as_deref())?;
        self.will.as_ref().map_or(Ok(()), Will::check)
    }

    /// The packet's own version says how.
    pub(crate) fn put(&self, out: &mut dyn Sink) {
        out.binary(self.version.protocol_name().as_bytes());
        out.u8(self.version.level());
        let mut flags = self.will.as_ref().map_or(0, Will::flags);
        for (bit, is_set) in [
            (flag::CLEAN_START, self.clean_start),
            (flag::PASSWORD, self.password.is_some()),
            (flag::USERNAME, self.username.is_some()),
        ] {
            flags |= if is_set { bit } else { 0 };
        }
        out.u8(flags);
        out.u16(self.keep_alive);
        if self.version.is_v5() {
            out.property_block(&|out| self.put_properties(out));
        }
        out.string(&self.client_id);
        if let Some(will) = &self.will {
            will.put(self.version, out);
        }
        if let Some(username) = &self.username {
            out.string(username);
        }
        if let Some(password) = &self.password {
            out.binary(password);
        }
    }

    fn put_properties(&self, out: &mut dyn Sink) {
        out.u32_property(id::SESSION_EXPIRY_INTERVAL, self.session_expiry);
        out.u16_property(id::RECEIVE_MAXIMUM, self.receive_maximum.map(NonZeroU16::get));
        let maximum_packet_size = self.maximum_packet_size.map(NonZeroU32::get);
        out.u32_property(id::MAXIMUM_PACKET_SIZE, maximum_packet_size);
        let topic_alias_maximum = Some(self.topic_alias_maximum).filter(|&maximum| maximum > 0);
        out.u16_property(id::TOPIC_ALIAS_MAXIMUM, topic_alias_maximum);
        let response = self.request_response_information;
        out.flag_property(id::REQUEST_RESPONSE_INFORMATION, response, false);
        let problem = self.request_problem_information;
        out.flag_property(id::REQUEST_PROBLEM_INFORMATION, problem, true);
        out.put(self.user_properties.as_bytes());
        out.string_property(id::AUTHENTICATION_METHOD, self.authentication_method.as_ref());
        out.binary_property(id::AUTHENTICATION_DATA, self.authentication_data.as_ref());
    }
}

/// Refuses what no combination of connect flags may say; gives the Will QoS.
fn check_flags(flags: u8, version: Version) -> Result<QoS, Problem> {
    if flags & flag::RESERVED != 0 {
        return Err(Problem::ReservedConnectFlag);
    }
    if flags & flag::WILL == 0 && flags & (flag::WILL_QOS | flag::WILL_RETAIN) != 0 {
        return Err(Problem::WillFlags);
    }
    if !version.is_v5() && flags & flag::PASSWORD != 0 && flags & flag::USERNAME == 0 {
        return Err(Problem::PasswordWithoutUserName);
    }
    let will_qos = (flags & flag::WILL_QOS) >> 3;
    QoS::from_u8(will_qos).ok_or(Problem::Qos3 { field: "connect flags" })
}

impl fmt::Debug for Connect {
    /// Password and authentication data are secrets: only their presence is shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connect")
            .field("version", &self.version)
            .field("clean_start", &self.clean_start)
            .field("keep_alive", &self.keep_alive)
            .field("client_id", &self.client_id)
            .field("will", &self.will)
            .field("username", &self.username)
            .field("password", &self.password.as_ref().map(|_| "***"))
            .field("session_expiry", &self.session_expiry)
            .field("receive_maximum", &self.receive_maximum)
            .field("maximum_packet_size", &self.maximum_packet_size)
            .field("topic_alias_maximum", &self.topic_alias_maximum)
            .field("request_response_information", &self.request_response_information)
            .field("request_problem_information", &self.request_problem_information)
            .field("user_properties", &self.user_properties)
            .field("authentication_method", &self.authentication_method)
            .field("authentication_data", &self.authentication_data.as_ref().map(|_| "***"))
            .finish()
    }
}
