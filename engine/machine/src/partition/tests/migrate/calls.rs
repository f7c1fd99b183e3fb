//! Calls under way: the same operation at the mapped place, or no migration.

use super::{Family, at, holds, moved, note, refused};
use crate::machine::{CallOutcome, Effect, ErrorKind};
use crate::partition::PartitionInput;
use crate::value::Value;

/// Waits for two calls, one after the other, on entry; and for one on the way to `shipped`.
const PAYING: &str = "
workflow: sale
version: 1
vars: { got: null }
initial: idle
states:
  idle: { on: { go: paying, ship: { do: { call: depot.send }, to: shipped } } }
  paying:
    entry:
      - { call: bank.reserve }
      - { call: bank.pay }
    done: paid
    failed: sad
  paid: { on: { ship: shipped } }
  shipped: {}
  sad: {}
";

fn second(change: impl Fn(String) -> String) -> String {
    change(PAYING.replace("version: 1", "version: 2"))
}

fn paying() -> Family {
    let mut family = Family::new(&[PAYING]);
    family.start("sale/s", "null");
    family.event("sale/s", "go", "null");
    family
}

/// What is asked again where an engine takes over.
fn asked_again(family: &Family) -> Vec<String> {
    let pending = family.world.partition.pending_effects(&family.world.definitions);
    let operation = |(_, effect): &(_, Effect)| match effect {
        Effect::Call(call) => Some(call.operation.to_string()),
        Effect::CancelCall { .. }
        | Effect::WithdrawCall { .. }
        | Effect::Publish { .. }
        | Effect::SendSelf { .. }
        | Effect::DeadLetter { .. }
        | Effect::Letter(_)
        | Effect::Keep { .. }
        | Effect::Log { .. }
        | Effect::Notice(_) => None,
    };
    pending.iter().filter_map(operation).collect()
}

fn answer(family: &mut Family, outcome: CallOutcome) {
    let instance = family.instance("sale/s");
    let call = instance.sequences.iter().find_map(|running| running.call.as_ref()).unwrap();
    let (call, attempt) = (call.id, call.attempt);
    family.tell(PartitionInput::CallReply { key: at("sale/s"), call, attempt, outcome });
}

fn success() -> CallOutcome {
    CallOutcome::Success(Value::empty_map())
}

#[test]
fn a_call_that_asks_another_operation_there_refuses() {
    let mut family = paying();
    let before = (family.world.partition.state_bytes(), family.world.journal.len());
    let newer = second(|text| text.replace("bank.reserve", "vault.reserve"));
    let done = moved(&mut family, "sale/s", &newer, &[]);
    refused(
        &done,
        "call `bank.reserve` of `paying` is under way, and `sale@2` asks `vault.reserve` and asks \
         `bank.pay` in `paying`: wait for the reply, or say which state asks the same (`--map \
         paying=STATE`)",
    );
    assert_eq!((family.world.partition.state_bytes(), family.world.journal.len()), before);
    // The reply comes, and what is asked next is the same on both sides.
    answer(&mut family, success());
    moved(&mut family, "sale/s", &newer, &[]);
    assert_eq!(asked_again(&family), ["bank.pay"]);
    answer(&mut family, success());
    assert_eq!(family.stands("sale/s"), "paid");
}

#[test]
fn a_call_is_found_by_its_operation_where_other_steps_stand_before_it() {
    let mut family = paying();
    let newer = second(|text| {
        let more = "      - { set: { got: 1 } }\n      - { call: audit.note }\n";
        let first = "      - { call: bank.reserve }\n";
        text.replace(first, &format!("{more}{first}"))
    });
    let told = note(&moved(&mut family, "sale/s", &newer, &[]));
    holds(&told, &["`paying` asks `audit.note` when it is entered: not done now"]);
    assert_eq!(asked_again(&family), ["bank.reserve"], "and not what stands at the former place");
    answer(&mut family, success());
    assert_eq!(asked_again(&family), ["bank.pay"]);
    answer(&mut family, success());
    assert_eq!(family.stands("sale/s"), "paid");
    assert_eq!(family.var("sale/s", 0), "null", "what stands before it is not run");
}

#[test]
fn a_call_goes_to_the_mapped_state_and_to_another_version_of_its_plugin() {
    let mut family = paying();
    let newer = second(|text| {
        text.replace("  paying:", "  booking:")
            .replace("go: paying", "go: booking")
            .replace("call: bank.reserve", "call: bank@^2.reserve")
    });
    let done = moved(&mut family, "sale/s", &newer, &[]);
    refused(&done, "state `paying` has no counterpart in `sale@2`");
    let told = note(&again(&mut family, &[("paying", "booking")]));
    holds(&told, &["call `bank.reserve` goes on as `bank@^2.reserve`"]);
    assert_eq!(asked_again(&family), ["bank@^2.reserve"]);
    answer(&mut family, success());
    answer(&mut family, success());
    assert_eq!(family.stands("sale/s"), "paid");
}

/// The same order once more: the version is deployed already.
fn again(family: &mut Family, states: &[(&str, &str)]) -> crate::partition::Done {
    let states = states.iter().map(|(old, new)| ((*old).into(), (*new).into())).collect();
    family.tell(PartitionInput::Command {
        key: at("sale/s"),
        command: crate::machine::Command::Migrate { version: 2, states },
        by: super::principal("ops"),
        reason: "".into(),
    })
}

#[test]
fn the_same_operation_more_often_refuses_unless_ids_tell_which_is_which() {
    let twice = PAYING.replace("bank.reserve", "bank.pay");
    let mut family = Family::new(&[&twice]);
    family.start("sale/s", "null");
    family.event("sale/s", "go", "null");
    let newer = second(|text| {
        let calls = "      - { call: bank.pay }\n".repeat(2);
        text.replace("bank.reserve", "bank.pay")
            .replace("    done: paid", &format!("{calls}    done: paid"))
    });
    let done = moved(&mut family, "sale/s", &newer, &[]);
    refused(&done, "asks that 4 times instead of 2: give each an `id` in `paying`");

    let named = |version: u32, ids: &[(&str, &str)]| {
        let one = |(id, of): &(&str, &str)| format!("      - {{ id: {id}, call: {of} }}\n");
        let ids: String = ids.iter().map(one).collect();
        format!(
            "workflow: sale\nversion: {version}\nvars: {{ got: null }}\ninitial: idle\nstates:\n  \
             idle: {{ on: {{ go: paying }} }}\n  paying:\n    invoke:\n{ids}    done: paid\n  \
             paid: {{}}\n"
        )
    };
    let mut family = Family::new(&[&named(1, &[("a", "bank.pay"), ("b", "bank.pay")])]);
    family.start("sale/s", "null");
    family.event("sale/s", "go", "null");
    let newer = named(2, &[("c", "bank.pay"), ("b", "bank.pay"), ("a", "bank.pay")]);
    note(&moved(&mut family, "sale/s", &newer, &[]));
    let places: Vec<_> =
        family.instance("sale/s").sequences.iter().map(|running| running.sequence).collect();
    assert_eq!(places, [2, 1], "each by its id");
    let other = named(3, &[("a", "bank.charge"), ("b", "bank.pay")]);
    let done = moved(&mut family, "sale/s", &other, &[]);
    refused(&done, "and `sale@3` asks `bank.charge` as `a` in `paying`");
}

#[test]
fn calls_on_the_way_to_a_state_go_on_on_the_same_way() {
    let mut family = Family::new(&[PAYING]);
    family.start("sale/s", "null");
    family.event("sale/s", "ship", "null");
    // Another way to the same state comes first now, with another call.
    let newer = second(|text| {
        text.replace("go: paying,", "go: paying, hurry: { do: { call: depot.fly }, to: sent },")
            .replace("  shipped: {}", "  sent: {}")
            .replace("to: shipped", "to: sent")
            .replace("ship: shipped", "ship: sent")
    });
    let done = moved(&mut family, "sale/s", &newer, &[]);
    refused(
        &done,
        "call `depot.send` is under way on the way to `shipped`, which has no counterpart in \
         `sale@2`: wait for the reply, or say which state takes its place (`--map shipped=STATE`)",
    );
    note(&again(&mut family, &[("shipped", "sent")]));
    assert_eq!(asked_again(&family), ["depot.send"]);
    answer(&mut family, success());
    assert_eq!(family.stands("sale/s"), "sent");
}

#[test]
fn a_way_on_which_something_else_or_nothing_is_asked_refuses() {
    let ship = |newer: &str, reason: &str| {
        let mut family = Family::new(&[PAYING]);
        family.start("sale/s", "null");
        family.event("sale/s", "ship", "null");
        refused(&moved(&mut family, "sale/s", newer, &[]), reason);
    };
    let other = second(|text| text.replace("depot.send", "depot.fly"));
    ship(&other, "on the way to `shipped`, and `sale@2` asks `depot.fly`: wait for the reply");
    let none = second(|text| text.replace("do: { call: depot.send }, ", ""));
    ship(&none, "and `sale@2` asks nothing there: wait for the reply");
    // Two transitions make the same call; from which state it came is not known any more.
    let two = second(|text| {
        let way = "{ do: { call: depot.send }, to: shipped }";
        text.replace(&format!("ship: {way}"), &format!("a: {way}, b: {way}"))
    });
    ship(&two, "and `sale@2` has several such ways: wait for the reply");
}

#[test]
fn of_several_ways_with_the_same_call_the_one_by_the_same_event_is_taken() {
    let way = "{ do: { call: depot.send }, to: shipped }";
    let one = PAYING.replace("go: paying,", &format!("go: paying, fly: {way},"));
    let mut family = Family::new(&[&one]);
    family.start("sale/s", "null");
    family.event("sale/s", "ship", "null");
    let turned = one
        .replace("version: 1", "version: 2")
        .replace("fly:", "swap:")
        .replace("ship: {", "fly: {")
        .replace("swap:", "ship:");
    note(&moved(&mut family, "sale/s", &turned, &[]));
    let instance = family.instance("sale/s");
    let newer = family.world.definitions.get("sale", 2).unwrap();
    let names: Vec<_> = newer.leaves(&instance.active).map(|id| &*newer.state(id).id).collect();
    assert_eq!(names, ["shipped~1"], "it was the second one, and is the first one now");
}

#[test]
fn of_several_ways_by_the_same_event_the_one_with_the_same_number_is_taken() {
    let way = |guard: &str| format!("{{ when: {guard}, do: {{ call: depot.send }}, to: shipped }}");
    let one = PAYING
        .replace("ship: { do: { call: depot.send }, to: shipped }", "ship: WAYS")
        .replace("WAYS", &format!("[{}, {}]", way("vars.got == 1"), way("vars.got == null")));
    let mut family = Family::new(&[&one]);
    family.start("sale/s", "null");
    family.event("sale/s", "ship", "null");
    let before = family.instance("sale/s").active;
    note(&moved(&mut family, "sale/s", &one.replace("version: 1", "version: 2"), &[]));
    assert_eq!(family.instance("sale/s").active, before);
    let three = one
        .replace("version: 1", "version: 3")
        .replace("ship: [", &format!("ship: [{}, ", way("false")));
    refused(&moved(&mut family, "sale/s", &three, &[]), "and `sale@3` has several such ways");
}

#[test]
fn a_failed_call_keeps_its_place_or_is_left_behind_with_a_note() {
    let lax = PAYING
        .replace("version: 1", "version: 1\non_error: ignore")
        .replace("    failed: sad\n", "");
    let failed = || {
        let mut family = Family::new(&[&lax]);
        family.start("sale/s", "null");
        family.event("sale/s", "go", "null");
        let outcome = CallOutcome::Failure {
            kind: ErrorKind::Permanent,
            code: "".into(),
            message: "no".into(),
            retry_after_ms: None,
        };
        answer(&mut family, outcome);
        family
    };
    let mut family = failed();
    assert!(family.instance("sale/s").sequences.iter().all(|running| running.call.is_none()));
    let newer = lax.replace("version: 1", "version: 2");
    let told = note(&moved(&mut family, "sale/s", &newer, &[]));
    assert_eq!(told, "sale@1 → sale@2");
    assert_eq!(family.instance("sale/s").sequences.len(), 1);
    let mut family = failed();
    let told = note(&moved(&mut family, "sale/s", &newer.replace("bank.reserve", "x.y"), &[]));
    holds(&told, &["call `bank.reserve` of `paying`, which failed, is left behind"]);
    assert_eq!(family.instance("sale/s").sequences.len(), 0);
}
