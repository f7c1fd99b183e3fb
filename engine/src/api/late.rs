//! Answers that nobody waited for any more: the history names their calls, as far as its earlier
//! lines know them.

use std::collections::BTreeMap;

use gearshift_machine::definition::model::{CallSpec, Definition, Graph, SeqStep};
use gearshift_machine::machine::{EffectId, FanState, Instance, StepState, TraceEntry};
use gearshift_protocol::view::HistoryEntry;

use super::wire::state_names;

/// What the machine writes before the id of a call that it knows no more.
const OF_CALL: &str = " of call ";

/// Names the calls of late answers in `lines`, which are those of `entries`.
pub(super) fn name(
    (instance, definition): (&Instance, &Definition),
    entries: &[TraceEntry],
    lines: &mut [HistoryEntry],
) {
    let unnamed = |line: &&mut HistoryEntry| line.input == "reply";
    let mut known = None;
    for line in lines.iter_mut().filter(unnamed) {
        let Some(call) = line.note.as_deref().and_then(call_of) else { continue };
        let known = known.get_or_insert_with(|| calls(instance, entries));
        let Some(&(entry, operation)) = known.get(&call) else { continue };
        line.input = format!("reply {operation}");
        let told = (entry, operation);
        let step = step((instance, definition), entries, told, call);
        if let Some(step) = &step {
            line.input.push_str(&format!(" ({step})"));
        }
        let whose = step.map_or_else(|| state(definition, entry), |step| Some(of_step(&step)));
        if let (Some(whose), Some(note)) = (whose, &mut line.note) {
            let id = format!("{OF_CALL}{call}");
            *note = note.replacen(&id, &format!("{id} of {whose}"), 1);
        }
    }
}

/// ``step `load[3]` ``, ``the undo of step `load` ``, `` `finally` ``.
fn of_step(name: &str) -> String {
    match name.strip_prefix("undo of ") {
        Some(step) => format!("the undo of step `{step}`"),
        None if name == "finally" => format!("`{name}`"),
        None => format!("step `{name}`"),
    }
}

/// The state that made the call, where only one was active then and no graph has such a call.
fn state(definition: &Definition, entry: &TraceEntry) -> Option<String> {
    let of_graphs = !definition.graphs.is_empty();
    match state_names(definition, &entry.active).as_slice() {
        [one] if !of_graphs => Some(format!("state `{one}`")),
        _ => None,
    }
}

/// The call that a note names.
fn call_of(note: &str) -> Option<EffectId> {
    let (_, behind) = note.split_once(OF_CALL)?;
    EffectId::parse(behind.split([';', ' ']).next()?)
}

/// The calls of this life whose beginning is told: where, and what was called. An id says in which
/// decision its call began, and at which place.
fn calls<'e>(
    instance: &Instance,
    entries: &'e [TraceEntry],
) -> BTreeMap<EffectId, (&'e TraceEntry, &'e str)> {
    let mut known = BTreeMap::new();
    for entry in entries {
        let effects = entry.effects.iter().map(|words| &**words).filter(has_id);
        for (place, words) in (0_u32..).zip(effects) {
            if let Some(operation) = words.strip_prefix("call ") {
                let id = EffectId::new(&instance.key, instance.generation, entry.step, place);
                known.insert(id, (entry, operation));
            }
        }
    }
    known
}

/// The step whose call it was, with the item of a `foreach`, where only one can be meant.
fn step(
    (instance, definition): (&Instance, &Definition),
    entries: &[TraceEntry],
    (entry, operation): (&TraceEntry, &str),
    late: EffectId,
) -> Option<String> {
    let is_step = |at: usize| {
        let of = |graph: &Graph| {
            let mut steps = graph.steps.iter().map(|step| step.program).chain(graph.finally);
            steps.any(|program| usize::from(program) == at)
        };
        definition.graphs.iter().any(of)
    };
    let mut others = definition.sequences.iter().enumerate().filter(|(at, _)| !is_step(*at));
    if others.any(|(_, it)| it.steps.iter().filter_map(spec).any(|it| *it.operation == *operation))
    {
        return None;
    }
    let (mut all, mut then) = (Vec::new(), Vec::new());
    for (number, graph) in (0_u16..).zip(&definition.graphs) {
        let finally = graph.finally.and_then(|at| definition.sequences.get(usize::from(at)));
        let mut cleans = finally.into_iter().flat_map(|it| it.steps.iter().filter_map(spec));
        let cleans = cleans.any(|it| *it.operation == *operation).then(|| "finally".to_owned());
        all.extend(cleans.clone());
        let run = instance.progress.as_deref();
        let run = run.and_then(|it| it.graphs.iter().find(|run| run.graph == number));
        for (at, step) in graph.steps.iter().enumerate() {
            let program = definition.sequences.get(usize::from(step.program));
            let calls = program.into_iter().flat_map(|program| &program.steps);
            for call in calls.filter_map(spec) {
                if *call.operation == *operation {
                    let state = run.and_then(|run| run.steps.get(at));
                    let fan = state.and_then(|state| state.fan.as_deref());
                    let item = fan.and_then(|fan| item(instance, entries, (fan, operation), late));
                    let item = item.map_or_else(String::new, |item| format!("[{item}]"));
                    let name = format!("{}{item}", step.id);
                    all.push(name.clone());
                    let runs = state.is_some_and(|state| {
                        state.started_at.is_some_and(|began| began <= entry.at)
                            // What ended then made way for what began.
                            && state.ended_at.is_none_or(|ended| {
                                ended > entry.at || state.started_at == Some(entry.at)
                            })
                    });
                    then.extend(runs.then_some(name));
                }
                if call.undo.as_ref().is_some_and(|undo| *undo.operation == *operation) {
                    all.push(format!("undo of {}", step.id));
                }
            }
        }
        let is_over = |state: &StepState| state.ended_at.is_none_or(|ended| ended <= entry.at);
        if then.is_empty() && run.is_some_and(|run| run.steps.iter().all(is_over)) {
            then.extend(cleans);
        }
    }
    [all, then].into_iter().find_map(|mut list| {
        list.dedup();
        if list.len() == 1 { list.pop() } else { None }
    })
}

/// The item whose call it was: items begin one after the other, so that their calls are told in the
/// order of the list. Nothing where that does not come out even: the history does not go back that
/// far, or something was tried again.
fn item(
    instance: &Instance,
    entries: &[TraceEntry],
    (fan, operation): (&FanState, &str),
    call: EffectId,
) -> Option<usize> {
    let again = |entry: &&TraceEntry| {
        ["timer retry", "sending", "timer fire"].iter().any(|it| entry.input.starts_with(it))
    };
    let mut begun = Vec::new();
    for entry in entries.iter().filter(|entry| !again(entry)) {
        let effects = entry.effects.iter().map(|words| &**words).filter(has_id);
        let calls = (0_u32..).zip(effects);
        let calls = calls.filter(|(_, words)| words.strip_prefix("call ") == Some(operation));
        begun.extend(calls.map(|(place, _)| {
            EffectId::new(&instance.key, instance.generation, entry.step, place)
        }));
    }
    let at = begun.iter().position(|known| *known == call)?;
    (begun.len() == fan.next as usize).then_some(at)
}

/// Has an effect an id of its own? What has none is not counted.
fn has_id(words: &&str) -> bool {
    let no_id = words.starts_with("cancel ") || words.starts_with("log ");
    !(no_id || words.starts_with("send ") && !words.contains(" to "))
}

fn spec(step: &SeqStep) -> Option<&CallSpec> {
    step.call().map(|spec| &**spec)
}
