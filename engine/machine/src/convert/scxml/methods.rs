//! Methods of ECMAScript: what they are called here, and what they do differently.

use std::collections::BTreeSet;

use super::data::split;
use super::meaning::{bare, octal, path_before};

/// Methods that both have and that do not do the same.
const DIFFERENT: [(&str, &str); 8] = [
    (".indexOf(", "`indexOf` is of text only here"),
    (".lastIndexOf(", "`lastIndexOf` is of text only here"),
    (".substring(", "a place outside of the text is an error of `substring` here"),
    (".charAt(", "a place outside of the text is an error of `charAt` here"),
    (".slice(", "a place outside of the list is an error of `slice` here"),
    (".join(", "`join` is of lists of text only here"),
    (".sort(", "`sort` gives another list here, and compares numbers as numbers"),
    (".reverse(", "`reverse` gives another list here"),
];

/// What may differ in an expression without its quotes.
pub(super) fn told(bare: &str) -> impl Iterator<Item = &'static str> {
    DIFFERENT.into_iter().filter(|(call, _)| bare.contains(call)).map(|(_, what)| what)
}

/// The expression with methods and members as they are here; `lists` are variables that are lists.
pub(super) fn ours(text: String, lists: &BTreeSet<String>) -> Result<String, String> {
    if let Some(number) = octal(&text) {
        return Err(format!("the number `{number}` has a `0` in front: write it without"));
    }
    let text = sizes(&text, lists)?;
    let plain = bare(&text);
    for call in [".indexOf(", ".lastIndexOf(", ".slice("] {
        for (at, _) in plain.match_indices(call) {
            let method = call.trim_matches(['.', '(']);
            let receiver = path_before(plain.get(..at).unwrap_or_default());
            let list = receiver.strip_prefix("vars.").is_some_and(|it| lists.contains(it));
            if method == "slice" && !(list && two_places(&text, at + call.len())) {
                let help = "write `substring(from, to)` of text";
                return Err(format!("`slice` is of lists only here, with two places: {help}"));
            }
            if method != "slice" && list {
                let help = "write `item in list`, or a `filter`";
                return Err(format!("`{method}` is of text only here: {help}"));
            }
        }
    }
    Ok(with_defaults(&text))
}

/// `list.length` is `size(list)`; of what is no list for certain it may be a member.
fn sizes(text: &str, lists: &BTreeSet<String>) -> Result<String, String> {
    let mut text = text.to_owned();
    loop {
        let plain = bare(&text);
        let is_whole = |at: &usize| {
            let behind = plain.get(at + ".length".len()..).unwrap_or_default();
            !behind.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
        };
        let found = plain.match_indices(".length").map(|(at, _)| at).find(is_whole);
        let Some(at) = found else { return Ok(text) };
        let path = path_before(plain.get(..at).unwrap_or_default());
        let name = path.strip_prefix("vars.").filter(|name| lists.contains(*name));
        let Some(name) = name else {
            let own = path.strip_prefix("vars.").unwrap_or(path);
            let own = if own.is_empty() { "x" } else { own };
            let own = own
                .strip_prefix("event.")
                .map_or_else(|| own.to_owned(), |it| format!("_event.{it}"));
            return Err(format!(
                "`length` is no member of texts and lists here: write `size({own})`, or \
                 `{own}['length']` for a member of that name"
            ));
        };
        let sized = format!("size(vars.{name})");
        text.replace_range(at - path.len()..at + ".length".len(), &sized);
    }
}

/// Are there two plain numbers in the brackets that open before this byte?
fn two_places(text: &str, from: usize) -> bool {
    let inside = inside(text, from).map(|(inside, _)| split(inside, ','));
    let plain = |it: &&str| it.trim().parse::<u32>().is_ok();
    inside.is_some_and(|places| places.len() == 2 && places.iter().all(plain))
}

/// `replace` once and `join` with a comma, as they are there.
fn with_defaults(text: &str) -> String {
    let mut text = text.to_owned();
    let plain = bare(&text);
    let calls = plain.match_indices(".replace(").chain(plain.match_indices(".join("));
    let mut calls: Vec<(usize, &str)> = calls.collect();
    calls.sort_unstable();
    for (at, call) in calls.into_iter().rev() {
        let Some((inside, end)) = inside(&text, at + call.len()) else { continue };
        let given = split(inside, ',').len();
        let missing = match call {
            ".replace(" if given == 2 => ", 1",
            ".join(" if inside.trim().is_empty() => "','",
            _ => continue,
        };
        text.insert_str(end, missing);
    }
    text
}

/// What stands in the brackets that open before this byte, and where they close.
fn inside(text: &str, from: usize) -> Option<(&str, usize)> {
    let mut depth = 1_i32;
    let mut end = None;
    super::data::outside_of_quotes(text, |at, letter| {
        if at >= from && end.is_none() {
            depth += i32::from(letter == '(') - i32::from(letter == ')');
            end = (depth == 0).then_some(at);
        }
    });
    Some((text.get(from..end?)?, end?))
}
