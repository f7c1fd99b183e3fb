//! `foreach:` (decision 0023).

use super::check;
use crate::machine::Status;

fn text(options: &str) -> String {
    format!(
        "
workflow: t
steps:
  all: {{ foreach: {{ in: input.list, as: it, index: i, {options} }}, call: p.one, with: {{ v: \"${{ it }}\", n: \"${{ i }}\" }} }}
"
    )
}

/// Answers every open call by its input: `v` doubled; values in `bad` fail.
fn play(text: &str, list: &str, bad: &[i64]) -> check::World {
    use crate::machine::{CallOutcome, ErrorKind, Input};
    use crate::value::Value;
    let mut world = check::World::new(check::definition(text));
    world.run(&format!("start {{list: {list}}}"));
    let mut next = 0;
    while let Some(call) = world.calls.get(next).cloned() {
        next += 1;
        let Some(Value::Int(v)) = call.input.get("v").cloned() else { panic!("no value") };
        let outcome = if bad.contains(&v) {
            CallOutcome::Failure {
                kind: ErrorKind::Permanent,
                code: "".into(),
                message: "bad".into(),
                retry_after_ms: None,
            }
        } else {
            CallOutcome::Success(Value::Int(v * 2))
        };
        world.tell(&Input::CallReply { call: call.call, attempt: call.attempt, outcome });
    }
    world
}

fn output(world: &check::World) -> String {
    world.instance.as_ref().map(|instance| instance.output.to_json()).unwrap_or_default()
}

fn status(world: &check::World) -> Option<Status> {
    world.instance.as_ref().map(|instance| instance.status)
}

#[test]
fn items_run_so_many_at_once_and_the_results_keep_the_order_of_the_list() {
    let mut world = check::World::new(check::definition(&text("max_parallel: 2")));
    world.run("start {list: [1, 2, 3]}");
    assert_eq!(world.calls.len(), 2);
    let world = play(&text("max_parallel: 2"), "[1, 2, 3]", &[]);
    assert_eq!((output(&world).as_str(), status(&world)), ("[2,4,6]", Some(Status::Done)));
    assert_eq!(output(&play(&text("max_parallel: 2"), "[]", &[])), "[]");
}

#[test]
fn a_thousand_items_and_what_they_come_to() {
    let list: Vec<_> = (0..1_000).map(|n| n.to_string()).collect();
    let world = play(&text("aggregate: statistical"), &format!("[{}]", list.join(",")), &[]);
    assert_eq!(status(&world), Some(Status::Done));
    let out = output(&world);
    assert!(out.contains(r#""count":1000"#) && out.contains(r#""mean":999"#), "{out}");
}

#[test]
fn the_first_error_fails_the_step_and_retry_repeats_only_what_failed() {
    use crate::machine::Input;
    let mut world = play(&text("max_parallel: 1"), "[1, 2, 3]", &[2]);
    assert_eq!((status(&world), world.calls.len()), (Some(Status::Stuck), 2));
    world.run("command retry");
    assert_eq!(world.calls.len(), 3);
    for _ in 0..2 {
        let call = world.calls.last().cloned().unwrap();
        let outcome = crate::machine::CallOutcome::Success(call.input.get("v").cloned().unwrap());
        world.tell(&Input::CallReply { call: call.call, attempt: 1, outcome });
    }
    assert_eq!((output(&world).as_str(), status(&world)), ("[2,2,3]", Some(Status::Done)));
}

#[test]
fn all_tries_every_item_and_partial_names_what_is_missing() {
    let world = play(&text("collect: all"), "[1, 2, 3]", &[2]);
    assert_eq!((status(&world), world.calls.len()), (Some(Status::Stuck), 3));
    let world = play(&text("collect: partial"), "[1, 2, 3]", &[2]);
    assert_eq!(status(&world), Some(Status::Done));
    assert_eq!(
        output(&world),
        r#"{"complete":false,"missing":[{"index":1,"item":2,"kind":"permanent","message":"bad"}],"results":[2,6]}"#
    );
}

#[test]
fn what_is_no_list_is_refused() {
    let mut world = check::World::new(check::definition(&text("collect: all")));
    world.run("start {list: 5}");
    assert_eq!(status(&world), Some(Status::Stuck), "{}", world.out);
    assert!(world.out.contains("`foreach` needs a list, found int"), "{}", world.out);
}

#[test]
fn a_list_of_a_million_items_is_refused_with_the_limit_and_nothing_is_asked() {
    use crate::machine::{Input, Principal};
    use crate::value::{Map, Value};
    let told = [
        (100_001, "a list of 100001 items exceeds the limit of 100000"),
        // What an expression gives is bounded before anybody counts it.
        (1_000_000, "result of 9000002 bytes exceeds the limit of 1048576 bytes"),
    ];
    for (count, told) in told {
        let list = Value::list(vec![Value::Int(0); count]);
        let input = Value::from(Map::from_iter([("list", list)]));
        let mut world = check::World::new(check::definition(&text("collect: all")));
        world.tell(&Input::Start {
            input,
            event: None,
            by: Principal::default(),
            id: None,
            trace_context: None,
        });
        assert_eq!((status(&world), world.calls.len()), (Some(Status::Stuck), 0));
        let stuck = world.instance.as_ref().and_then(|it| it.stuck.as_ref());
        let reason = stuck.map(|stuck| stuck.reason.to_string()).unwrap_or_default();
        assert!(reason.ends_with(told), "{reason}");
    }
}
