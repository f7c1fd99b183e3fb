//! What nobody is asked about does not hold a graph for ever, and what cannot be evaluated is no
//! answer (decision 0057).

use super::check;
use super::check::{World, definition};
use crate::machine::{Status, StepStatus};

const TWO: &str = "
workflow: t
steps:
  a: { call: p.a }
  b: { call: p.b, needs: [a], when: steps.a.rows > 5 }
  c: { call: p.c, needs: [b] }
";

fn world(text: &str, script: &[&str]) -> World {
    let mut world = World::new(definition(text));
    script.iter().for_each(|line| world.run(line));
    world
}

fn steps(world: &World) -> Vec<StepStatus> {
    let progress = world.instance.as_ref().unwrap().progress.as_deref().unwrap();
    progress.graphs[0].steps.iter().map(|step| step.status).collect()
}

fn status(world: &World) -> Status {
    world.instance.as_ref().unwrap().status
}

fn reason(world: &World) -> String {
    let stuck = world.instance.as_ref().unwrap().stuck.as_deref();
    stuck.map(|stuck| stuck.reason.to_string()).unwrap_or_default()
}

#[test]
fn rule_38_a_when_that_cannot_be_evaluated_is_the_failure_of_its_step() {
    for output in ["{rows: many}", "{other: 1}"] {
        let world = world(TWO, &["start", &format!("reply p.a {output}")]);
        assert_eq!(status(&world), Status::Stuck, "{}", world.out);
        assert!(reason(&world).contains("`when`: "), "{}", reason(&world));
        let failed = [StepStatus::Completed, StepStatus::Failed, StepStatus::Pending];
        assert_eq!(steps(&world), failed);
    }
    // False is what skips, and so is what a person says.
    let done = [StepStatus::Completed, StepStatus::Skipped, StepStatus::Skipped];
    let low = world(TWO, &["start", "reply p.a {rows: 1}"]);
    assert_eq!((status(&low), steps(&low)), (Status::Done, done.to_vec()));
    let skipped = world(TWO, &["start", "reply p.a {rows: many}", "command skip", "reply p.c"]);
    assert_eq!(status(&skipped), Status::Done, "{}", skipped.out);
    // What asks for the output of a step that gave none is answered.
    let none = TWO.replace("a: { call: p.a }", "a: { call: p.a, when: 'false' }");
    let none = world(&none, &["start"]);
    assert_eq!((status(&none), steps(&none)), (Status::Done, vec![StepStatus::Skipped; 3]));
    let failed = TWO.replace("a: { call: p.a }", "a: { call: p.a, optional: true }");
    let failed = world(&failed, &["start", "fail p.a permanent no"]);
    assert_eq!(status(&failed), Status::Done, "{}", failed.out);
    // An optional step is left behind, and `on_failure: rollback` takes back.
    let optional = TWO.replace("needs: [a], when", "needs: [a], optional: true, when");
    let optional = world(&optional, &["start", "reply p.a", "reply p.c"]);
    assert_eq!(status(&optional), Status::Done, "{}", optional.out);
}

#[test]
fn rule_20_retry_asks_again_whether_a_step_is_to_run() {
    let text = TWO.replace("steps.a.rows", "vars.n").replace("steps:", "vars: { n: null }\nsteps:");
    let mut stuck = world(&text, &["start", "reply p.a", "command retry"]);
    assert_eq!(status(&stuck), Status::Stuck, "{}", stuck.out);
    stuck.run("command set {n: 9}");
    stuck.run("command retry");
    stuck.run("reply p.b");
    stuck.run("reply p.c");
    assert_eq!((status(&stuck), steps(&stuck)), (Status::Done, vec![StepStatus::Completed; 3]));
    let mut low = world(&text, &["start", "reply p.a", "command set {n: 1}", "command retry"]);
    assert_eq!((status(&low), steps(&low)[1]), (Status::Done, StepStatus::Skipped));
    low.run("event x");
}

#[test]
fn rule_38_an_ignored_failure_leaves_its_step_behind() {
    let text = "
workflow: t
on_error: ignore
steps:
  a: { call: p.a }
  b: { call: p.b, needs: [a] }
finally: { call: p.close }
";
    check(
        text,
        &["start", "fail p.a permanent no", "reply p.b", "reply p.close"],
        "
        1 start -> call p.a | steps
        2 reply p.a -> call p.b | steps
        3 reply p.b -> call p.close | steps
        4 reply p.close -> - | done done
    ",
    );
    let failed = |it: &World| {
        let told = it.notices.iter().filter(|it| it.0 == crate::machine::NoticeKind::StepFailed);
        told.count()
    };
    let ignored = world(text, &["start", "fail p.a permanent no"]);
    assert_eq!(failed(&ignored), 1, "it is told once");
    assert_eq!(steps(&ignored), [StepStatus::Failed, StepStatus::Running]);
    // A timeout of all of them ends them.
    let late = text.replace("on_error", "timeout: 5s\non_error");
    let late = world(&late, &["start", "advance 5s", "reply p.close"]);
    assert_eq!(status(&late), Status::Done, "{}", late.out);
}

#[test]
fn rule_38_a_failure_that_is_handled_in_place_leaves_its_step_behind() {
    let text = "
workflow: t
initial: work
vars: { seen: false }
states:
  work:
    steps:
      a: { call: p.a }
      b: { call: p.b, needs: [a] }
    failed: { do: { set: { seen: true } } }
    done: end
  end: { final: true }
";
    check(
        text,
        &["start", "fail p.a permanent no", "vars", "reply p.b"],
        "
        1 start -> call p.a | work
        2 reply p.a -> call p.b | work
        {\"seen\":true}
        3 reply p.b -> - | end done
    ",
    );
}

#[test]
fn rule_19_an_output_that_cannot_be_evaluated_is_told_and_not_null() {
    let steps = "
workflow: t
steps:
  a: { call: p.a }
output: { r: '${ steps.a.nothing.here }' }
";
    let states = "
workflow: t
initial: a
vars: { n: 1 }
states:
  a: { on: { go: z } }
  z: { final: true, output: { r: '${ vars.n + data.m }' } }
";
    for (text, end) in [(steps, "reply p.a {n: 1}"), (states, "event go {x: 1}")] {
        let stuck = world(text, &["start", end]);
        assert_eq!(status(&stuck), Status::Stuck, "{}", stuck.out);
        assert!(reason(&stuck).contains("error.execution.output: `output` of `"), "{}", stuck.out);
        let again = world(text, &["start", end, "command retry"]);
        assert_eq!(status(&again), Status::Stuck, "{}", again.out);
        let skipped = world(text, &["start", end, "command skip"]);
        assert_eq!(status(&skipped), Status::Done, "{}", skipped.out);
        assert!(skipped.instance.as_ref().unwrap().output.is_null());
        let ignored = world(&format!("{text}on_error: ignore\n"), &["start", end]);
        assert_eq!(status(&ignored), Status::Done, "{}", ignored.out);
        let failed = world(&format!("{text}on_error: fail\n"), &["start", end]);
        assert_eq!(status(&failed), Status::Failed, "{}", failed.out);
        let cancelled = world(text, &["start", end, "command cancel"]);
        assert_eq!(status(&cancelled), Status::Cancelled, "{}", cancelled.out);
    }
    // What asks for the output of a step that gave none is null, as it ever was.
    let none = steps.replace("a: { call: p.a }", "a: { call: p.a, when: 'false' }");
    let none = world(&none, &["start"]);
    assert_eq!(status(&none), Status::Done, "{}", none.out);
    let text = states.replace("data.m", "vars.m").replace("n: 1 }", "n: 1, m: null }");
    let script = ["start", "event go", "command set {m: 2}", "command retry"];
    let mended = world(&text, &script);
    assert_eq!(status(&mended), Status::Done, "{}", mended.out);
    assert_eq!(mended.instance.as_ref().unwrap().output.to_json(), "{\"r\":3}");
}

#[test]
fn p6_a_call_that_is_made_again_counts_its_attempts_on() {
    let text = "
workflow: t
initial: a
states:
  a: { entry: [ { call: p.a, retry: { attempts: 2, delay: 1s } } ], on: { done.invoke: b } }
  b: { final: true }
";
    let script = [
        "start",
        "fail p.a retryable busy",
        "advance 1s",
        "fail p.a retryable busy",
        "command retry",
        "fail p.a permanent cancelled [attempt=1]",
        "fail p.a retryable busy",
        "advance 1s",
    ];
    let mut again = world(text, &script);
    let attempts: Vec<u32> = again.calls.iter().map(|call| call.attempt).collect();
    assert_eq!(attempts, [1, 2, 3, 4], "{}", again.out);
    assert!(again.calls.iter().all(|call| call.call == again.calls[0].call));
    again.run("fail p.a retryable busy");
    assert_eq!(status(&again), Status::Stuck, "two of them each time: {}", again.out);
}

#[test]
fn b9_the_answer_that_comes_after_all_settles_an_unknown_outcome() {
    let text = "
workflow: t
initial: a
states:
  a: { entry: [ { call: billing.charge, timeout: 5s } ], on: { done.invoke: b } }
  b: { on: { x: c } }
  c: { final: true }
";
    let unknown = ["start", "sending billing.charge", "advance 5s"];
    let mut late = world(text, &unknown);
    assert!(reason(&late).contains("unknown"), "{}", late.out);
    late.run("reply billing.charge {n: 1}");
    assert_eq!(status(&late), Status::Running, "{}", late.out);
    assert_eq!(late.calls.len(), 1);
    // Who only stopped because it was told to says nothing of that.
    let mut stopped = world(text, &unknown);
    stopped.run("fail billing.charge unknown stopped");
    assert_eq!(status(&stopped), Status::Stuck, "{}", stopped.out);
    // A refusal is an answer: it was not done.
    let mut refused = world(text, &unknown);
    refused.run("fail billing.charge permanent no");
    assert!(reason(&refused).contains("no"), "{}", refused.out);
    assert!(!reason(&refused).contains("unknown"), "{}", refused.out);
}
