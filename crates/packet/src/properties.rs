//! Properties of MQTT 5.0 (section 2.2.2): their identifiers, and a block of them being read.
//!
//! Each packet's file lists the properties it may carry by matching on the identifier; whatever it does
//! not list is refused. User Properties, and all that a broker forwards unaltered, are validated once
//! and kept as the bytes they came in.

mod gather;
mod publish;
mod user;

pub(crate) use gather::Gather;
pub(crate) use publish::ForwardedReader;
pub use publish::{Property, PublishProperties};
pub(crate) use user::UserPropertiesReader;
pub use user::{MAX_USER_PROPERTIES, UserProperties};

use core::num::{NonZeroU16, NonZeroU32};

use bytes::{BufMut, Bytes, BytesMut};

use crate::reader::Reader;
use crate::{Problem, Topic, Utf8String};

/// Property identifiers.
pub(crate) mod id {
    pub(crate) const PAYLOAD_FORMAT_INDICATOR: u8 = 0x01;
    pub(crate) const MESSAGE_EXPIRY_INTERVAL: u8 = 0x02;
    pub(crate) const CONTENT_TYPE: u8 = 0x03;
    pub(crate) const RESPONSE_TOPIC: u8 = 0x08;
    pub(crate) const CORRELATION_DATA: u8 = 0x09;
    pub(crate) const SUBSCRIPTION_IDENTIFIER: u8 = 0x0B;
    pub(crate) const SESSION_EXPIRY_INTERVAL: u8 = 0x11;
    pub(crate) const ASSIGNED_CLIENT_IDENTIFIER: u8 = 0x12;
    pub(crate) const SERVER_KEEP_ALIVE: u8 = 0x13;
    pub(crate) const AUTHENTICATION_METHOD: u8 = 0x15;
    pub(crate) const AUTHENTICATION_DATA: u8 = 0x16;
    pub(crate) const REQUEST_PROBLEM_INFORMATION: u8 = 0x17;
    pub(crate) const WILL_DELAY_INTERVAL: u8 = 0x18;
    pub(crate) const REQUEST_RESPONSE_INFORMATION: u8 = 0x19;
    pub(crate) const RESPONSE_INFORMATION: u8 = 0x1A;
    pub(crate) const SERVER_REFERENCE: u8 = 0x1C;
    pub(crate) const REASON_STRING: u8 = 0x1F;
    pub(crate) const RECEIVE_MAXIMUM: u8 = 0x21;
    pub(crate) const TOPIC_ALIAS_MAXIMUM: u8 = 0x22;
    pub(crate) const TOPIC_ALIAS: u8 = 0x23;
    pub(crate) const MAXIMUM_QOS: u8 = 0x24;
    pub(crate) const RETAIN_AVAILABLE: u8 = 0x25;
    pub(crate) const USER_PROPERTY: u8 = 0x26;
    pub(crate) const MAXIMUM_PACKET_SIZE: u8 = 0x27;
    pub(crate) const WILDCARD_SUBSCRIPTION_AVAILABLE: u8 = 0x28;
    pub(crate) const SUBSCRIPTION_IDENTIFIER_AVAILABLE: u8 = 0x29;
    pub(crate) const SHARED_SUBSCRIPTION_AVAILABLE: u8 = 0x2A;
}

/// A property block being read: who may come is the caller's rule, that each comes once is checked here.
#[derive(Debug)]
pub(crate) struct PropertyBlock<'a> {
    reader: &'a mut Reader,
    /// Where the reader goes on to after the block.
    outer_end: usize,
    /// Bit `n` is set once property `n` has come.
    seen: u64,
    /// The property being read, for errors.
    current: u8,
    /// Where it starts, identifier included.
    start: usize,
}

impl<'a> PropertyBlock<'a> {
    /// The block at the reader's place: its length, then that many bytes.
    pub(crate) fn read(reader: &'a mut Reader) -> Result<Self, Problem> {
        let length = reader.variable_byte_integer("property length")?;
        let outer_end = reader.enter(usize::try_from(length).unwrap_or(usize::MAX), "properties")?;
        Ok(Self { outer_end, ..Self::rest_of(reader) })
    }

    /// A block without its length: all that the reader still has.
    pub(crate) fn rest_of(reader: &'a mut Reader) -> Self {
        let outer_end = reader.end();
        Self { reader, outer_end, seen: 0, current: 0, start: 0 }
    }

    /// The identifier of the next property, whose value is to be read next; `None` at the end, from
    /// where the reader goes on.
    ///
    /// Identifiers are variable byte integers, but all of them are below 0x80, so a longer one is just
    /// an unknown one.
    pub(crate) fn next_id(&mut self) -> Result<Option<u8>, Problem> {
        if self.reader.is_at_end() {
            self.reader.leave(self.outer_end);
            return Ok(None);
        }
        self.start = self.reader.at();
        self.current = self.reader.u8("property identifier")?;
        if self.current != id::USER_PROPERTY && self.current != id::SUBSCRIPTION_IDENTIFIER {
            let bit = 1_u64.checked_shl(u32::from(self.current)).unwrap_or(0);
            if self.seen & bit != 0 {
                return Err(Problem::PropertyTwice { property: self.current });
            }
            self.seen |= bit;
        }
        Ok(Some(self.current))
    }

    /// Whether there is no property to come; if so, the reader goes on after the block.
    pub(crate) fn is_empty(&mut self) -> bool {
        let is_empty = self.reader.is_at_end();
        if is_empty {
            self.reader.leave(self.outer_end);
        }
        is_empty
    }

    /// The bytes that [`keep`](Self::keep) counts in.
    pub(crate) fn buffer(&self) -> &Bytes {
        self.reader.buffer()
    }

    /// The refusal of the current property in this packet.
    pub(crate) fn not_allowed(&self) -> Problem {
        Problem::PropertyNotAllowed { property: self.current }
    }

    /// The refusal of the current property's value.
    pub(crate) fn bad_value(&self) -> Problem {
        Problem::PropertyValue { property: self.current }
    }

    /// The current property's bytes, from its identifier to where reading has come, go to `gather`.
    pub(crate) fn keep(&self, gather: &mut Gather) {
        gather.add(self.buffer(), self.start..self.reader.at());
    }

    /// A byte that says 0 or 1.
    pub(crate) fn flag(&mut self) -> Result<bool, Problem> {
        match self.reader.u8("property value")? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(self.bad_value()),
        }
    }

    pub(crate) fn u16(&mut self) -> Result<u16, Problem> {
        self.reader.u16("property value")
    }

    /// Above 0.
    pub(crate) fn nonzero_u16(&mut self) -> Result<NonZeroU16, Problem> {
        let value = self.u16()?;
        NonZeroU16::new(value).ok_or(self.bad_value())
    }

    /// Above 0.
    pub(crate) fn nonzero_u32(&mut self) -> Result<NonZeroU32, Problem> {
        let value = self.u32()?;
        NonZeroU32::new(value).ok_or(self.bad_value())
    }

    pub(crate) fn u32(&mut self) -> Result<u32, Problem> {
        self.reader.u32("property value")
    }

    /// A variable byte integer above 0.
    pub(crate) fn subscription_identifier(&mut self) -> Result<u32, Problem> {
        match self.reader.variable_byte_integer("property value")? {
            0 => Err(self.bad_value()),
            value => Ok(value),
        }
    }

    pub(crate) fn string(&mut self, field: &'static str) -> Result<Utf8String, Problem> {
        self.reader.string(field)
    }

    pub(crate) fn skip_string(&mut self, field: &'static str) -> Result<(), Problem> {
        self.reader.skip_string(field)
    }

    pub(crate) fn skip_binary(&mut self, field: &'static str) -> Result<(), Problem> {
        self.reader.skip_binary(field)
    }

    pub(crate) fn binary(&mut self, field: &'static str) -> Result<Bytes, Problem> {
        self.reader.binary(field)
    }

    /// A string that must be a topic name; if it is a string but no name, the value is at fault.
    pub(crate) fn topic(&mut self, field: &'static str) -> Result<Topic, Problem> {
        let string = self.reader.string(field)?;
        Topic::try_from(string).map_err(|_| self.bad_value())
    }
}

/// Appends two bytes of length and the bytes. Whoever made them has checked that they are few enough.
pub(crate) fn put_binary(bytes: &[u8], out: &mut BytesMut) {
    debug_assert!(bytes.len() <= Utf8String::MAX_LENGTH);
    out.put_u16(u16::try_from(bytes.len()).unwrap_or(u16::MAX));
    out.put_slice(bytes);
}
