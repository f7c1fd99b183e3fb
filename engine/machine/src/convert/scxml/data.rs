//! Data with expressions in it, as our own export writes it: one expression of CEL.

use super::super::yaml::Yaml;
use crate::value::Value;

/// The data that an expression says; none where somebody wrote something else.
pub(super) fn data_of(expression: &str) -> Option<Yaml> {
    let text = expression.trim();
    if let Some(inside) = between(text, '{', '}') {
        let entries = split(inside, ',').into_iter().filter(|entry| !entry.trim().is_empty());
        let entry = |entry: &str| {
            let (key, value) = entry.split_at(*ends(entry, ':').first()?);
            Some((quoted(key.trim())?, data_of(value.get(1..)?)?))
        };
        return entries.map(entry).collect::<Option<_>>().map(Yaml::Map);
    }
    if let Some(inside) = between(text, '[', ']') {
        let items = split(inside, ',').into_iter().filter(|item| !item.trim().is_empty());
        return items.map(data_of).collect::<Option<_>>().map(Yaml::List);
    }
    let parts = split(text, '+');
    if let [only] = parts.as_slice() {
        return single(only.trim());
    }
    // A text in which values stand.
    let mut whole = String::new();
    for part in parts {
        let part = part.trim();
        let value = part.strip_prefix("string").and_then(|it| between(it, '(', ')'));
        match value {
            Some(value) => whole.push_str(&format!("${{ {value} }}")),
            None => whole.push_str(&quoted(part)?.replace("${", "$${")),
        }
    }
    Some(Yaml::Text(whole))
}

fn single(text: &str) -> Option<Yaml> {
    if let Some(expression) = between(text, '(', ')') {
        return Some(Yaml::Text(format!("${{ {expression} }}")));
    }
    let value = match quoted(text) {
        Some(text) => Value::from(text),
        None => match Value::from_json(text.as_bytes()) {
            Ok(value) => value,
            Err(_) => return Some(Yaml::Text(format!("${{ {text} }}"))),
        },
    };
    Some(Yaml::data(&value))
}

/// The text that stands in quotes: in single ones nothing is escaped.
fn quoted(text: &str) -> Option<String> {
    let plain = text.strip_prefix('\'').and_then(|it| it.strip_suffix('\''));
    match plain {
        Some(plain) => (!plain.contains(['\'', '\\'])).then(|| plain.to_owned()),
        None => serde_json::from_str(text).ok(),
    }
}

/// What stands between two brackets that belong together.
pub(super) fn between(text: &str, open: char, close: char) -> Option<&str> {
    let inside = text.strip_prefix(open)?.strip_suffix(close)?;
    let mut depth = 0_i32;
    let mut lowest = 0;
    outside_of_quotes(inside, |_, letter| {
        depth += i32::from(letter == open) - i32::from(letter == close);
        lowest = lowest.min(depth);
    });
    (lowest == 0).then_some(inside)
}

/// What stands between the separators outside of brackets and quotes.
pub(super) fn split(text: &str, separator: char) -> Vec<&str> {
    let mut from = 0;
    let mut parts = Vec::new();
    for at in ends(text, separator) {
        parts.push(text.get(from..at).unwrap_or_default());
        from = at + separator.len_utf8();
    }
    parts.push(text.get(from..).unwrap_or_default());
    parts
}

/// Where the separators outside of brackets and quotes are.
fn ends(text: &str, separator: char) -> Vec<usize> {
    let mut depth = 0_i32;
    let mut found = Vec::new();
    outside_of_quotes(text, |at, letter| match letter {
        '(' | '[' | '{' => depth += 1,
        ')' | ']' | '}' => depth -= 1,
        _ if letter == separator && depth == 0 => found.push(at),
        _ => {}
    });
    found
}

pub(super) fn outside_of_quotes(text: &str, mut each: impl FnMut(usize, char)) {
    let (mut quote, mut escaped) = (None, false);
    for (at, letter) in text.char_indices() {
        match quote {
            Some(_) if escaped => escaped = false,
            Some(_) if letter == '\\' => escaped = true,
            Some(open) if letter == open => quote = None,
            Some(_) => {}
            None if matches!(letter, '\'' | '"') => quote = Some(letter),
            None => each(at, letter),
        }
    }
}
