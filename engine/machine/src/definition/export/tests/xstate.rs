//! The rules that XState 5 has for the configuration of a machine, and what we add to them.

use serde_json::Value as Json;

use super::super::{SourceText, xstate};
use crate::definition::{Format, Problem, load_all};

fn exported(text: &str) -> Result<Vec<Json>, Vec<Problem>> {
    let source = SourceText { text, origin: "w.yaml", format: Format::Yaml };
    let loaded = load_all(text, "w.yaml", Format::Yaml).unwrap();
    let texts = loaded.iter().map(|one| xstate(&one.definition, source));
    texts.map(|text| Ok(serde_json::from_str(&text?).unwrap())).collect()
}

fn machine(text: &str) -> Json {
    let machine = exported(text).unwrap().remove(0);
    complain(&machine);
    machine
}

/// Fails where the library would not make a machine of it.
fn complain(machine: &Json) {
    let mut ids = Vec::new();
    paths(machine, machine["id"].as_str().unwrap(), &mut ids);
    node(machine, &ids);
}

fn paths(node: &Json, own: &str, ids: &mut Vec<String>) {
    ids.push(format!("#{own}"));
    for (key, child) in node["states"].as_object().into_iter().flatten() {
        paths(child, &format!("{own}.{key}"), ids);
    }
}

fn node(it: &Json, ids: &[String]) {
    let children = it["states"].as_object();
    match it["type"].as_str() {
        None if children.is_some() => {
            let initial = it["initial"].as_str().or_else(|| it["initial"]["target"].as_str());
            let child = children.and_then(|children| children.get(initial.unwrap()));
            assert_ne!(child.unwrap_or(&Json::Null), &Json::Null, "{initial:?} is no child");
            assert_ne!(child.unwrap()["type"], "history");
        }
        None => assert_eq!(it["initial"], Json::Null),
        Some("parallel") => assert!(children.is_some() && it["initial"].is_null()),
        Some("final") => assert!(children.is_none() && it["on"].is_null() && it["after"].is_null()),
        Some("history") => {
            let keys: Vec<_> = it.as_object().unwrap().keys().map(String::as_str).collect();
            assert!(keys.iter().all(|key| ["type", "history", "target"].contains(key)), "{keys:?}");
            targets(&it["target"], ids);
        }
        Some(other) => panic!("no type is called `{other}`"),
    }
    let lists = |key: &str| it[key].as_object().into_iter().flatten().map(|(_, list)| list);
    for list in lists("on").chain(lists("after")).chain([&it["always"], &it["onDone"]]) {
        list.as_array().into_iter().flatten().for_each(|edge| targets(&edge["target"], ids));
    }
    for invoke in it["invoke"].as_array().into_iter().flatten() {
        assert!(invoke["id"].is_string() && !invoke["src"].is_null(), "{invoke}");
        for list in [&invoke["onDone"], &invoke["onError"]] {
            list.as_array().into_iter().flatten().for_each(|edge| targets(&edge["target"], ids));
        }
    }
    children.into_iter().flatten().for_each(|(_, child)| node(child, ids));
}

fn targets(target: &Json, ids: &[String]) {
    let one = |it: &Json| assert!(ids.iter().any(|id| **id == *it.as_str().unwrap()), "{it}");
    match target.as_array() {
        Some(list) => list.iter().for_each(one),
        None if target.is_null() => {}
        None => one(target),
    }
}

#[test]
fn the_examples_are_machines() {
    for text in [
        include_str!("../../../../../../examples/trip/trip.workflow.yaml"),
        include_str!("../../../../../../examples/order/order.workflow.yaml"),
        include_str!(
            "../../../../../../examples/document-approval/document_approval.workflow.yaml"
        ),
    ] {
        exported(text).unwrap().iter().for_each(complain);
    }
}

#[test]
fn states_keep_the_order_of_the_document() {
    let text = "workflow: w\nstates: { z: { on: { e: a } }, m: {}, a: { final: true } }\n";
    let source = SourceText { text, origin: "w.yaml", format: Format::Yaml };
    let loaded = load_all(text, "w.yaml", Format::Yaml).unwrap();
    let text = xstate(&loaded[0].definition, source).unwrap();
    let places: Vec<_> = ["\"z\": {", "\"m\": {", "\"a\": {"].map(|key| text.find(key)).into();
    assert!(places.is_sorted() && places.iter().all(Option::is_some), "{text}");
}

#[test]
fn initial_is_a_child_and_goes_on_from_there() {
    let it = machine(
        "workflow: w
states:
  a:
    initial: { to: [b1, c2], do: { raise: begun } }
    states:
      p:
        parallel:
          b: { states: { b0: {}, b1: {} } }
          c: { states: { c1: {}, c2: {} } }
          h: { history: deep, default: b1 }
      k:
        initial: { to: k1, do: { raise: begun } }
        states: { k1: {}, l: { history: shallow, default: { to: k1, do: { raise: x } } } }
",
    );
    let a = &it["states"]["a"];
    assert_eq!(a["initial"], "a~initial");
    let onward = &a["states"]["a~initial"]["always"][0];
    let both = serde_json::json!(["#w.a.p.b.b1", "#w.a.p.c.c2"]);
    assert_eq!((&onward["target"], &onward["actions"][0]["type"]), (&both, &"raise".into()));
    assert_eq!(a["states"]["k"]["initial"]["target"], "k1");
    assert_eq!(a["states"]["p"]["states"]["h"]["target"], "#w.a.p.b.b1");
    assert_eq!(a["states"]["k"]["states"]["l"]["target"], "#w.a.k.l~default");
}

#[test]
fn the_order_of_transitions_decides_and_not_the_length_of_descriptors() {
    let it = machine(
        "workflow: w
states:
  a:
    on:
      - { event: x, name: one }
      - { event: [x.y, =z], when: data.n > 1, name: two }
      - { event: \"*\", name: three }
    after: { 5s: b }
  b: { final: true }
",
    );
    let on = &it["states"]["a"]["on"];
    let names = |key: &str| -> Vec<&str> {
        let list = on[key].as_array().unwrap();
        list.iter().map(|edge| edge["description"].as_str().unwrap()).collect()
    };
    assert_eq!(names("x.*"), ["one", "three"]);
    assert_eq!(names("x.y.*"), ["one", "two", "three"]);
    assert_eq!(names("z.*"), ["two", "three"]);
    let guard = |key: &str, at: usize| &on[key][at]["guard"]["params"]["expression"];
    assert_eq!(guard("z.*", 0), "event.name == 'z' && (data.n > 1)");
    assert_eq!(guard("*", 0), "!event.name.startsWith('xstate.after.')");
}

#[test]
fn what_has_no_word_stands_under_meta() {
    let it = machine(
        "workflow: w
correlate: data.id
limits: { effects: 5 }
events: { e: { start: true }, f: { buffer: 10m, subject: \"x.{id}\" } }
states:
  a:
    defer: { events: [e], ttl: 5m }
    approval: { title: x, roles: [boss] }
    unhandled: reject
    on: { f: b }
  b: { final: true }
",
    );
    let about = &it["meta"]["gearshift"];
    assert_eq!(about["correlate"], "data.id");
    assert_eq!(about["limits"]["effects"], 5);
    assert_eq!(about["events"]["f"]["buffer"], "10m");
    let about = &it["states"]["a"]["meta"]["gearshift"];
    assert_eq!((&about["defer"]["ttl"], &about["unhandled"]), (&"5m".into(), &"reject".into()));
    assert_eq!(about["approval"]["roles"][0], "boss");
}

#[test]
fn calls_are_actors_whose_end_moves_the_state_on() {
    let it = machine(
        "workflow: w
states:
  one: { entry: { call: p.o }, done: two, failed: three }
  two:
    invoke: [{ id: x, call: p.o }, { id: y, workflow: other, with: {} }]
    done: three
    on: { done.invoke.x: { do: { call: p.note } }, error.platform.invoke.y: three }
  three:
    entry: [{ call: p.o }, { call: p.q }]
    done: four
    on: { e: { do: { call: p.z }, to: one } }
  four: { final: true }
",
    );
    let states = &it["states"];
    let first = &states["one"]["invoke"][0];
    assert_eq!((&first["id"], &first["src"]), (&"one.0".into(), &"p.o".into()));
    assert_eq!(first["onDone"][0]["target"], "#w.two");
    assert_eq!(first["onError"][0]["target"], "#w.three");
    let two = &states["two"];
    let ended = &two["invoke"][1]["onDone"][0]["guard"]["params"]["expression"];
    assert_eq!(ended, "['x', 'y'].all(id, succeeded(id))");
    assert_eq!(two["on"]["xstate.done.actor.x"][0]["actions"][0]["type"], "calls");
    assert_eq!(two["on"]["xstate.error.actor.y"][0]["target"], "#w.three");
    assert_eq!(states["three"]["invoke"][0]["src"], "calls");
    assert_eq!(states["three"]["on"]["e.*"][0]["target"], "#w.one~1");
    assert_eq!(states["one~1"]["invoke"][0]["onDone"][0]["target"], "#w.one");
}

#[test]
fn what_a_machine_would_do_otherwise_is_refused_with_its_place() {
    let refused = |states: &str| {
        let problems = exported(&format!("workflow: w\nstates:\n{states}\n")).unwrap_err();
        let found = problems.iter().map(|it| (it.code.to_string(), it.line, it.message.clone()));
        found.collect::<Vec<_>>().remove(0)
    };
    let (code, line, message) =
        refused("  p:\n    parallel:\n      a:\n        on: { e: b }\n      b: {}");
    assert_eq!((code.as_str(), line), ("GS0012", 6), "{message}");
    assert!(message.contains("between regions"), "{message}");
    let (_, line, message) = refused(
        "  p:\n    parallel:\n      a: { states: { c: {} } }\n      \
         h: { history: deep, default: { to: c, do: { log: x } } }",
    );
    assert!(line == 6 && message.contains("`default`"), "{line}: {message}");
    let (_, _, message) = refused("  a: { after: { 5s: [{ do: { log: x } }, b] } }\n  b: {}");
    assert!(message.contains("timers"), "{message}");
}
