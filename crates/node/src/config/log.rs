//! `[log]`: what the process tells about itself, and how.

use super::field::Field;
use super::layers::Value;
use super::nearest::nearest;
use super::reader::Reader;

/// Settings of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Config {
    /// The least important level that is written.
    pub(crate) level: Level,
    /// For people or for programs.
    pub(crate) format: Format,
}

/// How much is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

/// How it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// Lines for people.
    Text,
    /// One JSON object a line.
    Json,
}

impl Config {
    /// Reads the section.
    pub(super) fn read(reader: &mut Reader) -> Self {
        let mut section = reader.section("log");
        Self { level: section.get("level", Level::Info), format: section.get("format", Format::Text) }
    }
}

impl Level {
    const NAMES: [(&'static str, Self); 5] = [
        ("error", Self::Error),
        ("warn", Self::Warn),
        ("info", Self::Info),
        ("debug", Self::Debug),
        ("trace", Self::Trace),
    ];

    /// Its name in the configuration.
    pub(crate) fn name(self) -> &'static str {
        name(&Self::NAMES, self)
    }
}

impl Format {
    const NAMES: [(&'static str, Self); 2] = [("text", Self::Text), ("json", Self::Json)];
}

impl Field for Level {
    const EXPECTED: &'static str = "write one of error, warn, info, debug, trace";

    fn read(value: &Value) -> Result<Self, String> {
        choice(&Self::NAMES, value)
    }

    fn toml(&self) -> String {
        format!("{:?}", self.name())
    }
}

impl Field for Format {
    const EXPECTED: &'static str = "write text or json";

    fn read(value: &Value) -> Result<Self, String> {
        choice(&Self::NAMES, value)
    }

    fn toml(&self) -> String {
        format!("{:?}", name(&Self::NAMES, *self))
    }
}

fn name<T: PartialEq>(names: &[(&'static str, T)], value: T) -> &'static str {
    names.iter().find(|(_, one)| *one == value).map_or("", |(name, _)| name)
}

fn choice<T: Copy>(names: &[(&'static str, T)], value: &Value) -> Result<T, String> {
    let (Value::Text(text) | Value::Untyped(text)) = value else { return Err(String::new()) };
    let text = text.trim();
    if let Some((_, value)) = names.iter().find(|(name, _)| *name == text) {
        return Ok(*value);
    }
    match nearest(text, names.iter().map(|(name, _)| *name)) {
        Some(meant) => Err(format!("did you mean {meant:?}?")),
        None => Err(String::new()),
    }
}
