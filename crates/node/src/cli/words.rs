//! Numbers in words people read at a glance.

/// A span in its two largest units: `2 h 5 min`, `12 s`, `340 ms`.
pub(crate) fn span(milliseconds: u64) -> String {
    let units = [("d", 86_400_000), ("h", 3_600_000), ("min", 60_000), ("s", 1000), ("ms", 1)];
    let Some(first) = units.iter().position(|(_, size)| milliseconds >= *size) else {
        return "0 s".to_owned();
    };
    let (name, size) = units[first];
    let rest = milliseconds % size;
    match units.get(first + 1) {
        Some((next, next_size)) if first + 2 < units.len() && rest >= *next_size => {
            format!("{} {name} {} {next}", milliseconds / size, rest / next_size)
        }
        _ => format!("{} {name}", milliseconds / size),
    }
}

/// A size in the largest binary unit that keeps it above one, rounded down: `3 MiB`, `512 B`.
pub(crate) fn bytes(count: u64) -> String {
    let units = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    match units.iter().find(|(_, size)| count >= *size) {
        Some((name, size)) => format!("{} {name}", count / size),
        None => format!("{count} B"),
    }
}

/// "1 message", "2 messages".
pub(crate) fn count(number: u64, one: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{number} {one}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans() {
        for (milliseconds, words) in [
            (0, "0 s"),
            (340, "340 ms"),
            (12_999, "12 s"),
            (61_000, "1 min 1 s"),
            (60_000, "1 min"),
            (7_500_000, "2 h 5 min"),
            (90_000_000, "1 d 1 h"),
        ] {
            assert_eq!(span(milliseconds), words);
        }
    }

    #[test]
    fn sizes_and_counts() {
        assert_eq!((bytes(512), bytes(3 << 20)), ("512 B".into(), "3 MiB".into()));
        assert_eq!((count(1, "node"), count(0, "node")), ("1 node".into(), "0 nodes".into()));
    }
}
