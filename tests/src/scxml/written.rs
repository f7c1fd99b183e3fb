//! Expressions that a document writes out itself: what ECMAScript calls the event, the session and
//! the variables, in words of ours. The stylesheets of the suite leave these as they are.

use std::sync::Arc;

use gearshift_machine::definition::expr::{Expr, ExprKind, NameSet, Names};

use super::conditions::{field, system};
use super::constructs::FAILS;

/// The attributes of plain SCXML that hold an expression.
const EXPRESSIONS: [&str; 9] = [
    "expr",
    "cond",
    "array",
    "eventexpr",
    "targetexpr",
    "typeexpr",
    "delayexpr",
    "sendidexpr",
    "srcexpr",
];

/// The names of one document.
#[derive(Default)]
pub(super) struct Words {
    pub(super) vars: Vec<Arc<str>>,
    pub(super) states: Vec<Arc<str>>,
}

impl Words {
    /// What the attribute `key="text"` is here. An expression that is none, or that names what
    /// nobody declares, fails when it is used: SCXML permits that (5.9.4), the loader refuses it.
    pub(super) fn attribute(&self, key: &str, text: &str) -> String {
        if !EXPRESSIONS.contains(&key) {
            return text.to_owned();
        }
        let translated = self.translated(text);
        let kind = if key == "cond" { ExprKind::Guard } else { ExprKind::Value };
        let names = Names {
            vars: &self.vars,
            states: &self.states,
            steps: &[],
            locals: &[],
            allowed: NameSet::ACTION,
        };
        match Expr::compile(translated.trim(), kind, &names) {
            Ok(_) => translated,
            Err(_) if key == "cond" => format!("{FAILS} == 0"),
            Err(_) => FAILS.to_owned(),
        }
    }

    fn translated(&self, text: &str) -> String {
        let (mut out, mut rest) = (String::with_capacity(text.len()), text);
        while let Some(first) = rest.chars().next() {
            let length = match first {
                '\'' | '"' => quoted_length(rest, first),
                '=' | '!' if rest.get(1..3) == Some("==") => 3,
                c if is_part(c) => rest.find(|c| !is_part(c)).unwrap_or(rest.len()),
                c => c.len_utf8(),
            };
            let (token, behind) = rest.split_at(length);
            rest = behind;
            if !is_part(first) || out.ends_with('.') {
                out.push_str(match token {
                    "===" => "==",
                    "!==" => "!=",
                    other => other,
                });
                continue;
            }
            rest = self.word(token, rest, &mut out);
        }
        out
    }

    /// A name that is no member of something; gives what is left of the text.
    fn word<'t>(&self, word: &str, rest: &'t str, out: &mut String) -> &'t str {
        match word {
            "_event" => {
                let member = rest.strip_prefix('.').unwrap_or_default();
                let end = member.find(|c| !is_part(c)).unwrap_or(member.len());
                let (name, behind) = member.split_at(end);
                if ["sendid", "origin", "origintype", "invokeid"].contains(&name) {
                    out.push_str(&format!("({})", field(name)));
                    return behind;
                }
                out.push_str("event");
            }
            "_sessionid" | "_name" | "_ioprocessors" => out.push_str(&system(word)),
            "In" => out.push_str("active"),
            "undefined" => out.push_str("null"),
            _ if self.vars.iter().any(|known| **known == *word) => {
                out.push_str("vars.");
                out.push_str(word);
            }
            _ => out.push_str(word),
        }
        rest
    }
}

fn is_part(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// The length of a text in quotes, quotes included; to the end where they are not closed.
fn quoted_length(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, letter) in text.char_indices().skip(1) {
        match letter {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if letter == quote => return at + 1,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_expressions_are_told_in_words_of_ours() {
        let words = Words { vars: vec!["Var1".into()], states: vec!["s0".into()] };
        for (key, written, ours) in [
            ("expr", "Var1 + 1", "vars.Var1 + 1"),
            ("expr", "'Var1 === _event'", "'Var1 === _event'"),
            ("expr", "_event.name", "event.name"),
            ("expr", "_event.sendid", "(has(event.sendid) ? event.sendid : null)"),
            ("expr", "_event.data.Var1", "event.data.Var1"),
            ("expr", "return", FAILS),
            ("expr", "Var2", FAILS),
            ("cond", "In('s0')", "active('s0')"),
            ("cond", "Var1 === undefined", "vars.Var1 == null"),
            ("cond", "Var1 !== _sessionid", "vars.Var1 != instance"),
            ("cond", "27", "1 / 0 == 0"),
            ("label", "_event", "_event"),
        ] {
            assert_eq!(words.attribute(key, written), ours, "{key}=\"{written}\"");
        }
    }
}
