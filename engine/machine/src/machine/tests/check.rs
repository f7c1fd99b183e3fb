//! `check(definition, script, trace)`: a virtual world of one instance.

use std::fmt::Write as _;
use std::sync::Arc;

use super::script::{Line, control};
use crate::definition::model::{Definition, StateKind};
use crate::definition::{Format, load};
use crate::machine::{
    BREAKER_OPEN, CallOutcome, CallRequest, Command, Decision, Delta, Effect, EffectId, ErrorKind,
    HEARTBEAT_LOST, Input, Instance, InstanceKey, NOT_SENT, NoticeKind, Outcome, PLUGIN_GONE,
    Principal, StateId, Status, Timestamp, UNTIL_LET_GO, UNTIL_SENT_AGAIN, decide,
};
use crate::value::{Map, Value};

/// Loads a definition that must have no problems.
pub(super) fn definition(text: &str) -> Definition {
    match load(text, "test.workflow.yaml", Format::Yaml) {
        Ok(loaded) => loaded.definition,
        Err(problems) => {
            let texts = problems.iter().map(|problem| problem.render(text, false));
            panic!("{}", texts.collect::<Vec<_>>().join("\n"));
        }
    }
}

/// Runs `script` on `text` and compares what happens, one line per input:
/// `N input -> effects | active states`, then the status and verdict where they are not ordinary.
#[track_caller]
pub(super) fn check(text: &str, script: &[&str], expected: &str) {
    let mut world = World::new(definition(text));
    for line in script {
        world.run(line);
    }
    let expected = expected.lines().map(str::trim).filter(|line| !line.is_empty());
    let expected = expected.collect::<Vec<_>>().join("\n");
    let found = world.out.trim_end();
    assert!(found == expected, "found:\n{found}\n\nexpected:\n{expected}\n");
}

/// One instance, its clock, and what it asked of the world.
pub(super) struct World {
    pub(super) definition: Definition,
    pub(super) key: InstanceKey,
    pub(super) now: Timestamp,
    pub(super) instance: Option<Instance>,
    /// Every call ever asked for, newest last.
    pub(super) calls: Vec<CallRequest>,
    pub(super) notices: Vec<(NoticeKind, Value)>,
    pub(super) effects: Vec<Effect>,
    pub(super) last: Option<Decision>,
    pub(super) out: String,
    /// Since when the engine is there that tells it.
    owned_since: Timestamp,
    count: u32,
}

impl World {
    pub(super) fn new(definition: Definition) -> Self {
        let key = InstanceKey::new(&definition.name, "k1").unwrap();
        Self {
            definition,
            key,
            now: Timestamp(1_700_000_000_000),
            instance: None,
            calls: Vec::new(),
            notices: Vec::new(),
            effects: Vec::new(),
            last: None,
            out: String::new(),
            owned_since: Timestamp(i64::MIN),
            count: 0,
        }
    }

    /// Runs one line of a script.
    pub(super) fn run(&mut self, text: &str) {
        let line = Line::read(text);
        let word = line.words.first().copied().unwrap_or_default();
        let by = line.by();
        match line.verb {
            "start" => {
                let event = line.words.first().map(|name| line.event(name));
                let input = line.value.clone().unwrap_or_default();
                self.tell(&Input::Start {
                    input,
                    event,
                    by: by.unwrap_or_default(),
                    id: line.start_id(),
                    trace_context: None,
                });
            }
            "held" => {
                let event = line.words.first().map(|name| line.event(name));
                let input = line.value.clone().unwrap_or_default();
                let start = Input::Start {
                    input,
                    event,
                    by: by.unwrap_or_default(),
                    id: line.start_id(),
                    trace_context: None,
                };
                let (by, reason) = ("ops".into(), "INC-1".into());
                self.tell(&Input::Held { start: Box::new(start), by, reason });
            }
            "event" => self.tell(&Input::Event(line.event(word))),
            "reply" => {
                let output = line.value.clone().unwrap_or_default();
                self.reply(word, &line, CallOutcome::Success(output));
            }
            "fail" => self.fail(word, &line),
            "sending" => self.sending(word, &line),
            "pending" => self.pending(word, &line),
            "advance" => self.advance(crate::definition::duration::parse(word).unwrap()),
            "away" => self.away(crate::definition::duration::parse(word).unwrap()),
            "command" => self.command(&line),
            "vars" => self.show_vars(),
            other => panic!("unknown verb `{other}`"),
        }
    }

    /// The latest call of an operation, and which attempt is meant.
    fn asked(&self, operation: &str, line: &Line<'_>) -> (EffectId, u32) {
        let call = self.calls.iter().rev().find(|call| *call.operation == *operation);
        let call = call.unwrap_or_else(|| panic!("`{operation}` was never called"));
        let attempt = line.option("attempt").map_or(call.attempt, |text| text.parse().unwrap());
        (call.call, attempt)
    }

    fn reply(&mut self, operation: &str, line: &Line<'_>, outcome: CallOutcome) {
        let (call, attempt) = self.asked(operation, line);
        self.tell(&Input::CallReply { call, attempt, outcome });
    }

    fn sending(&mut self, operation: &str, line: &Line<'_>) {
        let (call, attempt) = self.asked(operation, line);
        self.tell(&Input::CallStarted { call, attempt });
    }

    fn pending(&mut self, operation: &str, line: &Line<'_>) {
        let (call, attempt) = self.asked(operation, line);
        self.tell(&Input::CallPending { call, attempt, heartbeat_ms: 10_000 });
    }

    fn fail(&mut self, operation: &str, line: &Line<'_>) {
        let kind = match line.words.get(1).copied().unwrap_or_default() {
            "retryable" => ErrorKind::Retryable,
            "permanent" => ErrorKind::Permanent,
            "not_found" | "unsent" | "held" | "held_again" => ErrorKind::PluginNotFound,
            "invalid" => ErrorKind::InvalidReply,
            "unknown" => ErrorKind::OutcomeUnknown,
            "silent" | "gone" => ErrorKind::Retryable,
            other => panic!("unknown kind `{other}`"),
        };
        let message = line.words.get(2..).unwrap_or_default().join(" ").into();
        let after = line.option("after").map(|text| text.parse().unwrap());
        let retry_after_ms = match line.words.get(1).copied() {
            Some("held") => Some(UNTIL_LET_GO),
            Some("held_again") => Some(UNTIL_SENT_AGAIN),
            Some(_) | None => after,
        };
        let code = match line.words.get(1).copied() {
            Some("silent") => HEARTBEAT_LOST,
            Some("unsent") => NOT_SENT,
            Some("gone") => PLUGIN_GONE,
            Some("held" | "held_again") => BREAKER_OPEN,
            Some(_) | None => line.option("code").unwrap_or_default(),
        };
        let outcome = CallOutcome::Failure { kind, code: code.into(), message, retry_after_ms };
        self.reply(operation, line, outcome);
    }

    fn command(&mut self, line: &Line<'_>) {
        let word = line.words.first().copied().unwrap_or_default();
        let command = match word {
            "cancel" => Command::Cancel,
            "kill" => Command::Kill,
            "retry" => Command::Retry,
            "skip" => Command::Skip,
            "decide" => Command::Decide {
                choice: line.words.get(1).copied().unwrap_or_default().into(),
                data: line.value.clone(),
            },
            other => control(other, line),
        };
        let by = line.by().unwrap_or_else(|| Principal { user: "ops".into(), roles: vec![] });
        let reason = line.option("reason").unwrap_or_default().into();
        self.tell(&Input::Command { command, by, reason });
    }

    /// Moves the clock; timers that are due fire in (due time, arm order).
    fn advance(&mut self, milliseconds: u64) {
        let end = self.now.plus_ms(milliseconds);
        while let Some(instance) = &self.instance {
            let Some(due) = instance.next_due().filter(|due| *due <= end) else { break };
            self.now = self.now.max(due);
            let Some(&timer) = instance.due_timers(self.now).first() else { break };
            let known = instance.timers.len();
            self.due(timer);
            if self.instance.as_ref().is_none_or(|now| now.status.is_ended() && known == 1) {
                break;
            }
        }
        self.now = end;
    }

    /// The engine is not there for so long; then another one is.
    fn away(&mut self, milliseconds: u64) {
        self.now = self.now.plus_ms(milliseconds);
        self.owned_since = self.now;
        self.advance(0);
    }

    /// A timer is due.
    pub(super) fn due(&mut self, timer: u32) {
        self.tell(&Input::TimerDue { timer, owned_since: self.owned_since });
    }

    fn show_vars(&mut self) {
        let instance = self.instance.as_ref().unwrap();
        let pairs = self.definition.vars.iter().zip(&instance.vars);
        let vars: Map = pairs.map(|(var, value)| (Arc::clone(&var.name), value.clone())).collect();
        writeln!(self.out, "{}", Value::from(vars).to_json()).unwrap();
    }

    /// Tells the instance, writes the line, checks what must always hold.
    pub(super) fn tell(&mut self, input: &Input) {
        let decision = decide(self.instance.as_ref(), &self.key, &self.definition, input, self.now);
        self.count += 1;
        let words = self.words(&decision, input);
        if let Some(new) = &decision.instance {
            replay_check(self.instance.as_ref(), new);
            assert_legal(&self.definition, new);
            crate::machine::assert_legal(&self.definition, new);
            self.instance = Some(new.clone());
        }
        let mut sent = Vec::new();
        for effect in &decision.effects {
            match effect {
                Effect::Call(call) => self.calls.push(call.clone()),
                Effect::SendSelf { event } => sent.push(event.clone()),
                Effect::Notice(notice) => {
                    let data = notice.data.to_value(&self.definition);
                    self.notices.push((notice.kind, data));
                }
                Effect::CancelCall { .. }
                | Effect::WithdrawCall { .. }
                | Effect::Publish { .. }
                | Effect::DeadLetter { .. }
                | Effect::Letter(_)
                | Effect::Keep { .. }
                | Effect::Log { .. } => {}
            }
        }
        self.effects.extend(decision.effects.iter().cloned());
        self.last = Some(decision);
        writeln!(self.out, "{} {words}", self.count).unwrap();
        for event in sent {
            self.tell(&Input::Event(event));
        }
    }

    fn words(&self, decision: &Decision, input: &Input) -> String {
        let told = match (&decision.trace, input) {
            // Which step a call is of, the operation tells in these tests.
            (Some(trace), _) => {
                let of_call = ["reply ", "held back ", "sending "];
                let input = &*trace.input;
                let of_call = of_call.iter().any(|words| input.starts_with(words));
                let call = input.split_once(" (").filter(|_| of_call).map(|(call, _)| call);
                call.unwrap_or(input).to_owned()
            }
            (None, Input::Event(event) | Input::ChildEvent { event, .. }) => event.name.to_string(),
            (None, Input::Start { .. } | Input::StartChild { .. } | Input::Held { .. }) => {
                "start".to_owned()
            }
            (None, Input::Within { .. }) => "start".to_owned(),
            (None, Input::Transaction { word, .. }) => word.as_str().to_owned(),
            (None, Input::CallReply { .. } | Input::ChildReply { .. }) => "reply".to_owned(),
            (None, Input::CallStarted { .. }) => "sending".to_owned(),
            (None, Input::CallPending { .. }) => "pending".to_owned(),
            (None, Input::TimerDue { .. }) => "timer".to_owned(),
            (None, Input::Orphaned { .. }) => "orphaned".to_owned(),
            (None, Input::Command { .. }) => "command".to_owned(),
        };
        let mut effects = effect_words(decision).join(", ");
        if effects.is_empty() {
            "-".clone_into(&mut effects);
        }
        let instance = decision.instance.as_ref().or(self.instance.as_ref());
        let Some(instance) = instance else {
            return format!("{told} -> {effects} |{}", outcome_words(&decision.outcome));
        };
        let leaves = self.definition.leaves(&instance.active);
        let names: Vec<_> = leaves.map(|id| &*self.definition.state(id).id).collect();
        let status = match instance.status {
            Status::Running => String::new(),
            Status::Stuck => {
                format!(" stuck ({})", instance.stuck.as_ref().map_or("", |stuck| &stuck.reason))
            }
            other @ (Status::Paused
            | Status::Compensating
            | Status::Done
            | Status::Failed
            | Status::Cancelled) => format!(" {}", other.as_str()),
        };
        let outcome = outcome_words(&decision.outcome);
        format!("{told} -> {effects} | {}{status}{outcome}", names.join(" "))
    }
}

/// Effects in words; logs show their value.
fn effect_words(decision: &Decision) -> Vec<String> {
    let Some(trace) = &decision.trace else { return Vec::new() };
    let wordless =
        |effect: &&Effect| matches!(effect, Effect::Notice(_) | Effect::WithdrawCall { .. });
    let told = decision.effects.iter().filter(|effect| !wordless(effect));
    let words = trace.effects.iter().zip(told).map(|(words, effect)| match effect {
        Effect::Log { label, value } => format!("{label}={}", value.to_json()),
        Effect::Call(call) if call.attempt > 1 => format!("{words} #{}", call.attempt),
        Effect::Call(_)
        | Effect::CancelCall { .. }
        | Effect::WithdrawCall { .. }
        | Effect::Keep { .. }
        | Effect::Publish { .. }
        | Effect::SendSelf { .. }
        | Effect::DeadLetter { .. }
        | Effect::Letter(_)
        | Effect::Notice(_) => words.to_string(),
    });
    words.collect()
}

fn outcome_words(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Started { .. } | Outcome::Transitioned { .. } | Outcome::Done => String::new(),
        Outcome::Deferred => " !deferred".to_owned(),
        Outcome::Ignored { reason } => format!(" !ignored {reason}"),
        Outcome::Duplicate { at } => format!(" !duplicate {at}"),
        Outcome::IdReuse { at } => format!(" !id_reuse {at}"),
        Outcome::Rejected { reason, accepted } if accepted.is_empty() => {
            format!(" !rejected {reason}")
        }
        Outcome::Rejected { reason, accepted } => {
            format!(" !rejected {reason} [{}]", accepted.join(" "))
        }
        Outcome::Denied { reason } => format!(" !denied {reason}"),
        Outcome::DeadLettered { reason } => format!(" !dead_letter {reason}"),
        Outcome::Stuck { .. } => " !rolled back".to_owned(),
        Outcome::NotFound { what } => format!(" !not_found {what}"),
        Outcome::Busy { what } => format!(" !busy {what}"),
    }
}

/// Rule 13: what replay puts back is what was decided.
fn replay_check(old: Option<&Instance>, new: &Instance) {
    let decoded = Instance::decode(&new.key, &new.encode()).unwrap();
    assert_eq!(&decoded, new, "decode(encode(x)) == x");
    let delta = Delta::between(old, new);
    let applied = delta.apply(&new.key, old.cloned()).unwrap();
    assert_eq!(&applied, new, "apply(between(a, b), a) == b");
}

/// Rule 2: the active states are a legal configuration.
pub(super) fn assert_legal(definition: &Definition, instance: &Instance) {
    let active = &instance.active;
    if active.is_empty() {
        let nowhere = [Status::Stuck, Status::Cancelled, Status::Paused];
        assert!(nowhere.contains(&instance.status), "only what has not begun is nowhere");
        return;
    }
    assert!(active.is_sorted(), "document order");
    assert_eq!(active.first(), Some(&StateId::ROOT), "the root is active");
    for &id in active {
        let state = definition.state(id);
        let is_active = |child: &&StateId| active.contains(child);
        let count = state.children.iter().filter(is_active).count();
        let history =
            |child: &&StateId| matches!(definition.state(**child).kind, StateKind::History { .. });
        match state.kind {
            StateKind::Compound => assert_eq!(count, 1, "one child of {} is active", state.id),
            StateKind::Parallel => {
                let regions = state.children.len() - state.children.iter().filter(history).count();
                assert_eq!(count, regions, "all regions of {} are active", state.id);
            }
            StateKind::Atomic | StateKind::Final => assert_eq!(count, 0),
            StateKind::History { .. } => panic!("history {} is active", state.id),
        }
        assert!(state.parent.is_none_or(|parent| active.contains(&parent)));
    }
}
