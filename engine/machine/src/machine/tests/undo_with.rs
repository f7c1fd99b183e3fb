//! What an undo is given, and whose it is on the wire (decision 0063).

use super::check::{World, definition};
use crate::machine::{Purpose, Status};

const TOUR: &str = "
workflow: t
mode: sequential
on_failure: rollback
vars: { agency: north }
steps:
  book:
    foreach: { in: input.seats, as: seat, index: at, max_parallel: 1 }
    call: p.book
    with: { seat: \"${ seat }\" }
    undo:
      call: p.unbook
      with: { seat: \"${ seat }\", at: \"${ at }\", who: \"${ input.who }\",
              agency: \"${ vars.agency }\", given: \"${ data.seat }\", id: \"${ output.id }\" }
  last: { call: p.last }
finally: { call: p.clean }
";

fn world(text: &str, script: &[&str]) -> World {
    let mut world = World::new(definition(text));
    script.iter().for_each(|line| world.run(line));
    world
}

const FAILED: [&str; 4] = [
    "start {who: me, seats: [a, b]}",
    "reply p.book {id: 7}",
    "reply p.book {id: 8}",
    "fail p.last permanent no",
];

#[test]
fn an_undo_sees_the_item_of_its_call_the_input_and_the_variables() {
    let mut world = world(TOUR, &FAILED);
    world.run("reply p.unbook");
    let inputs: Vec<_> = world.calls.iter().rev().take(2).map(|it| it.input.to_json()).collect();
    let given = |seat, at, id| {
        format!(
            "{{\"agency\":\"north\",\"at\":{at},\"given\":\"{seat}\",\"id\":{id},\
             \"seat\":\"{seat}\",\"who\":\"me\"}}"
        )
    };
    assert_eq!(inputs, [given("a", 0, 7), given("b", 1, 8)]);
}

#[test]
fn an_undo_is_told_as_one_with_the_step_that_it_takes_back() {
    let mut world = world(TOUR, &FAILED);
    for line in ["reply p.unbook", "reply p.unbook", "reply p.clean"] {
        world.run(line);
    }
    let told: Vec<_> = world.calls.iter().map(|call| (&*call.step, call.purpose)).collect();
    let (work, undo) = (Purpose::Work, Purpose::Undo);
    let expected = [
        ("book", work),
        ("book", work),
        ("last", work),
        ("book", undo),
        ("book", undo),
        ("finally", Purpose::Finally),
    ];
    assert_eq!(told, expected);
}

#[test]
fn an_undo_whose_input_cannot_be_evaluated_names_its_step() {
    let text = TOUR.replace("${ output.id }", "${ output.no }");
    let world = world(&text, &FAILED);
    let stuck = world.instance.as_ref().unwrap().stuck.as_ref().unwrap();
    assert_eq!(
        &*stuck.reason,
        "`p.unbook` could not take back step `book[1]`: `with`: `output.no` is absent"
    );
}

#[test]
fn finally_runs_behind_all_undos_of_items_and_of_parallel_steps() {
    let text = "
workflow: t
on_failure: rollback
steps:
  a: { call: p.a, undo: p.una }
  b: { call: p.b, undo: p.unb }
  c: { foreach: { in: input.list }, call: p.c, undo: p.unc }
  d: { call: p.d }
finally: { call: p.clean }
";
    let script = [
        "start {list: [1]}",
        "reply p.a",
        "reply p.b",
        "reply p.c",
        "fail p.d permanent no",
        "reply p.unc",
        "reply p.unb",
        "reply p.una",
        "reply p.clean",
    ];
    let world = world(text, &script);
    let called: Vec<_> = world.calls.iter().skip(4).map(|call| &*call.operation).collect();
    assert_eq!(called, ["p.unc", "p.unb", "p.una", "p.clean"]);
    assert_eq!(world.instance.as_ref().unwrap().status, Status::Failed);
}
