//! `transaction begin commit rollback show ls`, and `start --transaction`.

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
    assert!(shown.contains("member    note/n  open"), "{shown}");
    let list = place.gearshift(&["tx", "ls"]).ends(0).out;
    assert!(list.contains("move") && list.contains("open"), "{list}");
    let back = ["tx", "rollback", "move", "--wait", "--reason", "wrong address"];
    assert_eq!(place.gearshift(&back).ends(0).out, "move  rolled back\n");
    let shown = place.gearshift(&["tx", "show", "move", "-o", "json"]).ends(0).json();
    assert_eq!(shown["scope"]["reason"], "wrong address", "{shown}");
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
    // Whoever is started in one that nobody began does not begin.
    let start = ["start", "note", "--key", "n", "--transaction", "nobody", "--wait"];
    let failed = place.gearshift(&start).ends(1);
    assert!(failed.out.contains("failed"), "{}", failed.out);
    let kill = place.gearshift(&["kill", "transaction/t"]).ends(4);
    assert!(kill.err.contains("and nothing else"), "{}", kill.err);
}
