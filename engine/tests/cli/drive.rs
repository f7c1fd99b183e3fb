//! An approval from outside, over HTTP: every command that moves or shows instances.

use std::io::{Read, Write};
use std::net::TcpStream;

use crate::support::{Dev, Done, Place};

/// A `dev` with the document approval, and one document under review.
fn under_review() -> (Place, Dev) {
    let place = Place::new();
    place.copy_example("document-approval");
    let dev = place.dev(&["document-approval"]);
    let done = submit(&place, "doc-42").ends(0);
    assert!(done.out.starts_with("doc-42  document_approval@1  started: under_review  "));
    (place, dev)
}

/// Hands in a document of its own, which differs from the example's in its name only.
fn submit(place: &Place, id: &str) -> Done {
    let documents = place.path("document-approval/documents");
    let text = std::fs::read(documents.join("doc-42.md")).unwrap();
    std::fs::write(documents.join(format!("{id}.md")), text).unwrap();
    let id = format!("documentId={id}");
    let send = ["send", "document.submitted", "-d", &id, "-d", "title=Q3 report"];
    place.gearshift(&[&send[..], &["-d", "submitter=eve", "--wait-for", "under_review"]].concat())
}

#[test]
fn an_approval_from_submission_to_archive() {
    let (place, _dev) = under_review();
    let tasks = place.gearshift(&["tasks", "-o", "json"]).ends(0).json();
    assert_eq!(tasks[0]["title"], "Review Q3 report", "{tasks}");
    let table = place.gearshift(&["tasks"]).ends(0).out;
    assert!(table.starts_with("ID      WORKFLOW             TITLE"), "{table}");
    let filter = "state == 'under_review' && workflow == 'document_approval'";
    let list = place.gearshift(&["ls", "--where", filter, "-o", "jsonl"]).ends(0).out;
    assert!(list.contains(r#""id":"document_approval/doc-42""#), "{list}");
    assert_eq!(place.gearshift(&["ls", "--where", "status == 'stuck'"]).ends(0).out, "");
    let why = place.gearshift(&["why", "doc-42"]).ends(0).out;
    assert!(why.contains("`under_review`"), "{why}");
    let approve = ["approve", "doc-42", "--as", "ann", "--reason", "numbers match"];
    let done = place.gearshift(&approve).ends(0);
    assert_eq!(done.out, "doc-42  under_review → approved  by ann\n");
    let again = place.gearshift(&approve).ends(4);
    assert!(again.err.starts_with("error[GS40"), "{}", again.err);
    let history = place.gearshift(&["history", "document_approval/doc-42"]).ends(0).out;
    assert!(history.contains("approve (user.action by ann)"), "{history}");
    assert!(history.contains("[numbers match]"), "{history}");
    let lines = place.gearshift(&["history", "doc-42", "-o", "jsonl"]).ends(0).out;
    assert!(lines.lines().count() > 3 && lines.starts_with('{'), "{lines}");
    let watched = place.gearshift(&["watch", "doc-42"]).ends(0).out;
    assert_eq!(watched, "doc-42  is done\n");
    let shown = place.gearshift(&["show", "oc-42", "-o", "json"]).ends(0).json();
    assert_eq!((&shown["status"], &shown["vars"]["approved_by"]), (&"done".into(), &"ann".into()));
}

#[test]
fn decision_58_a_start_with_an_id_begins_nothing_twice_also_after_the_end() {
    let place = Place::new();
    let text = "workflow: once\ninitial: a\nstates:\n  a: { final: true }\n";
    place.write("flows/once.workflow.yaml", text);
    let _dev = place.dev(&["flows"]);
    let start = ["start", "once", "--key", "k", "--id", "s-1", "--wait", "-d"];
    let started = |data| place.gearshift(&[&start[..], &[data]].concat());
    let life =
        || place.gearshift(&["show", "k", "-o", "json"]).ends(0).json()["generation"].clone();
    started("n=1").ends(0);
    let again = started("n=1").ends(0).out;
    assert!(again.contains("duplicate of step 1, in a"), "{again}");
    let other = started("n=2").ends(4).err;
    assert!(other.starts_with("error[GS4011]"), "{other}");
    assert_eq!(life(), 1);
    // Without a name it begins anew, and the name of the life before is still known.
    place.gearshift(&["start", "once", "--key", "k", "--wait", "-d", "n=1"]).ends(0);
    started("n=1").ends(0);
    assert_eq!(life(), 2);
    place.gearshift(&["start", "once", "--id", "s-1"]).ends(2);
}

#[test]
fn what_is_not_there_or_not_allowed_has_its_exit_code() {
    let (place, dev) = under_review();
    let done = place.gearshift(&["show", "doc-99"]).ends(3);
    assert!(done.err.starts_with("error[GS4002]: "), "{}", done.err);
    let done = place.gearshift(&["show", "doc-99", "-o", "json"]).ends(3);
    assert_eq!(done.json()["code"], "GS4002");
    place.gearshift(&["approve", "doc-99"]).ends(3);
    place.gearshift(&["start", "nothing"]).ends(3);
    place.gearshift(&["decide", "doc-42", "aprove"]).ends(4);
    place.gearshift(&["retry", "doc-42"]).ends(4);
    place.gearshift(&["ls", "--where", "state == "]).ends(2);
    let done = place.gearshift(&["--token", "not-the-token-of-this-one", "ls"]).ends(5);
    assert!(done.err.contains("token"), "{}", done.err);
    // The token goes by variable and file as well.
    let elsewhere = Place::new();
    elsewhere.write("token", dev.text("token"));
    let named = ["-s", dev.text("url"), "--token-file", "token", "ls", "-o", "json"];
    let list = elsewhere.gearshift(&named).ends(0).json();
    assert_eq!(list[0]["key"], "doc-42");
    elsewhere.gearshift(&["-s", dev.text("url"), "ls"]).ends(5);
}

#[test]
fn several_ids_at_once_and_from_stdin() {
    let (place, _dev) = under_review();
    submit(&place, "doc-7").ends(0);
    // A reviewed document whose text differs from its title is refused for good: it is stuck.
    let wrong = ["send", "document.submitted", "-d", "documentId=doc-13", "-d", "title=T"];
    let wrong = [&wrong[..], &["-d", "submitter=eve", "--wait-for", "under_review"]].concat();
    let stuck = place.gearshift(&wrong).ends(1);
    assert!(stuck.out.contains("gearshift why doc-13"), "{}", stuck.out);
    // What comes meanwhile is kept, and exit 1 tells that nobody takes it by itself.
    let meanwhile = ["send", "user.action", "-d", "documentId=doc-13", "-d", "action=approve"];
    let kept = place.gearshift(&meanwhile).ends(1).out;
    assert!(kept.contains("kept for later") && kept.contains("gearshift why doc-13"), "{kept}");
    let history = place.gearshift(&["history", "doc-13"]).ends(0).out;
    assert!(!history.contains('~') && history.contains("[parked]"), "{history}");
    let mixed = place.gearshift(&["reject", "doc-42", "doc-99"]).ends(8);
    assert!(mixed.out.contains("doc-42  under_review → rejected"), "{}", mixed.out);
    assert!(mixed.err.contains("doc-99"), "{}", mixed.err);
    let piped =
        place.gearshift_with_input(&["decide", "-", "request_changes"], "doc-7\n\n").ends(0);
    assert!(piped.out.starts_with("doc-7  under_review → started"), "{}", piped.out);
    let list = "document_approval/doc-42\ndocument_approval/doc-7\n";
    let shown = place.gearshift_with_input(&["show", "-", "-o", "json"], list).ends(0).json();
    assert_eq!(shown.as_array().map(Vec::len), Some(2));
}

#[test]
fn cancel_and_kill_end_instances_and_filters_look_first() {
    let (place, _dev) = under_review();
    submit(&place, "doc-7").ends(0);
    let filter = ["--where", "state == 'under_review' && status == 'running'"];
    let dry = place.gearshift(&[&["cancel"][..], &filter, &["--dry-run"]].concat()).ends(0);
    assert!(dry.out.ends_with("would cancel 2 instances\n"), "{}", dry.out);
    let asked = place.gearshift(&[&["cancel"][..], &filter].concat()).ends(2);
    assert!(asked.err.contains("--yes"), "{}", asked.err);
    place.gearshift(&["kill", "doc-7", "--reason", "test"]).ends(0);
    let done = place.gearshift(&[&["cancel"][..], &filter, &["--yes"]].concat()).ends(0);
    assert!(done.out.contains("cancelled 1 instance\n"), "{}", done.out);
    let ended = place.gearshift(&["ls", "--where", "status == 'cancelled'", "-o", "jsonl"]).out;
    assert_eq!(ended.lines().count(), 2, "{ended}");
    let again = place.gearshift(&["cancel", "doc-42"]).ends(4);
    assert!(again.err.contains("help: it is cancelled"), "{}", again.err);
    let dry = place.gearshift(&["kill", "--where", "true", "--dry-run"]).ends(0);
    assert_eq!(dry.out, "would kill 0 instances\n");
}

#[test]
fn events_for_nobody_become_dead_letters() {
    let (place, _dev) = under_review();
    let action = ["send", "user.action", "-d", "documentId=doc-5", "-d", "action=approve"];
    // Who asks is told; what was only stored is kept as a dead letter.
    let told = place.gearshift(&action).ends(3);
    assert!(told.out.starts_with("doc-5  document_approval  no instance"), "{}", told.out);
    place.gearshift(&[&action[..], &["--one-way"]].concat()).ends(0);
    // The engine takes it from the inbox in its own time.
    let list = (0..500)
        .map(|_| place.gearshift(&["dlq", "ls", "-o", "json"]).ends(0).json())
        .find(|list| list[0]["id"].is_string())
        .unwrap();
    let id = list[0]["id"].as_str().unwrap();
    assert_eq!(list[0]["event"], "user.action");
    let shown = place.gearshift(&["dlq", "show", id]).ends(0).out;
    assert!(shown.contains(r#""documentId":"doc-5""#), "{shown}");
    place.gearshift(&["dlq", "show", "0-999"]).ends(3);
    let again = place.gearshift(&["dlq", "replay", id]);
    assert!(matches!(again.code, 3 | 4), "{}: {}", again.code, again.out);
    assert!(again.out.contains("  doc-5  document_approval"), "{}", again.out);
    let dropped = place.gearshift(&["dlq", "drop", "--all", "--yes"]).ends(0);
    assert!(dropped.out.ends_with("  dropped\n"), "{}", dropped.out);
    assert_eq!(place.gearshift(&["dlq", "ls"]).ends(0).out, "");
}

#[test]
fn deploying_says_what_is_new_and_what_conflicts() {
    let (place, _dev) = under_review();
    let folder = place.copy_example("order");
    let file = folder.join("order.workflow.yaml");
    let file = file.to_str().unwrap();
    assert!(place.gearshift(&["deploy", file]).ends(0).out.starts_with("order@1  deployed  "));
    assert!(place.gearshift(&["deploy", file]).ends(0).out.starts_with("order@1  unchanged  "));
    let other = std::fs::read_to_string(file).unwrap().replace("title: Order", "title: Orders");
    place.write("other.workflow.yaml", &other);
    let done = place.gearshift(&["deploy", "other.workflow.yaml"]).ends(4);
    assert!(done.err.starts_with("error[GS4010]"), "{}", done.err);
    let known = place.gearshift(&["def", "ls", "-o", "json"]).ends(0).json();
    assert_eq!(known.as_array().map(Vec::len), Some(2), "{known}");
    let drawn = place.gearshift(&["graph", "order@1"]).ends(0).out;
    assert!(drawn.starts_with("stateDiagram-v2"), "{drawn}");
    let start = ["start", "order", "--key", "o-9", "-d", "orderId=o-9", "-o", "json"];
    let started = place.gearshift(&start).ends(0).json();
    assert_eq!((&started["verdict"], &started["status"]), (&"started".into(), &"running".into()));
    place.gearshift(&start).ends(0);
    let waited = place.gearshift(&[&start[..], &["--wait", "--timeout", "200ms"]].concat());
    assert_eq!(waited.code, 7, "{}", waited.out);
}

#[test]
fn an_id_sent_twice_applies_once_and_a_wait_in_vain_is_exit_7() {
    let (place, _dev) = under_review();
    let send = ["send", "user.action", "--id", "a-1", "-d", "documentId=doc-42", "-o", "json"];
    let send = [&send[..], &["-d", "action=request_changes"]].concat();
    let first = place.gearshift(&send).ends(0).json();
    assert_eq!(first["verdicts"][0]["verdict"], "transitioned", "{first}");
    let second = place.gearshift(&send).ends(0).json();
    assert_eq!(second["verdicts"][0]["verdict"], "duplicate", "{second}");
    let wait = ["--wait-for", "archived", "--timeout", "100ms"];
    let resubmit =
        ["send", "document.submitted", "-d", "documentId=doc-42", "-d", "title=Q3 report"];
    let done = place.gearshift(&[&resubmit[..], &wait].concat()).ends(7);
    assert!(done.out.contains("not there within 100ms"), "{}", done.out);
}

#[test]
fn an_end_that_was_waited_for_is_exit_0_and_a_bad_timeout_is_refused() {
    let place = Place::new();
    place.write("flows/light.workflow.yaml", LIGHT);
    let dev = place.dev(&["flows"]);
    let wait = ["--wait-for", "@end", "-o", "json"];
    let start = ["start", "light", "--key", "a", "--wait-for", "on_"];
    place.gearshift(&start).ends(0);
    let send = ["send", "light.broken", "-d", "room=a"];
    let ended = place.gearshift(&[&send[..], &wait].concat()).ends(0).json();
    assert_eq!(
        (&ended["reached"], &ended["verdicts"][0]["status"]),
        (&true.into(), &"done".into())
    );
    // It came too late, but the end that was waited for is there.
    let late = place.gearshift(&[&send[..], &wait].concat()).ends(4).json();
    assert_eq!(late["reached"], true, "{late}");
    let start = ["start", "light", "--key", "b", "-d", "broken=true"];
    let started = place.gearshift(&[&start[..], &wait].concat()).ends(0).json();
    assert_eq!((&started["reached"], &started["status"]), (&true.into(), &"done".into()));
    for wrong in ["abc", "-5"] {
        let header = format!("Gearshift-Wait-For: @end\r\nGearshift-Timeout-Ms: {wrong}\r\n");
        let answer = post(&dev, "gearshift.event.light.broken", &header, r#"{"room":"a"}"#);
        assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
        assert!(answer.contains("GS3007") && answer.contains(&format!("`{wrong}`")), "{answer}");
    }
}

const LIGHT: &str = "\
workflow: light
version: 1
correlate: data.room
events: { light.broken: {} }
initial: switched
states:
  switched:
    always:
      - { when: has(input.broken), to: gone }
      - { to: on_ }
  on_: { on: { light.broken: gone } }
  gone: { final: true }
";

/// What the HTTP door says to a request with these headers.
fn post(dev: &Dev, subject: &str, headers: &str, body: &str) -> String {
    let address = dev.text("url").strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    let (token, length) = (dev.text("token"), body.len());
    let request = format!(
        "POST /v1/request/{subject} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\
         Authorization: Bearer {token}\r\nContent-Length: {length}\r\n\
         Content-Type: application/json\r\n{headers}\r\n{body}"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn changes_are_watched_as_they_happen() {
    let (place, _dev) = under_review();
    let mut watch = Dev::spawn(place.command(&["watch", "-o", "jsonl"]));
    // Nothing says when the watch began, so documents are handed in until it has seen one.
    let (seen, first) = std::sync::mpsc::channel();
    let reader = std::thread::spawn(move || {
        seen.send(watch.line()).unwrap_or_default();
    });
    let line = (0..200).find_map(|number| {
        let id = format!("extra-{number}");
        place
            .gearshift(&["start", "document_approval", "-d", "submitter=eve", "--key", &id])
            .ends(0);
        first.try_recv().ok()
    });
    let notice: serde_json::Value = serde_json::from_str(&line.unwrap()).unwrap();
    assert_eq!(notice["workflow"], "document_approval", "{notice}");
    assert!(notice["kind"].is_string(), "{notice}");
    reader.join().unwrap();
}
