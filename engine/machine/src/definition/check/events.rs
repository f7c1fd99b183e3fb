//! `events:`, and the words that say what becomes of an event.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::context::Context;
use super::nearest::did_you_mean;
use super::values::Env;
use crate::definition::codes;
use crate::definition::expr::{Expr, ExprKind};
use crate::definition::model::{Early, EventDecl, OnError, Unhandled, reserved_token};
use crate::definition::parse::{Kind, Node};
use crate::definition::problem::{Span, quoted};

/// The events of `events:`, with their places.
pub(super) fn declared<'t>(context: &Context<'t>, node: &'t Node) -> Vec<(EventDecl, Span)> {
    let mut found: Vec<(EventDecl, Span)> = Vec::new();
    match &node.kind {
        Kind::Map(entries) => {
            for (key, value) in entries {
                if context.check_event(&key.text, key.span) {
                    let decl = declaration(context, &key.text, key.span, Some(value));
                    found.push((decl, key.span));
                }
            }
        }
        Kind::List(items) => {
            for item in items {
                let Some(name) = context.event_name(item) else { continue };
                if found.iter().any(|(known, _)| known.name == name) {
                    let message = format!("event {} occurs again", quoted(&name));
                    context.report.add(codes::DUPLICATE_KEY, item.span, message);
                    continue;
                }
                found.push((declaration(context, &name, item.span, None), item.span));
            }
        }
        Kind::Scalar(_) if node.is_null() => {}
        Kind::Scalar(_) => context.wrong_type(node, "a mapping from event names"),
    }
    one_name_each(context, &found);
    found
}

/// An event, its place, and the tokens of its subject.
type Captured<'e> = (&'e EventDecl, Span, Vec<&'e str>);

/// A message is one event of a definition: no subject may be that of two.
fn one_name_each(context: &Context<'_>, events: &[(EventDecl, Span)]) {
    // The first token is always fixed, so what meets stands together.
    let mut together: BTreeMap<(&str, usize), Vec<Captured<'_>>> = BTreeMap::new();
    for (event, span) in events {
        let subject = event.subject.as_ref().unwrap_or(&event.name);
        let tokens: Vec<&str> = subject.split('.').collect();
        let place = (tokens.first().copied().unwrap_or_default(), tokens.len());
        let others = together.entry(place).or_default();
        if let Some((first, at, _)) = others.iter().find(|(_, _, other)| meet(other, &tokens)) {
            let (subject, first) = (quoted(subject), quoted(&first.name));
            let message = format!("on subject {subject} there is event {first} already");
            let also = vec![(*at, "captured there first".to_owned())];
            context.report.full(codes::SUBJECT, *span, message, None, also);
        }
        others.push((event, *span, tokens));
    }
}

/// Is there a subject that fits both?
fn meet(left: &[&str], right: &[&str]) -> bool {
    let any = |token: &str| token.starts_with('{');
    left.iter().zip(right).all(|(left, right)| left == right || any(left) || any(right))
}

fn declaration<'t>(
    context: &Context<'t>,
    name: &Arc<str>,
    span: Span,
    node: Option<&'t Node>,
) -> EventDecl {
    reserved(context, name, span);
    let mut decl = EventDecl {
        name: Arc::clone(name),
        subject: None,
        correlate: None,
        early: Early::DeadLetter,
    };
    let mut said: Option<&str> = None;
    let fields = node.map(|node| context.fields(node, "event", "an event")).unwrap_or_default();
    for (key, node) in fields {
        let early = match &*key.text {
            "start" => context.bool(node).filter(|yes| *yes).map(|_| Early::Start),
            "dead_letter" => context.bool(node).filter(|yes| *yes).map(|_| Early::DeadLetter),
            "buffer" => context.duration(node).map(|ttl_ms| Early::Buffer { ttl_ms }),
            "subject" => {
                decl.subject = subject(context, node);
                None
            }
            _ => {
                decl.correlate = correlate(context, node);
                None
            }
        };
        let Some(early) = early else { continue };
        if let Some(first) = said {
            let message = format!("the event has `{first}` and also `{}`", key.text);
            context.report.add(codes::CONTRADICTION, key.span, message);
        }
        said = Some(&key.text);
        decl.early = early;
    }
    decl
}

/// Reports a name that is made by the engine only.
pub(super) fn reserved(context: &Context<'_>, name: &str, span: Span) {
    if let Some(first) = reserved_token(name) {
        let message = format!("names that begin with `{first}` are made by the engine");
        context.report.add(codes::RESERVED_EVENT, span, message);
    }
}

/// An expression for the key of an event.
pub(super) fn correlate(context: &Context<'_>, node: &Node) -> Option<Expr> {
    context.expression(node, ExprKind::Value, Env::CORRELATE)
}

fn subject(context: &Context<'_>, node: &Node) -> Option<Arc<str>> {
    let text = context.text(node, "a subject")?;
    let legal = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let token_problem = |token: &str| {
        let name = token.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).unwrap_or(token);
        name.is_empty() || !name.chars().all(legal)
    };
    let tokens: Vec<&str> = text.split('.').collect();
    let message = if let Some(bad) = tokens.iter().find(|token| token_problem(token)) {
        Some((codes::SUBJECT, format!("subject {} has the token {}", quoted(&text), quoted(bad))))
    } else if tokens.len() > 16 || text.len() > 255 {
        let message = format!("subject {} exceeds the limit of 16 tokens", quoted(&text));
        Some((codes::SUBJECT, message))
    } else if tokens.first().is_some_and(|first| first.starts_with('{')) {
        Some((codes::SUBJECT, format!("the first token of {} must be fixed", quoted(&text))))
    } else {
        reserved_token(&text).map(|first| {
            let message = format!("subjects that begin with `{first}` belong to the engine");
            (codes::RESERVED_EVENT, message)
        })
    };
    if let Some((code, message)) = message {
        context.report.add(code, node.span, message);
        return None;
    }
    Some(text)
}

/// One of the words of a closed list.
pub(super) fn word<T: Copy>(
    context: &Context<'_>,
    node: &Node,
    words: &[(&'static str, T)],
) -> Option<T> {
    let text = node.scalar().map(|scalar| &*scalar.text);
    if let Some((_, value)) = words.iter().find(|(word, _)| Some(*word) == text) {
        return Some(*value);
    }
    let due: Vec<String> = words.iter().map(|(word, _)| format!("`{word}`")).collect();
    let found = text.map_or_else(|| "something else".to_owned(), quoted);
    let message = format!("expected one of {}, found {found}", due.join(", "));
    let names = words.iter().map(|(word, _)| *word);
    let help = text.and_then(|text| did_you_mean(text, names));
    context.report.help(codes::TYPE, node.span, message, help);
    None
}

/// `unhandled:` (rule 44).
pub(super) fn unhandled(context: &Context<'_>, node: &Node) -> Option<Unhandled> {
    let words = [
        ("discard", Unhandled::Discard),
        ("defer", Unhandled::Defer),
        ("dead_letter", Unhandled::DeadLetter),
        ("reject", Unhandled::Reject),
    ];
    word(context, node, &words)
}

/// `on_error:` (rule 38).
pub(super) fn on_error(context: &Context<'_>, node: &Node) -> Option<OnError> {
    let words =
        [("suspend", OnError::Suspend), ("ignore", OnError::Ignore), ("fail", OnError::Fail)];
    word(context, node, &words)
}
