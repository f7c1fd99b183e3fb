//! What calls become: sequences and hidden states (rule 27), and how everything is numbered.

use std::fmt::Write as _;

use crate::definition::model::{Action, Definition, SeqStep, Trigger};
use crate::definition::{Format, load};

/// Loads a definition and compares its states, transitions and sequences, one in a line.
#[track_caller]
fn check_shape(text: &str, expected: &str) {
    let loaded = load(text, "w.yaml", Format::Yaml).unwrap();
    let found = shape(&loaded.definition);
    assert_eq!(found, expected, "\n{found}");
}

fn shape(definition: &Definition) -> String {
    let mut out = String::new();
    let name = |id: crate::machine::StateId| definition.state(id).id.to_string();
    for (at, state) in definition.states.iter().enumerate() {
        let parent = state.parent.map(name).unwrap_or_default();
        let entry: Vec<String> = state.entry.iter().map(|block| actions(block)).collect();
        let exit: Vec<String> = state.exit.iter().map(|block| actions(block)).collect();
        write!(out, "{at} {} {:?} in `{parent}` to {}", state.id, state.kind, state.last.0)
            .unwrap();
        for (what, blocks) in [("entry", entry), ("exit", exit)] {
            if !blocks.is_empty() {
                write!(out, " {what} {}", blocks.join(" | ")).unwrap();
            }
        }
        if let Some(target) = state.hidden_for {
            write!(out, " hidden for {}", name(target)).unwrap();
        }
        out.push('\n');
    }
    for transition in &definition.transitions {
        let trigger = match &transition.trigger {
            Trigger::Events(list) => {
                list.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
            }
            Trigger::Always => "always".to_owned(),
            Trigger::After { index } => format!("after {index}"),
            Trigger::Initial => continue,
        };
        let mut targets: Vec<String> = transition.targets.iter().map(|id| name(*id)).collect();
        if targets.is_empty() {
            targets.push("itself".to_owned());
        }
        let name_of = transition.name.as_deref().unwrap_or("-");
        let source = name(transition.source);
        let actions = actions(&transition.actions);
        writeln!(out, "{source} --{trigger} ({name_of}){actions}--> {}", targets.join("+"))
            .unwrap();
    }
    for sequence in &definition.sequences {
        let steps: Vec<String> = sequence.steps.iter().map(step).collect();
        writeln!(out, "sequence of {}: {}", name(sequence.state), steps.join("; ")).unwrap();
    }
    out
}

fn actions(actions: &[Action]) -> String {
    let words: Vec<String> = actions.iter().map(action).collect();
    format!("[{}]", words.join(" "))
}

fn action(action: &Action) -> String {
    match action {
        Action::Set(entries) => {
            let paths: Vec<&str> = entries.iter().map(|(path, _)| &*path.text).collect();
            format!("set:{}", paths.join(","))
        }
        Action::Raise { event, .. } => format!("raise:{event}"),
        Action::Send { to: None, .. } => "send".to_owned(),
        Action::Send { to: Some(_), .. } => "send away".to_owned(),
        Action::Cancel { .. } => "cancel".to_owned(),
        Action::Publish { .. } => "publish".to_owned(),
        Action::Log { .. } => "log".to_owned(),
        Action::If(branches) => format!("if:{}", branches.len()),
        Action::Each { .. } => "each".to_owned(),
        Action::Sequence(number) => format!("sequence:{number}"),
        Action::Graph(number) => format!("graph:{number}"),
        Action::Tell(spec) => format!("tell:{}", spec.operation),
        Action::Checkpoint { .. } => "checkpoint".to_owned(),
        Action::Route(route) => format!("route:{}", route.rules.len()),
    }
}

fn step(step: &SeqStep) -> String {
    match step {
        SeqStep::Do(done) => action(done),
        SeqStep::Call { spec, invoke_id } => format!("call {} as {invoke_id}", spec.name),
        SeqStep::Child { spec, invoke_id } if spec.forward => format!("forwarded as {invoke_id}"),
        SeqStep::Child { invoke_id, .. } => format!("child as {invoke_id}"),
        SeqStep::Wait { .. } => "wait".to_owned(),
        SeqStep::Approval { .. } => "approval".to_owned(),
        SeqStep::Name { path, invoke_id } => format!("{}={invoke_id}", path.text),
        SeqStep::JumpUnless { target, .. } => format!("unless→{target}"),
        SeqStep::Jump { target } => format!("→{target}"),
    }
}

#[test]
fn calls_in_entry_are_a_sequence_of_the_state() {
    check_shape(
        "workflow: w
vars: { v: 0 }
states:
  a:
    entry: [[{ log: one }, { call: p.one }, { set: { v: 1 } }, two], [{ log: two }]]
    exit: [{ call: p.tell }]
    done: b
    failed: { do: { log: bad }, to: b }
  b: { final: true }
actions: { two: { call: p.two } }
",
        "\
0 w Compound in `` to 2\n\
1 a Atomic in `w` to 1 entry [log sequence:0] | [log] exit [tell:p.tell]\n\
2 b Final in `w` to 2\n\
a --=done.state.a (-)[]--> b\n\
a --error.communication.invoke.a, error.platform.invoke.a (-)[log]--> b\n\
sequence of a: call p.one as a.0; set:v; call two as a.1\n\
        ",
    );
}

#[test]
fn calls_on_the_way_run_in_a_hidden_state() {
    check_shape(
        "workflow: w
events: [x, y]
vars: { v: 0 }
states:
  a:
    on:
      x:
        name: go
        do: [{ set: { v: 1 } }, { call: p.one }, { log: between }, { call: p.two }]
        to: b
        failed: { do: { log: bad }, to: c }
      y: { do: { call: p.three }, to: b }
  b:
    states: { b1: { on: { x: { do: { call: p.four }, to: b2 } } }, b2: { final: true } }
    done: c
  c: { final: true }
",
        "\
0 w Compound in `` to 8\n\
1 a Atomic in `w` to 1\n\
2 b Compound in `w` to 5\n\
3 b1 Atomic in `b` to 3\n\
4 b2 Final in `b` to 4\n\
5 b2~1 Atomic in `b` to 5 entry [sequence:2] hidden for b2\n\
6 c Final in `w` to 6\n\
7 b~1 Atomic in `w` to 7 entry [sequence:0] hidden for b\n\
8 b~2 Atomic in `w` to 8 entry [sequence:1] hidden for b\n\
a --x (go)[set:v]--> b~1\n\
a --y (-)[]--> b~2\n\
b --=done.state.b (-)[]--> c\n\
b1 --x (-)[]--> b2~1\n\
b2~1 --=done.state.b2~1 (-)[]--> b2\n\
b~1 --=done.state.b~1 (go)[]--> b\n\
b~1 --error.communication.invoke.b~1, error.platform.invoke.b~1, error.execution \
(-)[log]--> c\n\
b~2 --=done.state.b~2 (-)[]--> b\n\
sequence of b~1: call p.one as b~1.0; log; call p.two as b~1.1\n\
sequence of b~2: call p.three as b~2.0\n\
sequence of b2~1: call p.four as b2~1.0\n\
        ",
    );
}

#[test]
fn the_hidden_state_is_in_the_domain_of_the_transition() {
    check_shape(
        "workflow: w
events: [x, y]
states:
  p:
    initial: a
    on:
      x: { do: { call: p.one }, to: b, internal: true }
      y: { do: { call: p.two }, to: b }
    states: { a: {}, b: {} }
",
        "\
0 w Compound in `` to 5\n\
1 p Compound in `w` to 4\n\
2 a Atomic in `p` to 2\n\
3 b Atomic in `p` to 3\n\
4 b~1 Atomic in `p` to 4 entry [sequence:0] hidden for b\n\
5 b~2 Atomic in `w` to 5 entry [sequence:1] hidden for b\n\
p --x (-)[]--> b~1\n\
p --y (-)[]--> b~2\n\
b~1 --=done.state.b~1 (-)[]--> b\n\
b~2 --=done.state.b~2 (-)[]--> b\n\
sequence of b~1: call p.one as b~1.0\n\
sequence of b~2: call p.two as b~2.0\n\
        ",
    );
}

#[test]
fn calls_without_a_target_belong_to_the_source() {
    check_shape(
        "workflow: w
events: [x]
states:
  a: { entry: { call: p.one }, on: { x: { do: [{ log: l }, { call: p.two }] } }, after: { 1s: b } }
  b: { final: true }
",
        "\
0 w Compound in `` to 2\n\
1 a Atomic in `w` to 1 entry [sequence:0]\n\
2 b Final in `w` to 2\n\
a --x (-)[log sequence:1]--> itself\n\
a --after 0 (-)[]--> b\n\
sequence of a: call p.one as a.0\n\
sequence of a: call p.two as a.1\n\
        ",
    );
}

#[test]
fn branches_with_calls_become_jumps() {
    check_shape(
        "workflow: w
states:
  a:
    entry:
      - if:
          - { when: key == 'a', do: { call: p.one } }
          - when: key == 'b'
            do: [{ log: x }, { if: { when: key == 'c', do: { call: p.two } } }]
          - { do: { log: y } }
      - { log: z }
    done: b
  b: { final: true }
",
        "\
0 w Compound in `` to 2\n\
1 a Atomic in `w` to 1 entry [sequence:0]\n\
2 b Final in `w` to 2\n\
a --=done.state.a (-)[]--> b\n\
sequence of a: unless→3; call p.one as a.0; →9; unless→8; log; unless→7; call p.two as a.1; \
→9; log; log\n\
        ",
    );
}

#[test]
fn invokes_are_calls_with_their_own_id() {
    check_shape(
        "workflow: w
vars: { v: 0 }
states:
  a:
    entry: { call: p.zero }
    invoke: [{ id: score, call: p.one, set: { v: output.level } }, { call: p.two }]
    on: { done.invoke.score: b }
    failed: b
  b: { final: true }
",
        "\
0 w Compound in `` to 2\n\
1 a Atomic in `w` to 1 entry [sequence:0] | [sequence:1] | [sequence:2]\n\
2 b Final in `w` to 2\n\
a --done.invoke.score (-)[]--> b\n\
a --error.communication.invoke.a, error.platform.invoke.a, \
error.communication.invoke.score, error.platform.invoke.score (-)[]--> b\n\
sequence of a: call p.zero as a.0\n\
sequence of a: call score as score\n\
sequence of a: call p.two as a.2\n\
        ",
    );
}

#[test]
fn regions_and_history_are_numbered_in_document_order() {
    check_shape(
        "workflow: w
events: [x, y]
initial: p
states:
  p:
    parallel:
      l:
        states:
          l1: { on: { x: l2 } }
          l2: { final: true }
          lh: { history: deep, default: l1 }
      m: { initial: m2, states: { m1: {}, m2: { on: { x: m1, y: e } } } }
    done: e
  e:
    after: { 1s: [{ when: key == 'a', to: lh }, { to: f }], 2m: f }
    always: { when: key == 'b', to: f }
  f: { final: true }
",
        "\
0 w Compound in `` to 10\n\
1 p Parallel in `w` to 8\n\
2 l Compound in `p` to 5\n\
3 l1 Atomic in `l` to 3\n\
4 l2 Final in `l` to 4\n\
5 lh History { deep: true } in `l` to 5\n\
6 m Compound in `p` to 8\n\
7 m1 Atomic in `m` to 7\n\
8 m2 Atomic in `m` to 8\n\
9 e Atomic in `w` to 9\n\
10 f Final in `w` to 10\n\
p --=done.state.p (-)[]--> e\n\
l1 --x (-)[]--> l2\n\
m2 --x (-)[]--> m1\n\
m2 --y (-)[]--> e\n\
e --always (-)[]--> f\n\
e --after 0 (-)[]--> lh\n\
e --after 1 (-)[]--> f\n\
e --after 2 (-)[]--> f\n\
        ",
    );
}
