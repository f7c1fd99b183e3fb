//! `--where`: a bounded expression over what a list shows.

use std::cell::Cell;
use std::sync::Arc;

use gearshift_machine::definition::expr::{Expr, ExprKind, NameSet, Names, Scope};
use gearshift_machine::definition::model::Definition;
use gearshift_machine::machine::{Instance, Timestamp};
use gearshift_machine::value::{Map, Value};
use gearshift_protocol::view::Unjudged;
use gearshift_protocol::{Problem, ProblemKind};

use super::{plain, problem, steps};

/// The names a filter may use; those of [`STEPS`] among them.
const NAMES: [&str; 17] = [
    "workflow",
    "version",
    "key",
    "status",
    "state",
    "states",
    "age_s",
    "vars",
    "generation",
    "stuck",
    "end",
    "left_out",
    "progress",
    "current_step",
    "completed_steps",
    "total_steps",
    "steps",
];
/// What is said of steps, and costs something to find out.
const STEPS: [&str; 5] = ["progress", "current_step", "completed_steps", "total_steps", "steps"];
/// Work allowed per instance.
const FUEL: u32 = 10_000;

/// A compiled filter; without one everything passes, also what cannot be looked into.
#[derive(Clone, Debug)]
pub(super) struct Filter(Option<Wanted>);

#[derive(Clone, Debug)]
struct Wanted {
    expression: Expr,
    /// May it ask for what is said of steps?
    steps: bool,
}

impl Filter {
    pub(super) fn compile(text: Option<&str>) -> Result<Self, Box<Problem>> {
        let Some(text) = text else { return Ok(Self(None)) };
        let locals = NAMES.map(Arc::from);
        let names =
            Names { vars: &[], states: &[], steps: &[], locals: &locals, allowed: NameSet::NONE };
        let refuse =
            |told: String| problem(ProblemKind::BadRequest, format!("filter `{text}`: {told}"));
        let compiled = Expr::compile(text, ExprKind::Guard, &names).map_err(|problems| {
            let first = problems.first();
            let message = first.map_or("does not compile", |problem| &problem.message);
            refuse(format!("{message}; names are {}", NAMES.join(", ")))
        })?;
        // None of the names is a bool by itself.
        if let Some(what) = compiled.no_bool(&NAMES) {
            return Err(refuse(format!(
                "{what} is never true or false: compare it with something"
            )));
        }
        let steps = STEPS.iter().any(|name| text.contains(name));
        Ok(Self(Some(Wanted { expression: compiled, steps })))
    }

    /// Does the filter let `instance` pass? Where it cannot be said, why not.
    pub(super) fn judge(
        &self,
        definition: Option<&Definition>,
        instance: &Instance,
        now: Timestamp,
    ) -> Result<bool, String> {
        let Some(Wanted { expression, steps }) = &self.0 else { return Ok(true) };
        let definition = definition.ok_or("its definition is not known here")?;
        let mut locals = locals(definition, instance, now);
        if *steps {
            locals.extend(steps_of(definition, instance, now));
        }
        let fuel = Cell::new(FUEL);
        let scope = Scope {
            definition,
            key: None,
            vars: &[],
            active: &[],
            event: None,
            input: &Value::Null,
            output: None,
            error: None,
            steps: None,
            now,
            locals: &locals,
            fuel: &fuel,
        };
        expression.eval_bool(&scope).map_err(|error| error.to_string())
    }
}

/// Counts an instance that could not be judged.
pub(super) fn unjudged(all: &mut Option<Unjudged>, instance: &Instance, reason: String) {
    let living = u64::from(!instance.status.is_ended());
    let one = Unjudged { count: 1, living, first: instance.key.to_string(), reason };
    match all {
        Some(all) => all.add(one),
        None => *all = Some(one),
    }
}

fn locals(definition: &Definition, instance: &Instance, now: Timestamp) -> Vec<(Arc<str>, Value)> {
    let states = super::wire::state_names(definition, &instance.active);
    let first = states.first().cloned().unwrap_or_default();
    let vars = definition
        .vars
        .iter()
        .zip(&instance.vars)
        .map(|(var, value)| (Arc::clone(&var.name), value.clone()))
        .collect::<Map>();
    let age = now.since_ms(instance.started_at) / 1_000;
    let stuck = instance.stuck.as_ref().map(|stuck| Value::from(plain(&stuck.reason)));
    let values = [
        Value::from(instance.key.workflow()),
        Value::Int(i64::from(instance.pin.version)),
        Value::from(instance.key.key()),
        Value::from(instance.status.as_str()),
        Value::from(first),
        Value::list(states.into_iter().map(Value::from).collect()),
        Value::from(age),
        Value::from(vars),
        Value::Int(i64::from(instance.generation.0)),
        stuck.unwrap_or_default(),
        end(instance),
        left_out(instance),
    ];
    NAMES.map(Arc::from).into_iter().zip(values).collect()
}

/// What persons left out of what cleans up, each in words.
fn left_out(instance: &Instance) -> Value {
    let all = instance.left_out().iter().map(|what| Value::String(Arc::clone(what)));
    Value::list(all.collect())
}

/// How it ended; nothing of what lives, or reached a final state.
fn end(instance: &Instance) -> Value {
    let Some(end) = instance.end() else { return Value::Null };
    let error = end.error.as_deref().cloned().unwrap_or_default();
    let fields = [
        ("how", Value::from(end.how.as_str())),
        ("by", Value::String(Arc::clone(&end.by))),
        ("reason", Value::from(plain(&end.reason))),
        ("step", Value::String(error.step)),
        ("kind", Value::String(error.kind)),
        ("code", Value::String(error.code)),
    ];
    Map::from_iter(fields).into()
}

/// What `show` says of steps, results of any size included.
fn steps_of(
    definition: &Definition,
    instance: &Instance,
    now: Timestamp,
) -> Vec<(Arc<str>, Value)> {
    let shown = steps::view(instance, definition, now);
    let current = shown.current_step.into_iter().map(Value::from).collect();
    let values = [
        shown.progress.map(Value::Double).unwrap_or_default(),
        Value::list(current),
        Value::Int(i64::from(shown.completed_steps)),
        Value::Int(i64::from(shown.total_steps)),
        Value::from(steps::facts(instance, definition)),
    ];
    STEPS.map(Arc::from).into_iter().zip(values).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_true_or_false_of_no_instance_is_refused_at_once() {
        for (text, what) in [
            ("1", "a guard is a bool, this is int"),
            ("age_s", "`age_s` is never true or false"),
            (" (vars) ", "`vars` is never true or false"),
            ("age_s + 1", "`+` is never true or false"),
            ("-generation", "`-` is never true or false"),
            ("size(states)", "`size` is never true or false"),
            ("states.size()", "`size` is never true or false"),
            ("key.lowerAscii()", "`lowerAscii` is never true or false"),
            ("key.replace('a', 'b')", "`replace` is never true or false"),
            ("age_s > 1 ? 'a' + 'b' : 1 - 2", "either branch of `?:` is never true or false"),
        ] {
            let told = Filter::compile(Some(text)).map(|_| ()).unwrap_err().detail;
            assert!(told.contains(what), "{text}: {told}");
        }
        for text in ["true", "vars.flag", "!vars.flag", "has(vars.a) && vars.a > 1", "key in ['a']"]
        {
            assert!(Filter::compile(Some(text)).is_ok(), "{text}");
        }
        for text in ["states.exists(s, s == 'a')", "key.matches('a')", "vars.a ? true : vars.b"] {
            assert!(Filter::compile(Some(text)).is_ok(), "{text}");
        }
    }

    #[test]
    fn the_first_that_lives_stands_for_those_that_could_not_be_judged() {
        let one = |living: u64, first: &str| Unjudged {
            count: 1,
            living,
            first: first.to_owned(),
            reason: format!("why {first}"),
        };
        let mut all = one(0, "t/ended");
        for next in [one(1, "t/a"), one(1, "t/b"), one(0, "t/c")] {
            all.add(next);
        }
        assert_eq!((all.count, all.living, &*all.first), (4, 2, "t/a"));
        assert_eq!(all.reason, "why t/a");
    }
}
