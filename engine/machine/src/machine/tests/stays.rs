//! What of a `foreach` is taken back, item by item, and what stays (decision 0050).

use super::check::{World, definition};
use crate::machine::{ItemState, StepState, StepStatus};

const TOUR: &str = "
workflow: t
on_failure: rollback
on_error: fail
mode: sequential
steps:
  book:
    foreach: { in: input.list, as: it, max_parallel: 1 }
    call: p.book
    with: { n: \"${ it }\" }
    undo: p.unbook
  last: { call: p.last }
";

const BEGUN: [&str; 4] =
    ["start {list: [a, b, c]}", "reply p.book", "reply p.book", "reply p.book"];

fn world(text: &str, lines: &[&str]) -> World {
    let mut world = World::new(definition(text));
    lines.iter().for_each(|line| world.run(line));
    world
}

fn book(world: &World) -> StepState {
    let progress = world.instance.as_ref().unwrap().progress.as_deref().unwrap();
    progress.graphs[0].steps.get(0).unwrap().clone()
}

fn left_out(world: &World) -> Vec<String> {
    world.instance.as_ref().unwrap().left_out().iter().map(ToString::to_string).collect()
}

#[test]
fn h6_an_item_whose_undo_was_skipped_is_named_and_its_step_is_not_undone() {
    let back = ["fail p.last permanent no"];
    let undo = ["reply p.unbook"; 3];
    for skipped in 0..3_usize {
        let (newer, older) = undo.split_at(2 - skipped);
        let failed = [&BEGUN[..], &back, newer, &["fail p.unbook permanent gone"]].concat();
        let mut world = world(TOUR, &failed);
        let item = format!("step `book[{skipped}]`");
        let stuck = world.instance.as_ref().unwrap().stuck.as_ref().unwrap();
        let reason = format!("`p.unbook` could not take back {item}: permanent: gone");
        assert_eq!(*stuck.reason, *reason);
        world.run("command skip [by=ann]");
        older.iter().skip(1).for_each(|line| world.run(line));
        assert_eq!(
            left_out(&world),
            [format!("{item} was not taken back: `p.unbook` was skipped by ann")]
        );
        let book = book(&world);
        let stays = vec![u32::try_from(skipped).unwrap()];
        assert_eq!((book.status, book.stays), (StepStatus::Completed, stays), "{}", world.out);
        assert!(world.out.ends_with("| steps failed\n"), "{}", world.out);
    }
    let whole = world(TOUR, &[&BEGUN[..], &back, &undo].concat());
    assert_eq!((book(&whole).status, book(&whole).stays), (StepStatus::Undone, Vec::new()));
    let entry = whole.last.as_ref().and_then(|last| last.trace.as_ref()).unwrap();
    assert_eq!(&*entry.input, "reply p.unbook (undo of book[0])");
}

#[test]
fn h5_retry_behind_a_rollback_does_again_only_the_items_that_were_taken_back() {
    let lines = [
        "command rollback",
        "reply p.unbook",
        "fail p.unbook permanent gone",
        "command skip",
        "reply p.unbook",
        "command retry",
        "reply p.book {n: 1}",
        "reply p.book {n: 3}",
        "reply p.last",
    ];
    let text = TOUR.replace("on_failure: rollback\non_error: fail\n", "");
    let world = world(&text, &[&BEGUN[..], &lines].concat());
    assert!(world.out.ends_with("| done done\n"), "{}", world.out);
    let asked = world.calls.iter().filter(|call| &*call.operation == "p.book");
    let asked: Vec<_> = asked.map(|call| call.input.get("n").unwrap().to_json()).collect();
    assert_eq!(asked.join(" "), r#""a" "b" "c" "a" "c""#);
    assert_eq!(book(&world).output.to_json(), r#"[{"n":1},null,{"n":3}]"#);
}

#[test]
fn h5_an_item_that_stays_and_is_another_one_now_is_done() {
    let text = TOUR.replace("on_failure: rollback\non_error: fail\n", "vars: { list: [] }\n");
    let text = text.replace("in: input.list", "in: vars.list");
    let lines = [
        "command set {list: [a, x, c]}",
        "command rollback",
        "reply p.unbook",
        "fail p.unbook permanent gone",
        "command skip",
        "reply p.unbook",
        "command retry",
    ];
    let text = text.replace("vars: { list: [] }", "vars: { list: '${ input.list }' }");
    let mut world = world(&text, &[&BEGUN[..], &lines].concat());
    world.run("reply p.book");
    assert_eq!(world.calls.last().unwrap().input.to_json(), r#"{"n":"x"}"#);
    assert_eq!(book(&world).stays, Vec::<u32>::new());
}

#[test]
fn rule_20_a_kill_during_a_rollback_names_the_items_that_stay() {
    let mut lines = vec!["start {list: [a, b, c, d, e, f, g]}"];
    lines.extend(["reply p.book"; 7]);
    lines.extend(["fail p.last permanent no", "reply p.unbook", "command kill [by=ann]"]);
    let mut killed = world(TOUR, &lines);
    assert_eq!(
        left_out(&killed),
        [
            "step `book[5]` may not be taken back: `p.unbook` was under way",
            "step `book[0-4]` was not taken back",
        ]
    );
    assert_eq!(book(&killed).status, StepStatus::Completed);
    lines.truncate(lines.len() - 1);
    lines.extend(["reply p.unbook"; 4]);
    lines.push("command kill");
    killed = world(TOUR, &lines);
    assert_eq!(left_out(&killed)[1..], ["step `book[0]` was not taken back"]);
}

#[test]
fn c15_how_often_the_call_of_an_item_was_tried_is_kept() {
    let text = TOUR.replace("undo: p.unbook", "retry: { attempts: 3, delay: 1s, jitter: false }");
    let lines = [
        "start {list: [a]}",
        "fail p.book retryable busy",
        "advance 1s",
        "fail p.book permanent no",
    ];
    let world = world(&text, &lines);
    let fan = book(&world).fan.unwrap();
    let Some(ItemState::Failed { retries, .. }) = fan.items.get(0) else { panic!("{fan:?}") };
    assert_eq!(*retries, 1);
}

#[test]
fn c15_items_that_are_tried_again_began_with_the_first_try() {
    let text = TOUR.replace("on_failure: rollback\non_error: fail\n", "");
    let lines = [
        "start {list: [a, b]}",
        "advance 2s",
        "reply p.book",
        "fail p.book permanent no",
        "advance 1h",
        "command retry",
    ];
    let mut world = world(&text, &lines);
    let start = world.instance.as_ref().unwrap().started_at;
    assert_eq!(book(&world).started_at, Some(start));
    world.run("advance 3s");
    world.run("reply p.book");
    let took = book(&world).ended_at.unwrap().since_ms(start);
    assert_eq!(took, 3_605_000, "{}", world.out);
}
