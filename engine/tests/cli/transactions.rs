//! `transaction begin commit rollback show ls`, and `start --transaction`.

use serde_json::json;

use crate::support::{Dev, Place};

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
