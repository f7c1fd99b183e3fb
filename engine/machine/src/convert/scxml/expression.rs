//! Expressions: CEL as it is, the part of ECMAScript that both have word by word.

use std::cell::Cell;
use std::sync::Arc;

use roxmltree::Attribute;

use super::conditions::Differences;
use super::ids::{Ids, is_name};
use super::source::Source;
use super::{meaning, methods};
use crate::definition::expr::{Expr, ExprKind, NameSet, Names};

/// The language of a document's expressions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Language {
    /// `datamodel="cel"`: as written.
    Cel,
    /// `datamodel="ecmascript"`, `null`, or nothing: translated.
    EcmaScript,
}

/// Words of ECMAScript for which there is no expression.
const STATEMENTS: [&str; 12] = [
    "typeof",
    "function",
    "new",
    "var",
    "let",
    "return",
    "this",
    "instanceof",
    "delete",
    "void",
    "await",
    "yield",
];

/// Members of the event that it may be without: `undefined` there, absent and so an error here.
/// Every event that has an origin came through the only processor there is.
const OPTIONAL: [(&str, &str); 3] = [
    (".sendid", "event.?sendid.orValue(null)"),
    (".invokeid", "event.?invokeid.orValue(null)"),
    (
        ".origintype",
        "(has(event.origin) ? 'http://www.w3.org/TR/scxml/#SCXMLEventProcessor' : null)",
    ),
];

/// Where an expression stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Site {
    /// A condition.
    Guard,
    /// What gives a value.
    Value,
    /// Inside `finalize`: the event is the child's.
    Finalize,
}

/// Reads the expressions of one document.
pub(super) struct Expressions<'a, 's> {
    pub(super) source: &'a Source<'s>,
    pub(super) ids: &'a Ids,
    pub(super) language: Language,
    /// Names that loops around bind.
    pub(super) locals: &'a [Arc<str>],
}

impl Expressions<'_, '_> {
    /// The expression in an attribute; a problem where there is none.
    pub(super) fn read(&self, attribute: &Attribute<'_, '_>, site: Site) -> Option<String> {
        let written = attribute.value().trim();
        if written.is_empty() {
            self.source.refuse_value(attribute, "the expression is empty");
            return None;
        }
        let refused = Cell::new(false);
        let refuse = |message: String| {
            refused.set(true);
            self.source.refuse_value(attribute, message);
        };
        let text = self.translate(written, site, &refuse);
        let text = match self.language {
            Language::Cel => text,
            Language::EcmaScript => {
                match methods::ours(meaning::optional(&text), &self.ids.lists) {
                    Ok(text) => text,
                    Err(message) => {
                        refuse(message);
                        return None;
                    }
                }
            }
        };
        if refused.get() {
            return None;
        }
        let kind = if site == Site::Guard { ExprKind::Guard } else { ExprKind::Value };
        let states: Vec<_> = self.ids.states.values().cloned().collect();
        let names = Names {
            vars: &self.ids.vars,
            states: &states,
            steps: &[],
            locals: self.locals,
            allowed: NameSet::CALL_SET.with_error(),
        };
        match Expr::compile(&text, kind, &names) {
            Ok(_) => self.same_meaning(attribute, &text, site).then_some(text),
            Err(problems) => {
                // What follows the first one is mostly its consequence.
                if let Some(problem) = problems.first() {
                    let message = match self.language {
                        Language::Cel => problem.message.clone(),
                        Language::EcmaScript => format!("as CEL it is wrong: {}", problem.message),
                    };
                    self.source.refuse_value(attribute, message);
                }
                None
            }
        }
    }

    /// Does CEL take what ECMAScript means? What only may differ is noted.
    fn same_meaning(&self, attribute: &Attribute<'_, '_>, text: &str, site: Site) -> bool {
        if self.language == Language::Cel {
            return true;
        }
        let differences = Differences::of(text, site == Site::Guard);
        if let Some(wrong) = differences.wrong {
            self.source.refuse_value(attribute, wrong);
            return false;
        }
        let mut told = meaning::told(text, site == Site::Guard);
        if differences.doubtful {
            told.push("conditions must be boolean here");
        }
        if differences.joined {
            told.push("text is joined with text only here: `string(n)`");
        }
        for what in told {
            self.source.differs(what, attribute.range_value().start, attribute.value().trim());
        }
        true
    }

    /// The expression in words of ours.
    fn translate(&self, written: &str, site: Site, refuse: &dyn Fn(String)) -> String {
        let mut out = String::with_capacity(written.len() + 16);
        let mut rest = written;
        while let Some(first) = rest.chars().next() {
            let length = match first {
                '\'' | '"' => string_length(rest, first),
                c if is_letter(c) => rest.find(|c| !is_part(c)).unwrap_or(rest.len()),
                c if c.is_ascii_digit() => {
                    rest.find(|c| !is_part(c) && c != '.').unwrap_or(rest.len())
                }
                _ if rest.starts_with("===") || rest.starts_with("!==") => 3,
                _ => 0,
            };
            let (token, behind) = rest.split_at(length.max(first.len_utf8()));
            rest = behind;
            if is_letter(first) && !out.trim_end().ends_with('.') {
                rest = self.word(token, rest, site, refuse, &mut out);
            } else {
                out.push_str(self.operator(token, refuse));
            }
        }
        out
    }

    /// ECMAScript has two equalities; that of CEL is the one between values of the same type.
    fn operator<'t>(&self, token: &'t str, refuse: &dyn Fn(String)) -> &'t str {
        let plain = match token {
            "===" => "==",
            "!==" => "!=",
            other => return other,
        };
        if self.language == Language::Cel {
            refuse(format!("`{token}` is no operator of CEL; write `{plain}`"));
        }
        plain
    }

    /// A name that is no member of something; gives what is left of the text.
    fn word<'r>(
        &self,
        word: &str,
        rest: &'r str,
        site: Site,
        refuse: &dyn Fn(String),
        out: &mut String,
    ) -> &'r str {
        let event = match self.language {
            Language::Cel => word == "event",
            Language::EcmaScript => word == "_event",
        };
        if event {
            let optional = OPTIONAL.iter().find_map(|(member, ours)| {
                let behind = rest.strip_prefix(member).filter(|it| !it.starts_with(is_part));
                behind.filter(|_| self.language == Language::EcmaScript).map(|it| (ours, it))
            });
            if let Some((ours, behind)) = optional {
                out.push_str(ours);
                return behind;
            }
            let data = rest.strip_prefix(".data").filter(|behind| !behind.starts_with(is_part));
            return match data {
                Some(behind) if site == Site::Finalize => {
                    out.push_str("output");
                    behind
                }
                Some(_) | None => {
                    out.push_str("event");
                    rest
                }
            };
        }
        let key = out.trim_end().ends_with(['{', ',']) && rest.trim_start().starts_with(':');
        if key && self.language == Language::EcmaScript {
            // A key of a map is a name there, and text here.
            out.push_str(&format!("'{word}'"));
            return rest;
        }
        if self.language == Language::Cel {
            out.push_str(if word == "data" && site == Site::Finalize { "output" } else { word });
            return rest;
        }
        match word {
            "_sessionid" => out.push_str("instance"),
            "_name" => out.push_str("workflow"),
            "undefined" => out.push_str("null"),
            "In" => return self.in_state(rest, out),
            _ if self.ids.vars.iter().any(|known| **known == *word) => {
                out.push_str("vars.");
                out.push_str(word);
            }
            _ if STATEMENTS.contains(&word) => {
                refuse(format!("`{word}` has no equivalent in CEL"));
            }
            _ if word.starts_with('_') => {
                refuse(format!("the system variable `{word}` has no equivalent"));
            }
            _ => out.push_str(word),
        }
        rest
    }

    /// `In('id')`, with the id that the state has here.
    fn in_state<'r>(&self, rest: &'r str, out: &mut String) -> &'r str {
        out.push_str("active");
        let inside = rest.trim_start().strip_prefix('(').map(str::trim_start);
        let quoted = inside.and_then(|it| {
            let quote = it.chars().next().filter(|c| ['\'', '"'].contains(c))?;
            let length = string_length(it, quote);
            let id = it.get(1..length.checked_sub(1)?)?;
            Some((self.ids.states.get(id)?, it.get(length..)?))
        });
        let Some((id, behind)) = quoted else { return rest };
        out.push_str("('");
        out.push_str(id);
        out.push('\'');
        behind
    }

    /// Where a value goes: a variable, or a member of one.
    pub(super) fn location(&self, attribute: &Attribute<'_, '_>) -> Option<String> {
        let written = attribute.value().trim();
        let path = written.strip_prefix("vars.").unwrap_or(written);
        let parts: Vec<&str> = path.split('.').collect();
        if !parts.iter().all(|part| is_name(part)) {
            let message = format!("location `{written}` is not a variable or a member of one");
            self.source.refuse_value(attribute, message);
            return None;
        }
        let first = parts.first().copied().unwrap_or_default();
        if !self.ids.vars.iter().any(|known| **known == *first) {
            let message = if first.starts_with('_') {
                format!("the system variable `{first}` cannot be assigned")
            } else {
                format!("`{first}` is not declared in a `datamodel`")
            };
            self.source.refuse_value(attribute, message);
            return None;
        }
        Some(path.to_owned())
    }
}

fn is_letter(c: char) -> bool {
    c.is_alphabetic() || c == '_' || c == '$'
}

fn is_part(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '$'
}

/// The length of a text in quotes, quotes included; to the end where they are not closed.
fn string_length(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, letter) in text.char_indices().skip(1) {
        match letter {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if letter == quote => return at + letter.len_utf8(),
            _ => {}
        }
    }
    text.len()
}
