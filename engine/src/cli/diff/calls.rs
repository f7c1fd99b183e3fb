//! Calls and children that states wait for.

use std::collections::BTreeMap;

use gearshift_machine::definition::duration;
use gearshift_machine::definition::model::{Backoff, CallSpec, ChildSpec, Definition, SeqStep};

use super::meaning::{Found, Kind};

/// Something that is waited for.
#[derive(Clone, Copy)]
enum Invoke<'d> {
    Call(&'d CallSpec),
    Child(&'d ChildSpec),
}

/// Where it is asked, and the author's id; else what is asked, and for the how-many-eth time.
type Place = (String, Result<String, (String, usize)>);

/// Compares what is waited for, each with the one of the same id, else with the same operation.
pub(super) fn compare(from: &Definition, to: &Definition, found: &mut Found) {
    let (old, new) = (invokes(from), invokes(to));
    for (place, before) in &old {
        let what = what(place, *before);
        match (before, new.get(place)) {
            (_, None) => {
                let wait = "instances that wait for it are not migrated".to_owned();
                found.only(Kind::Lost, about(*before), what).note = Some(wait);
            }
            (Invoke::Call(before), Some(Invoke::Call(after))) => {
                call(&what, before, after, found);
            }
            (Invoke::Child(before), Some(Invoke::Child(after))) => {
                let workflow = |spec: &ChildSpec| name(Invoke::Child(spec));
                let (old, new) = (workflow(before), workflow(after));
                found.changed("child", &format!("workflow of {what}"), old, new);
                found.other("child", &format!("input of {what}"), &before.with, &after.with);
                found.other("child", &format!("set of {what}"), &before.set, &after.set);
                let (old, new) = (before.forward.to_string(), after.forward.to_string());
                found.changed("child", &format!("forward of {what}"), old, new);
            }
            (Invoke::Call(_), Some(other @ Invoke::Child(_)))
            | (Invoke::Child(_), Some(other @ Invoke::Call(_))) => {
                found.changed(about(*before), &what, name(*before), name(*other));
            }
        }
    }
    for (place, after) in new.iter().filter(|(place, _)| !old.contains_key(*place)) {
        found.only(Kind::New, about(*after), what(place, *after));
    }
}

fn call(what: &str, before: &CallSpec, after: &CallSpec, found: &mut Found) {
    let mut tell = |field: &str, from: String, to: String| {
        found.changed("call", &format!("{field} of {what}"), from, to);
    };
    tell("operation", before.operation.to_string(), after.operation.to_string());
    tell("timeout", duration::format(before.timeout_ms), duration::format(after.timeout_ms));
    tell("retry", retry(before), retry(after));
    let undo = |spec: &CallSpec| {
        spec.undo.as_ref().map_or_else(|| "none".to_owned(), |undo| undo.operation.to_string())
    };
    tell("undo", undo(before), undo(after));
    tell("cache", cache(before), cache(after));
    found.other("call", &format!("input of {what}"), &before.with, &after.with);
    found.other("call", &format!("set of {what}"), &before.set, &after.set);
    let key = |spec: &CallSpec| spec.cache.as_ref().and_then(|rules| rules.key.clone());
    found.other("call", &format!("cache key of {what}"), &key(before), &key(after));
}

/// `10m`, or `10m by a key`.
fn cache(spec: &CallSpec) -> String {
    let Some(rules) = &spec.cache else { return "none".to_owned() };
    let ttl = duration::format(rules.ttl_ms);
    if rules.key.is_some() { format!("{ttl} by a key") } else { ttl }
}

/// `3 attempts, 2s..1m with jitter`.
fn retry(spec: &CallSpec) -> String {
    let policy = spec.retry;
    let wait = match policy.backoff {
        Backoff::Fixed { delay_ms } => duration::format(delay_ms),
        Backoff::Exponential { first_ms, cap_ms } => {
            format!("{}..{}", duration::format(first_ms), duration::format(cap_ms))
        }
    };
    match (policy.attempts, policy.jitter) {
        (1, _) if policy.waits_for_plugin => "none".to_owned(),
        (attempts, true) => format!("{attempts} attempts, {wait} with jitter"),
        (attempts, false) => format!("{attempts} attempts, {wait}"),
    }
}

fn about(invoke: Invoke<'_>) -> &'static str {
    match invoke {
        Invoke::Call(_) => "call",
        Invoke::Child(_) => "child",
    }
}

/// The operation, or the child's workflow.
fn name(invoke: Invoke<'_>) -> String {
    match invoke {
        Invoke::Call(spec) => spec.operation.to_string(),
        Invoke::Child(spec) => match spec.workflow.as_const().and_then(|value| value.as_str()) {
            Some(text) => text.to_owned(),
            None => "(computed)".to_owned(),
        },
    }
}

/// The same without the version that is asked for.
fn plain(invoke: Invoke<'_>) -> String {
    let name = name(invoke);
    match (invoke, name.split_once('@')) {
        (_, None) => name,
        (Invoke::Child(_), Some((name, _))) => name.to_owned(),
        (Invoke::Call(_), Some((plugin, rest))) => {
            format!("{plugin}.{}", rest.rsplit('.').next().unwrap_or_default())
        }
    }
}

/// `call `bank.pay` of `paying``.
fn what((owner, id): &Place, invoke: Invoke<'_>) -> String {
    let (about, name) = (about(invoke), name(invoke));
    match id {
        Ok(id) => format!("{about} `{name}` as `{id}` {owner}"),
        Err((_, 0)) => format!("{about} `{name}` {owner}"),
        Err((_, number)) => format!("{about} `{name}` ({}) {owner}", number + 1),
    }
}

fn invokes(definition: &Definition) -> BTreeMap<Place, Invoke<'_>> {
    let mut all = BTreeMap::new();
    let mut asked: BTreeMap<(String, String), usize> = BTreeMap::new();
    for sequence in &definition.sequences {
        let state = definition.state(sequence.state);
        let owner = match state.hidden_for {
            Some(target) => format!("on the way to `{}`", definition.state(target).id),
            None => format!("of `{}`", state.id),
        };
        let counted = format!("{}.", state.id);
        for step in &sequence.steps {
            let (invoke, id) = match step {
                SeqStep::Call { spec, invoke_id } => (Invoke::Call(spec), invoke_id),
                SeqStep::Child { spec, invoke_id } => (Invoke::Child(spec), invoke_id),
                SeqStep::Do(_)
                | SeqStep::Wait { .. }
                | SeqStep::Approval { .. }
                | SeqStep::Name { .. }
                | SeqStep::JumpUnless { .. }
                | SeqStep::Jump { .. } => continue,
            };
            let is_counted =
                id.strip_prefix(&counted).is_some_and(|number| number.parse::<u16>().is_ok());
            let id = if is_counted {
                let times = asked.entry((owner.clone(), plain(invoke))).or_default();
                *times += 1;
                Err((plain(invoke), *times - 1))
            } else {
                Ok(id.to_string())
            };
            all.insert((owner.clone(), id), invoke);
        }
    }
    all
}
