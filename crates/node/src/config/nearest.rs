//! The key somebody probably meant.
//!
//! Distance counts inserted, removed, changed and swapped letters (optimal string alignment), after case and the
//! choice of `-` or `_` are taken out: those are the commonest slips and should never hide the right key.

/// The candidate nearest to `written`, if one is near enough to be worth a question: at most a third of its length
/// away, and two letters at least, or one holds the other whole.
pub(crate) fn nearest<'a>(written: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let written = plain(written);
    candidates
        .into_iter()
        .filter_map(|candidate| {
            let name = plain(candidate);
            let distance = distance(&written, &name);
            let limit = (name.len().max(written.len()) / 3).max(2);
            let held = written.len() >= 4
                && name.len() >= 4
                && (contains(&name, &written) || contains(&written, &name));
            (distance <= limit || held).then_some((distance, candidate))
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

fn plain(name: &str) -> Vec<char> {
    name.chars().filter(|c| *c != '-' && *c != '_').flat_map(char::to_lowercase).collect()
}

fn contains(whole: &[char], part: &[char]) -> bool {
    whole.windows(part.len()).any(|window| window == part)
}

fn distance(a: &[char], b: &[char]) -> usize {
    let mut before_last = vec![0; b.len() + 1];
    let mut last: Vec<usize> = (0..=b.len()).collect();
    let mut row = last.clone();
    for i in 1..=a.len() {
        row[0] = i;
        for j in 1..=b.len() {
            let change = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            row[j] = change.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(before_last[j - 2] + 1);
            }
        }
        (before_last, last, row) = (last, row, before_last);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: [&str; 4] = ["maximum_packet_size", "receive_maximum", "connect_timeout", "data_dir"];

    #[test]
    fn finds_what_was_meant() {
        for (written, meant) in [
            ("maximum_paket_size", "maximum_packet_size"),
            ("max_packet_size", "maximum_packet_size"),
            ("recieve_maximum", "receive_maximum"),
            ("connect-timeout", "connect_timeout"),
            ("connectTimeout", "connect_timeout"),
            ("datadir", "data_dir"),
            ("timeout", "connect_timeout"),
        ] {
            assert_eq!(nearest(written, KEYS), Some(meant), "{written}");
        }
    }

    #[test]
    fn says_nothing_when_nothing_is_near() {
        for written in ["", "x", "bridge", "password_file"] {
            assert_eq!(nearest(written, KEYS), None, "{written}");
        }
    }

    #[test]
    fn a_swap_counts_once() {
        assert_eq!(distance(&plain("abcd"), &plain("abdc")), 1);
        assert_eq!(distance(&plain("kitten"), &plain("sitting")), 3);
        assert_eq!(distance(&plain(""), &plain("abc")), 3);
    }
}
