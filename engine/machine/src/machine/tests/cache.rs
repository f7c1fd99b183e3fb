//! `cache:` of calls (decision 0034): under what results are kept, which of them, and what a kept
//! one does.

use super::check::{World, check, definition};
use crate::machine::{CallOutcome, CallRequest, ContentHash, Effect, Input, Instance, StepStatus};
use crate::value::Value;

const LOOK: &str = "
workflow: t
vars: { n: 0 }
steps:
  look: { call: p.look, with: { id: \"${ input.id }\", at: \"${ input.at }\" }, cache: 10m }
";

const BY_KEY: &str = "
workflow: t
steps:
  look:
    call: p.look
    with: { id: \"${ input.id }\", at: \"${ input.at }\" }
    cache: { key: \"${ input.id }\", ttl: 1h }
";

fn started(text: &str, input: &str) -> World {
    let mut world = World::new(definition(text));
    world.run(&format!("start {input}"));
    world
}

fn call(world: &World) -> CallRequest {
    world.calls.last().cloned().unwrap()
}

fn asked(text: &str, input: &str) -> Option<ContentHash> {
    call(&started(text, input)).cache
}

/// What was to be kept: under what, what and for how long.
fn kept(world: &World) -> Vec<(ContentHash, String, u64)> {
    let kept = world.effects.iter().filter_map(|effect| match effect {
        Effect::Keep { under, output, ttl_ms, .. } => Some((*under, output.to_json(), *ttl_ms)),
        Effect::Call(_)
        | Effect::CancelCall { .. }
        | Effect::WithdrawCall { .. }
        | Effect::Publish { .. }
        | Effect::SendSelf { .. }
        | Effect::Letter(_)
        | Effect::DeadLetter { .. }
        | Effect::Log { .. }
        | Effect::Notice(_) => None,
    });
    kept.collect()
}

fn cached(world: &mut World, output: i64) {
    let CallRequest { call, attempt, .. } = call(world);
    let outcome = CallOutcome::Cached(Value::Int(output));
    world.tell(&Input::CallReply { call, attempt, outcome });
}

fn step(instance: Option<&Instance>) -> (StepStatus, bool, String) {
    let progress = instance.unwrap().progress.as_deref().unwrap();
    let state = progress.graphs[0].steps.get(0).unwrap();
    (state.status, state.cached, state.output.to_json())
}

#[test]
fn decision_34_the_input_or_the_key_says_what_the_same_call_is() {
    let one = asked(LOOK, "{id: a, at: 1}");
    assert!(one.is_some());
    assert_eq!(one, asked(LOOK, "{at: 1, id: a}"));
    assert_ne!(one, asked(LOOK, "{id: a, at: 2}"));
    let keyed = asked(BY_KEY, "{id: a, at: 1}");
    assert_eq!(keyed, asked(BY_KEY, "{id: a, at: 2}"));
    assert_ne!(keyed, asked(BY_KEY, "{id: b, at: 1}"));
    // Another version is the same workflow, another name is another one.
    let version = BY_KEY.replace("workflow: t", "workflow: t\nversion: 7");
    assert_eq!(keyed, asked(&version, "{id: a, at: 1}"));
    for other in [("workflow: t", "workflow: u"), ("look:", "peek:"), ("p.look", "p.peek")] {
        assert_ne!(keyed, asked(&BY_KEY.replace(other.0, other.1), "{id: a, at: 1}"), "{other:?}");
    }
    assert_eq!(asked(&LOOK.replace(", cache: 10m", ""), "{id: a, at: 1}"), None);
}

#[test]
fn decision_34_a_key_that_is_null_keeps_nothing() {
    let mut world = started(BY_KEY, "{id: null, at: 1}");
    assert_eq!(call(&world).cache, None);
    world.run("reply p.look {n: 7}");
    assert_eq!(kept(&world), []);
}

#[test]
fn decision_34_a_success_is_kept_and_nothing_else() {
    let mut world = started(BY_KEY, "{id: a, at: 1}");
    let under = call(&world).cache.unwrap();
    world.run("reply p.look {n: 7}");
    assert_eq!(kept(&world), [(under, r#"{"n":7}"#.to_owned(), 3_600_000)]);
    assert_eq!(
        step(world.instance.as_ref()),
        (StepStatus::Completed, false, r#"{"n":7}"#.to_owned())
    );
    let mut world = started(BY_KEY, "{id: a, at: 1}");
    world.run("fail p.look permanent no");
    assert_eq!(kept(&world), []);
    // What may be sent only once has to happen each time.
    let mut world = started(BY_KEY, "{id: a, at: 1}");
    world.run("sending p.look");
    world.run("reply p.look {n: 7}");
    assert_eq!(kept(&world), []);
    assert_eq!(step(world.instance.as_ref()).0, StepStatus::Completed);
}

#[test]
fn decision_34_a_kept_answer_is_an_answer_and_says_so() {
    let mut world = started(LOOK, "{id: a, at: 1}");
    cached(&mut world, 7);
    assert_eq!(step(world.instance.as_ref()), (StepStatus::Completed, true, "7".to_owned()));
    assert_eq!(kept(&world), [], "its time goes on");
    let trace = world.last.as_ref().and_then(|last| last.trace.as_ref()).unwrap();
    assert_eq!(&*trace.input, "reply p.look (look)");
    assert_eq!(trace.note.as_deref(), Some("from the cache"));
}

#[test]
fn decision_34_what_a_paused_instance_was_told_stays_a_kept_answer() {
    let mut world = started(LOOK, "{id: a, at: 1}");
    world.run("command pause");
    cached(&mut world, 7);
    assert_eq!(step(world.instance.as_ref()).0, StepStatus::Running);
    world.run("command resume");
    assert_eq!(step(world.instance.as_ref()), (StepStatus::Completed, true, "7".to_owned()));
}

#[test]
fn decision_34_a_retry_by_hand_asks_the_plugin_and_keeps_what_it_says() {
    let mut world = started(LOOK, "{id: a, at: 1}");
    let under = call(&world).cache.unwrap();
    world.run("fail p.look permanent no");
    world.run("command retry");
    assert_eq!((world.calls.len(), call(&world).cache), (2, None));
    world.run("reply p.look {n: 8}");
    assert_eq!(kept(&world), [(under, r#"{"n":8}"#.to_owned(), 600_000)]);
    // A retry by the policy may find what another instance was told meanwhile.
    let text = LOOK.replace("cache: 10m", "cache: 10m, retry: { attempts: 2, delay: 1s }");
    let mut world = started(&text, "{id: a, at: 1}");
    world.run("fail p.look retryable busy");
    world.run("advance 1s");
    assert_eq!((call(&world).attempt, call(&world).cache), (2, Some(under)));
}

#[test]
fn decision_34_each_item_has_a_key_of_its_own() {
    let mut world = started(
        "
workflow: t
steps:
  all: { foreach: { in: input.list, as: it }, call: p.one, cache: { key: \"${ it % 2 }\", ttl: 1m } }
",
        "{list: [1, 2, 3]}",
    );
    let keys: Vec<_> = world.calls.iter().map(|call| call.cache).collect();
    assert_eq!(keys[0], keys[2]);
    assert_ne!(keys[0], keys[1]);
    cached(&mut world, 5);
    world.run("reply p.one {n: 6}");
    let trace = world.last.as_ref().and_then(|last| last.trace.as_ref()).unwrap();
    assert_eq!(trace.effects.len(), 0, "the last call was answered: {:?}", trace.effects);
    let call = world.calls[0].clone();
    let outcome = CallOutcome::Success(Value::Int(4));
    world.tell(&Input::CallReply { call: call.call, attempt: 1, outcome });
    assert_eq!(kept(&world).len(), 1);
}

#[test]
fn decision_34_calls_of_states_are_kept_too_and_the_history_says_so() {
    check(
        "
workflow: t
vars: { n: 0 }
states:
  a:
    entry: { call: p.look, with: { id: 1 }, cache: 90s, set: { n: output } }
    done: e
  e: { final: true, output: \"${ vars.n }\" }
",
        &["start", "reply p.look {n: 7}"],
        "
        1 start -> call p.look | a
        2 reply p.look -> keep p.look for 1m 30s | e done
    ",
    );
}
