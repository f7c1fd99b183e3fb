//! Spoken: the answer that most events get, written as JSON without anything in between.
//!
//! Every event gets one, so it is worth it; what is rare, the serializer of the protocol writes.
//! Both say the same, byte for byte.

use std::sync::Arc;

use gearshift_machine::definition::model::Definition;
use gearshift_machine::machine::{InstanceKey, Outcome, StateId};
use gearshift_machine::partition::Done;

use super::wire;
use crate::runtime::Reached;

/// Room for the text of a usual answer, in bytes.
const USUAL: usize = 320;

/// The answer to one event of one instance that took a transition or began; `seen` is how it
/// stood when what was waited for came, `reached` whether it did.
pub(super) fn answer(
    key: &InstanceKey,
    done: &Done,
    seen: Option<&Reached>,
    reached: bool,
) -> Option<Vec<u8>> {
    let definition = done.definition.as_ref()?;
    let (status, step, active, active_of) = match seen {
        Some(seen) => (seen.status, seen.step, &seen.active, &seen.definition),
        None => (done.status?, done.step, &done.active, definition),
    };
    let (began, from, to, waiting) = match &done.outcome {
        Outcome::Started { to } => (true, None, to, false),
        Outcome::Transitioned { from, to, waiting } => (false, Some(from), to, *waiting),
        Outcome::Deferred
        | Outcome::Ignored { .. }
        | Outcome::Duplicate { .. }
        | Outcome::IdReuse { .. }
        | Outcome::Rejected { .. }
        | Outcome::Denied { .. }
        | Outcome::DeadLettered { .. }
        | Outcome::Stuck { .. }
        | Outcome::NotFound { .. }
        | Outcome::Busy { .. }
        | Outcome::Done => return None,
    };
    let mut text = Text(Vec::with_capacity(USUAL));
    let (workflow, name) = (key.workflow(), key.key());
    text.raw("{\"verdicts\":[{\"instance\":\"");
    text.inside(workflow);
    text.raw("/");
    text.inside(name);
    text.raw("\",\"workflow\":\"");
    text.inside(workflow);
    text.raw("\",\"key\":\"");
    text.inside(name);
    text.raw("\",\"version\":");
    text.number(definition.version.into());
    text.raw(",\"generation\":");
    text.number(done.generation.0.into());
    text.raw(",\"step\":");
    text.number(step);
    text.raw(",\"status\":\"");
    text.raw(wire::status(status).as_str());
    text.raw("\",\"active\":");
    text.names(active_of, active);
    text.raw(if began { ",\"verdict\":\"started\"" } else { ",\"verdict\":\"transitioned\"" });
    if let Some(from) = from {
        text.raw(",\"from\":");
        text.names(definition, from);
    }
    text.raw(",\"to\":");
    text.names(definition, to);
    if !began {
        text.raw(if waiting { ",\"waiting\":true" } else { ",\"waiting\":false" });
    }
    text.raw(if reached { "}],\"reached\":true}" } else { "}],\"reached\":false}" });
    Some(text.0)
}

/// JSON in the making.
struct Text(Vec<u8>);

impl Text {
    fn raw(&mut self, text: &str) {
        self.0.extend_from_slice(text.as_bytes());
    }

    /// The inside of a string.
    fn inside(&mut self, text: &str) {
        if text.bytes().all(|byte| byte >= b' ' && byte != b'"' && byte != b'\\') {
            return self.raw(text);
        }
        let quoted = serde_json::to_string(text).unwrap_or_default();
        let inside = quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        self.raw(inside.unwrap_or_default());
    }

    fn number(&mut self, number: u64) {
        match u8::try_from(number) {
            Ok(digit @ 0..10) => self.0.push(b'0' + digit),
            Ok(_) | Err(_) => self.raw(&number.to_string()),
        }
    }

    /// Ids of the atomic states among `states`.
    fn names(&mut self, definition: &Arc<Definition>, states: &[StateId]) {
        self.raw("[");
        for (place, id) in definition.leaves(states).enumerate() {
            self.raw(if place == 0 { "\"" } else { ",\"" });
            self.inside(&definition.state(id).id);
            self.raw("\"");
        }
        self.raw("]");
    }
}

#[cfg(test)]
mod tests {

    use gearshift_machine::definition::{Format, load};
    use gearshift_machine::machine::{Generation, Status};
    use gearshift_protocol::EventReply;

    use super::*;

    const FLOW: &str = "\
workflow: order
states:
  first:
    on: {go: both}
  both:
    parallel:
      left: {}
      right: {}
";

    fn done(key: &InstanceKey, definition: &Arc<Definition>, outcome: Outcome, step: u64) -> Done {
        let active = (0_u16..4).map(StateId).collect();
        Done {
            key: Some(key.clone()),
            definition: Some(Arc::clone(definition)),
            outcome,
            effects: Vec::new(),
            trace: None,
            generation: Generation(1_234_567),
            step,
            status: Some(Status::Running),
            active,
        }
    }

    fn serialized(key: &InstanceKey, done: &Done, seen: Option<&Reached>, reached: bool) -> String {
        let mut verdict = wire::verdict(key, done);
        if let Some(seen) = seen {
            verdict.status = Some(wire::status(seen.status));
            verdict.step = seen.step;
            verdict.active = wire::state_names(&seen.definition, &seen.active);
        }
        let mut answer = EventReply::new(vec![verdict]);
        answer.reached = reached;
        serde_json::to_string(&answer).unwrap()
    }

    #[test]
    fn an_answer_is_what_the_serializer_says() {
        let definition = load(FLOW, "order", Format::Yaml).unwrap().definition;
        let definition = Arc::new(definition);
        let all = || (0_u16..5).map(StateId).collect::<Vec<_>>();
        let outcomes = [
            Outcome::Started { to: all() },
            Outcome::Transitioned { from: Vec::new(), to: all(), waiting: true },
            Outcome::Transitioned { from: all(), to: Vec::new(), waiting: false },
        ];
        for name in ["a-1", "a \"b\" \\ c", "ä\u{2028}\u{a0}", "/"] {
            let key = InstanceKey::new("order", name).unwrap();
            for outcome in &outcomes {
                for step in [0, 9, 10, 255, 256, u64::MAX] {
                    let done = done(&key, &definition, outcome.clone(), step);
                    let seen = Reached {
                        met: true,
                        status: Status::Stuck,
                        active: vec![StateId(1)],
                        definition: Arc::clone(&definition),
                        step: 77,
                    };
                    for (seen, reached) in [(None, true), (None, false), (Some(&seen), true)] {
                        let spoken = answer(&key, &done, seen, reached).unwrap();
                        let spoken = String::from_utf8(spoken).unwrap();
                        assert_eq!(spoken, serialized(&key, &done, seen, reached));
                    }
                }
            }
        }
    }

    #[test]
    fn what_is_rare_is_left_to_the_serializer() {
        let definition = Arc::new(load(FLOW, "order", Format::Yaml).unwrap().definition);
        let key = InstanceKey::new("order", "a").unwrap();
        let refused = Outcome::Rejected { reason: "no".into(), accepted: Vec::new() };
        assert_eq!(answer(&key, &done(&key, &definition, refused, 1), None, true), None);
        let mut gone = done(&key, &definition, Outcome::Started { to: Vec::new() }, 1);
        gone.status = None;
        assert_eq!(answer(&key, &gone, None, true), None);
    }
}
