//! Decision 0038: calls and messages belong to the trace that the last event with one brought.

use std::sync::Arc;

use super::check::{World, definition};
use crate::machine::{
    Effect, EffectId, Event, Generation, Input, Instance, InstanceKey, Letter, LetterBody,
    Principal, TraceContext,
};
use crate::value::{Map, Value};

const FIRST: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const SECOND: &str = "00-11111111111111111111111111111111-2222222222222222-00";

const TEXT: &str = "
workflow: t
initial: a
states:
  a:
    entry: [{ call: p.one, retry: { attempts: 2, backoff: 1s } }]
    done: b
    on: { kept: {}, later: { do: [{ publish: told }] } }
    unhandled: discard
  b:
    entry: [{ call: p.two }, { publish: out.now }, { send: { event: x, to: u/k2 } }]
    done: c
  c: { final: true }
";

fn event(name: &str, parent: &str) -> Event {
    let mut headers = Map::new();
    headers.insert("traceparent", Value::from(parent));
    headers.insert("tracestate", Value::from("a=1"));
    Event { name: name.into(), headers: Some(headers.into()), ..Event::default() }
}

fn started(parent: &str) -> World {
    let mut world = World::new(definition(TEXT));
    let event = Some(event("begin", parent));
    world.tell(&Input::Start {
        input: Value::Null,
        event,
        by: Principal::default(),
        id: None,
        trace_context: None,
    });
    world
}

fn parents(world: &World) -> Vec<Option<&str>> {
    let calls = world.calls.iter();
    calls.map(|call| call.trace_context.as_deref().map(|it| &*it.parent)).collect()
}

fn kept(instance: &Instance) -> Option<&str> {
    instance.trace_context.as_deref().map(|it| &*it.parent)
}

#[test]
fn decision_38_a_trace_goes_on_through_replies_and_attempts_to_whatever_follows() {
    let mut world = started(FIRST);
    for line in ["fail p.one retryable", "advance 2s", "reply p.one {}"] {
        world.run(line);
    }
    assert_eq!(parents(&world), [Some(FIRST); 3]);
    let state = world.calls[0].trace_context.as_deref().and_then(|it| it.state.as_deref());
    assert_eq!(state, Some("a=1"));
    world.run("reply p.two {}");
    let published = world.effects.iter().find_map(|effect| {
        if let Effect::Publish { trace_context, .. } = effect {
            trace_context.as_deref()
        } else {
            None
        }
    });
    assert_eq!(published.map(|it| &*it.parent), Some(FIRST));
    let sent = world.effects.iter().find_map(|effect| {
        let Effect::Letter(letter) = effect else { return None };
        let LetterBody::Event { event, .. } = &letter.body else { return None };
        event.headers.clone()
    });
    assert_eq!(sent, event("x", FIRST).headers, "another instance goes on with it");
}

#[test]
fn decision_38_an_event_with_effect_brings_its_own_trace_and_one_without_does_not() {
    let mut world = started(FIRST);
    world.tell(&Input::Event(event("nothing", SECOND)));
    assert_eq!(kept(world.instance.as_ref().unwrap()), Some(FIRST));
    world.tell(&Input::Event(event("later", SECOND)));
    assert_eq!(kept(world.instance.as_ref().unwrap()), Some(SECOND));
    world.run("event later {}");
    assert_eq!(kept(world.instance.as_ref().unwrap()), Some(SECOND), "what brings none keeps it");
    world.run("reply p.one {}");
    assert_eq!(parents(&world), [Some(FIRST), Some(SECOND)]);
    let encoded = world.instance.as_ref().unwrap().encode();
    let key = world.key.clone();
    assert_eq!(Instance::decode(&key, &encoded).unwrap(), world.instance.unwrap());
}

#[test]
fn decision_38_what_is_no_trace_context_counts_as_absent() {
    let zero = "00-00000000000000000000000000000000-b7ad6b7169203331-01";
    let upper = FIRST.to_uppercase();
    let longer = format!("{FIRST}-x");
    let newest = format!("ff{}", &FIRST[2..]);
    for wrong in ["", "x", zero, &*upper, &*longer, &*newest, &FIRST[..54]] {
        assert_eq!(parents(&started(wrong)), [None], "{wrong}");
    }
}

#[test]
fn decision_38_without_any_it_is_made_of_the_instance_and_the_effect() {
    let key = InstanceKey::new("t", "k1").unwrap();
    let made = |key: &InstanceKey, step| {
        TraceContext::made(key, EffectId::new(key, Generation(1), step, 0)).parent
    };
    let other = made(&InstanceKey::new("t", "k2").unwrap(), 1);
    let (one, two) = (made(&key, 1), made(&key, 2));
    assert_eq!(one, made(&key, 1));
    assert_eq!(one[..35], two[..35], "one trace");
    assert_ne!(one[35..], two[35..], "of several effects");
    assert_ne!(one[..35], other[..35]);
    assert_eq!(parents(&started(&one)), [Some(&*one)], "and it is one");
}

/// The start of a child that was asked for.
fn child(world: &World) -> Letter {
    let start = world.effects.iter().find_map(|effect| {
        let Effect::Letter(letter) = effect else { return None };
        Some(letter.clone())
    });
    start.unwrap()
}

fn asked(text: &str, event: Option<Event>, trace: Option<&str>) -> World {
    let mut world = World::new(definition(text));
    let trace_context = trace.and_then(|it| TraceContext::read(it, Some("b=2"))).map(Arc::new);
    let (input, by) = (Value::Null, Principal::default());
    world.tell(&Input::Start { input, event, by, id: None, trace_context });
    world
}

/// Boss, child and grandchild, as the letters between them say; what the last one calls.
fn family(brought: Option<&str>) -> [World; 3] {
    const BOSS: &str = "
workflow: boss
initial: a
states:
  a: { invoke: { id: kid, workflow: boss } }
";
    let boss = asked(BOSS, brought.map(|it| event("begin", it)), None);
    let begin = |of: &World, text| {
        let Letter { to, body, .. } = child(of);
        let LetterBody::Start { input, parent, reason, trace_context, .. } = body else { panic!() };
        let mut kid = World::new(definition(text));
        kid.key = to;
        let by = Principal::default();
        kid.tell(&Input::StartChild { input, parent, by, reason, trace_context });
        kid
    };
    let kid = begin(&boss, BOSS);
    let last = begin(&kid, TEXT);
    [boss, kid, last]
}

#[test]
fn decision_41_a_child_goes_on_with_the_trace_of_its_parent() {
    let [boss, kid, last] = family(Some(FIRST));
    assert_eq!(parents(&last), [Some(FIRST)]);
    let kept = [&boss, &kid, &last].map(|it| kept(it.instance.as_ref().unwrap()).unwrap());
    assert_eq!(kept, [FIRST; 3]);
}

#[test]
fn decision_41_without_one_all_below_a_parent_are_in_the_trace_that_is_made_for_it() {
    let [boss, kid, last] = family(None);
    let made = TraceContext::made(&boss.key, EffectId([1; 16])).parent;
    let told = parents(&last)[0].unwrap();
    assert_eq!(told[..35], made[..35]);
    // What can be made again is not kept.
    assert!(kept(kid.instance.as_ref().unwrap()).is_none());
    // A run of a schedule has no parent above it.
    let mut run = last.instance.clone().unwrap();
    run.trace_context = None;
    assert!(run.trace_of(EffectId([1; 16])).is_some());
    run.parent.as_mut().unwrap().depth = 0;
    assert!(run.trace_of(EffectId([1; 16])).is_none());
}

#[test]
fn decision_41_a_start_by_command_goes_on_with_the_trace_of_whoever_asked() {
    let world = asked(TEXT, None, Some(FIRST));
    assert_eq!(parents(&world), [Some(FIRST)]);
    let state = world.calls[0].trace_context.as_deref().and_then(|it| it.state.as_deref());
    assert_eq!(state, Some("b=2"));
    let own = asked(TEXT, Some(event("begin", SECOND)), Some(FIRST));
    assert_eq!(parents(&own), [Some(SECOND)], "what the event says goes before it");
    assert_eq!(parents(&asked(TEXT, None, Some("00-x"))), [None], "what is none is absent");
}
