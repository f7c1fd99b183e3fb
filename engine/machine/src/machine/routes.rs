//! `route:`: which rule decides, and what is said of it (decision 0025).

use std::sync::Arc;

use super::input::Event;
use super::work::{ActionError, Failure, Origin, Work};
use crate::definition::model::{Route, RouteRule};
use crate::value::{Map, Value};

/// Letters of a reason that the history shows.
const SHOWN_MAX: usize = 200;

impl Work<'_> {
    /// Asks all rules, and gives what is decided, by which rule and why.
    pub(super) fn run_route(
        &mut self,
        route: &Route,
        event: Option<&Event>,
    ) -> Result<Value, Failure> {
        let (matched, failed) = self.matching(route, event)?;
        let rule = matched.first().copied();
        let Some(verdict) = rule.map(|rule| &rule.verdict).or(route.default.as_ref()) else {
            return Err(Failure::Error(nobody_decides(route, &failed)));
        };
        const NAME: &str = "error.execution.route";
        let decision = self.value(&verdict.to, event, NAME)?;
        let reason: Arc<str> = match (&verdict.reason, rule) {
            (Some(reason), _) => self.text(reason, event, NAME)?,
            (None, Some(rule)) => format!("rule {} matches", rule.name).into(),
            (None, None) => "no rule matches".into(),
        };
        let with = verdict.with.as_ref().map(|with| self.value(with, event, NAME)).transpose()?;
        self.note_decision(&decision, rule, &reason, &matched);
        let name = |rule: &RouteRule| Value::String(Arc::clone(&rule.name));
        let mut output = Map::from_iter([
            ("decision", decision),
            ("reason", Value::String(reason)),
            ("rule", rule.map(name).unwrap_or_default()),
            ("matched", Value::list(matched.iter().map(|rule| name(rule)).collect())),
        ]);
        if let Some(with) = with {
            output.insert("with", with);
        }
        if !failed.is_empty() {
            output.insert("failed", Value::from(failed));
        }
        let output = Value::from(output);
        self.output = Some(output.clone());
        let kept = self.run_set(&route.set, event);
        self.output = None;
        kept.map(|()| output)
    }

    /// The rules that match, and what the guards say that cannot be evaluated: those count as
    /// false and are raised as any guard is (rule 24).
    fn matching<'r>(
        &mut self,
        route: &'r Route,
        event: Option<&Event>,
    ) -> Result<(Vec<&'r RouteRule>, Map), Failure> {
        let (mut matched, mut failed) = (Vec::new(), Map::new());
        for rule in &route.rules {
            self.count_action()?;
            let Some(when) = &rule.when else {
                matched.push(rule);
                continue;
            };
            match when.eval_bool(&self.scope(event)) {
                Ok(true) => matched.push(rule),
                Ok(false) => {}
                Err(error) => {
                    let message = error.to_string();
                    failed.insert(Arc::clone(&rule.name), Value::from(message.clone()));
                    self.note(format!("rule {} cannot be evaluated: {message}", rule.name));
                    let error = ActionError::new("error.execution.guard", message);
                    self.queue_error(error, Origin::default())?;
                }
            }
        }
        Ok((matched, failed))
    }

    fn note_decision(
        &mut self,
        decision: &Value,
        rule: Option<&RouteRule>,
        reason: &str,
        matched: &[&RouteRule],
    ) {
        let short = |text: &str| text.chars().take(SHOWN_MAX).collect::<String>();
        let decision = decision.as_str().map_or_else(|| decision.to_json(), str::to_owned);
        let by = rule.map_or_else(|| "default".to_owned(), |rule| format!("rule {}", rule.name));
        let mut words = format!("routed to {} by {by}: {}", short(&decision), short(reason));
        if matched.len() > 1 {
            let names: Vec<_> = matched.iter().map(|rule| &*rule.name).collect();
            words.push_str(&format!(" (matched: {})", short(&names.join(", "))));
        }
        self.note(words);
    }
}

fn nobody_decides(route: &Route, failed: &Map) -> ActionError {
    let count = route.rules.len();
    let mut message = match count {
        1 => "the one rule does not match, and there is no `default`".to_owned(),
        _ => format!("none of {count} rules matches, and there is no `default`"),
    };
    if let Some((rule, error)) = failed.iter().next() {
        message.push_str(&format!("; rule {rule} cannot be evaluated: {error}"));
    }
    ActionError::new("error.execution.route", message)
}
