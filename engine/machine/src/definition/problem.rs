//! Problem: one thing that is wrong with a definition, with its place and a way out.

use serde::ser::{Serialize, SerializeStruct, Serializer};

use super::codes::{self, Code};

/// How bad a problem is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The definition is refused.
    Error,
    /// The definition is accepted; the author should look.
    Warning,
}

impl Severity {
    /// The word that diagnostics begin with.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// A piece of the text, in bytes from its beginning; `end` is behind the last byte.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    /// The first byte.
    pub start: usize,
    /// Behind the last byte.
    pub end: usize,
}

impl Span {
    /// The span from `start` to `end`.
    #[must_use]
    pub const fn new(start: usize, end: usize) -> Self {
        Self { start, end }
    }

    /// Does it contain `other`?
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.start <= other.start && other.end <= self.end
    }
}

/// One thing that is wrong with a definition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The stable code, `GS0104`.
    pub code: Code,
    /// How bad it is.
    pub severity: Severity,
    /// The code's name, `unknown_state`.
    pub name: &'static str,
    /// What is wrong here: a lower-case fragment with the author's words in backticks.
    pub message: String,
    /// The file, as the caller named it.
    pub origin: String,
    /// Where in the definition: `states.under_review.on[0].to`; empty for the whole text.
    pub path: String,
    /// Where in the text; none where the text as a whole is meant.
    pub span: Option<Span>,
    /// 1-based line of the span's start, 0 where there is no span.
    pub line: usize,
    /// 1-based column of the span's start, counted in characters, 0 where there is no span.
    pub column: usize,
    /// 1-based line of the span's end.
    pub end_line: usize,
    /// 1-based column behind the span's last character.
    pub end_column: usize,
    /// What to do about it.
    pub help: Option<String>,
    /// Other places that matter, each with what it has to do with the problem.
    pub also: Vec<(Span, String)>,
}

impl Problem {
    /// A problem without a place; [`Problem::at`] gives it one.
    #[must_use]
    pub fn new(code: Code, origin: &str, message: impl Into<String>) -> Self {
        Self {
            code,
            severity: codes::severity(code),
            name: codes::name(code),
            message: message.into(),
            origin: origin.to_owned(),
            path: String::new(),
            span: None,
            line: 0,
            column: 0,
            end_line: 0,
            end_column: 0,
            help: None,
            also: Vec::new(),
        }
    }

    /// The same problem at `span` of `source`.
    #[must_use]
    pub fn at(mut self, source: &str, span: Span) -> Self {
        let end = span.end.clamp(span.start.min(source.len()), source.len());
        let span = Span::new(span.start.min(source.len()), end);
        (self.line, self.column) = line_column(source, span.start);
        (self.end_line, self.end_column) = line_column(source, span.end);
        self.span = Some(span);
        self
    }

    /// The same problem with advice.
    #[must_use]
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Is the definition refused for it?
    #[must_use]
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }

    /// What this kind of problem is called in words.
    #[must_use]
    pub fn title(&self) -> &'static str {
        codes::title(self.code)
    }
}

/// 1-based line and column, in characters, of byte `at`.
fn line_column(source: &str, at: usize) -> (usize, usize) {
    let before = source.get(..at).unwrap_or(source);
    let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
    let start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (line, before.get(start..).unwrap_or_default().chars().count() + 1)
}

impl Serialize for Problem {
    /// `{code, name, severity, message, file, line, column, end_line, end_column, path, help}`.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_struct("Problem", 11)?;
        out.serialize_field("code", &self.code)?;
        out.serialize_field("name", self.name)?;
        out.serialize_field("severity", self.severity.as_str())?;
        out.serialize_field("message", &self.message)?;
        out.serialize_field("file", &self.origin)?;
        out.serialize_field("line", &self.line)?;
        out.serialize_field("column", &self.column)?;
        out.serialize_field("end_line", &self.end_line)?;
        out.serialize_field("end_column", &self.end_column)?;
        out.serialize_field("path", &self.path)?;
        out.serialize_field("help", &self.help)?;
        out.end()
    }
}

impl std::fmt::Display for Problem {
    /// One line: `file:line:column: error[GS0104]: no state `aproved``.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}", self.origin)?;
        if self.line > 0 {
            write!(formatter, ":{}:{}", self.line, self.column)?;
        }
        write!(formatter, ": {}[{}]: {}", self.severity.as_str(), self.code, self.message)
    }
}

/// The author's text in backticks: short, on one line, without control characters.
pub(crate) fn quoted(text: &str) -> String {
    const SHOWN: usize = 60;
    let mut shown = String::with_capacity(text.len().min(SHOWN) + 2);
    shown.push('`');
    for (count, letter) in text.chars().enumerate() {
        if count == SHOWN {
            shown.push('…');
            break;
        }
        if letter.is_control() || is_bidi_control(letter) {
            shown.extend(letter.escape_unicode());
        } else {
            shown.push(letter);
        }
    }
    shown.push('`');
    shown
}

/// Would it turn the reading direction of the line it is shown in (row H17)?
const fn is_bidi_control(letter: char) -> bool {
    matches!(letter, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}
