//! `transaction begin commit rollback show ls`, and `start --transaction`.

use std::time::Duration;

use serde_json::json;

use crate::support::{Dev, Place, until};

const NOTE: &str = "\
workflow: note
version: 1
correlate: data.id
events: { note.read: {} }
states:
  open: { on: { note.read: read } }
  read: { final: true }
";

fn dev() -> (Place, Dev) {
    let place = Place::new();
    place.write("flows/note.workflow.yaml", NOTE);
    let dev = place.dev(&["flows"]);
    (place, dev)
}

#[test]
fn tx_members_are_started_shown_and_end_with_the_rollback() {
    let (place, _dev) = dev();
    let begun = place.gearshift(&["transaction", "begin", "move", "--open-for", "5m"]).ends(0);
    assert_eq!(begun.out, "move  started: open\n");
    let start = ["start", "note", "--key", "n", "--transaction", "move", "--wait-for", "open"];
    place.gearshift(&start).ends(0);
    let shown = place.gearshift(&["show", "n"]).ends(0).out;
    assert!(shown.contains("in        transaction move  open"), "{shown}");
    let shown = place.gearshift(&["tx", "show", "move"]).ends(0).out;
    assert!(shown.contains("member    note/n  open  running"), "{shown}");
    let list = place.gearshift(&["tx", "ls"]).ends(0).out;
    assert!(list.contains("move") && list.contains("open"), "{list}");
    let back = ["tx", "rollback", "move", "--wait", "--reason", "wrong address"];
    assert_eq!(place.gearshift(&back).ends(0).out, "move  rolled back\n");
    let shown = place.gearshift(&["tx", "show", "move", "-o", "json"]).ends(0).json();
    assert_eq!(shown["scope"]["reason"], "by tester: wrong address", "{shown}");
    let member = &shown["scope"]["members"][0];
    assert_eq!((&member["stand"], &member["status"]), (&json!("rolled_back"), &json!("failed")));
    let why = place.gearshift(&["why", "n"]).ends(0).out;
    assert!(why.contains("transaction `move` was rolled back"), "{why}");
}

#[test]
fn tx_refusals_have_exit_codes_of_their_class() {
    let (place, _dev) = dev();
    place.gearshift(&["tx", "begin", "t"]).ends(0);
    place.gearshift(&["tx", "begin", "t"]).ends(0);
    let other = place.gearshift(&["tx", "begin", "t", "--open-for", "1s"]).ends(4);
    assert!(other.err.starts_with("error[GS4024]"), "{}", other.err);
    place.gearshift(&["tx", "commit", "t"]).ends(0);
    for verb in ["commit", "rollback"] {
        let over = place.gearshift(&["tx", verb, "t"]).ends(4);
        assert!(over.err.starts_with("error[GS4021]"), "{}", over.err);
        let nobody = place.gearshift(&["tx", verb, "nobody"]).ends(3);
        assert!(nobody.err.starts_with("error[GS4026]"), "{}", nobody.err);
    }
    let kill = place.gearshift(&["kill", "transaction/t"]).ends(4);
    assert!(kill.err.contains("and nothing else"), "{}", kill.err);
}

#[test]
fn tx_a_start_in_one_that_does_not_have_it_is_refused_and_begins_nothing() {
    let (place, _dev) = dev();
    let start = |key: &str, transaction: &str| {
        place.gearshift(&["start", "note", "--key", key, "--transaction", transaction])
    };
    let unknown = start("a", "nobody").ends(3);
    assert!(unknown.err.starts_with("error[GS4026]"), "{}", unknown.err);
    assert!(unknown.err.contains("no transaction `nobody` was begun"), "{}", unknown.err);
    place.gearshift(&["tx", "begin", "t"]).ends(0);
    let begun = start("b", "t").ends(0);
    assert!(begun.out.contains("started: open"), "{}", begun.out);
    let again = start("b", "t").ends(0);
    assert!(again.out.contains("duplicate of step 1, in open"), "{}", again.out);
    place.gearshift(&["tx", "begin", "u"]).ends(0);
    let other = start("b", "u").ends(4);
    assert!(other.err.starts_with("error[GS4037]"), "{}", other.err);
    let told = "note/b runs already and is no member of transaction `u`: it belongs to \
                transaction `t` (open)";
    assert!(other.err.contains(told), "{}", other.err);
    place.gearshift(&["start", "note", "--key", "free"]).ends(0);
    let outside = start("free", "t").ends(4);
    assert!(outside.err.contains("it belongs to none"), "{}", outside.err);
    place.gearshift(&["tx", "commit", "t"]).ends(0);
    place.gearshift(&["tx", "rollback", "u", "--wait"]).ends(0);
    for (transaction, how) in [("t", "is committed"), ("u", "is rolled back")] {
        let over = start("c", transaction).ends(4);
        assert!(over.err.starts_with("error[GS4021]"), "{}", over.err);
        assert!(over.err.contains(how), "{}", over.err);
    }
    for key in ["a", "c"] {
        place.gearshift(&["show", &format!("note/{key}")]).ends(3);
    }
}

#[test]
fn tx_one_of_a_short_name_or_with_spaces_is_found_and_its_members_show_their_end() {
    let (place, _dev) = dev();
    for name in ["t", "my move"] {
        let begun = place.gearshift(&["tx", "begin", name, "--open-for", "5m"]).ends(0);
        assert_eq!(begun.out, format!("{name}  started: open\n"));
        let key = format!("of {name}");
        place.gearshift(&["start", "note", "--key", &key, "--transaction", name]).ends(0);
        let shown = place.gearshift(&["show", name]).ends(0).out;
        assert!(shown.starts_with(&format!("name      {name}\nstate     open\n")), "{shown}");
        let done = place.gearshift(&["tx", "commit", name]).ends(0).out;
        assert_eq!(done, format!("{name}  committed\n"));
        let shown = place.gearshift(&["tx", "show", name]).ends(0).out;
        let member = format!("member    note/{key}  committed  running");
        assert!(shown.contains(&member), "{shown}");
        assert!(place.gearshift(&["show", &key]).ends(0).out.contains("committed"));
    }
    for arguments in [["tx", "show", "nobody"], ["tx", "commit", "nobody"]] {
        let unknown = place.gearshift(&arguments).ends(3);
        assert!(unknown.err.starts_with("error[GS4026]"), "{}", unknown.err);
        assert!(unknown.err.contains("gearshift transaction ls"), "{}", unknown.err);
    }
    let timeout = place.gearshift(&["tx", "begin", "x", "--timeout", "5s"]).ends(2);
    assert!(timeout.err.contains("--open-for 5m"), "{}", timeout.err);
    let unit = place.gearshift(&["tx", "begin", "x", "--open-for", "5"]).ends(2);
    assert!(unit.err.contains("has no unit"), "{}", unit.err);
    let long = place.gearshift(&["tx", "begin", "x", "--open-for", "31d"]).ends(2);
    assert!(long.err.contains("timeout of 31d exceeds the limit of 30d"), "{}", long.err);
    place.gearshift(&["tx", "show", "x"]).ends(3);
}

/// Takes back by itself what it did where `pay` fails; that fails, too.
const TRIP: &str = "\
workflow: trip
on_failure: rollback
on_error: fail
steps:
  book: { call: a.book, undo: a.free }
  ask: { needs: [book], approval: { title: Go on } }
  pay: { needs: [ask], call: a.pay }
";

const MOCKS: &str = "\
a.book: {}
a.free: { fail: permanent, code: full, message: no room }
a.pay: { fail: permanent, code: poor, message: no money }
";

#[test]
fn tx_a_dry_kill_names_the_transaction_and_a_member_stuck_in_its_own_undo_is_told() {
    let place = Place::new();
    place.write("flows/trip.workflow.yaml", TRIP);
    place.write("flows/mocks.yaml", MOCKS);
    let _dev = place.dev(&["flows"]);
    place.gearshift(&["tx", "begin", "t"]).ends(0);
    place.gearshift(&["start", "trip", "--key", "a", "--transaction", "t"]).ends(0);
    place.gearshift(&["start", "trip", "--key", "free"]).ends(0);
    let asks = ["ls", "--where", "steps.ask.status == 'running'", "-o", "jsonl"];
    let long = Duration::from_secs(30);
    until(long, || (place.gearshift(&asks).ends(0).out.lines().count() == 2).then_some(()));
    for verb in ["kill", "cancel"] {
        let dry = place.gearshift(&[verb, "a", "--dry-run"]).ends(0).out;
        let told = "; its transaction t would be rolled back: what all its members did is taken \
                    back\n";
        assert!(dry.ends_with(told), "{dry}");
        let dry = place.gearshift(&[verb, "a", "--dry-run", "-o", "json"]).ends(0).json();
        assert_eq!(dry[0]["rolls_back"], "t", "{dry}");
        let dry = place.gearshift(&[verb, "free", "--dry-run"]).ends(0).out;
        assert!(!dry.contains("transaction"), "{dry}");
    }
    place.gearshift(&["decide", "a", "approve"]).ends(0);
    let stuck = ["ls", "--where", "key == 'a' && status == 'stuck'"];
    until(long, || (!place.gearshift(&stuck).ends(0).out.is_empty()).then_some(()));
    let why = place.gearshift(&["why", "a"]).ends(0).out;
    assert!(why.contains("gearshift retry") && !why.contains("gearshift kill"), "{why}");
    // It is open, and nobody asked what became of its members.
    let shown = place.gearshift(&["tx", "show", "t"]).ends(0).out;
    let told = "trip/a  open  stuck: `a.free` could not take back step `book`";
    assert!(shown.contains(told), "{shown}");
    let why = place.gearshift(&["why", "transaction/t"]).ends(0).out;
    assert!(why.contains("`trip/a` is stuck: `a.free`"), "{why}");
    // Its transaction cannot do more about that than a person.
    let killed = place.gearshift(&["kill", "a"]).out;
    assert!(killed.contains("but for an undo that failed: retry or skip it"), "{killed}");
    let troubled = || {
        let shown = place.gearshift(&["tx", "show", "t"]).ends(0).out;
        shown.contains("waits for a person").then_some(shown)
    };
    let shown = until(long, troubled);
    let told = "`trip/a`: `a.free` could not take back step `book`";
    assert!(shown.contains(told) && shown.contains("`gearshift retry` or `skip` it"), "{shown}");
    assert!(shown.contains("trip/a  is told to stop  stuck, killed by tester"), "{shown}");
    let why = place.gearshift(&["why", "transaction/t"]).ends(0).out;
    assert!(why.contains("gearshift skip trip/a") && why.contains("gearshift why trip/a"), "{why}");
    place.gearshift(&["skip", "a", "--reason", "by hand"]).ends(0);
    let over = || {
        let shown = place.gearshift(&["tx", "show", "t"]).ends(0).out;
        shown.contains("state     rolled back").then_some(shown)
    };
    let shown = until(long, over);
    assert!(shown.contains("`a.free` was skipped by tester: by hand"), "{shown}");
    assert!(!shown.contains("waits for"), "{shown}");
}

#[test]
fn tx_a_rollback_that_is_waited_for_ends_once_a_member_needs_a_person() {
    let place = Place::new();
    place.write("flows/trip.workflow.yaml", TRIP);
    place.write("flows/mocks.yaml", MOCKS);
    let _dev = place.dev(&["flows"]);
    place.gearshift(&["tx", "begin", "t"]).ends(0);
    place.gearshift(&["start", "trip", "--key", "a", "--transaction", "t"]).ends(0);
    let asks = ["ls", "--where", "steps.ask.status == 'running'", "-o", "jsonl"];
    let long = Duration::from_secs(30);
    until(long, || (!place.gearshift(&asks).ends(0).out.is_empty()).then_some(()));
    let back = ["tx", "rollback", "t", "--wait", "--timeout", "10m"];
    let told = place.gearshift(&back).ends(1).out;
    let stuck = "t  is not rolled back: trip/a is stuck and waits for a person: `trip/a`: `a.free` \
                 could not take back step `book`";
    assert!(told.starts_with(stuck) && told.contains("try: gearshift why trip/a"), "{told}");
    // What is refused is not offered.
    let why = place.gearshift(&["why", "a"]).ends(0).out;
    assert!(why.contains("gearshift skip a") && !why.contains("gearshift kill"), "{why}");
    let refused = place.gearshift(&["kill", "a"]).ends(4).err;
    assert!(refused.starts_with("error[GS4018]"), "{refused}");
}
