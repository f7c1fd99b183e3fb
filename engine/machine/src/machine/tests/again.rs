//! `retry` and `skip` of steps (rule 20, decision 0023).

use super::check;
use super::check::{World, definition};
use crate::machine::{CallOutcome, ErrorKind, Input, StepStatus};
use crate::value::Value;

/// What became of the steps, in document order.
pub(super) fn steps(world: &World) -> Vec<StepStatus> {
    let progress = world.instance.as_ref().and_then(|it| it.progress.as_deref());
    let runs = progress.into_iter().flat_map(|progress| &progress.graphs);
    runs.flat_map(|run| run.steps.iter()).map(|state| state.status).collect()
}

/// Plays a script and gives what became of the steps.
pub(super) fn play(text: &str, script: &[&str]) -> Vec<StepStatus> {
    let mut world = World::new(definition(text));
    script.iter().for_each(|line| world.run(line));
    steps(&world)
}

/// A first step that fails at `vars.l.q` as long as `l` is a number, and one that needs it.
fn behind(step: &str) -> String {
    format!(
        "
workflow: t
vars: {{ l: 5, m: 0 }}
steps:
  b: {{ {step} }}
  c: {{ needs: [b], call: p.ok }}
"
    )
}

#[test]
fn rule_20_a_step_without_a_call_that_retry_mends_is_completed() {
    for step in [
        "route: { rules: [ { when: \"vars.l != 5\", to: x } ] }",
        "set: { m: vars.l.q }",
        "publish: \"${ vars.l.q }\"",
        "checkpoint: \"${ vars.l.q }\"",
    ] {
        let script = ["start", "command retry", "command set {l: {q: fine}}", "command retry"];
        let text = behind(step);
        let mut world = World::new(definition(&text));
        script[..2].iter().for_each(|line| world.run(line));
        assert_eq!(steps(&world), [StepStatus::Failed, StepStatus::Pending], "{}", world.out);
        script[2..].iter().for_each(|line| world.run(line));
        assert_eq!(steps(&world), [StepStatus::Completed, StepStatus::Running], "{}", world.out);
        world.run("reply p.ok");
        assert!(world.out.ends_with("reply p.ok -> - | done done\n"), "{}", world.out);
    }
    check(
        &behind("set: { m: vars.l.q }"),
        &["start", "command set {l: {q: 7}}", "command retry", "vars", "reply p.ok"],
        "
        1 start -> - | steps stuck (error.platform.invoke.steps.b: `vars.l` is int, not a map, and `vars.l.q` asks for a member of it) !rolled back
        2 command set -> - | steps stuck (error.platform.invoke.steps.b: `vars.l` is int, not a map, and `vars.l.q` asks for a member of it)
        3 command retry -> call p.ok | steps
        {\"l\":{\"q\":7},\"m\":7}
        4 reply p.ok -> - | done done
    ",
    );
}

#[test]
fn rule_20_a_skipped_step_stays_skipped_and_a_call_with_bad_input_runs_after_retry() {
    let text = behind("call: p.b, with: { x: \"${ vars.l.q }\" }");
    let skipped = play(&text, &["start", "command skip"]);
    assert_eq!(skipped, [StepStatus::Skipped, StepStatus::Running]);
    let script = ["start", "command set {l: {q: 1}}", "command retry", "reply p.b"];
    assert_eq!(play(&text, &script[..3]), [StepStatus::Running, StepStatus::Pending]);
    assert_eq!(play(&text, &script), [StepStatus::Completed, StepStatus::Running]);
}

#[test]
fn rule_20_a_child_that_could_not_start_runs_after_retry() {
    let text = behind("run: { workflow: other, with: { x: \"${ vars.l.q }\" } }");
    let script = ["start", "command set {l: {q: 1}}", "command retry"];
    assert_eq!(play(&text, &script), [StepStatus::Running, StepStatus::Pending]);

    let mut world = World::new(definition(&behind("run: other")));
    world.run("start");
    let no = CallOutcome::Failure {
        kind: ErrorKind::ChildFailed,
        code: "not_found".into(),
        message: "workflow `other` is not deployed".into(),
        retry_after_ms: None,
    };
    child_says(&mut world, no);
    assert_eq!(steps(&world), [StepStatus::Failed, StepStatus::Pending], "{}", world.out);
    world.run("command retry");
    assert_eq!(steps(&world), [StepStatus::Running, StepStatus::Pending], "{}", world.out);
    child_says(&mut world, CallOutcome::Success(Value::Null));
    assert_eq!(steps(&world), [StepStatus::Completed, StepStatus::Running], "{}", world.out);
}

/// The child of the only sequence under way ends so.
fn child_says(world: &mut World, outcome: CallOutcome) {
    let instance = world.instance.as_ref().unwrap();
    let call = instance.sequences.iter().find_map(|it| it.call.as_ref()).unwrap().id;
    let (invoke_id, life) = ("steps.b".into(), instance.generation);
    world.tell(&Input::ChildReply { call, invoke_id, life, outcome });
}

#[test]
fn rule_20_the_deadline_of_a_step_begins_anew_with_retry() {
    let text = "
workflow: t
steps:
  a: { call: p.a, deadline: 20s }
";
    check(
        text,
        &[
            "start",
            "advance 15s",
            "fail p.a permanent no",
            "advance 1h",
            "command retry",
            "advance 19s",
            "advance 1s",
        ],
        "
        1 start -> call p.a | steps
        2 reply p.a -> - | steps stuck (error.platform.invoke.steps.a: no)
        3 command retry -> call p.a #2 | steps
        4 timer steps -> cancel p.a | steps stuck (error.communication.invoke.steps.a: step `a` took longer than 20s)
    ",
    );
}

#[test]
fn rule_20_steps_that_failed_together_are_all_done_again_or_told_one_by_one() {
    let text = "
workflow: t
vars: { l: 5, m: 0, n: 0 }
steps:
  a: { set: { m: vars.l.q } }
  b: { set: { n: vars.l.q } }
";
    let script = ["start", "command set {l: {q: 1}}", "command retry"];
    check(
        text,
        &script,
        "
        1 start -> - | steps stuck (error.platform.invoke.steps.a: `vars.l` is int, not a map, and `vars.l.q` asks for a member of it) !rolled back
        2 command set -> - | steps stuck (error.platform.invoke.steps.a: `vars.l` is int, not a map, and `vars.l.q` asks for a member of it)
        3 command retry -> - | done done
    ",
    );
    check(
        text,
        &["start", "command skip", "command skip"],
        "
        1 start -> - | steps stuck (error.platform.invoke.steps.a: `vars.l` is int, not a map, and `vars.l.q` asks for a member of it) !rolled back
        2 command skip -> - | steps stuck (error.platform.invoke.steps.b: `vars.l` is int, not a map, and `vars.l.q` asks for a member of it) !rolled back
        3 command skip -> - | done done
    ",
    );
}
