//! `test`: scenario files in which something is wrong, and what becomes of the others.

use crate::support::Place;

const ORDER: &str = "\
workflow: order
correlate: data.id
events: { order.placed: { start: true }, order.paid: {} }
states:
  placed: { on: { order.paid: paid } }
  paid: { final: true }
";

/// A scenario that expects this of the first event.
fn expecting(name: &str, expected: &str) -> String {
    let event = "event: order.placed, data: { id: o-1 }";
    format!("  - name: {name}\n    steps:\n      - {{ {event}, expect: {{ {expected} }} }}\n")
}

#[test]
fn words_that_nobody_knows_are_refused_with_line_and_nearest_word() {
    let place = Place::new();
    place.write("order.workflow.yaml", ORDER);
    let step = |step: &str| format!("  - name: one\n    steps:\n      - {{ {step} }}\n");
    for (scenario, line, told) in [
        (expecting("one", "verdict: transitoned"), 4, "did you mean `transitioned`?"),
        (expecting("one", "verdict: no_instanse"), 4, "did you mean `no_instance`?"),
        (expecting("one", "verdict: dead_letter"), 4, "did you mean `dead_lettered`?"),
        (expecting("one", "status: runing"), 4, "did you mean `running`?"),
        (expecting("one", "status: ok"), 4, "expected one of running"),
        (expecting("one", "state: plased"), 4, "did you mean `placed`?"),
        (expecting("one", "staet: placed"), 4, "did you mean `state`?"),
        (expecting("one", "effects: [publsh x]"), 4, "none of `call NAME`"),
        (step("command: cancle"), 4, "did you mean `cancel`?"),
        (step("reply: a.b, fail: permanant"), 4, "did you mean `permanent`?"),
        (step("evnt: order.placed"), 4, "did you mean `event`?"),
        (
            "  - name: one\n    mocks: { a.b: { fail: never } }\n    steps: []\n".to_owned(),
            3,
            "never",
        ),
        ("  - { name: one, steps: [] }\n".to_owned(), 2, "`steps` is empty"),
        (
            "  - { name: one, mocks: { a.b: {} }, steps: [ { advance: 1s } ] }\n".to_owned(),
            2,
            "no definition calls `a.b`, which `mocks` answers",
        ),
    ] {
        place.write("order.test.yaml", &format!("scenarios:\n{scenario}"));
        let done = place.gearshift(&["test", "."]).ends(2);
        assert!(done.err.contains(told), "`{told}` is not in: {}", done.err);
        let start = format!("error[GS4000]: ./order.test.yaml:{line}: `one`: ");
        assert!(done.err.starts_with(&start), "not at line {line}: {}", done.err);
        assert!(done.out.contains("1 unreadable · 0 passed"), "{}", done.out);
    }
}

#[test]
fn mocks_that_answer_nobody_and_names_that_two_have_are_refused() {
    let place = Place::new();
    let calls = ORDER.replace("{ final: true }", "{ entry: { call: inventory.reserve } }");
    place.write("order.workflow.yaml", &calls);
    let good = expecting("good", "state: placed");
    let mocks = "mocks: { inventory.resreve: {} }\nscenarios:\n";
    place.write("order.test.yaml", &format!("{mocks}{good}"));
    let done = place.gearshift(&["test", "."]).ends(2);
    let told = "no definition calls `inventory.resreve`, which `mocks` answers; did you mean \
                `inventory.reserve`?";
    assert!(done.err.contains(told), "{}", done.err);
    place.write("order.test.yaml", &format!("scenarios:\n{good}{good}"));
    let done = place.gearshift(&["test", "."]).ends(2);
    let told = "./order.test.yaml:5: `good`: another scenario is called `good` too";
    assert!(done.err.contains(told), "{}", done.err);
    assert!(done.out.contains("1 unreadable · 1 passed"), "{}", done.out);
}

#[test]
fn one_bad_scenario_or_file_does_not_hide_the_others() {
    let place = Place::new();
    place.write("order.workflow.yaml", ORDER);
    let good = expecting("good", "state: placed");
    let wrong = expecting("wrong", "verdict: wonderful");
    let failing = expecting("failing", "state: paid");
    place.write("a.test.yaml", "scenarios: [\n");
    let all = format!("definition: order.workflow.yaml\nscenarios:\n{wrong}{good}{failing}");
    place.write("b.test.yaml", &all);
    let done = place.gearshift(&["test", "."]).ends(2);
    assert!(done.out.contains("good ✓  failing ✗"), "{}", done.out);
    assert!(done.out.contains("1 failed · 2 unreadable · 1 passed"), "{}", done.out);
    assert!(done.err.contains("`./a.test.yaml` is no scenario file"), "{}", done.err);
    assert!(done.err.contains("./b.test.yaml:5: `wrong`: "), "{}", done.err);
    let data = place.gearshift(&["test", ".", "-o", "json"]).ends(2).json();
    assert_eq!((&data["passed"], &data["failed"]), (&1.into(), &1.into()), "{data}");
    assert_eq!(data["unreadable"][1]["name"], "wrong", "{data}");
    assert_eq!(data["unreadable"][1]["line"], 5, "{data}");
    let only = place.gearshift(&["test", "b.test.yaml", "--only", "good"]).ends(0);
    assert!(only.out.contains("1 passed"), "{}", only.out);
}

#[test]
fn scenarios_on_one_line_are_told_apart_too() {
    let place = Place::new();
    place.write("order.workflow.yaml", ORDER);
    place.write(
        "order.test.yaml",
        "scenarios: [{ name: a, steps: [{ event: order.placed, data: { id: x } }] }, { name: b }]",
    );
    let done = place.gearshift(&["test", "."]).ends(2);
    assert!(done.out.contains("a ✓") && done.out.contains("1 unreadable"), "{}", done.out);
    assert!(done.err.contains("`b`: missing field `steps`"), "{}", done.err);
}

#[test]
fn what_is_never_taken_is_told_as_it_is_written_and_not_of_a_part() {
    let place = Place::new();
    place.write(
        "order.workflow.yaml",
        "\
workflow: order
correlate: data.id
events: { order.placed: { start: true } }
states:
  charging: { entry: { call: bank.charge }, done: paid, failed: lost }
  paid: { final: true }
  lost: { final: true }
",
    );
    let good = expecting("good", "state: charging");
    place.write("order.test.yaml", &format!("scenarios:\n{good}"));
    let done = place.gearshift(&["test", ".", "--all-transitions"]).ends(1);
    for text in ["charging: done\n", "charging: failed\n", "taken 0/2"] {
        assert!(done.out.contains(text), "`{text}` is not in:\n{}", done.out);
    }
    let both = place.gearshift(&["test", ".", "--only", "good", "--all-transitions"]).ends(2);
    assert!(both.err.contains("--all-transitions"), "{}", both.err);
    assert!(!both.out.contains("passed"), "{}", both.out);
}

#[test]
fn tx_a_scenario_begins_commits_and_rolls_back_transactions() {
    let place = Place::new();
    let flow = "\
workflow: note
correlate: data.id
events: { note.read: {} }
vars: { n: 0 }
steps:
  book: { call: desk.book, undo: desk.free, timeout: 5s }
  read: { needs: book, wait: note.read }
";
    place.write("note.workflow.yaml", flow);
    let scenario = "\
mocks: { desk.book: { output: {} }, desk.free: { output: {} } }
scenarios:
  - name: taken back
    steps:
      - { command: begin, instance: transaction/t, open_for: 5m }
      - { start: note, key: a, transaction: t, expect: { effects: [call desk.book] } }
      - advance: 6m
      - expect: { status: failed, effects: [call desk.free], steps: { book: undone } }
      - { expect: { state: rolled_back, status: done }, instance: transaction/t }
  - name: stays
    steps:
      - { command: begin, instance: transaction/t }
      - { start: note, key: a, transaction: t }
      - { command: commit, instance: transaction/t, expect: { state: committed } }
      - advance: 2h
      - expect: { status: running, steps: { book: completed } }
  - name: nobody began it
    steps:
      - { start: note, key: a, transaction: t }
      - { event: note.read, data: { id: a }, expect: { verdict: no_instance } }
";
    place.write("note.test.yaml", scenario);
    let done = place.gearshift(&["test", "."]).ends(0);
    assert!(done.out.contains("3 passed"), "{}", done.out);
    for (step, told) in [
        ("command: commit, instance: note/a", "needs an `instance: transaction/NAME`"),
        ("command: pause, open_for: 5m", "`open_for` does not belong to `pause`, but to `begin`"),
        ("event: note.read, transaction: t", "`transaction` does not belong to `event`"),
    ] {
        let text = format!("scenarios:\n  - {{ name: one, steps: [ {{ {step} }} ] }}\n");
        place.write("note.test.yaml", &text);
        let done = place.gearshift(&["test", "."]).ends(2);
        assert!(done.err.contains(told), "`{told}` is not in: {}", done.err);
    }
}
