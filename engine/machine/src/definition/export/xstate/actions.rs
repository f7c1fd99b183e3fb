//! Actions and data → references with parameters.

use super::super::json::Json;
use super::super::scxml::expression;
use super::machine::Export;
use crate::definition::expr::{Expr, Template};
use crate::definition::model::{Action, Delay, Recipient, SetPath};

impl Export<'_, '_> {
    pub(super) fn actions(&self, actions: &[Action]) -> Vec<Json> {
        actions.iter().map(|action| self.action(action)).collect()
    }

    pub(super) fn action(&self, action: &Action) -> Json {
        let optional = |with: &Option<Template>| with.as_ref().map(template);
        let (kind, params) = match action {
            Action::Set(entries) => ("set", set(entries)),
            Action::Raise { event, with } => {
                let event = Some(Json::text(&**event));
                ("raise", Json::object([("event", event), ("with", optional(with))]))
            }
            Action::Send { event, with, after, id, replace, id_to, to } => {
                let params = Json::object([
                    ("event", Some(template(event))),
                    ("with", optional(with)),
                    ("after", after.as_ref().map(delay)),
                    ("id", optional(id)),
                    ("replace", replace.then(|| Json::Raw("true".to_owned()))),
                    ("id_to", id_to.as_ref().map(|path| Json::text(&*path.text))),
                    ("to", to.as_ref().map(recipient)),
                ]);
                ("send", params)
            }
            Action::Cancel { id } => ("cancel", Json::object([("id", Some(template(id)))])),
            Action::Publish { subject, with } => {
                let subject = Some(template(subject));
                ("publish", Json::object([("subject", subject), ("with", optional(with))]))
            }
            Action::Log { label, value } => {
                let label = Some(Json::text(&**label));
                ("log", Json::object([("label", label), ("value", Some(template(value)))]))
            }
            Action::If(branches) => {
                let branch = |(guard, body): &(Option<Expr>, Vec<Action>)| {
                    let when = guard.as_ref().map(cel);
                    Json::object([("when", when), ("do", Some(Json::List(self.actions(body))))])
                };
                let branches = Json::List(branches.iter().map(branch).collect());
                ("if", Json::object([("branches", Some(branches))]))
            }
            Action::Each { list, item, index, body } => {
                let params = Json::object([
                    ("in", Some(cel(list))),
                    ("as", Some(Json::text(&**item))),
                    ("index", index.as_deref().map(Json::text)),
                    ("do", Some(Json::List(self.actions(body)))),
                ]);
                ("each", params)
            }
            // Refused before: nothing there orders steps.
            Action::Graph(_) => ("steps", Json::object([])),
            Action::Tell(spec) => ("call", super::invokes::call(spec)),
            Action::Checkpoint { name } => {
                ("checkpoint", Json::object([("name", Some(template(name)))]))
            }
            Action::Route(route) => ("route", super::routes::route(route)),
            // Those of `entry` are the state's `invoke`; these are started on the way.
            Action::Sequence(place) => ("calls", self.steps(*place)),
        };
        Json::object([("type", Some(Json::text(kind))), ("params", Some(params))])
    }
}

/// `{ "cel": … }`.
pub(super) fn cel(expr: &Expr) -> Json {
    Json::object([("cel", Some(Json::text(expr.source().trim())))])
}

/// `set:`: an entry after the other.
pub(super) fn set(entries: &[(SetPath, Expr)]) -> Json {
    Json::Object(entries.iter().map(|(path, expr)| (path.text.to_string(), cel(expr))).collect())
}

/// A time in milliseconds, or what gives it.
pub(super) fn delay(delay: &Delay) -> Json {
    match delay {
        Delay::Fixed(ms) => Json::Raw(ms.to_string()),
        Delay::Computed(text) => template(text),
    }
}

fn recipient(to: &Recipient) -> Json {
    match to {
        Recipient::Written(to) => template(to),
        Recipient::Instance(to) => Json::object([("instance", Some(template(to)))]),
    }
}

/// Data, with `{ "cel": … }` for an expression in it.
pub(super) fn template(template: &Template) -> Json {
    match template {
        Template::Const(value) => Json::of(value),
        Template::Expr(expr) => cel(expr),
        Template::Text(_) => Json::object([("cel", Some(Json::text(expression(template))))]),
        Template::List(items) => Json::List(items.iter().map(self::template).collect()),
        Template::Map(entries) => {
            let entries = entries.iter();
            let entries = entries.map(|(key, value)| (key.to_string(), self::template(value)));
            Json::Object(entries.collect())
        }
    }
}
