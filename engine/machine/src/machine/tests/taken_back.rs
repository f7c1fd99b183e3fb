//! Property: whatever is answered, late, lost or ordered, what takes back undoes what is done,
//! once, and tells of all that it may have left (decisions 0056, 0064, 0065, 0066).

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::check::{World, definition};
use crate::machine::{
    CallOutcome, CallRequest, EffectId, ErrorKind, Input, NOT_SENT, Status, StuckKind,
};
use crate::value::{Map, Value};

const STEPS: &str = "
steps:
  a: { call: p.a, undo: p.una, timeout: 2s, retry: { attempts: 2, delay: 1s, jitter: false } }
  all:
    foreach: { in: '[1, 2, 3]', as: it, max_parallel: 2, collect: COLLECT }
    needs: [a]
    call: p.all
    undo: p.unall
    timeout: 2s
  f: { needs: [a], call: p.f, undo: p.unf, timeout: 2s, fallback: { call: p.g, undo: p.ung } }
  o: { needs: [a], call: p.o, undo: p.uno, timeout: 3s, deadline: 1s, optional: true }
  z: { needs: [all, f, o], call: p.z, undo: p.unz, timeout: 2s }
";

/// What happens next.
#[derive(Clone, Debug)]
enum Turn {
    /// A plugin does what it was asked for, of the last calls that one, and says so or not.
    Done(usize, bool),
    /// It says that it did not.
    Refused(usize, bool),
    /// The engine had not sent it.
    Unsent(usize),
    /// What was done is said, to the first attempt.
    Late(usize),
    Advance(u64),
    Order(&'static str),
}

fn turns() -> impl Strategy<Value = Vec<Turn>> {
    let orders = prop::sample::select(vec![
        "retry",
        "retry",
        "retry",
        "skip",
        "rollback",
        "rollback all",
        "pause",
        "resume",
        "resume",
        "cancel",
    ]);
    let turn = prop_oneof![
        6 => (0_usize..6, any::<bool>()).prop_map(|(back, said)| Turn::Done(back, said)),
        2 => (0_usize..6, any::<bool>()).prop_map(|(back, retry)| Turn::Refused(back, retry)),
        1 => (0_usize..6).prop_map(Turn::Unsent),
        2 => (0_usize..8).prop_map(Turn::Late),
        4 => (100_u64..4_000).prop_map(Turn::Advance),
        3 => orders.prop_map(Turn::Order),
    ];
    prop::collection::vec(turn, 1..40)
}

/// The plugins, which do each call once, and all that they did.
struct Played {
    world: World,
    /// Of each call, the attempt that it was refused at last.
    refused: BTreeMap<EffectId, u32>,
    done: BTreeSet<EffectId>,
    /// What was taken back.
    undone: BTreeSet<EffectId>,
    /// By which call each is taken back.
    undo_of: BTreeMap<EffectId, EffectId>,
    seen: usize,
}

impl Played {
    fn new(text: &str) -> Self {
        let mut played = Self {
            world: World::new(definition(text)),
            refused: BTreeMap::new(),
            done: BTreeSet::new(),
            undone: BTreeSet::new(),
            undo_of: BTreeMap::new(),
            seen: 0,
        };
        played.world.run("start");
        played
    }

    fn status(&self) -> Status {
        self.world.instance.as_ref().unwrap().status
    }

    /// What an undo takes back.
    fn meant(&self, undo: &CallRequest) -> EffectId {
        let id = undo.input.get("output").and_then(|output| output.get("id"));
        let id = id.and_then(Value::as_str).unwrap();
        self.world.calls.iter().find(|call| call.call.to_string() == id).unwrap().call
    }

    fn latest(&self, call: EffectId) -> u32 {
        let of = self.world.calls.iter().filter(|it| it.call == call);
        of.map(|it| it.attempt).max().unwrap()
    }

    fn picked(&self, back: usize) -> CallRequest {
        let calls = &self.world.calls;
        let at = calls.len() - 1 - back.min(calls.len() - 1);
        CallRequest { attempt: self.latest(calls[at].call), ..calls[at].clone() }
    }

    fn answer(&mut self, call: EffectId, attempt: u32, outcome: CallOutcome) {
        self.world.tell(&Input::CallReply { call, attempt, outcome });
    }

    /// It is done, unless it was refused and not asked for since.
    fn do_it(&mut self, call: &CallRequest) -> bool {
        let again = |at: &u32| *at < call.attempt;
        if !self.done.contains(&call.call) && !self.refused.get(&call.call).is_none_or(again) {
            return false;
        }
        self.done.insert(call.call);
        if is_undo(call) {
            self.undone.insert(self.meant(call));
        }
        true
    }

    fn says_done(&mut self, call: &CallRequest, attempt: u32) {
        let id = Value::from(call.call.to_string());
        self.answer(call.call, attempt, CallOutcome::Success(Map::from_iter([("id", id)]).into()));
    }

    fn fails(&mut self, call: &CallRequest, kind: ErrorKind, code: &str) {
        if !self.done.contains(&call.call) {
            self.refused.insert(call.call, call.attempt);
            let (message, retry_after_ms) = ("no".into(), None);
            let outcome = CallOutcome::Failure { kind, code: code.into(), message, retry_after_ms };
            self.answer(call.call, call.attempt, outcome);
        }
    }

    fn take(&mut self, turn: &Turn) {
        match turn {
            Turn::Done(back, said) => {
                let call = self.picked(*back);
                if self.do_it(&call) && *said {
                    self.says_done(&call, call.attempt);
                }
            }
            Turn::Refused(back, again) => {
                let kind = if *again { ErrorKind::Retryable } else { ErrorKind::Permanent };
                self.fails(&self.picked(*back), kind, "");
            }
            // What was sent once may be done.
            Turn::Unsent(back) => {
                let call = self.picked(*back);
                if call.attempt == 1 && !is_undo(&call) {
                    self.fails(&call, ErrorKind::PluginNotFound, NOT_SENT);
                }
            }
            Turn::Late(back) => {
                let call = self.picked(*back);
                if self.done.contains(&call.call) {
                    self.says_done(&call, 1);
                }
            }
            Turn::Advance(milliseconds) => self.world.run(&format!("advance {milliseconds}ms")),
            Turn::Order(order) => self.world.run(&format!("command {order}")),
        }
        self.check();
    }

    /// What must always hold, and what does where all is taken back.
    fn check(&mut self) {
        let new = self.world.calls.split_off(self.seen);
        for call in new {
            self.world.calls.push(call.clone());
            if !is_undo(&call) {
                continue;
            }
            let meant = self.meant(&call);
            assert!(self.done.contains(&meant), "undo of what is not done: {}", self.world.out);
            let by = *self.undo_of.entry(meant).or_insert(call.call);
            assert_eq!(by, call.call, "taken back twice: {}", self.world.out);
        }
        self.seen = self.world.calls.len();
        let instance = self.world.instance.as_ref().unwrap();
        let stuck = instance.stuck.as_deref();
        let by_hand = stuck
            .is_some_and(|it| it.kind == StuckKind::RolledBack && it.reason.ends_with("by hand"));
        if instance.status == Status::Cancelled || (by_hand && self.has_no_undo()) {
            self.nothing_is_left();
        }
    }

    /// Of a rollback down to a step something may be left.
    fn has_no_undo(&self) -> bool {
        let steps = self.world.instance.as_ref().unwrap().progress.as_deref();
        steps.is_some_and(|progress| progress.undo.is_empty())
    }

    fn nothing_is_left(&self) {
        let told = self.world.instance.as_ref().unwrap().left_out();
        for call in self.world.calls.iter().filter(|call| !is_undo(call)) {
            let stays = self.done.contains(&call.call) && !self.undone.contains(&call.call);
            let named = || told.iter().any(|words| words.contains(&format!("`{}", call.step)));
            assert!(!stays || named(), "`{}` stays, and {told:?}: {}", call.step, self.world.out);
        }
    }

    /// All is cancelled, and who is asked from now on answers, or nobody does.
    fn end(&mut self, answers: bool) {
        self.world.run("command cancel");
        self.check();
        for _ in 0..200 {
            if self.status().is_ended() {
                return;
            }
            let stuck = self.world.instance.as_ref().unwrap().stuck.as_deref();
            let order = match stuck.map(|stuck| stuck.kind) {
                Some(StuckKind::UndoFailed) => "command retry",
                // It was refused while a rollback by hand was under way.
                Some(_) | None => "command cancel",
            };
            if self.status() != Status::Compensating {
                self.world.run(order);
                self.check();
            }
            let last = self.world.calls.last().unwrap().clone();
            if (answers || is_undo(&last)) && self.do_it(&last) {
                self.says_done(&last, last.attempt);
                self.check();
            }
            self.take(&Turn::Advance(1_000));
        }
        panic!("it does not end: {}", self.world.out);
    }
}

fn is_undo(call: &CallRequest) -> bool {
    call.operation.starts_with("p.un")
}

proptest! {
    #![proptest_config(ProptestConfig {
        // A second or two; `PROPTEST_CASES` has more of them played.
        cases: ProptestConfig::default().cases / 3,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn what_is_done_is_taken_back_once_or_told(turns in turns(), answers in any::<bool>()) {
        let heads = ["", "\non_failure: rollback", "\ntimeout: 5s"];
        for (head, collect) in heads.into_iter().zip(["all", "first_error", "partial"]) {
            let text = format!("workflow: t{head}{}", STEPS.replace("COLLECT", collect));
            let mut played = Played::new(&text);
            turns.iter().for_each(|turn| played.take(turn));
            played.end(answers);
        }
    }
}
