//! Step graphs: order, needs, failures (decision 0023).

use super::check;

const SEQUENTIAL: &str = "
workflow: t
mode: sequential
steps:
  load: { call: p.load, with: { file: a.csv } }
  clean: { call: p.clean, with: { rows: \"${ steps.load.rows }\" } }
  save: { call: p.save }
";

#[test]
fn sequential_steps_run_one_after_the_other_and_the_last_output_is_the_result() {
    check(
        SEQUENTIAL,
        &["start", "reply p.load {rows: 3}", "reply p.clean {ok: true}", "reply p.save {n: 1}"],
        "
        1 start -> call p.load | steps
        2 reply p.load -> call p.clean | steps
        3 reply p.clean -> call p.save | steps
        4 reply p.save -> - | done done
    ",
    );
}

#[test]
fn ready_steps_start_at_once_and_a_join_waits_for_all() {
    let text = "
workflow: t
steps:
  a: { call: p.a }
  b: { call: p.b }
  c: { call: p.c }
  join: { needs: [a, b, c], call: p.join }
";
    check(
        text,
        &["start", "reply p.b", "reply p.a", "reply p.c", "reply p.join"],
        "
        1 start -> call p.a, call p.b, call p.c | steps
        2 reply p.b -> - | steps
        3 reply p.a -> - | steps
        4 reply p.c -> call p.join | steps
        5 reply p.join -> - | done done
    ",
    );
}

const CONDITIONAL: &str = "
workflow: t
steps:
  inspect: { call: p.inspect }
  small: { needs: [inspect], when: steps.inspect.rows < 10, call: p.small }
  large: { needs: [inspect], when: steps.inspect.rows >= 10, call: p.large }
  simple: { needs: [small], call: p.simple }
  rich: { needs: [large], call: p.rich }
  report: { needs: { any: [simple, rich] }, call: p.report }
";

#[test]
fn skips_pass_down_and_any_needs_one_success() {
    check(
        CONDITIONAL,
        &["start", "reply p.inspect {rows: 50}", "reply p.large", "reply p.rich", "reply p.report"],
        "
        1 start -> call p.inspect | steps
        2 reply p.inspect -> call p.large | steps
        3 reply p.large -> call p.rich | steps
        4 reply p.rich -> call p.report | steps
        5 reply p.report -> - | done done
    ",
    );
}

#[test]
fn all_alternatives_skipped_is_skipped() {
    let text = CONDITIONAL.replace("< 10", "< 0").replace(">= 10", "> 100");
    check(
        &text,
        &["start", "reply p.inspect {rows: 50}"],
        "
        1 start -> call p.inspect | steps
        2 reply p.inspect -> - | done done
    ",
    );
}

#[test]
fn a_skipped_parent_satisfies_a_join() {
    let text = "
workflow: t
steps:
  a: { when: input.a, call: p.a }
  b: { call: p.b }
  join: { needs: [a, b], call: p.join }
";
    check(
        text,
        &["start {a: false}", "reply p.b", "reply p.join"],
        "
        1 start -> call p.b | steps
        2 reply p.b -> call p.join | steps
        3 reply p.join -> - | done done
    ",
    );
}

#[test]
fn a_skipped_step_does_not_skip_the_rest_of_a_sequence() {
    let text = SEQUENTIAL.replace("clean: {", "clean: { when: \"false || input.deep\",");
    check(
        &text,
        &["start {deep: false}", "reply p.load {rows: 3}", "reply p.save"],
        "
        1 start -> call p.load | steps
        2 reply p.load -> call p.save | steps
        3 reply p.save -> - | done done
    ",
    );
}

#[test]
fn n_of_m_needs_so_many_and_cannot_wait_for_more_than_there_are() {
    let text = "
workflow: t
steps:
  a: { call: p.a, optional: true }
  b: { call: p.b, optional: true }
  c: { call: p.c, optional: true }
  join: { needs: { n_of: 2, of: [a, b, c] }, call: p.join }
";
    check(
        text,
        &["start", "reply p.a", "fail p.b permanent no", "reply p.c", "reply p.join"],
        "
        1 start -> call p.a, call p.b, call p.c | steps
        2 reply p.a -> - | steps
        3 reply p.b -> - | steps
        4 reply p.c -> call p.join | steps
        5 reply p.join -> - | done done
    ",
    );
    check(
        text,
        &["start", "fail p.a permanent no", "fail p.b permanent no"],
        "
        1 start -> call p.a, call p.b, call p.c | steps
        2 reply p.a -> - | steps
        3 reply p.b -> - | steps stuck (step `join` needs 2 of `a`, `b`, `c`, and only 1 can succeed)
    ",
    );
}

#[test]
fn a_pipeline_feeds_the_output_into_the_next_step() {
    let text = "
workflow: t
mode: pipeline
steps:
  one: { call: p.one }
  two: { call: p.two, when: input.two }
  three: { log: { label: x, value: \"${ data.n }\" } }
";
    let text = text.replace(
        "three: { log: { label: x, value: \"${ data.n }\" } }",
        "three: { call: p.three, with: { n: \"${ data.n }\" } }",
    );
    let mut world = check::World::new(check::definition(&text));
    for line in ["start {two: true}", "reply p.one {n: 1}", "reply p.two {n: 2}"] {
        world.run(line);
    }
    let inputs: Vec<_> = world.calls.iter().map(|call| call.input.to_json()).collect();
    assert_eq!(inputs, ["null", r#"{"n":1}"#, r#"{"n":2}"#]);
}

#[test]
fn a_step_that_fails_for_good_makes_the_instance_stuck_and_retry_goes_on_there() {
    check(
        SEQUENTIAL,
        &[
            "start",
            "reply p.load {rows: 3}",
            "fail p.clean permanent broken",
            "command retry",
            "reply p.clean",
            "reply p.save",
        ],
        "
        1 start -> call p.load | steps
        2 reply p.load -> call p.clean | steps
        3 reply p.clean -> - | steps stuck (error.platform.invoke.steps.clean: broken)
        4 command retry -> call p.clean #2 | steps
        5 reply p.clean -> call p.save | steps
        6 reply p.save -> - | done done
    ",
    );
}

#[test]
fn skip_leaves_the_failed_step_behind() {
    check(
        SEQUENTIAL,
        &[
            "start",
            "reply p.load {rows: 3}",
            "fail p.clean permanent broken",
            "command skip",
            "reply p.save",
        ],
        "
        1 start -> call p.load | steps
        2 reply p.load -> call p.clean | steps
        3 reply p.clean -> - | steps stuck (error.platform.invoke.steps.clean: broken)
        4 command skip -> call p.save | steps
        5 reply p.save -> - | done done
    ",
    );
}

#[test]
fn optional_steps_and_those_to_skip_leave_a_warning_only() {
    let text = "
workflow: t
mode: sequential
steps:
  a: { call: p.a, optional: true }
  b: { call: p.b, critical: false }
  c: { call: p.c, on_failure: skip }
  d: { call: p.d }
";
    check(
        text,
        &[
            "start",
            "fail p.a permanent x",
            "fail p.b permanent x",
            "fail p.c permanent x",
            "reply p.d",
        ],
        "
        1 start -> call p.a | steps
        2 reply p.a -> call p.b | steps
        3 reply p.b -> call p.c | steps
        4 reply p.c -> call p.d | steps
        5 reply p.d -> - | done done
    ",
    );
}

#[test]
fn a_fallback_runs_only_on_failure_and_its_output_counts() {
    let text = "
workflow: t
steps:
  a: { call: p.a, on_failure: fallback, fallback: plan_b }
  plan_b: { call: p.b }
  c: { needs: [a], call: p.c, with: { x: \"${ steps.a.x }\" } }
";
    check(
        text,
        &["start", "fail p.a permanent x", "reply p.b {x: 7}", "reply p.c"],
        "
        1 start -> call p.a | steps
        2 reply p.a -> call p.b | steps
        3 reply p.b -> call p.c | steps
        4 reply p.c -> - | done done
    ",
    );
    check(
        text,
        &["start", "reply p.a {x: 1}", "reply p.c"],
        "
        1 start -> call p.a | steps
        2 reply p.a -> call p.c | steps
        3 reply p.c -> - | done done
    ",
    );
    check(
        text,
        &["start", "fail p.a permanent x", "fail p.b permanent y", "command skip"],
        "
        1 start -> call p.a | steps
        2 reply p.a -> call p.b | steps
        3 reply p.b -> - | steps stuck (error.platform.invoke.steps.plan_b: y)
        4 command skip -> - | steps stuck (error.platform.invoke.steps.c: `steps.a` is absent) !rolled back
    ",
    );
}

#[test]
fn failed_takes_the_error_and_ends_the_graph() {
    let text = "
workflow: t
initial: work
states:
  work:
    steps:
      a: { call: p.a }
      b: { call: p.b }
    done: good
    failed: bad
  good: { final: true }
  bad: { final: true }
";
    check(
        text,
        &["start", "fail p.a permanent x"],
        "
        1 start -> call p.a, call p.b | work
        2 reply p.a -> cancel p.b | bad done
    ",
    );
    check(
        text,
        &["start", "reply p.a", "reply p.b"],
        "
        1 start -> call p.a, call p.b | work
        2 reply p.a -> - | work
        3 reply p.b -> - | good done
    ",
    );
}

#[test]
fn retries_are_those_of_calls() {
    let text = "
workflow: t
steps:
  a: { call: p.a, retry: { attempts: 2, delay: 1s, jitter: false } }
";
    check(
        text,
        &["start", "fail p.a retryable x", "advance 1s", "reply p.a"],
        "
        1 start -> call p.a | steps
        2 reply p.a -> - | steps
        3 timer retry -> call p.a #2 | steps
        4 reply p.a -> - | done done
    ",
    );
}

#[test]
fn finally_runs_on_every_way_out() {
    let text = "
workflow: t
on_error: fail
steps:
  a: { call: p.a }
finally: { call: p.clean }
";
    check(
        text,
        &["start", "reply p.a", "reply p.clean"],
        "
        1 start -> call p.a | steps
        2 reply p.a -> call p.clean | steps
        3 reply p.clean -> - | done done
    ",
    );
    check(
        text,
        &["start", "fail p.a permanent x", "reply p.clean"],
        "
        1 start -> call p.a | steps
        2 reply p.a -> call p.clean | steps compensating
        3 reply p.clean -> - | steps failed
    ",
    );
    check(
        text,
        &["start", "command cancel", "reply p.clean"],
        "
        1 start -> call p.a | steps
        2 command cancel -> cancel p.a, call p.clean | steps compensating
        3 reply p.clean -> - | steps cancelled
    ",
    );
}
