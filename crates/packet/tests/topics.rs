//! Topic names, topic filters and what matches what (section 4.7 and 4.8.2).
#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use bytes::Bytes;
use quartet_packet::{
    FilterProblem, MAX_LEVELS, StringProblem, Topic, TopicFilter, TopicProblem, Utf8String, matches,
};

fn filter(text: &str) -> Result<TopicFilter, FilterProblem> {
    TopicFilter::try_from(text)
}

#[test]
fn the_grammar_of_filters() {
    use FilterProblem::{Empty, MultiLevelNotLast, WildcardNotAlone};
    let cases = [
        ("#", Ok(())),
        ("/#", Ok(())),
        ("a/#", Ok(())),
        ("+", Ok(())),
        ("+/+", Ok(())),
        ("+/a/#", Ok(())),
        ("//", Ok(())),
        ("a b", Ok(())),
        ("$SYS/#", Ok(())),
        ("$share", Ok(())),
        ("$shared/a", Ok(())),
        ("", Err(Empty)),
        ("a#", Err(WildcardNotAlone)),
        ("#a", Err(WildcardNotAlone)),
        ("a/#/b", Err(MultiLevelNotLast)),
        ("#/", Err(MultiLevelNotLast)),
        ("+a", Err(WildcardNotAlone)),
        ("a+", Err(WildcardNotAlone)),
        ("a/b+/c", Err(WildcardNotAlone)),
        ("++", Err(WildcardNotAlone)),
        ("a\0", Err(FilterProblem::String(StringProblem::Nul { at: 1 }))),
    ];
    for (text, expected) in cases {
        assert_eq!(filter(text).map(|_| ()), expected, "{text}");
    }
}

#[test]
fn the_grammar_of_shared_subscriptions() {
    use FilterProblem::{BadShareName, Empty, EmptyShareName, WildcardNotAlone};
    let cases = [
        ("$share/", Err(BadShareName)),
        ("$share//x", Err(EmptyShareName)),
        ("$share/g", Err(BadShareName)),
        ("$share/g/", Err(Empty)),
        ("$share/a+b/x", Err(BadShareName)),
        ("$share/#/x", Err(BadShareName)),
        ("$share/g/a+", Err(WildcardNotAlone)),
        ("$share/g/x", Ok(Some(("g", "x")))),
        ("$share/g//", Ok(Some(("g", "/")))),
        ("$share/g/+/#", Ok(Some(("g", "+/#")))),
        ("$share/é/$SYS/a", Ok(Some(("é", "$SYS/a")))),
        ("share/g/x", Ok(None)),
    ];
    for (text, expected) in cases {
        let filter = filter(text);
        let share = filter.as_ref().map(TopicFilter::share).map_err(|problem| *problem);
        assert_eq!(share, expected, "{text}");
        if let Ok(filter) = &filter {
            assert_eq!(filter.is_shared(), filter.share().is_some());
            assert_eq!(filter.pattern(), filter.share().map_or(text, |(_, pattern)| pattern));
        }
    }
}

#[test]
fn what_matches_what() {
    let table = [
        ("sport/#", "sport", true),
        ("sport/#", "sport/a/b", true),
        ("sport/#", "sports", false),
        ("sport/+", "sport", false),
        ("sport/+", "sport/", true),
        ("sport/+", "sport/a", true),
        ("sport/+", "sport/a/b", false),
        ("+", "/x", false),
        ("/+", "/x", true),
        ("+/+", "/x", true),
        ("#", "/x", true),
        ("#", "x", true),
        ("#", "$SYS/x", false),
        ("+/x", "$SYS/x", false),
        ("$SYS/#", "$SYS/x", true),
        ("$SYS/+", "$SYS/x", true),
        ("$x/+", "$x/y", true),
        ("$share/g/#", "$SYS/x", false),
        ("$share/g/a/+", "a/b", true),
        ("$share/g/a/+", "$share/g/a/b", false),
        ("a/b", "a/b", true),
        ("a/b", "A/b", false),
        ("a/b", "a/b/", false),
        ("a/b/", "a/b", false),
        ("a/+/c/#", "a//c", true),
        ("\u{FEFF}a", "a", false),
        ("\u{FEFF}a", "\u{FEFF}a", true),
    ];
    for (text, topic, expected) in table {
        let topic = Topic::try_from(topic).unwrap();
        assert_eq!(matches(&filter(text).unwrap(), &topic), expected, "{text} {topic}");
    }
}

#[test]
fn levels_are_bounded() {
    let deep = |levels: usize| vec!["a"; levels].join("/");
    let most = Topic::try_from(deep(MAX_LEVELS).as_str()).unwrap();
    assert_eq!(most.levels().count(), MAX_LEVELS);
    let levels = MAX_LEVELS + 1;
    let problem = Topic::try_from(deep(levels).as_str()).unwrap_err();
    assert_eq!(problem, TopicProblem::TooManyLevels { levels });
    assert!(filter(&deep(MAX_LEVELS)).is_ok());
    assert_eq!(filter(&deep(levels)), Err(FilterProblem::TooManyLevels));
    // The bound is on what is matched: the share name is not part of it.
    assert!(filter(&format!("$share/g/{}", deep(MAX_LEVELS))).is_ok());
}

#[test]
fn topics_say_which_fault_comes_first() {
    let cases: [(&[u8], TopicProblem); 5] = [
        (b"", TopicProblem::Empty),
        (b"a/+", TopicProblem::Wildcard { at: 2 }),
        (b"#", TopicProblem::Wildcard { at: 0 }),
        (b"a\0", StringProblem::Nul { at: 1 }.into()),
        (b"ab\xFF", StringProblem::NotUtf8 { at: 2 }.into()),
    ];
    for (bytes, problem) in cases {
        assert_eq!(Topic::from_bytes(Bytes::from_static(bytes)), Err(problem));
    }
}

#[test]
fn strings_end_at_65535_bytes() {
    let longest = "é".repeat(32_767) + "a";
    assert_eq!(longest.len(), Utf8String::MAX_LENGTH);
    assert!(Utf8String::try_from(longest.as_str()).is_ok());
    let longer = longest + "a";
    let problem = Utf8String::try_from(longer.as_str()).unwrap_err();
    assert_eq!(problem, StringProblem::TooLong { length: 65_536 });
}
