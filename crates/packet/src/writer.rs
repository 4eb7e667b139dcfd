//! Writes the data types of MQTT 5.0 section 1.5, or only counts their bytes.
//!
//! A packet is described once, by what it puts into a [`Sink`]; putting it into a [`Length`] gives the
//! number for the Remaining Length, putting it into a `BytesMut` gives the bytes. PUBLISH and the short
//! acknowledgements have faster ways of their own.

use bytes::{Bytes, BytesMut};

use crate::Utf8String;
use crate::properties::id;

/// The largest variable byte integer, and so the largest Remaining Length (section 1.5.5).
pub(crate) const MAX_VARIABLE_BYTE_INTEGER: usize = 268_435_455;

/// Where bytes go.
pub(crate) trait Sink {
    fn put(&mut self, bytes: &[u8]);
}

/// Counts.
#[derive(Debug, Default)]
pub(crate) struct Length(pub(crate) usize);

impl Sink for Length {
    fn put(&mut self, bytes: &[u8]) {
        self.0 += bytes.len();
    }
}

impl Sink for BytesMut {
    fn put(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}

impl dyn Sink + '_ {
    pub(crate) fn u8(&mut self, value: u8) {
        self.put(&[value]);
    }

    pub(crate) fn u16(&mut self, value: u16) {
        self.put(&value.to_be_bytes());
    }

    pub(crate) fn u32(&mut self, value: u32) {
        self.put(&value.to_be_bytes());
    }

    pub(crate) fn variable_byte_integer(&mut self, value: usize) {
        let (bytes, length) = variable_byte_integer(value);
        self.put(bytes.get(..length).unwrap_or_default());
    }

    /// Two bytes of length, then the bytes: at most 65 535, which the packet's check has seen to.
    pub(crate) fn binary(&mut self, bytes: &[u8]) {
        debug_assert!(bytes.len() <= Utf8String::MAX_LENGTH);
        self.u16(u16::try_from(bytes.len()).unwrap_or(u16::MAX));
        self.put(bytes);
    }

    pub(crate) fn string(&mut self, text: &Utf8String) {
        self.binary(text.as_bytes());
    }

    /// The length of what `properties` puts, then that.
    pub(crate) fn property_block(&mut self, properties: &dyn Fn(&mut dyn Sink)) {
        let mut length = Length::default();
        properties(&mut length);
        self.variable_byte_integer(length.0);
        properties(self);
    }

    /// A property of one byte, left out when it says what its absence says.
    pub(crate) fn flag_property(&mut self, property: u8, value: bool, default: bool) {
        if value != default {
            self.put(&[property, u8::from(value)]);
        }
    }

    pub(crate) fn u16_property(&mut self, property: u8, value: Option<u16>) {
        if let Some(value) = value {
            self.u8(property);
            self.u16(value);
        }
    }

    pub(crate) fn u32_property(&mut self, property: u8, value: Option<u32>) {
        if let Some(value) = value {
            self.u8(property);
            self.u32(value);
        }
    }

    pub(crate) fn string_property(&mut self, property: u8, value: Option<&Utf8String>) {
        if let Some(value) = value {
            self.u8(property);
            self.string(value);
        }
    }

    pub(crate) fn binary_property(&mut self, property: u8, value: Option<&Bytes>) {
        if let Some(value) = value {
            self.u8(property);
            self.binary(value);
        }
    }

    pub(crate) fn subscription_identifier(&mut self, value: Option<u32>) {
        if let Some(value) = value {
            self.u8(id::SUBSCRIPTION_IDENTIFIER);
            self.variable_byte_integer(usize::try_from(value).unwrap_or(usize::MAX));
        }
    }
}

/// The bytes of a variable byte integer and how many of the four count. A value over
/// [`MAX_VARIABLE_BYTE_INTEGER`] is cut to it: callers refuse such packets before.
#[inline]
pub(crate) fn variable_byte_integer(value: usize) -> ([u8; 4], usize) {
    let mut rest = value.min(MAX_VARIABLE_BYTE_INTEGER);
    let mut bytes = [0; 4];
    let mut length = 0;
    for byte in &mut bytes {
        let [.., low] = rest.to_be_bytes();
        rest >>= 7;
        length += 1;
        if rest == 0 {
            *byte = low & 0x7F;
            break;
        }
        *byte = low | 0x80;
    }
    (bytes, length)
}

/// How many bytes [`variable_byte_integer`] takes: 1 to 4.
pub(crate) const fn variable_byte_integer_length(value: usize) -> usize {
    match value {
        0..=0x7F => 1,
        0x80..=0x3FFF => 2,
        0x4000..=0x1F_FFFF => 3,
        _ => 4,
    }
}
