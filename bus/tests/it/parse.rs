//! Subjects, patterns and headers: what is taken, and that nothing else is.

use gearshift_bus::{Digest, ErrorKind, Headers, Subject, SubjectPattern};
use proptest::prelude::*;

use crate::world::{kind, pattern, subject};

#[test]
fn subjects_are_tokens_joined_by_dots() {
    for text in ["a", "order.paid", "$SRV.INFO", "ä.ö", "a-b_c.1", &"x".repeat(255)] {
        assert_eq!(Subject::parse(text).unwrap().as_str(), text);
    }
    let long = "x".repeat(256);
    for text in ["", ".", "a.", ".a", "a..b", "a b", "a\tb", "a.*", ">", "a>", "\u{0}", &long] {
        let kind = Subject::parse(text).unwrap_err().kind().clone();
        assert!(matches!(kind, ErrorKind::InvalidSubject { .. }), "{text}");
    }
}

#[test]
fn patterns_follow_the_rules_of_wildcards() {
    for (text, matching, other) in [
        ("a", vec!["a"], vec!["b", "a.b"]),
        ("a.*", vec!["a.b"], vec!["a", "a.b.c", "b.a"]),
        ("*.b", vec!["a.b"], vec!["a.c", "b"]),
        ("a.>", vec!["a.b", "a.b.c"], vec!["a", "b.c"]),
        (">", vec!["a", "a.b"], vec![]),
        ("a.*.c", vec!["a.b.c"], vec!["a.c", "a.b.c.d"]),
        ("*.>", vec!["a.b", "a.b.c"], vec!["a"]),
    ] {
        for one in matching {
            assert!(pattern(text).matches(&subject(one)), "{text} {one}");
        }
        for one in other {
            assert!(!pattern(text).matches(&subject(one)), "{text} {one}");
        }
    }
    for text in ["", "a.", "a.>.b", ">.a", "a.>>", "a.b*", "a b", ".>", "a..>"] {
        assert!(SubjectPattern::parse(text).is_err(), "{text}");
    }
}

#[test]
fn headers_replace_in_place_and_keep_their_order() {
    let mut headers = Headers::new();
    headers.insert("Trace-Id", "1").unwrap();
    headers.insert("b", "2").unwrap();
    headers.insert("TRACE-ID", "3").unwrap();
    let pairs: Vec<_> = headers.iter().collect();
    assert_eq!(pairs, [("TRACE-ID", "3"), ("b", "2")]);
    assert_eq!(headers.get("trace-id"), Some("3"));
    assert_eq!(headers.remove("B").as_deref(), Some("2"));
    assert_eq!((headers.len(), headers.is_empty()), (1, false));
    for (name, value) in [("", "v"), ("a b", "v"), ("a:", "v"), ("ä", "v"), ("a", "v\r\nX: 1")] {
        let refused = kind(headers.insert(name, value));
        assert!(matches!(refused, ErrorKind::InvalidHeader { .. }), "{name}");
    }
}

#[test]
fn headers_together_are_limited() {
    let mut headers = Headers::new();
    headers.insert("a", &"x".repeat(4095)).unwrap();
    let refused = kind(headers.insert("b", ""));
    assert_eq!(refused, ErrorKind::TooLarge { size: 4097, limit: 4096 });
    assert_eq!(headers.len(), 1);
    headers.insert("A", "short").unwrap();
    headers.insert("b", "").unwrap();
}

proptest! {
    #[test]
    fn a_subject_is_what_the_rule_says(text in "[a-c.*> \t\u{1f}é]{0,12}") {
        let is_valid = !text.is_empty() && text.split('.').all(|token| {
            !token.is_empty() && token.chars().all(|c| c > ' ' && c != '*' && c != '>')
        });
        prop_assert_eq!(Subject::parse(&text).is_ok(), is_valid);
        if is_valid {
            prop_assert!(pattern(&text).matches(&subject(&text)));
        }
    }

    #[test]
    fn parsing_any_text_never_panics(text in any::<String>(), value in any::<String>()) {
        let subject = Subject::parse(&text);
        if let (Ok(subject), Ok(pattern)) = (&subject, SubjectPattern::parse(&text)) {
            prop_assert!(pattern.matches(subject));
        }
        prop_assert_eq!(Digest::parse(&text).is_ok(), false);
        let mut headers = Headers::new();
        if headers.insert(&text, &value).is_ok() {
            prop_assert_eq!(headers.get(&text.to_ascii_uppercase()), Some(value.as_str()));
            prop_assert!(!value.contains(['\r', '\n']));
        }
    }

    #[test]
    fn a_star_stands_for_any_one_token(tokens in prop::collection::vec("[a-z]{1,3}", 1..6),
                                       index in any::<prop::sample::Index>()) {
        let one = subject(&tokens.join("."));
        let index = index.index(tokens.len());
        let mut starred = tokens.clone();
        starred[index] = "*".to_owned();
        prop_assert!(pattern(&starred.join(".")).matches(&one));
        let mut open = tokens[..index].to_vec();
        open.push(">".to_owned());
        prop_assert!(pattern(&open.join(".")).matches(&one));
    }
}
