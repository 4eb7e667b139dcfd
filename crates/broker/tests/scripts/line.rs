//! The words of a line.
//!
//! ```text
//! alice CONNECT [node=B] [clean] [expiry=60|never] [receive_maximum=2] [read_at=-1] [principal=x] [v3]
//! alice DISCONNECT [expiry=0]                  alice LOST                     (a lost socket)
//! alice PUBLISH t "hi" [qos=2] [id=7] [dup] [retain] [expiry=10] [refuse=0x87]
//! alice PUBACK 1 [2 3 …] [reason=0x80]         PUBREC, PUBREL, PUBCOMP, DISCARD likewise: one command
//! alice SUBSCRIBE a @1, b/# @2 no_local as_published [identifier=5] [refuse=0x8F]     (@ or qos=: the level)
//! alice UNSUBSCRIBE a, b/#
//! NODEUP A 2      NODEDOWN A 2                 wait 5
//! settings maximum_inflight=2 …                upgrade 2       vote A 7 digest=1      poison alice
//! lose …command…  the command gets its number, and does not come
//! resend A        all that node A has proposed beyond its cursor comes again
//! replay A        all that node A ever proposed in its boot comes again
//! show alice      her session                  trace          also what is stored, released and routed
//! cycle 100 alice t qos=1 bob                  alice publishes and bob answers, so many times, without a word
//! & …             in the same entry as the line above
//! ```
//!
//! A name is a client id. Its newest connection is meant; `alice.1` is her first one.

use std::collections::BTreeMap;

/// A line cut into words; `key=value` apart, and quoted text whole.
#[derive(Clone, Debug, Default)]
pub(crate) struct Line {
    pub(crate) words: Vec<String>,
    options: BTreeMap<String, String>,
}

pub(crate) type Outcome<T> = Result<T, String>;

impl Line {
    pub(crate) fn parse(line: &str) -> Outcome<Self> {
        let mut parsed = Self::default();
        let mut rest = line.trim();
        while !rest.is_empty() {
            if let Some(quoted) = rest.strip_prefix('"') {
                let (text, after) = quoted.split_once('"').ok_or("a quote is not closed")?;
                parsed.words.push(text.into());
                rest = after.trim_start();
                continue;
            }
            let (word, after) = rest.split_once(' ').unwrap_or((rest, ""));
            match word.split_once('=') {
                Some((key, value)) => {
                    parsed.options.insert(key.into(), value.into());
                }
                None => parsed.words.push(word.into()),
            }
            rest = after.trim_start();
        }
        Ok(parsed)
    }

    pub(crate) fn word(&self, at: usize) -> Outcome<&str> {
        let word = self.words.get(at).map(String::as_str);
        word.ok_or_else(|| format!("word {} is missing", at + 1))
    }

    pub(crate) fn number(&self, at: usize) -> Outcome<u64> {
        number(self.word(at)?)
    }

    pub(crate) fn has(&self, word: &str) -> bool {
        self.words.iter().any(|found| found == word)
    }

    pub(crate) fn text(&self, key: &str) -> Option<&str> {
        self.options.get(key).map(String::as_str)
    }

    pub(crate) fn option(&self, key: &str) -> Outcome<Option<u64>> {
        self.text(key).map(number).transpose()
    }

    pub(crate) fn options(&self) -> impl Iterator<Item = (&str, &str)> {
        self.options.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }
}

pub(crate) fn number(text: &str) -> Outcome<u64> {
    let number = match text.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16),
        None => text.parse(),
    };
    number.map_err(|_| format!("{text} is no number"))
}
