//! The kinds of value a setting can have, each read from what was written and printed as TOML.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::layers::Value;
use super::units::{ByteSize, Span, parse_size, parse_span};

/// A kind of value.
pub(crate) trait Field: Sized {
    /// What to write instead, with an example: ends an error's line.
    const EXPECTED: &'static str;

    /// The value, or what is wrong with what was written (empty: its kind alone is wrong).
    fn read(value: &Value) -> Result<Self, String>;

    /// As one writes it in TOML.
    fn toml(&self) -> String;
}

/// The text of a text value, whichever layer it comes from.
fn text(value: &Value) -> Option<&str> {
    match value {
        Value::Text(text) | Value::Untyped(text) => Some(text),
        Value::Integer(_) | Value::Boolean(_) | Value::List(_) | Value::Other(_) => None,
    }
}

impl Field for String {
    const EXPECTED: &'static str = "write text in quotes";

    fn read(value: &Value) -> Result<Self, String> {
        text(value).map(str::to_owned).ok_or_default()
    }

    fn toml(&self) -> String {
        format!("{self:?}")
    }
}

impl Field for PathBuf {
    const EXPECTED: &'static str = "write a path in quotes";

    fn read(value: &Value) -> Result<Self, String> {
        match text(value) {
            Some("") => Err("the path is empty".to_owned()),
            Some(path) => Ok(Self::from(path)),
            None => Err(String::new()),
        }
    }

    fn toml(&self) -> String {
        format!("{:?}", self.to_string_lossy())
    }
}

impl Field for bool {
    const EXPECTED: &'static str = "write true or false";

    fn read(value: &Value) -> Result<Self, String> {
        match value {
            Value::Boolean(value) => Ok(*value),
            Value::Untyped(text) => text.trim().parse().map_err(|_| String::new()),
            Value::Text(_) | Value::Integer(_) | Value::List(_) | Value::Other(_) => Err(String::new()),
        }
    }

    fn toml(&self) -> String {
        self.to_string()
    }
}

/// Digits of an integer, whichever layer it comes from.
fn digits(value: &Value) -> Option<&str> {
    match value {
        Value::Integer(digits) | Value::Untyped(digits) => Some(digits.trim()),
        Value::Text(_) | Value::Boolean(_) | Value::List(_) | Value::Other(_) => None,
    }
}

/// Unsigned integers; their range is said with the error.
macro_rules! integer {
    ($kind:ty, $expected:literal) => {
        impl Field for $kind {
            const EXPECTED: &'static str = $expected;

            fn read(value: &Value) -> Result<Self, String> {
                digits(value).and_then(|digits| digits.replace('_', "").parse().ok()).ok_or_default()
            }

            fn toml(&self) -> String {
                self.to_string()
            }
        }
    };
}

integer!(u16, "write a whole number from 0 to 65535");
integer!(u32, "write a whole number from 0 to 4294967295");
integer!(u64, "write a whole number, not negative");

impl Field for ByteSize {
    const EXPECTED: &'static str = "write a whole number and B, KB, MB, GB, KiB, MiB or GiB, as \"256 KiB\"";

    fn read(value: &Value) -> Result<Self, String> {
        match value {
            Value::Text(text) | Value::Untyped(text) | Value::Integer(text) => parse_size(text),
            Value::Boolean(_) | Value::List(_) | Value::Other(_) => Err(String::new()),
        }
    }

    fn toml(&self) -> String {
        format!("\"{self}\"")
    }
}

impl Field for Span {
    const EXPECTED: &'static str = "write a whole number and ms, s, min, h or d, as \"10s\"";

    fn read(value: &Value) -> Result<Self, String> {
        match value {
            Value::Text(text) | Value::Untyped(text) | Value::Integer(text) => parse_span(text),
            Value::Boolean(_) | Value::List(_) | Value::Other(_) => Err(String::new()),
        }
    }

    fn toml(&self) -> String {
        format!("\"{self}\"")
    }
}

impl Field for SocketAddr {
    const EXPECTED: &'static str = "write an IP address and a port, as \"127.0.0.1:1884\" or \"[::1]:1884\"";

    fn read(value: &Value) -> Result<Self, String> {
        let text = text(value).ok_or_default()?;
        let address: Self = text.trim().parse().map_err(|_| String::new())?;
        if address.port() == 0 {
            return Err("port 0 would be a different port at each start".to_owned());
        }
        Ok(address)
    }

    fn toml(&self) -> String {
        format!("\"{self}\"")
    }
}

/// Turns a missing value into "its kind alone is wrong".
pub(crate) trait OkOrDefault<T> {
    /// `Err` of an empty text for `None`.
    fn ok_or_default(self) -> Result<T, String>;
}

impl<T> OkOrDefault<T> for Option<T> {
    fn ok_or_default(self) -> Result<T, String> {
        self.ok_or_else(String::new)
    }
}

/// A list of values of one kind: a TOML array, or text split at commas from the environment and flags.
pub(crate) fn read_list<T: Field>(value: &Value) -> Result<Vec<T>, String> {
    match value {
        Value::List(items) => items
            .iter()
            .enumerate()
            .map(|(index, item)| T::read(item).map_err(|wrong| in_item(index, item, &wrong)))
            .collect(),
        Value::Untyped(text) => text
            .split(',')
            .map(str::trim)
            .filter(|item| !item.is_empty())
            .enumerate()
            .map(|(index, item)| {
                let item = Value::Untyped(item.to_owned());
                T::read(&item).map_err(|wrong| in_item(index, &item, &wrong))
            })
            .collect(),
        Value::Text(_) | Value::Integer(_) | Value::Boolean(_) | Value::Other(_) => Err(String::new()),
    }
}

fn in_item(index: usize, item: &Value, wrong: &str) -> String {
    let colon = if wrong.is_empty() { "" } else { ": " };
    format!("entry {} is {item}{colon}{wrong}", index + 1)
}
