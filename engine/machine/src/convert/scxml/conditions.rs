//! Where ECMAScript takes any value: conditions, and text joined with something else. CEL takes
//! bools there, and text.

use super::data::{between, outside_of_quotes, split};

/// Calls that give a bool.
const VERDICTS: [&str; 11] = [
    "active",
    "has",
    "bool",
    "startsWith",
    "endsWith",
    "contains",
    "matches",
    "all",
    "exists",
    "exists_one",
    "hasValue",
];

/// What an expression that CEL reads may mean differently from ECMAScript.
#[derive(Default)]
pub(super) struct Differences {
    /// What is wrong in any case.
    pub(super) wrong: Option<String>,
    /// Is there a condition that is not a bool by its looks?
    pub(super) doubtful: bool,
    /// Is text joined with something that may be none?
    pub(super) joined: bool,
}

impl Differences {
    /// Those of an expression, which is a condition itself or has some in it.
    pub(super) fn of(expression: &str, condition: bool) -> Self {
        let mut found = Self::default();
        found.look(expression, condition);
        found
    }

    fn look(&mut self, text: &str, condition: bool) {
        let text = text.trim();
        if let Some(inside) = between(text, '(', ')') {
            return self.look(inside, condition);
        }
        let flat = flat(text);
        if let Some((when, yes, no)) = ternary(text, &flat) {
            self.look(when, true);
            self.look(yes, condition);
            return self.look(no, condition);
        }
        for (operators, of_bools) in [
            (["||"].as_slice(), true),
            (&["&&"], true),
            (&["==", "!=", "<=", ">=", "<", ">", " in "], false),
        ] {
            let parts = cut(text, &flat, operators);
            if parts.len() > 1 {
                return parts.into_iter().for_each(|part| self.look(part, of_bools));
            }
        }
        if let Some(rest) = text.strip_prefix('!') {
            return self.look(rest, true);
        }
        if condition && !is_verdict(text) {
            match kind(text) {
                Some(kind) => {
                    let message = format!("a condition is a bool here, `{text}` is {kind}");
                    self.wrong.get_or_insert(message);
                }
                None => self.doubtful = true,
            }
        }
        let parts = cut(text, &flat, &["+"]);
        if parts.len() > 1 {
            self.joined(&parts);
            return parts.into_iter().for_each(|part| self.look(part, false));
        }
        for group in groups(text) {
            split(group, ',').into_iter().for_each(|part| self.look(part, false));
        }
    }

    /// Text is joined with text only.
    fn joined(&mut self, parts: &[&str]) {
        let kinds: Vec<_> = parts.iter().map(|part| kind(part.trim())).collect();
        if !kinds.contains(&Some("text")) {
            return;
        }
        self.joined |= parts.iter().zip(&kinds).any(|(it, kind)| kind.is_none() && !is_text(it));
        let other = parts.iter().zip(&kinds).find(|(_, kind)| kind.is_some_and(|it| it != "text"));
        if let Some((part, Some(kind))) = other {
            let part = part.trim();
            let message =
                format!("text is joined with text here, `{part}` is {kind}: `string({part})`");
            self.wrong.get_or_insert(message);
        }
    }
}

/// The kind of a literal that is no bool.
fn kind(text: &str) -> Option<&'static str> {
    if text == "null" {
        return Some("null");
    }
    if text.parse::<f64>().is_ok() && text.ends_with(|c: char| c.is_ascii_digit() || c == '.') {
        return Some("a number");
    }
    let quote = text.chars().next()?;
    match quote {
        '\'' | '"' => {
            // Nothing of it is outside of the quotes.
            let mut outside = false;
            outside_of_quotes(text, |_, _| outside = true);
            let ends = text.len() > 1 && text.ends_with(quote);
            let quotes = flat_quotes(text);
            (!outside && ends && quotes == 1).then_some("text")
        }
        '[' => between(text, '[', ']').map(|_| "a list"),
        '{' => between(text, '{', '}').map(|_| "a map"),
        _ => None,
    }
}

/// Does an expression give text by its looks?
fn is_text(text: &str) -> bool {
    const TEXTS: [&str; 9] = [
        "string",
        "substring",
        "charAt",
        "join",
        "replace",
        "trim",
        "lowerAscii",
        "upperAscii",
        "format",
    ];
    let text = text.trim();
    let named = matches!(text, "instance" | "workflow" | "event.name" | "event.type");
    named || called(text).is_some_and(|called| TEXTS.contains(&called))
}

/// How many texts in quotes begin in a text.
fn flat_quotes(text: &str) -> usize {
    let (mut open, mut escaped, mut count) = (None, false, 0);
    for letter in text.chars() {
        match open {
            Some(_) if escaped => escaped = false,
            Some(_) if letter == '\\' => escaped = true,
            Some(quote) if quote == letter => open = None,
            Some(_) => {}
            None if matches!(letter, '\'' | '"') => {
                open = Some(letter);
                count += 1;
            }
            None => {}
        }
    }
    count
}

/// Is it a bool by its looks: a word, or a call that gives one?
fn is_verdict(text: &str) -> bool {
    if matches!(text, "true" | "false") {
        return true;
    }
    called(text).is_some_and(|called| VERDICTS.contains(&called))
}

/// What a text calls at its end.
fn called(text: &str) -> Option<&str> {
    let (mut open, mut last) = (Vec::new(), None);
    outside_of_quotes(text, |at, letter| match letter {
        '(' => open.push(at),
        ')' => last = open.pop().filter(|_| at + 1 == text.len()),
        _ => {}
    });
    let before = text.get(..last?)?;
    before.rsplit(|c: char| !c.is_ascii_alphanumeric() && c != '_').next()
}

/// The text with blanks in place of all that stands in quotes and brackets, each byte at its place.
fn flat(text: &str) -> String {
    let mut flat = vec![b' '; text.len()];
    let mut depth = 0_i32;
    outside_of_quotes(text, |at, letter| match letter {
        '(' | '[' | '{' => depth += 1,
        ')' | ']' | '}' => depth -= 1,
        _ if depth == 0 => {
            if let (Some(slot), Ok(byte)) = (flat.get_mut(at), u8::try_from(letter))
                && byte.is_ascii()
            {
                *slot = byte;
            }
        }
        _ => {}
    });
    String::from_utf8(flat).unwrap_or_default()
}

/// The pieces between operators that stand outside of brackets.
fn cut<'t>(text: &'t str, flat: &str, operators: &[&str]) -> Vec<&'t str> {
    let (mut parts, mut from, mut at) = (Vec::new(), 0, 0);
    while let Some(rest) = flat.get(at..).filter(|rest| !rest.is_empty()) {
        match operators.iter().find(|operator| rest.starts_with(**operator)) {
            Some(operator) => {
                parts.push(text.get(from..at).unwrap_or_default());
                at += operator.len();
                from = at;
            }
            None => at += 1,
        }
    }
    parts.push(text.get(from..).unwrap_or_default());
    parts
}

/// `when ? yes : no`; a `?` behind a dot asks for a member.
fn ternary<'t>(text: &'t str, flat: &str) -> Option<(&'t str, &'t str, &'t str)> {
    let mut before = ' ';
    let (mut question, mut open) = (None, 0_usize);
    for (at, letter) in flat.char_indices() {
        match (letter, question) {
            ('?', _) if before == '.' => {}
            ('?', None) => question = Some(at),
            ('?', Some(_)) => open += 1,
            (':', Some(_)) if open > 0 => open -= 1,
            (':', Some(from)) => {
                return Some((text.get(..from)?, text.get(from + 1..at)?, text.get(at + 1..)?));
            }
            _ => {}
        }
        before = letter;
    }
    None
}

/// What stands in the outermost brackets of a text.
fn groups(text: &str) -> Vec<&str> {
    let (mut depth, mut from) = (0_i32, 0);
    let mut found = Vec::new();
    outside_of_quotes(text, |at, letter| match letter {
        '(' | '[' | '{' => {
            depth += 1;
            if depth == 1 {
                from = at + 1;
            }
        }
        ')' | ']' | '}' => {
            depth -= 1;
            if depth == 0 {
                found.extend(text.get(from..at));
            }
        }
        _ => {}
    });
    found
}
