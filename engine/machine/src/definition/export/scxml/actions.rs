//! Actions → executable content.

use std::sync::Arc;

use super::document::Export;
use super::element::Element;
use super::values::{as_variable, expression, literal, payload};
use crate::definition::expr::{Expr, Template};
use crate::definition::model::{Action, Delay, Recipient, SetPath};
use crate::value::Value;

/// Names that loops around bind; they are variables there.
pub(super) type Locals = Vec<Arc<str>>;

impl Export<'_, '_> {
    /// A block; `state` is where refusals point at, `keys` where it may say so.
    pub(super) fn block(&mut self, state: &str, keys: &[&str], actions: &[Action]) -> Vec<Element> {
        let mut out = Vec::new();
        for action in actions {
            self.action(state, keys, action, &mut Locals::new(), &mut out);
        }
        out
    }

    fn action(
        &mut self,
        state: &str,
        keys: &[&str],
        action: &Action,
        locals: &mut Locals,
        out: &mut Vec<Element>,
    ) {
        match action {
            Action::Set(entries) => {
                out.extend(entries.iter().map(|(path, expr)| assign(path, expr, locals)));
            }
            Action::Raise { event, with: None } => {
                out.push(Element::new("raise").with("event", &**event));
            }
            Action::Raise { event, with } => {
                let send =
                    Element::new("send").with("event", &**event).with("target", "#_internal");
                out.push(send.holding(self.along(with.as_ref(), locals)));
            }
            Action::Send { .. } => self.send(state, keys, action, locals, out),
            Action::Cancel { id } => out.push(match id.as_const().and_then(Value::as_str) {
                Some(id) => Element::new("cancel").with("sendid", id),
                None => Element::new("cancel").with("sendidexpr", renamed(&expression(id), locals)),
            }),
            Action::Log { label, value } => {
                let log = Element::new("log").with("label", &**label);
                let value = match value.as_const() {
                    Some(Value::Null) => None,
                    Some(_) | None => Some(renamed(&expression(value), locals)),
                };
                out.push(log.with_some("expr", value));
            }
            Action::If(branches) => self.branches(state, keys, branches, locals, out),
            Action::Each { list, item, index, body } => {
                let array = renamed(list.source().trim(), locals);
                let (names, body) = loop_names(item, index.as_ref(), body);
                let mut each = Element::new("foreach").with("array", array).with("item", names.0);
                if let Some(index) = names.1 {
                    each = each.with("index", index);
                }
                let depth = locals.len();
                locals.push(Arc::clone(item));
                locals.extend(index.clone());
                let mut inside = Vec::new();
                for action in body {
                    self.action(state, keys, action, locals, &mut inside);
                }
                locals.truncate(depth);
                out.push(each.holding(inside));
            }
            Action::Publish { .. } => {
                self.refuse(state, keys, "`publish` has no equivalent: SCXML has no subjects");
            }
            Action::Tell(spec) => {
                self.refuse(
                    state,
                    keys,
                    format!("the call of `{}` has no equivalent", spec.operation),
                );
            }
            // Children are `invoke`s of their state; calls were refused with it.
            Action::Sequence(place) => self.sequence(state, keys, *place),
            Action::Graph(_) => {
                self.refuse(state, &["steps"], "`steps` has no equivalent");
            }
        }
    }

    fn branches(
        &mut self,
        state: &str,
        keys: &[&str],
        branches: &[(Option<Expr>, Vec<Action>)],
        locals: &mut Locals,
        out: &mut Vec<Element>,
    ) {
        let cond = |guard: &Option<Expr>| {
            guard.as_ref().map_or_else(|| "true".to_owned(), |it| it.source().trim().to_owned())
        };
        let Some((first, _)) = branches.first() else { return };
        let mut whole = Element::new("if").with("cond", renamed(&cond(first), locals));
        for (at, (guard, body)) in branches.iter().enumerate() {
            if at > 0 {
                whole.push(match guard {
                    Some(_) => Element::new("elseif").with("cond", renamed(&cond(guard), locals)),
                    None => Element::new("else"),
                });
            }
            let mut inside = Vec::new();
            for action in body {
                self.action(state, keys, action, locals, &mut inside);
            }
            whole = whole.holding(inside);
        }
        out.push(whole);
    }

    fn send(
        &mut self,
        state: &str,
        keys: &[&str],
        action: &Action,
        locals: &mut Locals,
        out: &mut Vec<Element>,
    ) {
        let Action::Send { event, with, after, id, replace, id_to, to } = action else { return };
        let mut send = Element::new("send");
        send = match event.as_const().and_then(Value::as_str) {
            Some(event) => send.with("event", event),
            None => send.with("eventexpr", renamed(&expression(event), locals)),
        };
        send = match to {
            None => send,
            Some(to) => {
                let (name, value) = target(to);
                let value = if name == "targetexpr" { renamed(&value, locals) } else { value };
                send.with(name, value)
            }
        };
        send = match after {
            None => send,
            Some(Delay::Fixed(ms)) => send.with("delay", format!("{ms}ms")),
            Some(Delay::Computed(template)) => {
                send.with("delayexpr", renamed(&expression(template), locals))
            }
        };
        send = match id.as_ref().map(Template::as_const) {
            None => send,
            Some(Some(Value::String(id))) => send.with("id", &**id),
            Some(_) => {
                self.refuse(state, keys, "a computed `id` has no equivalent");
                send
            }
        };
        if *replace {
            self.refuse(state, keys, "`replace: true` has no equivalent; `cancel` before `send`");
        }
        send = send.with_some("idlocation", id_to.as_ref().map(|path| path.text.to_string()));
        let along = self.along(with.as_ref(), locals);
        out.push(send.holding(along));
    }

    /// What goes along with an event.
    #[expect(clippy::unused_self, reason = "reads like its siblings")]
    fn along(&self, with: Option<&Template>, locals: &Locals) -> Vec<Element> {
        if locals.is_empty() {
            return payload(with);
        }
        let Some(with) = with else { return Vec::new() };
        vec![Element::new("content").with("expr", renamed(&expression(with), locals))]
    }
}

fn assign(path: &SetPath, expr: &Expr, locals: &Locals) -> Element {
    let value = renamed(expr.source().trim(), locals);
    Element::new("assign").with("location", &*path.text).with("expr", value)
}

fn renamed(source: &str, locals: &Locals) -> String {
    locals.iter().fold(source.to_owned(), |text, local| as_variable(&text, local))
}

/// The variables of a loop, and what it does behind the copies that a conversion from SCXML
/// begins with.
fn loop_names<'b>(
    item: &str,
    index: Option<&Arc<str>>,
    body: &'b [Action],
) -> ((String, Option<String>), &'b [Action]) {
    let own = || (item.to_owned(), index.map(ToString::to_string));
    let Some((Action::Set(copies), rest)) = body.split_first() else { return (own(), body) };
    let of = |local: &str| {
        let copy = copies.iter().find(|(_, expr)| expr.source().trim() == local);
        copy.map(|(path, _)| path.text.to_string())
    };
    let index = index.map(|index| of(index));
    let count = 1 + usize::from(index.is_some());
    match (of(item), index) {
        (Some(item), None) if copies.len() == count => ((item, None), rest),
        (Some(item), Some(Some(index))) if copies.len() == count => ((item, Some(index)), rest),
        (Some(_) | None, _) => (own(), body),
    }
}

/// `target` or `targetexpr`.
fn target(to: &Recipient) -> (&'static str, String) {
    match to {
        Recipient::Written(template) => match template.as_const().and_then(Value::as_str) {
            Some("parent") => ("target", "#_parent".to_owned()),
            Some(written) => match written.strip_prefix("invoke.") {
                Some(id) => ("target", format!("#_{id}")),
                None => ("target", format!("#_scxml_{written}")),
            },
            None => ("targetexpr", expression(template)),
        },
        Recipient::Instance(template) => match template.as_const().and_then(Value::as_str) {
            Some(instance) => ("target", format!("#_scxml_{instance}")),
            None => {
                let prefix = literal(&Value::from("#_scxml_"));
                ("targetexpr", format!("{prefix} + string({})", expression(template)))
            }
        },
    }
}
