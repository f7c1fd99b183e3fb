//! What both languages read and mean differently: numbers, and members that are absent.

use super::data::outside_of_quotes;

const DIVIDED: &str = "`/` of whole numbers gives a whole number here";
const MIXED: &str = "fractions and whole numbers do not mix in arithmetic here: `double(n)`";
const ABSENT: &str = "an absent member is an error here and not `undefined`: `has(o.member)`";

/// What may differ in an expression, in words for its author.
pub(super) fn told(text: &str, condition: bool) -> Vec<&'static str> {
    let bare = bare(text);
    let computes = bare.contains(['+', '-', '*', '/', '%']);
    let mut told = Vec::new();
    if bare.contains('/') {
        told.push(DIVIDED);
    }
    // A number alone is compared as there, and mixes with others where it is kept.
    if numbers(&bare).any(is_fraction) && (computes || !condition) {
        told.push(MIXED);
    }
    if compares_absent(&bare) {
        told.push(ABSENT);
    }
    told.extend(super::methods::told(&bare));
    told
}

/// A number that ECMAScript reads with another base, or not at all.
pub(super) fn octal(text: &str) -> Option<String> {
    let bare = bare(text);
    let octal = |number: &&str| {
        number.strip_prefix('0').is_some_and(|it| it.starts_with(|c: char| c.is_ascii_digit()))
    };
    numbers(&bare).find(octal).map(str::to_owned)
}

/// The text with `'` in place of all that stands in quotes, each byte at its place.
pub(super) fn bare(text: &str) -> String {
    let mut bare = vec![b'\''; text.len()];
    outside_of_quotes(text, |at, letter| {
        if let (Some(slot), Ok(byte)) = (bare.get_mut(at), u8::try_from(letter))
            && byte.is_ascii()
        {
            *slot = byte;
        }
    });
    String::from_utf8(bare).unwrap_or_default()
}

/// The numbers in a text without quotes.
fn numbers(bare: &str) -> impl Iterator<Item = &str> {
    let words = bare.split(|c: char| !is_part(c) && c != '.');
    words.filter(|word| word.trim_start_matches('.').starts_with(|c: char| c.is_ascii_digit()))
}

fn is_fraction(number: &str) -> bool {
    let based = number.starts_with("0x") || number.starts_with("0X");
    !based && number.contains(['.', 'e', 'E'])
}

/// `o.member == null`, where the member may be absent: both languages have a word for that, if `o`
/// is a variable or the data of the event.
pub(super) fn optional(text: &str) -> String {
    let bare = bare(text);
    let mut out = String::with_capacity(text.len());
    let mut from = 0;
    for (at, _) in bare.match_indices("null") {
        let before = bare.get(..at).unwrap_or_default().trim_end();
        let compared = before.strip_suffix("==").or_else(|| before.strip_suffix("!="));
        let Some(left) = compared.map(str::trim_end).filter(|_| ends(&bare, at + 4)) else {
            continue;
        };
        let path = path_before(left);
        let Some(dot) = left.rfind('.').filter(|_| may_be_absent(path)) else { continue };
        let (head, member) = (text.get(from..dot), text.get(dot + 1..left.len()));
        out.push_str(head.unwrap_or_default());
        out.push_str(&format!(".?{}.orValue(null)", member.unwrap_or_default()));
        from = left.len();
    }
    out.push_str(text.get(from..).unwrap_or_default());
    out
}

/// Is nothing else compared with `null` than variables and what [`optional`] made of members?
fn compares_absent(bare: &str) -> bool {
    bare.match_indices("null").filter(|(at, _)| ends(bare, at + 4)).any(|(at, _)| {
        let before = bare.get(..at).unwrap_or_default().trim_end();
        let left = before.strip_suffix("==").or_else(|| before.strip_suffix("!="));
        let behind = bare.get(at + 4..).unwrap_or_default().trim_start();
        let right = behind.strip_prefix("==").or_else(|| behind.strip_prefix("!="));
        let left = left.map(str::trim_end).is_some_and(|left| {
            let path = path_before(left);
            path == "event.data" || left.ends_with(']')
        });
        let right = right.map(str::trim_start).is_some_and(|right| {
            let end = right.find(|c: char| !is_part(c) && c != '.').unwrap_or(right.len());
            let path = right.get(..end).unwrap_or_default();
            path == "event.data"
                || may_be_absent(path)
                || right.get(end..).is_some_and(|it| it.starts_with('['))
        });
        left || right
    })
}

/// Does a word end here?
fn ends(bare: &str, at: usize) -> bool {
    !bare.get(at..).unwrap_or_default().starts_with(is_part)
}

/// A member of a variable, or of the data of an event.
fn may_be_absent(path: &str) -> bool {
    let mut parts = path.split('.');
    match (parts.next(), parts.next()) {
        (Some("vars"), Some(_)) => parts.next().is_some(),
        (Some("event"), Some("data")) => parts.next().is_some(),
        (Some("output"), Some(_)) => true,
        _ => false,
    }
}

/// The names with dots at the end of a text.
pub(super) fn path_before(text: &str) -> &str {
    let start = text.rfind(|c: char| !is_part(c) && c != '.').map_or(0, |at| at + 1);
    text.get(start..).unwrap_or_default()
}

fn is_part(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}
