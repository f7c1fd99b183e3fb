//! Rollback by hand (row H5).

use super::check;
use super::check::{World, definition};
use crate::machine::Status;

const UPDATE: &str = "
workflow: t
mode: sequential
steps:
  zero: { call: p.zero }
  one: { call: p.one, undo: p.un_one }
  two: { call: p.two, undo: p.un_two }
  three: { call: p.three }
";

#[test]
fn h5_a_rollback_by_hand_takes_back_since_a_step_and_retry_does_it_again() {
    check(
        UPDATE,
        &[
            "start",
            "command rollback",
            "reply p.zero",
            "reply p.one",
            "reply p.two",
            "command rollback nowhere",
            "command rollback three",
            "command rollback two",
            "command rollback",
            "reply p.un_two",
            "command retry",
            "reply p.two",
            "reply p.three",
        ],
        "
        1 start -> call p.zero | steps
        2 command rollback -> - | steps !rejected nothing was done that can be taken back
        3 reply p.zero -> call p.one | steps
        4 reply p.one -> call p.two | steps
        5 reply p.two -> call p.three | steps
        6 command rollback from nowhere -> - | steps !rejected no step `nowhere`
        7 command rollback from three -> - | steps !rejected \
            nothing that step `three` or a later one did can be taken back
        8 command rollback from two -> cancel p.three, call p.un_two | steps compensating
        9 command rollback -> - | steps compensating !rejected a rollback is under way already
        10 reply p.un_two -> - | steps stuck (rolled back by hand)
        11 command retry -> call p.two | steps
        12 reply p.two -> call p.three | steps
        13 reply p.three -> - | done done
    ",
    );
}

#[test]
fn h5_cancel_after_a_rollback_takes_back_the_rest() {
    let mut world = World::new(definition(UPDATE));
    let lines = [
        "start",
        "reply p.zero",
        "reply p.one",
        "reply p.two",
        "command rollback two",
        "reply p.un_two",
    ];
    lines.iter().for_each(|line| world.run(line));
    world.run("command cancel");
    assert!(world.out.ends_with("command cancel -> call p.un_one | steps compensating\n"));
    world.run("reply p.un_one");
    assert!(world.out.ends_with("reply p.un_one -> - | steps cancelled\n"), "{}", world.out);
    assert_eq!(world.instance.map(|instance| instance.status), Some(Status::Cancelled));
}
