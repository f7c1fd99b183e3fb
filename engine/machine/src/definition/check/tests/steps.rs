//! What steps become: graphs, programs, needs and the order of modes (decision 0023).

use std::fmt::Write as _;

use crate::definition::model::{
    Aggregate, Collect, Definition, GraphFailure, KindSet, Mode, NeedKind, SeqStep, Step,
    StepFailure,
};
use crate::definition::{Format, from_canonical, load};
use crate::machine::ErrorKind;

#[track_caller]
fn loaded(text: &str) -> Definition {
    let loaded = match load(text, "w.yaml", Format::Yaml) {
        Ok(loaded) => loaded,
        Err(problems) => {
            let all: Vec<String> = problems.iter().map(|one| one.render(text, false)).collect();
            panic!("{}", all.join("\n"))
        }
    };
    assert_eq!(loaded.warnings, []);
    loaded.definition
}

/// The steps, one in a line.
fn shape(definition: &Definition) -> String {
    let mut out = String::new();
    for graph in &definition.graphs {
        let state = &definition.state(graph.state).id;
        writeln!(out, "{state}: {:?} {:?}", graph.mode, graph.on_failure).unwrap();
        for step in &graph.steps {
            let program = &definition.sequences[usize::from(step.program)];
            assert_eq!(program.state, graph.state);
            let program: Vec<String> = program.steps.iter().map(work).collect();
            write!(out, "{} = {}", step.id, program.join("; ")).unwrap();
            for need in &step.needs {
                write!(out, " {:?}{:?}", need.kind, need.of).unwrap();
            }
            if !step.dependents.is_empty() {
                write!(out, " → {:?}", step.dependents).unwrap();
            }
            write!(out, "{}", extras(step)).unwrap();
            out.push('\n');
        }
    }
    out
}

fn work(step: &SeqStep) -> String {
    match step {
        SeqStep::Call { spec, invoke_id } => {
            let undo = spec.undo.as_ref().map(|undo| format!(" undo {}", undo.operation));
            format!("call {} as {invoke_id}{}", spec.operation, undo.unwrap_or_default())
        }
        SeqStep::Child { spec, invoke_id } => format!("run {:?} as {invoke_id}", spec.workflow),
        SeqStep::Approval { approval, .. } => format!("approval {}", approval.choices.join("|")),
        SeqStep::Wait { events, when, set } => {
            let events: Vec<String> = events.iter().map(ToString::to_string).collect();
            format!("wait {}{} set {}", events.join(", "), when.iter().count(), set.len())
        }
        SeqStep::Do(_) => "do".to_owned(),
        SeqStep::Name { .. } | SeqStep::JumpUnless { .. } | SeqStep::Jump { .. } => {
            panic!("no step is made of {step:?}")
        }
    }
}

fn extras(step: &Step) -> String {
    let mut out = String::new();
    if let Some(when) = &step.when {
        write!(out, " when {}", when.source()).unwrap();
    }
    if step.optional {
        out.push_str(" optional");
    }
    if step.on_failure != StepFailure::Abort {
        write!(out, " {:?}", step.on_failure).unwrap();
    }
    if let Some(of) = step.fallback_of {
        write!(out, " fallback of {of}").unwrap();
    }
    if let Some(ms) = step.deadline_ms {
        write!(out, " within {ms}").unwrap();
    }
    out
}

#[test]
fn a_workflow_of_steps_alone_is_one_state_and_a_final_one() {
    let definition = loaded(
        "workflow: w\nsteps:\n  a: { call: p.a }\n  b: { needs: a, call: p.b, with: \
         { n: '${ steps.a.n }' } }\n",
    );
    let states: Vec<&str> = definition.states.iter().map(|state| &*state.id).collect();
    assert_eq!(states, ["w", "steps", "done"]);
    assert_eq!(format!("{:?}", definition.states[1].entry), "[[Graph(0)]]");
    let done = definition.transition(definition.states[1].transitions[0]);
    assert_eq!(format!("{:?}", done.trigger), "Events([Exact(\"done.state.steps\")])");
    assert_eq!(done.targets, [crate::machine::StateId(2)]);
    assert!(definition.states[2].output.is_some());
    assert_eq!(
        shape(&definition),
        "steps: Graph Raise\n\
         a = call p.a as steps.a → [1]\n\
         b = call p.b as steps.b All[0]\n"
    );
    assert_eq!(definition.step_named("b"), Some((0, 1)));
    assert_eq!(definition.graphs[0].steps[1].line, 4);
}

#[test]
fn modes_say_the_order() {
    let text = |mode: &str| {
        format!(
            "workflow: w\nmode: {mode}\nsteps:\n  a: {{ call: p.a, fallback: z }}\n  \
             z: {{ call: p.z }}\n  b: {{ call: p.b }}\n  c: {{ call: p.c, needs: [a] }}\n"
        )
    };
    for mode in ["sequential", "pipeline"] {
        let found = shape(&loaded(&text(mode)));
        assert_eq!(
            found.split_once('\n').unwrap().1,
            "a = call p.a as steps.a → [2, 3] Fallback(1)\n\
             z = call p.z as steps.z fallback of 0\n\
             b = call p.b as steps.b After[0] → [3]\n\
             c = call p.c as steps.c All[0] After[2]\n",
            "{mode}"
        );
    }
    for mode in ["parallel", "conditional"] {
        let definition = loaded(&text(mode));
        assert_eq!(definition.graphs[0].mode, Mode::Graph);
        assert_eq!(definition.graphs[0].steps[2].needs, []);
    }
}

#[test]
fn needs_have_groups() {
    let definition = loaded(
        "workflow: w\nsteps:\n  a: { call: p.a }\n  b: { call: p.b }\n  c: { call: p.c }\n  \
         d: { call: p.d, needs: { all: [a], any: [b, c] } }\n  \
         e: { call: p.e, needs: { n_of: 2, of: [a, b, c] } }\n  f: { call: p.f, needs: [] }\n",
    );
    let needs = |at: usize| {
        let needs = definition.graphs[0].steps[at].needs.iter();
        needs.map(|need| (need.kind, need.of.clone())).collect::<Vec<_>>()
    };
    assert_eq!(needs(3), [(NeedKind::All, vec![0]), (NeedKind::Any, vec![1, 2])]);
    assert_eq!(needs(4), [(NeedKind::AtLeast(2), vec![0, 1, 2])]);
    assert_eq!(needs(5), []);
}

#[test]
fn a_step_calls_runs_publishes_waits_or_sets() {
    let definition = loaded(
        r#"workflow: w
events: { go: { start: true }, sign: {} }
vars: { n: 0, who: null }
states:
  working:
    steps:
      - { id: call_it, call: p.a, set: { n: output.n }, undo: p.b }
      - { id: run_it, run: other@2, with: { n: 1 }, timeout: 2s, deadline: 5s }
      - { id: run_more, run: { workflow: third, set: { n: output } }, needs: run_it }
      - { id: tell, publish: "m.${ key }", with: 1, set: { n: vars.n + 1 } }
      - id: sign
        wait: { event: [sign, go], when: data.ok }
        set: { who: data.who }
        timeout: 1h
      - { id: count, set: { n: vars.n + size(steps.call_it) }, needs: [call_it] }
    done: finished
    failed: finished
  finished: { final: true, output: "${ steps.run_it }" }
"#,
    );
    assert_eq!(
        shape(&definition),
        "working: Graph Raise\n\
         call_it = call p.a as working.call_it undo p.b → [5]\n\
         run_it = run Const(String(\"other@2\")) as working.run_it → [2] within 2000\n\
         run_more = run Const(String(\"third\")) as working.run_more All[1]\n\
         tell = do; do\n\
         sign = wait sign, go1 set 1 within 3600000\n\
         count = do All[0]\n"
    );
}

#[test]
fn failures_of_steps_are_what_the_file_says() {
    let definition = loaded(
        r"workflow: w
on_failure: rollback
steps:
  a: { call: p.a, optional: true }
  b: { call: p.b, critical: false }
  c: { call: p.c, on_failure: skip }
  d: { call: p.d, on_failure: retry }
  e: { call: p.e, fallback: { call: p.f, timeout: 1s } }
  g: { call: p.g, on_failure: fallback, fallback: { id: h, call: p.h } }
  i: { call: p.i, retry: { attempts: 4, on: [timeout, invalid_reply] } }
",
    );
    assert_eq!(
        shape(&definition),
        "steps: Graph Rollback\n\
         a = call p.a as steps.a optional\n\
         b = call p.b as steps.b optional\n\
         c = call p.c as steps.c Skip\n\
         d = call p.d as steps.d\n\
         e = call p.e as steps.e Fallback(5)\n\
         e_fallback = call p.f as steps.e_fallback fallback of 4\n\
         g = call p.g as steps.g Fallback(7)\n\
         h = call p.h as steps.h fallback of 6\n\
         i = call p.i as steps.i\n"
    );
    assert_eq!(definition.graphs[0].on_failure, GraphFailure::Rollback);
    let retry = |at: usize| match definition.sequences[at].steps.as_slice() {
        [SeqStep::Call { spec, .. }] => spec.retry,
        other => panic!("{other:?}"),
    };
    assert_eq!((retry(2).attempts, retry(2).on), (1, KindSet::RETRYABLE));
    assert_eq!((retry(3).attempts, retry(3).waits_for_plugin), (3, false));
    assert!(retry(8).repeats(ErrorKind::Timeout) && retry(8).repeats(ErrorKind::InvalidReply));
    assert!(!retry(8).repeats(ErrorKind::Retryable) && !retry(8).repeats(ErrorKind::Permanent));
}

#[test]
fn undo_is_a_call_of_its_own_also_of_actions_and_invokes() {
    let definition = loaded(
        r#"workflow: w
states:
  a:
    entry: { call: p.a, undo: { call: p.b, with: { id: "${ output.id }" }, timeout: 2m } }
    invoke: { id: x, call: p.c, undo: p.d }
    done: b
  b: { final: true }
"#,
    );
    let undo = |at: usize| match definition.sequences[at].steps.as_slice() {
        [SeqStep::Call { spec, .. }] => spec.undo.clone().unwrap(),
        other => panic!("{other:?}"),
    };
    assert_eq!((&*undo(0).operation, undo(0).timeout_ms), ("p.b", 120_000));
    assert!(undo(0).with.is_some() && undo(0).undo.is_none());
    assert_eq!((&*undo(1).operation, undo(1).timeout_ms), ("p.d", 30_000));
    assert!(undo(1).with.is_none());
}

#[test]
fn a_fan_out_has_names_of_its_own() {
    let definition = loaded(
        r#"workflow: w
vars: { last: null }
steps:
  each:
    foreach:
      in: input.files
      as: file
      index: n
      max_parallel: 8
      collect: partial
      aggregate: { statistical: size }
    call: p.scan
    with: { path: "${ file.path }", n: "${ n }" }
    set: { last: file.path + string(output.size) }
    deadline: 1m
  bare: { foreach: { in: "[1, 2]", aggregate: union }, call: p.o }
"#,
    );
    let steps = &definition.graphs[0].steps;
    let fan = steps[0].each.as_ref().unwrap();
    assert_eq!((&*fan.item, fan.index.as_deref(), fan.max_parallel), ("file", Some("n"), 8));
    assert_eq!(fan.collect, Collect::Partial);
    assert_eq!(fan.aggregate, Aggregate::Statistical(Some("size".into())));
    assert_eq!(steps[0].deadline_ms, Some(60_000));
    let fan = steps[1].each.as_ref().unwrap();
    assert_eq!((&*fan.item, fan.index.as_deref(), fan.max_parallel), ("item", None, 32));
    assert_eq!((fan.collect, &fan.aggregate), (Collect::FirstError, &Aggregate::Union));
    match definition.sequences[1].steps.as_slice() {
        // Without `with` a call gets its item.
        [SeqStep::Call { spec, .. }] => {
            assert_eq!(format!("{:?}", spec.with), "Some(Expr(Expr(\"item\")))");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_said_of_all_steps_is_in_the_graph() {
    let definition = loaded(
        r#"workflow: w
steps: { a: { call: p.a, title: First, metadata: { owner: ops, n: 1, raw: "${ x }" } } }
mode: parallel
timeout: 1m
max_parallel: 4
finally: [{ publish: m.over }, { call: p.clean }]
output: { n: "${ steps.a.n }" }
"#,
    );
    let graph = &definition.graphs[0];
    assert_eq!((graph.timeout_ms, graph.max_parallel), (Some(60_000), Some(4)));
    assert!(graph.output.is_some());
    let finally = &definition.sequences[usize::from(graph.finally.unwrap())];
    let work: Vec<String> = finally.steps.iter().map(work).collect();
    assert_eq!(work, ["do", "call p.clean as steps.0"]);
    let step = &graph.steps[0];
    assert_eq!(&*step.title, "First");
    assert_eq!(step.metadata.to_json(), r#"{"n":1,"owner":"ops","raw":"${ x }"}"#);
}

#[test]
fn steps_survive_their_canonical_text_and_yaml() {
    let text = include_str!("steps.workflow.yaml");
    for loaded in crate::definition::load_all(text, "steps.yaml", Format::Yaml).unwrap() {
        let first = loaded.definition;
        let second = from_canonical(&first.canonical).unwrap();
        assert_eq!(first.hash, second.hash);
        assert_eq!(shape(&first), shape(&second));
        let yaml = crate::convert::to_yaml(&first.canonical, "w.json", Format::Json).unwrap();
        let third = load(&yaml, "w.yaml", Format::Yaml).unwrap().definition;
        assert_eq!(first.hash, third.hash);
    }
}
