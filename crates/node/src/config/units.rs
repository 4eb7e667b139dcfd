//! Sizes and spans of time as people write them: `256 KiB`, `10s`.
//!
//! A size may be a bare number of bytes; a span of time must name its unit, since a bare `10` has meant seconds
//! here and milliseconds there in too many brokers. Whole numbers only: `1.5 MiB` is `1536 KiB`.

use std::fmt;
use std::time::Duration;

/// A number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ByteSize(pub(crate) u64);

impl ByteSize {
    /// So many KiB.
    pub(crate) const fn kib(count: u64) -> Self {
        Self(count << 10)
    }

    /// So many MiB.
    pub(crate) const fn mib(count: u64) -> Self {
        Self(count << 20)
    }
}

/// A span of time; whole milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Span(pub(crate) Duration);

impl Span {
    /// So many milliseconds.
    pub(crate) const fn milliseconds(count: u64) -> Self {
        Self(Duration::from_millis(count))
    }

    /// So many seconds.
    pub(crate) const fn seconds(count: u64) -> Self {
        Self(Duration::from_secs(count))
    }
}

const SIZES: [(&str, u64); 9] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("KB", 1_000),
    ("B", 1),
];

/// Milliseconds in each unit; the first name of each is the one printed.
const SPANS: [(&[&str], u64); 5] = [
    (&["d", "day", "days"], 86_400_000),
    (&["h", "hour", "hours"], 3_600_000),
    (&["min", "m", "minute", "minutes"], 60_000),
    (&["s", "sec", "second", "seconds"], 1_000),
    (&["ms", "millisecond", "milliseconds"], 1),
];

/// `text` as a size, or what is wrong with it.
pub(crate) fn parse_size(text: &str) -> Result<ByteSize, String> {
    let (count, unit) = split(text)?;
    let factor = match unit {
        "" => 1,
        unit => SIZES
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(unit))
            .map(|(_, factor)| *factor)
            .ok_or_else(|| format!("unknown unit {unit:?}"))?,
    };
    count.checked_mul(factor).map(ByteSize).ok_or_else(|| "the size does not fit 64 bits".to_owned())
}

/// `text` as a span of time, or what is wrong with it.
pub(crate) fn parse_span(text: &str) -> Result<Span, String> {
    let (count, unit) = split(text)?;
    if unit.is_empty() {
        return Err("the unit is missing".to_owned());
    }
    let (_, factor) = SPANS
        .iter()
        .find(|(names, _)| names.contains(&unit))
        .ok_or_else(|| format!("unknown unit {unit:?}"))?;
    count
        .checked_mul(*factor)
        .map(|milliseconds| Span(Duration::from_millis(milliseconds)))
        .ok_or_else(|| "the span does not fit 64 bits of milliseconds".to_owned())
}

/// The digits and what follows them. `_` may group digits, as in TOML.
fn split(text: &str) -> Result<(u64, &str), String> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '_').unwrap_or(text.len());
    let digits: String = text[..end].chars().filter(char::is_ascii_digit).collect();
    if digits.is_empty() {
        return Err("it does not begin with a whole number".to_owned());
    }
    let unit = text[end..].trim_start();
    if unit.starts_with(['.', ',']) {
        return Err("only whole numbers are read: write it in a smaller unit".to_owned());
    }
    let count = digits.parse().map_err(|_| "the number does not fit 64 bits".to_owned())?;
    Ok((count, unit))
}

impl fmt::Display for ByteSize {
    /// The largest unit that divides it: `256 KiB`, `1000 B`. Reads back as itself.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, factor) = SIZES
            .iter()
            .filter(|(name, _)| name.ends_with("iB"))
            .find(|(_, factor)| self.0 != 0 && self.0.is_multiple_of(*factor))
            .unwrap_or(&("B", 1));
        write!(f, "{} {name}", self.0 / factor)
    }
}

impl fmt::Display for Span {
    /// The largest unit that divides it: `10 s`, `250 ms`. Reads back as itself.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let milliseconds = u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX);
        let (names, factor) = SPANS
            .iter()
            .find(|(_, factor)| milliseconds != 0 && milliseconds.is_multiple_of(*factor))
            .unwrap_or(&(&["s"], 1_000));
        write!(f, "{} {}", milliseconds / factor, names[0])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (text, bytes) in [
            ("0", 0),
            ("1024", 1024),
            ("1_000 B", 1000),
            ("256 KiB", 256 << 10),
            ("256kib", 256 << 10),
            ("  4MiB ", 4 << 20),
            ("1 GB", 1_000_000_000),
            ("2TiB", 2 << 40),
        ] {
            assert_eq!(parse_size(text), Ok(ByteSize(bytes)), "{text}");
        }
    }

    #[test]
    fn bad_sizes_say_what_is_wrong() {
        for (text, wrong) in [
            ("", "it does not begin with a whole number"),
            ("many", "it does not begin with a whole number"),
            ("-1", "it does not begin with a whole number"),
            ("1.5 MiB", "only whole numbers are read: write it in a smaller unit"),
            ("3 KX", "unknown unit \"KX\""),
            ("99999999999999999999", "the number does not fit 64 bits"),
            ("18446744073709551615 KiB", "the size does not fit 64 bits"),
        ] {
            assert_eq!(parse_size(text), Err(wrong.to_owned()), "{text}");
        }
    }

    #[test]
    fn spans() {
        for (text, milliseconds) in [
            ("250ms", 250),
            ("10 s", 10_000),
            ("10s", 10_000),
            ("2 min", 120_000),
            ("1h", 3_600_000),
            ("0s", 0),
        ] {
            assert_eq!(parse_span(text), Ok(Span::milliseconds(milliseconds)), "{text}");
        }
    }

    #[test]
    fn bad_spans_say_what_is_wrong() {
        for (text, wrong) in [
            ("10", "the unit is missing"),
            ("10 parsecs", "unknown unit \"parsecs\""),
            ("0.5s", "only whole numbers are read: write it in a smaller unit"),
            ("400000000000000 d", "the span does not fit 64 bits of milliseconds"),
        ] {
            assert_eq!(parse_span(text), Err(wrong.to_owned()), "{text}");
        }
    }

    #[test]
    fn what_is_printed_reads_back() {
        for bytes in [0, 1, 1000, 1024, 1536, 256 << 10, 64 << 20, u64::MAX] {
            let printed = ByteSize(bytes).to_string();
            assert_eq!(parse_size(&printed), Ok(ByteSize(bytes)), "{printed}");
        }
        for milliseconds in [0, 1, 250, 1000, 1500, 60_000, 86_400_000] {
            let printed = Span::milliseconds(milliseconds).to_string();
            assert_eq!(parse_span(&printed), Ok(Span::milliseconds(milliseconds)), "{printed}");
        }
        assert_eq!(ByteSize(256 << 10).to_string(), "256 KiB");
        assert_eq!(Span::seconds(90).to_string(), "90 s");
    }
}
