//! Events a definition listens to, and the descriptors its transitions match them with.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::definition::expr::Expr;

/// One entry of `events:`.
#[derive(Clone, Debug)]
pub struct EventDecl {
    /// The event's name.
    pub name: Arc<str>,
    /// The bus subject, where it differs from the name; `{token}` stands for one token.
    pub subject: Option<Arc<str>>,
    /// The correlation key, where it differs from the definition's `correlate:`.
    pub correlate: Option<Expr>,
    /// What to do when no instance has the key.
    pub early: Early,
}

/// What becomes of an event whose instance does not exist yet (rule 46).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Early {
    /// `start: true`: it starts the instance.
    Start,
    /// `buffer: 10m`: it waits that many milliseconds for the instance.
    Buffer {
        /// Milliseconds until it becomes a dead letter.
        ttl_ms: u64,
    },
    /// It becomes a dead letter.
    #[default]
    DeadLetter,
}

/// What a transition's trigger or `defer:` matches (rule 29).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Descriptor {
    /// `*`: every event.
    Any,
    /// `a.b` or `a.b.*`: names of which `a.b` is a token prefix.
    Prefix(Arc<str>),
    /// `=a.b`: this name only.
    Exact(Arc<str>),
}

impl Descriptor {
    /// Reads a descriptor.
    ///
    /// # Errors
    /// What is wrong with it: an empty token, an infix wildcard, a character of no name (rule 28).
    pub fn parse(text: &str) -> Result<Self, String> {
        if text == "*" {
            return Ok(Self::Any);
        }
        let (exact, name) = text.strip_prefix('=').map_or((false, text), |name| (true, name));
        let stripped = if exact {
            name
        } else {
            name.strip_suffix(".*").or_else(|| name.strip_suffix('.')).unwrap_or(name)
        };
        if stripped.contains('*') {
            return Err(format!("event `{text}` has a wildcard that is not its last token"));
        }
        check_event_name(stripped)?;
        Ok(if exact { Self::Exact(stripped.into()) } else { Self::Prefix(stripped.into()) })
    }

    /// Does it match the event `name`?
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Exact(exact) => **exact == *name,
            Self::Prefix(prefix) => name
                .strip_prefix(&**prefix)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('.')),
        }
    }
}

impl std::fmt::Display for Descriptor {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Any => formatter.write_str("*"),
            Self::Prefix(name) => formatter.write_str(name),
            Self::Exact(name) => write!(formatter, "={name}"),
        }
    }
}

/// First tokens of events that only the engine makes (rule 28).
const RESERVED: [&str; 5] = ["done", "error", "after", "workflow", "gearshift"];

/// The reserved first token of `name`, if it has one (rule 28).
#[must_use]
pub(crate) fn reserved_token(name: &str) -> Option<&'static str> {
    let first = name.split('.').next().unwrap_or_default();
    RESERVED.into_iter().find(|token| *token == first)
}

/// What [`check_event_name`] finds nothing wrong with, in one pass: most names are names.
fn is_event_name(name: &str) -> bool {
    let (mut tokens, mut before) = (1, b'.');
    for byte in name.bytes() {
        match byte {
            b'.' if before != b'.' => tokens += 1,
            b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'_' | b'-' | b'~' => {}
            _ => return false,
        }
        before = byte;
    }
    before != b'.' && tokens <= 16 && name.len() <= 255
}

/// Checks an event name: 1-16 tokens of `[A-Za-z0-9_~-]+`, at most 255 bytes (rule 28).
///
/// # Errors
/// What is wrong with it. `~` is legal here because hidden states have it; the loader and the
/// doors refuse it from people.
pub fn check_event_name(name: &str) -> Result<(), String> {
    if is_event_name(name) {
        return Ok(());
    }
    if name.is_empty() {
        return Err("event name is empty".to_owned());
    }
    if name.len() > 255 {
        return Err(format!("event name of {} bytes exceeds the limit of 255 bytes", name.len()));
    }
    let tokens = name.split('.').count();
    if tokens > 16 {
        return Err(format!("event name of {tokens} tokens exceeds the limit of 16"));
    }
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '~');
    for token in name.split('.') {
        if token.is_empty() || !token.chars().all(legal) {
            return Err(format!(
                "event name `{}` has the token `{}`; tokens are `[A-Za-z0-9_-]+`",
                name.escape_debug(),
                token.escape_debug()
            ));
        }
    }
    Ok(())
}
