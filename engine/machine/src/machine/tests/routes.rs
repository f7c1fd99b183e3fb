//! `route:`: rules decide, and it is known which and why (decision 0025).

use super::check;
use super::check::{World, definition};

const STEPS: &str = "
workflow: t
steps:
  look: { call: p.look }
  route:
    needs: [look]
    route:
      rules:
        other: { when: \"size(steps.look.words) > 0\", to: general }
        bill: { when: \"'bill' in steps.look.words\", priority: 9, to: money }
        law:
          when: \"'contract' in steps.look.words\"
          priority: 10
          to: legal
          reason: \"it has ${ string(size(steps.look.words)) } words\"
          with: { redact: true }
      default: { to: nobody, reason: it is empty }
  legal: { needs: [route], when: steps.route.decision == 'legal', call: p.legal }
  money: { needs: [route], when: steps.route.decision == 'money', call: p.money }
  rest: { needs: { any: [legal, money] }, set: {} }
output: ${ steps.route }
";

fn world(text: &str, lines: &[&str]) -> World {
    let mut world = World::new(definition(text));
    lines.iter().for_each(|line| world.run(line));
    world
}

fn output(world: &World) -> String {
    world.instance.as_ref().unwrap().output.to_json()
}

fn note(world: &World) -> String {
    let trace = world.last.as_ref().unwrap().trace.as_ref().unwrap();
    trace.note.as_deref().unwrap_or_default().to_owned()
}

#[test]
fn the_greatest_priority_that_matches_decides_and_chooses_the_next_step() {
    check(
        STEPS,
        &["start", "reply p.look {words: [bill, contract]}", "reply p.legal"],
        "
        1 start -> call p.look | steps
        2 reply p.look -> call p.legal | steps
        3 reply p.legal -> - | done done
    ",
    );
}

#[test]
fn decision_reason_rule_and_matches_are_recorded() {
    let mut world = world(STEPS, &["start", "reply p.look {words: [bill, contract]}"]);
    assert_eq!(
        note(&world),
        "routed to legal by rule law: it has 2 words (matched: law, bill, other)"
    );
    world.run("reply p.legal");
    assert_eq!(
        output(&world),
        concat!(
            r#"{"decision":"legal","matched":["law","bill","other"],"reason":"it has 2 words","#,
            r#""rule":"law","with":{"redact":true}}"#
        )
    );
}

#[test]
fn no_rule_is_the_default_and_has_no_rule() {
    let world = world(STEPS, &["start", "reply p.look {words: []}"]);
    assert_eq!(note(&world), "routed to nobody by default: it is empty");
    assert_eq!(
        output(&world),
        r#"{"decision":"nobody","matched":[],"reason":"it is empty","rule":null}"#
    );
}

#[test]
fn a_rule_that_cannot_be_evaluated_is_false_and_recorded() {
    let world = world(STEPS, &["start", "reply p.look {text: none}"]);
    let note = note(&world);
    for rule in ["law", "bill", "other"] {
        assert!(note.contains(&format!("rule {rule} cannot be evaluated: ")), "{note}");
    }
    let output = output(&world);
    assert!(output.contains(r#""decision":"nobody""#), "{output}");
    assert!(output.contains(r#""failed":{"bill":"#), "{output}");
}

#[test]
fn rules_of_one_priority_are_asked_as_they_are_written() {
    let text = "
workflow: t
steps:
  pick:
    route:
      rules:
        - { name: none, to: last }
        - { when: data.n > 1, priority: 2, to: b }
        - { when: data.n > 0, priority: 2, to: c }
";
    let two = world(text, &["start go {n: 2}"]);
    assert!(output(&two).starts_with(r#"{"decision":"b","matched":["rule_2","rule_3","none"]"#));
    let one = world(text, &["start go {n: 1}"]);
    assert!(output(&one).starts_with(r#"{"decision":"c","matched":["rule_3","none"]"#));
}

const NO_DEFAULT: &str = "
workflow: t
steps:
  pick: { route: { rules: { a: { when: data.n == 1, to: x }, b: { when: data.n == 2, to: y } } } }
  next: { needs: [pick], call: p.next }
";

#[test]
fn no_rule_and_no_default_is_a_failed_step() {
    check(
        NO_DEFAULT,
        &["start go {n: 3}", "command retry", "command skip"],
        "
        1 start -> - | steps stuck (error.platform.invoke.steps.pick: none of 2 rules matches, \
            and there is no `default`) !rolled back
        2 command retry -> - | steps stuck (error.platform.invoke.steps.pick: none of 2 rules \
            matches, and there is no `default`) !rolled back
        3 command skip -> call p.next | steps
    ",
    );
}

#[test]
fn a_route_that_may_fail_is_left_behind() {
    check(
        &NO_DEFAULT.replace("pick: { route", "pick: { optional: true, route"),
        &["start go {n: 3}", "reply p.next"],
        "
        1 start -> call p.next | steps
        2 reply p.next -> - | done done
    ",
    );
}

#[test]
fn an_action_keeps_what_is_decided_and_states_go_by_it() {
    let text = "
workflow: t
vars: { way: null }
initial: a
states:
  a:
    on:
      doc:
        do: classify
        to: b
  b:
    always:
      - { when: vars.way.decision == 'left', to: left }
      - { to: right }
  left: { final: true, output: \"${ vars.way }\" }
  right: { final: true, output: \"${ vars.way }\" }
actions:
  classify:
    route:
      rules: { l: { when: data.side == 'l', to: left } }
      default: right
    set: { way: output }
";
    check(
        text,
        &["start", "event doc {side: l}"],
        "
        1 start -> - | a
        2 doc -> - | left done
    ",
    );
    let world = world(text, &["start", "event doc {side: x}"]);
    assert_eq!(
        output(&world),
        r#"{"decision":"right","matched":[],"reason":"no rule matches","rule":null}"#
    );
}

#[test]
fn an_action_without_decision_raises_an_error() {
    let text = "
workflow: t
initial: a
states:
  a: { entry: { route: { rules: { l: { when: data.side == 'l', to: left } } } },
       on: { error.execution.route: b } }
  b: {}
";
    check(text, &["start go {side: r}"], "1 start -> - | b");
    check(
        &text.replace("on: { error.execution.route: b }", "after: { 1h: b }"),
        &["start go {side: r}"],
        "1 start -> - | a stuck (error.execution.route: the one rule does not match, and there is \
            no `default`) !rolled back",
    );
}

#[test]
fn each_item_of_a_list_is_routed_by_itself() {
    let text = "
workflow: t
steps:
  each:
    foreach: { in: data.list, as: n, max_parallel: 1 }
    route: { rules: { big: { when: n > 10, to: large } }, default: \"${ n }\" }
output: \"${ steps.each.map(one, one.decision) }\"
";
    let world = world(text, &["start go {list: [5, 50, 7]}"]);
    assert_eq!(output(&world), r#"[5,"large",7]"#);
}
