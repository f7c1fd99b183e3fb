//! [`Subject`], [`SubjectPattern`]: parsed once, matched often.

use std::fmt;
use std::sync::Arc;

use crate::{Error, ErrorKind};

/// Longest subject or pattern, in bytes.
const SUBJECT_BYTES_MAX: usize = 255;

/// Where a message goes: tokens joined by `.`, such as `order.paid`.
///
/// A token is not empty and holds no space, control character, `.`, `*` or `>`. At most 255
/// bytes. A clone copies no text.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subject(Arc<str>);

impl Subject {
    /// Reads a subject.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidSubject`] if `text` is not one.
    pub fn parse(text: &str) -> Result<Self, Error> {
        if !is_subject(text) {
            check(text, is_token)?;
        }
        Ok(Self(text.into()))
    }

    /// The text as parsed.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The tokens, in order.
    pub fn tokens(&self) -> impl Iterator<Item = &str> {
        self.0.split('.')
    }
}

/// Which subjects are meant: `*` stands for one token, `>` at the end for one or more.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubjectPattern(Arc<str>);

impl SubjectPattern {
    /// Reads a pattern. Every subject is also a pattern that matches itself only.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidSubject`] if `text` is not one.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let inner = text.strip_suffix(".>").unwrap_or(text);
        if text != ">" {
            check(inner, |token| token == "*" || is_token(token))?;
        }
        if text.len() > SUBJECT_BYTES_MAX {
            return Err(invalid(text, "it is longer than 255 bytes"));
        }
        Ok(Self(text.into()))
    }

    /// Whether `subject` is meant.
    #[must_use]
    pub fn matches(&self, subject: &Subject) -> bool {
        // Most patterns are a subject, and no subject holds a wildcard.
        if *self.0 == *subject.0 {
            return true;
        }
        let mut tokens = subject.tokens();
        for expected in self.tokens() {
            match (expected, tokens.next()) {
                (">", Some(_)) => return true,
                ("*", Some(_)) => {}
                (expected, Some(token)) if expected == token => {}
                _ => return false,
            }
        }
        tokens.next().is_none()
    }

    /// The text as parsed.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether some subject is matched by both.
    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        let (mut left, mut right) = (self.tokens(), other.tokens());
        loop {
            match (left.next(), right.next()) {
                (None, None) | (Some(">"), Some(_)) | (Some(_), Some(">")) => return true,
                (Some(a), Some(b)) if a == b || a == "*" || b == "*" => {}
                _ => return false,
            }
        }
    }

    /// Whether every subject that `other` matches is matched by `self`.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        let (mut left, mut right) = (self.tokens(), other.tokens());
        loop {
            match (left.next(), right.next()) {
                (None, None) | (Some(">"), Some(_)) => return true,
                (Some("*"), Some(token)) if token != ">" => {}
                (Some(a), Some(b)) if a == b => {}
                _ => return false,
            }
        }
    }

    /// Checks that a stream of any backend can capture the pattern.
    pub(crate) fn check_capturable(&self) -> Result<(), Error> {
        match self.tokens().next() {
            Some("*" | ">") => {
                Err(invalid(&self.0, "a captured pattern begins with a literal token"))
            }
            Some(first) if first.starts_with('$') => {
                Err(invalid(&self.0, "subjects that begin with `$` are the bus's own"))
            }
            _ => Ok(()),
        }
    }

    fn tokens(&self) -> impl Iterator<Item = &str> {
        self.0.split('.')
    }
}

impl From<&Subject> for SubjectPattern {
    fn from(subject: &Subject) -> Self {
        Self(Arc::clone(&subject.0))
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Display for SubjectPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for SubjectPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

fn check(text: &str, is_valid: impl Fn(&str) -> bool) -> Result<(), Error> {
    if text.len() > SUBJECT_BYTES_MAX {
        return Err(invalid(text, "it is longer than 255 bytes"));
    }
    for token in text.split('.') {
        if token.is_empty() {
            return Err(invalid(text, "a token is empty"));
        }
        if !is_valid(token) {
            return Err(invalid(text, "a token holds a space, control character, `*` or `>`"));
        }
    }
    Ok(())
}

/// What [`check`] of tokens finds nothing wrong with, told without tokens: most texts are subjects.
fn is_subject(text: &str) -> bool {
    let is_between = |edge: Option<&u8>| edge.is_some_and(|byte| *byte != b'.');
    let bytes = text.as_bytes();
    is_between(bytes.first())
        && is_between(bytes.last())
        && text.len() <= SUBJECT_BYTES_MAX
        && holds_subject(bytes)
}

/// Is every byte one of a subject, and no token between two dots empty? All of it is looked at, so
/// that many bytes are at once.
pub(crate) fn holds_subject(bytes: &[u8]) -> bool {
    let next = bytes.get(1..).unwrap_or_default();
    let legal = bytes.iter().fold(true, |so_far, byte| so_far & is_legal(*byte));
    let pairs = bytes.iter().zip(next);
    legal & pairs.fold(true, |so_far, (one, next)| so_far & !((*one == b'.') & (*next == b'.')))
}

const fn is_legal(byte: u8) -> bool {
    byte > 0x20 && !matches!(byte, b'*' | b'>')
}

fn is_token(token: &str) -> bool {
    !token.is_empty() && token.bytes().all(is_legal)
}

fn invalid(text: &str, reason: &'static str) -> Error {
    ErrorKind::InvalidSubject { text: text.to_owned(), reason }.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> SubjectPattern {
        SubjectPattern::parse(text).expect(text)
    }

    #[test]
    fn without_tokens_the_same_is_said() {
        for text in
            ["a", "a.b", "", ".", "a.", ".a", "a..b", "a b", "a.*", ">", "ä.b", "a\tb", "\u{7f}"]
        {
            assert_eq!(is_subject(text), check(text, is_token).is_ok(), "{text}");
            assert_eq!(Subject::parse(text).is_ok(), is_subject(text), "{text}");
        }
        assert!(is_subject(&"a".repeat(255)) && Subject::parse(&"a".repeat(256)).is_err());
    }

    #[test]
    fn overlap_and_cover_follow_the_tokens() {
        for (left, right, overlaps, covers) in [
            ("a.b", "a.b", true, true),
            ("a.*", "a.b", true, true),
            ("a.b", "a.*", true, false),
            ("a.>", "a.b.c", true, true),
            ("a.>", "a", false, false),
            ("a.*", "a.>", true, false),
            ("a.*", "*.b", true, false),
            ("a.b", "a.b.c", false, false),
            ("a.b", "a.c", false, false),
        ] {
            assert_eq!(pattern(left).overlaps(&pattern(right)), overlaps, "{left} {right}");
            assert_eq!(pattern(right).overlaps(&pattern(left)), overlaps, "{right} {left}");
            assert_eq!(pattern(left).covers(&pattern(right)), covers, "{left} {right}");
        }
    }
}
