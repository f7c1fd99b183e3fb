//! `route:` → the parameters of a custom action.

use super::super::json::Json;
use super::actions::{cel, set, template};
use crate::definition::model::{Route, RouteRule, Verdict};

pub(super) fn route(route: &Route) -> Json {
    let rules = route.rules.iter().map(rule).collect();
    let default = route.default.as_ref();
    Json::object([
        ("rules", Some(Json::List(rules))),
        ("default", default.map(|verdict| Json::object(parts(verdict)))),
        ("set", (!route.set.is_empty()).then(|| set(&route.set))),
    ])
}

fn rule(rule: &RouteRule) -> Json {
    let [to, reason, with] = parts(&rule.verdict);
    Json::object([
        ("name", Some(Json::text(&*rule.name))),
        ("when", rule.when.as_ref().map(cel)),
        ("priority", (rule.priority > 0).then(|| Json::Raw(rule.priority.to_string()))),
        to,
        reason,
        with,
    ])
}

fn parts(verdict: &Verdict) -> [(&'static str, Option<Json>); 3] {
    [
        ("to", Some(template(&verdict.to))),
        ("reason", verdict.reason.as_ref().map(template)),
        ("with", verdict.with.as_ref().map(template)),
    ]
}
