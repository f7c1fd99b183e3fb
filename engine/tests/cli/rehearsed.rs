//! `--dry-run` of orders: each instance is told as the order itself would tell it, and nothing is
//! done.

use std::time::Duration;

use serde_json::Value;

use crate::support::{Dev, Done, Place, until};

/// Longer than anything here takes.
const LONG: Duration = Duration::from_secs(30);

const JOB: &str = "\
workflow: job
vars: { watts: 1 }
steps:
  book: { call: a.book, undo: a.back }
  check: { call: a.check, needs: [book], when: input.bad }
  ask: { needs: [book], approval: { title: Go on } }
";

const MOCKS: &str = "\
a.book: {}
a.back: {}
a.check: { fail: permanent, code: torn, message: page 3 is torn }
";

/// How the instances of one order stand.
const STANDS: [&str; 4] = ["running", "paused", "stuck", "cancelled"];

fn dev() -> (Place, Dev) {
    let place = Place::new();
    place.write("flows/job.workflow.yaml", JOB);
    place.write("flows/mocks.yaml", MOCKS);
    let dev = place.dev(&["flows"]);
    (place, dev)
}

/// Instances that stand so: `retry-running`, `retry-paused`, ….
fn instances(place: &Place, order: &str) -> Vec<String> {
    let key = |stands: &&str| format!("{order}-{stands}");
    let keys: Vec<_> = STANDS.iter().map(key).collect();
    for key in &keys {
        let bad = format!("bad={}", key.ends_with("stuck"));
        place.gearshift(&["start", "job", "--key", key, "-d", &bad]).ends(0);
        let filter = format!("key == '{key}' && size(stuck) > 0");
        let booked = format!("key == '{key}' && steps.book.status == 'completed'");
        let filter = if key.ends_with("stuck") { filter } else { booked };
        let list = ["ls", "--where", &filter];
        until(LONG, || (!place.gearshift(&list).ends(0).out.is_empty()).then_some(()));
    }
    place.gearshift(&["pause", &keys[1]]).ends(0);
    place.gearshift(&["kill", &keys[3]]).ends(0);
    keys
}

fn documents(done: &Done) -> Vec<Value> {
    done.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The document of the order itself.
fn for_real(mut dry: Value) -> Value {
    assert_eq!(dry["dry_run"], true, "{dry}");
    // What is told beside the verdict of a dry run only.
    for more in ["dry_run", "takes_back", "does_again"] {
        dry.as_object_mut().unwrap().remove(more);
    }
    if dry["refused"].is_string() {
        assert_eq!(dry["refused"], dry["problem"]["detail"], "{dry}");
        return dry["problem"].take();
    }
    dry
}

#[test]
fn a_dry_run_tells_of_each_what_the_order_comes_to_and_does_nothing() {
    let (place, _dev) = dev();
    for order in ["cancel", "kill", "retry", "skip", "pause", "resume", "rollback", "set"] {
        let keys = instances(&place, order);
        let filter = format!("key.startsWith('{order}-')");
        let mut words = vec![order];
        if order == "set" {
            words.extend(["--where", &filter, "watts=2"]);
        } else {
            words.extend(keys.iter().map(String::as_str).chain(["nobody"]));
        }
        let seen = || {
            let keys = keys.iter().map(String::as_str);
            let all = ["history", "-o", "jsonl"].into_iter().chain(keys).collect::<Vec<_>>();
            place.gearshift(&all).ends(0).out
        };
        let before = seen();
        let dry = place.gearshift(&[&words[..], &["--dry-run", "-o", "jsonl"]].concat());
        let array = place.gearshift(&[&words[..], &["--dry-run", "-o", "json"]].concat());
        assert_eq!(seen(), before, "{order} was only to be told");
        let real = place.gearshift(&[&words[..], &["--yes", "-o", "jsonl"]].concat());
        assert_eq!((dry.code, array.code), (real.code, real.code), "{order}: {}", real.err);
        let told = documents(&dry);
        assert_eq!(array.json(), Value::from(told.clone()), "{order}");
        let told: Vec<_> = told.into_iter().map(for_real).collect();
        assert_eq!(told, documents(&real), "{order}");
        assert!(told.len() >= 3, "{order}: {told:?}");
    }
}

#[test]
fn a_dry_run_counts_what_would_be_refused_and_says_why_with_the_code() {
    let (place, _dev) = dev();
    let keys = instances(&place, "k");
    let filter = ["--where", "workflow == 'job'"];
    let dry = place.gearshift(&[&["retry"][..], &filter, &["--dry-run"]].concat()).ends(8);
    assert!(dry.out.contains("k-stuck  would be running in steps\n"), "{}", dry.out);
    let why = "refused  job/k-running: the instance is not stuck [GS4014]\n";
    assert!(dry.out.contains(why), "{}", dry.out);
    assert!(dry.out.ends_with("would retry 1 instance, 2 could not be\n"), "{}", dry.out);
    assert_eq!(dry.err, "", "it is the answer, and no failure");
    // Of one alone the refusal is told as ever.
    let one = place.gearshift(&["retry", &keys[0], "--dry-run"]).ends(4);
    let same = place.gearshift(&["retry", &keys[0]]).ends(4);
    assert_eq!((one.out, one.err), (same.out, same.err));
    let none = place.gearshift(&["skip", &keys[0], &keys[1], "--dry-run"]).ends(4);
    assert!(none.out.ends_with("would skip 0 instances, 2 could not be\n"), "{}", none.out);
}

const PARENT: &str = "\
workflow: parent
steps:
  child: { run: job }
  pay: { call: a.slow, undo: a.back, timeout: 1h }
";

#[test]
fn a_kill_answers_with_what_may_be_done_all_the_same_and_says_so_before() {
    let place = Place::new();
    place.write("flows/job.workflow.yaml", JOB);
    place.write("flows/parent.workflow.yaml", PARENT);
    place.write("flows/mocks.yaml", &format!("{MOCKS}a.slow: {{ hold: true }}\n"));
    let _dev = place.dev(&["flows"]);
    place.gearshift(&["start", "parent", "--key", "p"]).ends(0);
    let runs = ["ls", "--where", "workflow == 'job' && steps.ask.status == 'running'"];
    until(LONG, || (!place.gearshift(&runs).ends(0).out.is_empty()).then_some(()));
    let left = "step `pay`: `a.slow` was under way: if it is done, it stays";
    for order in ["kill", "cancel"] {
        let dry = place.gearshift(&[order, "p", "--dry-run"]).ends(0).out;
        assert!(dry.contains("; with it would end job/"), "{dry}");
        let dry = place.gearshift(&[order, "p", "--dry-run", "-o", "json"]).ends(0).json();
        assert_eq!(dry[0]["ends_children"].as_array().unwrap().len(), 1, "{dry}");
        // What a cancel waits for is not left.
        let told = if order == "kill" { Value::from(vec![left]) } else { Value::Null };
        assert_eq!(dry[0]["left_out"], told, "{dry}");
    }
    let dry = place.gearshift(&["kill", "p", "--dry-run"]).ends(0).out;
    assert!(dry.contains(&format!("; left out: {left}")), "{dry}");
    let killed = place.gearshift(&["kill", "p", "--reason", "late"]).ends(0).out;
    assert!(killed.starts_with("p  killed in ") && killed.contains(left), "{killed}");
    let shown = place.gearshift(&["show", "p"]).ends(0).out;
    assert!(shown.contains(&format!("killed by tester: late; {left}")), "{shown}");
    let history = place.gearshift(&["history", "p"]).ends(0).out;
    assert!(history.contains("step `pay`: `a.slow` was under way"), "{history}");
}

const TRIP: &str = "\
workflow: trip
mode: sequential
steps:
  fly: { call: a.book, undo: a.back }
  stay: { call: a.book, undo: a.back }
  note: { run: slip }
  drive: { call: a.slow, undo: a.back, timeout: 1h, retry: { attempts: 1 } }
";

const SLIP: &str = "\
workflow: slip
steps:
  write: { call: a.book }
";

fn told(dry: &Value, what: &str) -> Vec<String> {
    let all = dry[what].as_array().cloned().unwrap_or_default();
    all.iter().map(|one| one.as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_dry_run_tells_what_is_taken_back_and_what_is_done_again() {
    let place = Place::new();
    place.write("flows/trip.workflow.yaml", TRIP);
    place.write("flows/slip.workflow.yaml", SLIP);
    place.write("flows/mocks.yaml", &format!("{MOCKS}a.slow: {{ hold: true }}\n"));
    let _dev = place.dev(&["flows"]);
    place.gearshift(&["start", "trip", "--key", "t"]).ends(0);
    let drives = ["ls", "--where", "key == 't' && steps.drive.status == 'running'"];
    until(LONG, || (!place.gearshift(&drives).ends(0).out.is_empty()).then_some(()));
    // What there is not is not found.
    let nowhere = place.gearshift(&["rollback", "t", "--from", "nowhere"]).ends(3);
    assert!(nowhere.err.contains("no step is called `nowhere`"), "{}", nowhere.err);
    assert!(nowhere.err.contains("GS4040"), "{}", nowhere.err);
    let dry = ["rollback", "t", "--dry-run", "-o", "json"];
    let dry = place.gearshift(&dry).ends(0).json();
    let waits = "step `drive`: `a.slow` is under way: waits for its answer, and if it is done, \
                 `a.back`";
    let back = [waits, "step `stay`: `a.back`", "step `fly`: `a.back`"];
    assert_eq!(told(&dry[0], "takes_back"), back, "{dry}");
    assert_eq!(told(&dry[0], "left_out"), ["step `note` stays: its child `slip` is done"]);
    let text = place.gearshift(&["rollback", "t", "--from", "stay", "--dry-run"]).ends(0).out;
    assert!(text.contains("\n  takes back  step `stay`: `a.back`\n"), "{text}");
    assert!(!text.contains("`fly`") && text.contains("left out: step `note` stays"), "{text}");
    // Nobody answers the drive: it is given up with its timer.
    place.gearshift(&["timer", "fire", "t", "deadline"]).ends(0);
    let stuck = ["ls", "--where", "key == 't' && size(stuck) > 0"];
    until(LONG, || (!place.gearshift(&stuck).ends(0).out.is_empty()).then_some(()));
    place.gearshift(&["rollback", "t", "--from", "stay", "--yes"]).ends(0);
    let back = ["ls", "--where", "key == 't' && steps.stay.status == 'undone' && size(stuck) > 0"];
    until(LONG, || {
        // The drive may be done, so it is asked once more, and given up again.
        place.gearshift(&["timer", "fire", "t", "deadline"]);
        (!place.gearshift(&back).ends(0).out.is_empty()).then_some(())
    });
    let dry = place.gearshift(&["retry", "t", "--dry-run", "-o", "json"]).ends(0).json();
    let again = told(&dry[0], "does_again");
    assert_eq!(again[0], "step `stay`: it was taken back", "{dry}");
    assert_eq!(again[1], "step `note`: it is done, and needs what is done again", "{dry}");
    let dry = place.gearshift(&["fork", "t", "--from", "stay", "--dry-run"]).ends(0).out;
    assert!(dry.contains("would be forked from trip/t at stay: steps\n"), "{dry}");
    assert!(dry.contains("  does again  step `stay`: it is undone there\n"), "{dry}");
    let taken = ["fork", "t", "--from", "stay", "--key", "t", "--dry-run"];
    assert!(place.gearshift(&taken).ends(4).err.contains("GS4019"));
    let list = place.gearshift(&["ls", "--workflow", "trip", "-o", "jsonl"]).ends(0).out;
    assert_eq!(list.lines().count(), 1, "nothing was begun: {list}");
}

#[test]
fn whom_a_filter_cannot_judge_is_told_and_what_is_never_true_is_refused() {
    let (place, _dev) = dev();
    for key in ["w-1", "w-2"] {
        place.gearshift(&["start", "job", "--key", key, "-d", "bad=false"]).ends(0);
    }
    place.gearshift(&["set", "w-2", "watts='much'"]).ends(0);
    let refused = place.gearshift(&["ls", "--where", "age_s + 1"]).ends(2);
    assert!(refused.err.contains("`+` is never true or false"), "{}", refused.err);
    let why = "warning: 1 instance is left out, for which `--where` is neither true nor false: it \
               is job/w-2: ";
    let list = place.gearshift(&["ls", "--where", "vars.watts > 0"]).ends(0);
    assert!(list.err.contains(why) && list.out.contains("w-1"), "{} {}", list.out, list.err);
    let dry = ["pause", "--where", "vars.watts > 0", "--dry-run", "-o", "json"];
    let dry = place.gearshift(&dry).ends(0);
    assert!(dry.err.contains(why), "{}", dry.err);
    let told = dry.json();
    assert_eq!(told[0]["unjudged"]["count"], 1, "{told}");
    assert_eq!(
        (&told[0]["unjudged"]["first"], told[1]["key"].as_str()),
        (&Value::from("job/w-2"), Some("w-1")),
        "{told}"
    );
    let none = place.gearshift(&["ls", "--where", "has(vars.nope) && vars.nope > 0"]).ends(0);
    assert_eq!(none.err, "");
}
