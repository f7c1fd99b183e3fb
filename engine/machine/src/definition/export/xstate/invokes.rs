//! Calls and children → actors.

use super::super::json::Json;
use super::actions::{set, template};
use super::machine::Export;
use crate::definition::model::{Action, CallSpec, ChildSpec, SeqStep, Trigger};
use crate::machine::StateId;

impl Export<'_, '_> {
    /// What entering a state starts. A call or a child is an actor; several things behind each
    /// other are one actor, `calls`, that is given its steps.
    pub(super) fn invokes(&mut self, id: StateId) -> Vec<Json> {
        let definition = self.definition;
        let state = definition.state(id);
        let place = |action: &Action| {
            if let Action::Sequence(place) = action { Some(*place) } else { None }
        };
        let started = state.entry.iter().flatten().filter_map(place);
        let started: Vec<u16> = started.collect();
        let ids: Vec<String> =
            started.iter().enumerate().map(|(at, place)| self.actor(id, at, *place)).collect();
        let mut invokes = Vec::new();
        for (place, own) in started.iter().zip(&ids) {
            let all = if ids.len() > 1 { ids.as_slice() } else { &[] };
            let (done, failed) = self.ends(id, all);
            let (src, input) = self.actor_of(*place);
            invokes.push(Json::object([
                ("id", Some(Json::text(&**own))),
                ("src", Some(src)),
                ("input", Some(input)),
                ("onDone", Json::List(done).filled()),
                ("onError", Json::List(failed).filled()),
            ]));
        }
        invokes
    }

    /// The id of an actor.
    fn actor(&self, state: StateId, at: usize, place: u16) -> String {
        match self.definition.sequences.get(usize::from(place)).map(|it| it.steps.as_slice()) {
            Some([.., SeqStep::Call { invoke_id, .. } | SeqStep::Child { invoke_id, .. }]) => {
                invoke_id.to_string()
            }
            Some(_) | None => format!("{}.calls.{at}", self.definition.state(state).id),
        }
    }

    /// What runs, and what it is given.
    fn actor_of(&self, place: u16) -> (Json, Json) {
        match self.definition.sequences.get(usize::from(place)).map(|it| it.steps.as_slice()) {
            Some([SeqStep::Call { spec, .. }]) => (Json::text(&*spec.operation), call(spec)),
            Some([SeqStep::Child { spec, .. }]) => (template(&spec.workflow), child(spec)),
            Some(_) | None => (Json::text("calls"), self.steps(place)),
        }
    }

    /// Where `done` and `failed` of a state lead: `done` needs the end of all actors.
    fn ends(&mut self, id: StateId, all: &[String]) -> (Vec<Json>, Vec<Json>) {
        let definition = self.definition;
        let state = definition.state(id);
        let own = format!("=done.state.{}", state.id);
        let lost = format!("error.communication.invoke.{}", state.id);
        let (mut done, mut failed) = (Vec::new(), Vec::new());
        for transition in &state.transitions {
            let Trigger::Events(list) = &definition.transition(*transition).trigger else {
                continue;
            };
            let has = |wanted: &str| list.iter().any(|it| it.to_string() == *wanted);
            if has(&own) && state.children.is_empty() {
                let ids = all.iter().map(|id| format!("'{id}'")).collect::<Vec<_>>().join(", ");
                let ended = (!all.is_empty()).then(|| format!("[{ids}].all(id, succeeded(id))"));
                done.push(self.transition(*transition, ended.as_deref()));
            }
            if has(&lost) {
                failed.push(self.transition(*transition, None));
            }
        }
        (done, failed)
    }

    /// The steps of calls behind each other.
    pub(super) fn steps(&self, place: u16) -> Json {
        let sequence = self.definition.sequences.get(usize::from(place));
        let steps = sequence.map(|it| it.steps.as_slice()).unwrap_or_default();
        let steps = steps.iter().map(|step| match step {
            SeqStep::Do(action) => Json::object([("do", Some(self.action(action)))]),
            SeqStep::Call { spec, invoke_id } => {
                Json::object([("id", Some(Json::text(&**invoke_id))), ("call", Some(call(spec)))])
            }
            SeqStep::Child { spec, invoke_id } => {
                Json::object([("id", Some(Json::text(&**invoke_id))), ("run", Some(child(spec)))])
            }
            // Only steps wait, and they are refused.
            SeqStep::Wait { .. } | SeqStep::Approval { .. } => Json::object([]),
            SeqStep::Name { path, invoke_id } => Json::object([
                ("id", Some(Json::text(&**invoke_id))),
                ("id_to", Some(Json::text(&*path.text))),
            ]),
            SeqStep::JumpUnless { guard, target } => Json::object([
                ("unless", Some(super::actions::cel(guard))),
                ("goto", Some(Json::Raw(target.to_string()))),
            ]),
            SeqStep::Jump { target } => {
                Json::object([("goto", Some(Json::Raw(target.to_string())))])
            }
        });
        Json::object([("steps", Some(Json::List(steps.collect())))])
    }
}

/// A call as its author declared it.
pub(super) fn call(spec: &CallSpec) -> Json {
    let number = |number: u64| Some(Json::Raw(number.to_string()));
    Json::object([
        ("operation", Some(Json::text(&*spec.operation))),
        ("with", spec.with.as_ref().map(template)),
        ("timeout_ms", number(spec.timeout_ms)),
        ("attempts", number(u64::from(spec.retry.attempts))),
        ("set", set(&spec.set).filled()),
        ("undo", spec.undo.as_ref().map(|undo| Json::text(&*undo.operation))),
        ("cache_ms", spec.cache.as_ref().and_then(|rules| number(rules.ttl_ms))),
    ])
}

fn child(spec: &ChildSpec) -> Json {
    Json::object([
        ("workflow", Some(template(&spec.workflow))),
        ("with", spec.with.as_ref().map(template)),
        ("set", set(&spec.set).filled()),
        ("forward", spec.forward.then(|| Json::Raw("true".to_owned()))),
    ])
}
