//! What one decision costs: the approval example and the smallest event machine.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use gearshift_machine::definition::model::Definition;
use gearshift_machine::definition::{Format, load};
use gearshift_machine::machine::{
    CallOutcome, Delta, Effect, Event, Input, Instance, InstanceKey, Principal, Timestamp, decide,
};
use gearshift_machine::value::Value;

const APPROVAL: &str =
    include_str!("../../../examples/document-approval/document_approval.workflow.yaml");

/// The machine of workload W1 (01 §11).
const SMALL: &str = "
workflow: small
initial: draft
states:
  draft: { on: { go: [ { when: data.action == 'submit', to: submitted } ] } }
  submitted:
    on: { go: [ { when: data.action == 'approve' && data.amount < 10000, to: approved } ] }
  approved: { on: { go: { when: data.action == 'archive', to: archived } } }
  archived: { final: true }
";

const NOW: Timestamp = Timestamp(1_700_000_000_000);

fn definition(text: &str) -> Definition {
    match load(text, "bench.workflow.yaml", Format::Yaml) {
        Ok(loaded) => loaded.definition,
        Err(problems) => panic!("{problems:?}"),
    }
}

fn event(name: &str, data: &str) -> Input {
    let data = Value::from_json(data.as_bytes()).ok();
    Input::Event(Event { name: name.into(), data, time: Some(NOW), ..Event::default() })
}

fn start(data: &str, event: Option<&str>) -> Input {
    let input = Value::from_json(data.as_bytes()).unwrap_or_default();
    let event = event.map(|name| Event {
        name: name.into(),
        data: Some(input.clone()),
        ..Event::default()
    });
    Input::Start { input, event, by: Principal::default(), id: None, trace_context: None }
}

/// The instance after `inputs`; calls are answered at once.
fn after(definition: &Definition, key: &InstanceKey, inputs: Vec<Input>) -> Option<Instance> {
    let mut instance = None;
    let mut waiting = std::collections::VecDeque::from(inputs);
    while let Some(input) = waiting.pop_front() {
        let decision = decide(instance.as_ref(), key, definition, &input, NOW);
        for effect in decision.effects.iter().rev() {
            if let Effect::Call(call) = effect {
                let output = Value::from_json(br#"{"userId":"rita"}"#).unwrap_or_default();
                let (call, attempt) = (call.call, call.attempt);
                let outcome = CallOutcome::Success(output);
                waiting.push_front(Input::CallReply { call, attempt, outcome });
            }
        }
        instance = decision.instance.or(instance);
    }
    instance
}

fn bench(criterion: &mut Criterion) {
    let small = definition(SMALL);
    let approval = definition(APPROVAL);
    let Ok(key) = InstanceKey::new("bench", "k1") else { return };

    let submit = event("go", r#"{"action":"submit","amount":100}"#);
    let approve = event("go", r#"{"action":"approve","amount":100}"#);
    let submitted = after(&small, &key, vec![start("{}", None), submit]);
    criterion.bench_function("decide/small/guarded_transition", |bencher| {
        bencher.iter(|| decide(black_box(submitted.as_ref()), &key, &small, &approve, NOW));
    });
    let refused = event("go", r#"{"action":"none","amount":100}"#);
    criterion.bench_function("decide/small/refused", |bencher| {
        bencher.iter(|| decide(black_box(submitted.as_ref()), &key, &small, &refused, NOW));
    });

    let begin = start(
        r#"{"documentId":"d1","title":"Plan","submitter":"sue"}"#,
        Some("document.submitted"),
    );
    criterion.bench_function("decide/approval/start", |bencher| {
        bencher.iter(|| decide(black_box(None), &key, &approval, &begin, NOW));
    });
    let waiting = after(&approval, &key, vec![begin]);
    let yes = event("user.action", r#"{"action":"approve","userId":"rita"}"#);
    criterion.bench_function("decide/approval/approve", |bencher| {
        bencher.iter(|| decide(black_box(waiting.as_ref()), &key, &approval, &yes, NOW));
    });
}

/// `count` steps, each behind the one before; the instance is in the middle of them.
fn chain(criterion: &mut Criterion, count: usize) {
    let mut text = String::from("workflow: chain\nsteps:\n  s0: { call: p.s }\n");
    for at in 1..count {
        let before = at - 1;
        text.push_str(&format!("  s{at}: {{ needs: [s{before}], call: p.s }}\n"));
    }
    let definition = definition(&text);
    let Ok(key) = InstanceKey::new("chain", "k1") else { return };
    let mut decision = decide(None, &key, &definition, &start("{}", None), NOW);
    for _ in 0..count / 2 {
        let reply = reply_to(&decision.effects);
        let Some(instance) = decision.instance else { return };
        decision = decide(Some(&instance), &key, &definition, &reply, NOW);
    }
    let reply = reply_to(&decision.effects);
    let Some(instance) = decision.instance else { return };
    criterion.bench_function(&format!("decide/steps/{count}/one_completes"), |bencher| {
        bencher.iter(|| decide(black_box(Some(&instance)), &key, &definition, &reply, NOW));
    });
    let next = decide(Some(&instance), &key, &definition, &reply, NOW).instance;
    let Some(next) = next else { return };
    criterion.bench_function(&format!("decide/steps/{count}/what_changed"), |bencher| {
        bencher.iter(|| Delta::between(black_box(Some(&instance)), &next));
    });
}

/// The answer to the call that was asked last.
fn reply_to(effects: &[Effect]) -> Input {
    let asked = effects.iter().rev().find_map(|effect| {
        if let Effect::Call(call) = effect { Some((call.call, call.attempt)) } else { None }
    });
    let (call, attempt) = asked.unwrap_or_else(|| panic!("nothing was asked: {effects:?}"));
    let outcome = CallOutcome::Success(Value::Int(1));
    Input::CallReply { call, attempt, outcome }
}

fn steps(criterion: &mut Criterion) {
    chain(criterion, 50);
    chain(criterion, 500);
}

criterion_group!(benches, bench, steps);
criterion_main!(benches);
