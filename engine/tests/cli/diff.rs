//! `diff`: what changed, what that means, whom it concerns, and how it ends.

use crate::support::Place;

const ORDER: &str = "\
workflow: order
correlate: data.id
events: { order.placed: { start: true }, order.paid: {} }
vars: { paid: 0 }
states:
  placed:
    on:
      order.paid:
        - { name: in_full, when: data.amount >= 10, do: { set: { paid: data.amount } }, to: paid }
        - { name: in_part }
    after: { 1h: late }
  paid: { final: true }
  late: { final: true }
";

/// Compares two texts.
#[track_caller]
fn compared(from: &str, to: &str, told: &[&str]) -> String {
    let place = Place::new();
    place.write("a.workflow.yaml", from);
    place.write("b.workflow.yaml", to);
    let out = place.gearshift(&["diff", "a.workflow.yaml", "b.workflow.yaml"]).ends(1).out;
    for text in told {
        assert!(out.contains(text), "`{text}` is not in:\n{out}");
    }
    out
}

#[test]
fn a_lost_state_around_others_needs_a_mapping_and_space_in_an_expression_says_nothing() {
    let from = "workflow: w\nvars: { x: 1 }\nstates:\n  s2: { states: { a: {} } }\n  \
                e: { final: true, output: \"${vars.x}\" }\n";
    let to = from.replace("s2:", "s2x:").replace("${vars.x}", "${ vars.x }");
    let told = "lost     state `s2`: instances in it need `--map s2=STATE`";
    let out = compared(from, &to, &[told, "new      state `s2x`"]);
    assert!(!out.contains("output of"), "{out}");
}

#[test]
fn two_versions_are_compared_with_what_instances_lose() {
    let place = Place::new();
    place.write("a.workflow.yaml", ORDER);
    let newer = ORDER
        .replace("workflow: order\n", "workflow: order\nversion: 2\n")
        .replace("{ 1h: late }", "{ 2h: overdue }")
        .replace("  late:", "  overdue:")
        .replace("vars: { paid: 0 }", "vars: { paid_cents: 0 }")
        .replace("set: { paid:", "set: { paid_cents:");
    place.write("b.workflow.yaml", &newer);
    let done = place.gearshift(&["diff", "a.workflow.yaml", "b.workflow.yaml"]).ends(1);
    for text in [
        "order@1 → order@2",
        "- states.placed.after.1h: \"late\"",
        "+ states.placed.after.2h: \"overdue\"",
        "+ version: 2",
        "lost     state `late`: instances in it need `--map late=STATE`",
        "new      state `overdue`",
        "lost     variable `paid`: its values are dropped",
        "lost     timer `placed after 1h`",
        "new      timer `placed after 2h`",
    ] {
        assert!(done.out.contains(text), "`{text}` is not in:\n{}", done.out);
    }
    let data = place.gearshift(&["diff", "a.workflow.yaml", "b.workflow.yaml", "-o", "json"]);
    let data = data.ends(1).json();
    assert_eq!((&data["lost_states"][0], &data["same"]), (&"late".into(), &false.into()));
    let about: Vec<_> = data["meaning"].as_array().unwrap().iter().map(|it| &it["about"]).collect();
    assert_eq!(about, ["state", "state", "timer", "timer", "variable", "variable"], "{data}");
}

#[test]
fn the_same_ends_with_0_a_difference_with_1_and_no_definition_with_2() {
    let place = Place::new();
    place.write("a.workflow.yaml", ORDER);
    place.write("b.workflow.yaml", &format!("version: 7\n{ORDER}"));
    place.write("bad.workflow.yaml", "workflow: order\n");
    let ends =
        |other: &str, code: i32| place.gearshift(&["diff", "a.workflow.yaml", other]).ends(code);
    assert!(ends("a.workflow.yaml", 0).out.contains("\nthe same\n"));
    assert!(ends("b.workflow.yaml", 0).out.contains("the same but for the version"));
    ends("bad.workflow.yaml", 2);
    ends("none.workflow.yaml", 3);
    // The order of transitions decides which one is taken.
    let (first, second) = ("order.placed: { start: true }", "order.paid: {}");
    let turned = ORDER.replace(&format!("{first}, {second}"), &format!("{second}, {first}"));
    let out = compared(ORDER, &turned, &["only the order of keys differs"]);
    assert!(!out.contains("lost") && !out.contains("new "), "{out}");
}

#[test]
fn what_is_only_written_otherwise_changes_nothing_and_long_values_are_cut() {
    let told = "only written otherwise: nothing changes for instances";
    let otherwise = ORDER
        .replace("after: { 1h: late }", "after: { 1h: [{ to: [late] }] }")
        .replace("{ name: in_part }", "{ name: in_part, internal: false }")
        .replace("order.paid: {}", "order.paid: { start: false }");
    let out = compared(ORDER, &otherwise, &[told]);
    for line in out.lines() {
        assert!(line.chars().count() < 260, "{line}");
    }
    let long =
        ORDER.replace("vars: { paid: 0 }", &format!("vars: {{ paid: {} }}", "x".repeat(200)));
    let out = compared(ORDER, &long, &["xxx…"]);
    assert!(!out.contains(told), "{out}");
    assert!(!out.contains(&"x".repeat(100)), "{out}");
}

/// Calls, a child, an approval and history.
const CLAIM: &str = "\
workflow: claim
correlate: data.id
events: { claim.made: { start: true }, claim.seen: { buffer: 10m }, claim.moved: {} }
limits: { actions: 500 }
states:
  open:
    initial: fresh
    states:
      fresh: { entry: { call: bank.check, timeout: 10s, undo: bank.uncheck } }
      back: { history: shallow, default: fresh }
    invoke: { id: kid, workflow: audit@1 }
    on:
      claim.seen: { when: data.ok, do: { call: depot.send }, to: review }
      claim.moved: { internal: true, to: fresh }
  review:
    approval: { choices: [approve, reject], roles: [boss], need: 2 }
    defer: claim.moved
    on: { user.action: closed, claim.seen: { name: again, to: back } }
  closed: { final: true }
";

#[test]
fn changed_calls_children_and_retries_are_told() {
    let newer = CLAIM
        .replace(
            "bank.check, timeout: 10s, undo: bank.uncheck",
            "bank@^2.check, retry: { attempts: 5, backoff: 1s..1m }",
        )
        .replace("workflow: audit@1", "workflow: other, forward: true")
        .replace("depot.send", "depot.fly");
    compared(
        CLAIM,
        &newer,
        &[
            "changed  operation of call `bank.check` of `fresh`: bank.check → bank@^2.check",
            "changed  timeout of call `bank.check` of `fresh`: 10s → 30s",
            "changed  retry of call `bank.check` of `fresh`: none → 5 attempts, 1s..1m with jitter",
            "changed  undo of call `bank.check` of `fresh`: bank.uncheck → none",
            "changed  workflow of child `audit@1` as `kid` of `open`: audit@1 → other",
            "changed  forward of child `audit@1` as `kid` of `open`: false → true",
            "lost     call `depot.send` on the way to `review`: instances that wait for it are not \
             migrated",
            "new      call `depot.fly` on the way to `review`",
        ],
    );
}

#[test]
fn approvals_history_guards_and_targets_are_told() {
    let newer = CLAIM
        .replace(
            "[approve, reject], roles: [boss], need: 2",
            "[approve], roles: [boss, clerk], not: initiator",
        )
        .replace(
            "      back: { history: shallow, default: fresh }\n",
            "      deeply: { history: deep, default: fresh }\n",
        )
        .replace("to: back", "to: deeply")
        .replace("when: data.ok", "when: data.ok && data.sure")
        .replace("{ internal: true, to: fresh }", "{ to: fresh }");
    compared(
        CLAIM,
        &newer,
        &[
            "lost     history state `back`: what it remembers is dropped",
            "new      history state `deeply`",
            "changed  approval of `review`: choices: approve | reject → approve",
            "changed  approval of `review`: roles: boss → boss, clerk",
            "changed  approval of `review`: need: 2 → 1",
            "changed  approval of `review`: initiator: admitted → barred",
            "changed  guard of transition `open: claim.seen`: data.ok → data.ok && data.sure",
            "changed  target of transition `review: again`: back → deeply",
            "changed  transition `open: claim.moved`: internal → external",
        ],
    );
    let none =
        CLAIM.replace("    approval: { choices: [approve, reject], roles: [boss], need: 2 }\n", "");
    compared(CLAIM, &none, &["lost     approval of `review`: its votes are void"]);
    compared(&none, CLAIM, &["new      approval of `review`"]);
}

#[test]
fn events_timers_limits_and_policies_are_told() {
    let newer = CLAIM
        .replace("claim.seen: { buffer: 10m }", "claim.seen: { subject: desk.seen }")
        .replace(", claim.moved: {}", ", claim.noted: {}")
        .replace("correlate: data.id", "correlate: data.claim")
        .replace(
            "limits: { actions: 500 }",
            "limits: { vars: 4096 }\non_error: fail\nunhandled: reject",
        )
        .replace(
            "defer: claim.moved",
            "defer: { events: claim.noted, ttl: 1h }\n    unhandled: defer",
        )
        .replace("claim.moved: { internal", "claim.noted: { internal");
    compared(
        CLAIM,
        &newer,
        &[
            "changed  correlate: data.id → data.claim",
            "changed  event `claim.seen` without instance: buffer 10m → dead_letter",
            "changed  subject of event `claim.seen`: claim.seen → desk.seen",
            "lost     event `claim.moved`",
            "new      event `claim.noted`",
            "changed  limit `actions`: 500 → 10000",
            "changed  limit `vars`: 262144 → 4096",
            "changed  on_error: suspend → fail",
            "changed  unhandled: discard → reject",
            "changed  defer of `review`: claim.moved → claim.noted",
            "changed  time that `review` defers for: for ever → 1h",
            "changed  unhandled of `review`: as around it → defer",
        ],
    );
    compared(
        ORDER,
        &ORDER.replace("1h: late", "90m: late"),
        &["changed  timer `placed after 1h`: after 1h → after 1h 30m"],
    );
}

#[test]
fn who_lives_on_the_former_version_is_told_where_it_is_deployed() {
    let place = Place::new();
    place.write("a.workflow.yaml", ORDER);
    place.write("b/order.workflow.yaml", &format!("version: 2\n{}", ORDER.replace("1h", "2h")));
    std::fs::create_dir_all(place.path("nothing")).unwrap();
    let _engine = place.dev(&["nothing"]);
    place.gearshift(&["deploy", "a.workflow.yaml"]).ends(0);
    for id in ["o-1", "o-2", "o-3"] {
        place.gearshift(&["send", "order.placed", "-d", &format!("id={id}")]).ends(0);
    }
    let paid = ["send", "order.paid", "-d", "id=o-3", "-d", "amount=20"];
    place.gearshift(&paid).ends(0);
    let done = place.gearshift(&["diff", "order@1", "b/order.workflow.yaml"]).ends(1);
    assert!(done.out.contains("2 instances live on order@1: placed 2"), "{}", done.out);
    let json = ["diff", "order@1", "b/order.workflow.yaml", "-o", "json"];
    let data = place.gearshift(&json).ends(1).json();
    assert_eq!(data["living"]["instances"], 2, "{data}");
    let files = place.gearshift(&["diff", "a.workflow.yaml", "b/order.workflow.yaml"]).ends(1);
    assert!(!files.out.contains("live on"), "{}", files.out);
}
