//! Properties: whatever comes in whatever order, the configuration is legal and nothing panics.

use proptest::prelude::*;

use super::check::{World, definition};
use super::script::relaxed;
use crate::definition::model::Definition;
use crate::machine::{
    CallOutcome, Clocks, Command, Effect, EffectId, ErrorKind, Event, EventKind, Input, NOT_SENT,
    Principal,
};
use crate::value::Value;

const CHARTS: [&str; 5] = [
    include_str!("../../../../../examples/document-approval/document_approval.workflow.yaml"),
    "
workflow: tree
initial: p
vars: { n: 0 }
limits: { microsteps: 50 }
states:
  p:
    on: { a: q, b: { to: dh }, c: { to: [x2, y2] }, d: { do: { set: { n: vars.n + data.k } } } }
    done: end
    parallel:
      x:
        initial: x1
        states:
          x1: { on: { a: x2, e: { do: { raise: f } } }, always: { when: vars.n == 3, to: x2 } }
          x2: { on: { b: x3, f: x1 } }
          x3: { final: true }
      y:
        initial: y1
        states:
          y1: { initial: y3, on: { f: y2 }, states: { y3: { on: { c: y4 } }, y4: {},
              dh: { history: deep, default: { to: y4 } } } }
          y2: { on: { a: y5 }, always: { when: vars.n == 4, to: y1 } }
          y5: { final: true }
          sh: { history: shallow, default: { to: y2 } }
  q: { defer: [a, e], on: { b: p, c: { to: sh }, d: { to: dh } }, after: { 1s: p } }
  end: { on: { a: p, b: fin } }
  fin: { final: true }
",
    "
workflow: calls
initial: a
vars: { got: 0 }
states:
  a:
    entry: [ { call: p.one, timeout: 2s, retry: { attempts: 2, backoff: 1s..5s },
        set: { got: output.k } }, { call: p.two } ]
    on: { a: b, b: a, c: { do: { call: p.three }, to: c }, d: { do: { set: { got: 1 / data.k } } } }
    done: b
  b: { defer: [a], approval: { title: t, choices: [approve, reject], need: 2 },
      on: { user.action: c, c: a }, after: { 3s: a } }
  c: { exit: { call: p.bye }, on: { a: a, e: { do: { send: { event: b, after: 2s, id: s } } },
      f: { do: { cancel: s } }, b: z } }
  z: { final: true }
",
    "
workflow: graphs
initial: a
states:
  a:
    steps:
      one: { call: p.one, undo: p.unone, timeout: 2s, retry: { attempts: 2, delay: 1s } }
      two: { needs: [one], call: p.two, undo: p.untwo, optional: true }
      each: { needs: [one], call: p.each, foreach: { in: \"[1, 2, 3]\", as: it, max_parallel: 2,
          collect: partial }, deadline: 3s }
      out: { needs: [two], call: p.out, fallback: { call: p.other } }
      hold: { needs: { any: [two, out] }, wait: e, deadline: 2s, on_failure: skip }
    on_failure: rollback
    timeout: 10s
    finally: { call: p.clean }
    on: { a: b, b: a }
    done: b
    failed: c
  b: { entry: { call: p.book, undo: p.unbook }, on: { a: a, c: c } }
  c: { steps: { last: { call: p.last } }, max_parallel: 1, on: { d: a } }
",
    "
workflow: errors
on_error: fail
initial: a
vars: { n: 0, l: [1, 2] }
states:
  a:
    entry: { each: { in: vars.l, as: v, do: { set: { n: vars.n + v } } } }
    on: { a: { do: { set: { n: 1 / data.k } }, to: a }, b: { do: { send: { event: a } } },
        error.execution: b }
  b: { on: { a: { do: { set: { n: data.k } } }, b: a, c: { do: { set: { n: 1 / 0 } } } } }
",
];

#[derive(Clone, Debug)]
pub(super) enum Told {
    Event(&'static str, &'static str, u8),
    Reply(usize, u32, bool, u8),
    Advance(u64),
    Timer(u32),
    Command(u8, u8),
    Start,
}

pub(super) fn told() -> impl Strategy<Value = Told> {
    let name = prop::sample::select(vec![
        "a",
        "b",
        "c",
        "d",
        "e",
        "f",
        "user.action",
        "document.submitted",
        "nobody",
        "done.state.p",
        "error.execution",
        "after.q.0",
    ]);
    let data = prop::sample::select(vec![
        "null",
        "{k: 0}",
        "{k: 3}",
        "{action: approve, userId: ann}",
        "{k: text}",
        "{action: reject}",
        "[1, 2]",
    ]);
    prop_oneof![
        6 => (name, data, any::<u8>()).prop_map(|(name, data, id)| Told::Event(name, data, id)),
        4 => (0_usize..4, 1_u32..4, any::<bool>(), 0_u8..5)
            .prop_map(|(call, attempt, good, kind)| Told::Reply(call, attempt, good, kind)),
        2 => (0_u64..4_000).prop_map(Told::Advance),
        1 => (0_u32..20).prop_map(Told::Timer),
        2 => (0_u8..10, 0_u8..3).prop_map(|(command, by)| Told::Command(command, by)),
        1 => Just(Told::Start),
    ]
}

/// Plays one thing that happens; the world checks what must always hold at every step.
pub(super) fn play(world: &mut World, told: &Told) {
    let users = ["ann", "bob", ""];
    match told {
        Told::Event(name, data, id) => {
            let kind =
                if name.starts_with("after") { EventKind::Platform } else { EventKind::External };
            let by = users
                .get(usize::from(*id % 4))
                .map(|user| Principal { user: (*user).into(), roles: Vec::new() });
            let id = (id % 3 == 0).then(|| format!("e{}", id % 16).into());
            let event = Event {
                name: (*name).into(),
                kind,
                data: Some(relaxed(data)),
                id,
                by,
                ..Event::default()
            };
            world.tell(&Input::Event(event));
        }
        Told::Reply(back, attempt, good, kind) => {
            let call = world.calls.iter().rev().nth(*back).map(|call| call.call);
            let call = call.unwrap_or(EffectId([7; 16]));
            let kinds = [
                ErrorKind::Retryable,
                ErrorKind::Permanent,
                ErrorKind::Timeout,
                ErrorKind::PluginNotFound,
                ErrorKind::InvalidReply,
            ];
            let outcome = if *good {
                CallOutcome::Success(relaxed("{k: 3, userId: rita, valid: true}"))
            } else {
                CallOutcome::Failure {
                    kind: kinds[usize::from(*kind)],
                    code: if *kind == 3 { NOT_SENT.into() } else { "c".into() },
                    message: "m".into(),
                    retry_after_ms: (*kind == 0).then_some(u64::MAX),
                }
            };
            world.tell(&Input::CallReply { call, attempt: *attempt, outcome });
        }
        Told::Advance(milliseconds) => world.run(&format!("advance {}ms", milliseconds + 1)),
        Told::Timer(timer) => world.due(*timer),
        Told::Command(command, by) => {
            let by = users[usize::from(*by)];
            let command = match command {
                0 => Command::Cancel,
                1 => Command::Kill,
                2 | 3 => Command::Retry,
                4 => Command::Skip,
                5 => Command::RollBack { from: None },
                6 => Command::Pause { clocks: Clocks::Freeze },
                7 => Command::Resume,
                _ => Command::Decide { choice: "approve".into(), data: Some(Value::empty_map()) },
            };
            let by = Principal { user: by.into(), roles: vec!["*".into()] };
            world.tell(&Input::Command { command, by, reason: "why".into() });
        }
        Told::Start => world.run("start {submitter: sue}"),
    }
}

pub(super) fn charts() -> Vec<Definition> {
    CHARTS.iter().map(|chart| definition(chart)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 300,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn rule_02_the_configuration_is_always_legal(script in prop::collection::vec(told(), 1..40)) {
        for definition in charts() {
            let run = || {
                let mut world = World::new(definition.clone());
                world.run("start {submitter: sue}");
                script.iter().for_each(|told| play(&mut world, told));
                world
            };
            let world = run();
            // Rule 4: the same inputs give the same decisions.
            let again = run();
            prop_assert_eq!(&world.out, &again.out);
            prop_assert_eq!(&world.instance, &again.instance);
            let mut ids: Vec<_> = world.effects.iter().filter_map(published).collect();
            let count = ids.len();
            ids.sort_unstable();
            ids.dedup();
            prop_assert_eq!(ids.len(), count, "effect ids are unique");
            let ended = world.instance.as_ref().filter(|instance| instance.status.is_ended());
            let progress = ended.and_then(|instance| instance.progress.as_deref());
            let graphs = progress.into_iter().flat_map(|it| &it.graphs);
            for step in graphs.flat_map(|it| it.steps.iter()) {
                prop_assert!(step.status.is_over() && step.stopped_at.is_none(), "{step:?}");
                prop_assert!(step.ended_at >= step.started_at && step.ended_at.is_some());
            }
        }
    }
}

fn published(effect: &Effect) -> Option<EffectId> {
    if let Effect::Publish { id, .. } = effect { Some(*id) } else { None }
}
