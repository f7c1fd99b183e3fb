//! What operators are told: of waits, of whom a task asks, of much at once, of mocks, of what a
//! definition only seems to say.

use std::time::Duration;

use crate::support::{Dev, Place, until};

/// Longer than anything here takes.
const LONG: Duration = Duration::from_secs(30);

const JOB: &str = "\
workflow: job
steps:
  book: { call: a.book, undo: a.back }
  ask: { needs: [book], approval: { title: Go on, roles: [boss] } }
";

const GONE: &str = "\
workflow: gone
steps:
  book: { call: a.book, undo: b.gone }
  rest: { needs: [book], approval: { title: Rest, assign: ann } }
";

fn dev() -> (Place, Dev) {
    let place = Place::new();
    place.write("flows/job.workflow.yaml", JOB);
    place.write("flows/gone.workflow.yaml", GONE);
    place.write("flows/mocks.yaml", "a.book: {}\na.back: {}\nb.gone: { hold: true }\n");
    let dev = place.dev(&["flows"]);
    (place, dev)
}

/// Starts one and waits until somebody is asked.
fn started(place: &Place, workflow: &str, key: &str) {
    place.gearshift(&["start", workflow, "--key", key]).ends(0);
    let filter = format!("key == '{key}' && steps.book.status == 'completed'");
    let list = ["ls", "--where", &filter];
    until(LONG, || (!place.gearshift(&list).ends(0).out.is_empty()).then_some(()));
}

#[test]
fn a_rollback_and_a_cancel_wait_where_they_are_asked_to() {
    let (place, _dev) = dev();
    for key in ["k", "l", "m"] {
        started(&place, "job", key);
    }
    let back = ["rollback", "k", "--wait", "--reason", "wrong day"];
    let told = "k  rolled back by hand: wrong day, in steps\n";
    assert_eq!(place.gearshift(&back).ends(0).out, told);
    let ended = place.gearshift(&["cancel", "l", "--wait"]).ends(0).out;
    assert_eq!(ended, "l  cancelled, in steps\n");
    assert_eq!(place.gearshift(&["kill", "m"]).ends(0).out, "m  killed in steps\n");
    started(&place, "gone", "n");
    let late = place.gearshift(&["rollback", "n", "--wait", "--timeout", "1s"]).ends(7);
    assert!(late.err.contains("n still takes back what was done, after 1.0s"), "{}", late.err);
    assert!(late.err.contains("help: `gearshift why n`"), "{}", late.err);
    let filter = "workflow == 'gone'";
    let all = ["cancel", "--where", filter, "--yes", "--reason", "late"];
    place.gearshift(&all).ends(4);
}

#[test]
fn tasks_show_the_roles_that_an_approval_asks() {
    let (place, _dev) = dev();
    started(&place, "job", "k");
    started(&place, "gone", "n");
    let tasks = place.gearshift(&["tasks"]).ends(0).out;
    let line = |key: &str| tasks.lines().find(|line| line.starts_with(key)).unwrap().to_owned();
    assert!(line("k").contains("role boss"), "{tasks}");
    assert!(line("n").contains("ann"), "{tasks}");
    // Whoever may give commands decides, and says so when the definition is looked at.
    place.gearshift(&["approve", "k", "--as", "bob"]).ends(0);
    for command in [["check", "flows"], ["deploy", "flows/job.workflow.yaml"]] {
        let told = place.gearshift(&command).ends(0);
        let told = told.out + &told.err;
        assert!(told.contains("GS0228"), "{command:?}: {told}");
    }
}

#[test]
fn many_further_steps_are_told_in_a_few_lines() {
    let (place, _dev) = dev();
    started(&place, "job", "k");
    let more = (0..40).map(|number| format!("  s{number}: {{ needs: [ask], call: a.book }}\n"));
    place.write("more.yaml", &format!("steps:\n{}", more.collect::<String>()));
    let add = ["steps", "add", "k", "--file", "more.yaml"];
    let dry = place.gearshift(&[&add[..], &["--dry-run", "-o", "json"]].concat()).ends(0).json();
    assert_eq!(dry["steps"].as_array().unwrap().len(), 40);
    let told = place.gearshift(&add).ends(0).out;
    assert!(told.contains("s8, s9 and 30 more"), "{told}");
    assert!(told.contains("… and 30 more; `-o json` has all of them"), "{told}");
    assert!(told.lines().count() < 15, "{told}");
}

#[test]
fn why_does_not_miss_a_plugin_whose_mock_answers() {
    let (place, _dev) = dev();
    place.gearshift(&["pause", "--plugin", "a", "--reason", "the bank is down"]).ends(0);
    place.gearshift(&["start", "job", "--key", "k"]).ends(0);
    let why = place.gearshift(&["why", "k"]).ends(0).out;
    assert!(why.contains("call a.book") && why.contains("the bank is down"), "{why}");
    assert!(!why.contains("no plugin"), "{why}");
    place.gearshift(&["resume", "--plugin", "a"]).ends(0);
}

#[test]
fn a_schedule_with_a_bad_pattern_and_a_bad_zone_is_told_both() {
    let place = Place::new();
    let text = "workflow: w\nschedules:\n  s: { cron: '61 * * * *', zone: Mars/Base }\n\
                states: { a: { final: true } }\n";
    place.write("w.workflow.yaml", text);
    let check = || {
        let done = place.gearshift(&["check", "w.workflow.yaml"]).ends(1);
        done.out + &done.err
    };
    let told = check();
    assert!(told.contains("`61 * * * *`"), "{told}");
    assert!(told.contains("no time zone `Mars/Base`"), "{told}");
    place.write("w.workflow.yaml", &text.replace("61 * * * *", "0 0 31 2 *"));
    let told = check();
    assert!(told.contains("is never due") && told.contains("Mars/Base"), "{told}");
}

#[test]
fn much_is_told_in_a_few_lines_unless_all_is_asked_for() {
    let (place, _dev) = dev();
    started(&place, "job", "k");
    let more = (0..60).map(|number| format!("  s{number}: {{ needs: [ask], call: a.book }}\n"));
    place.write("more.yaml", &format!("steps:\n{}", more.collect::<String>()));
    place.gearshift(&["steps", "add", "k", "--file", "more.yaml"]).ends(0);
    let told = place.gearshift(&["show", "k"]).ends(0).out;
    assert!(told.contains("▶ ask"), "what waits is told: {told}");
    assert!(told.contains("pending, 1 completed; `--all` shows them"), "{told}");
    assert!(told.lines().count() < 30, "{told}");
    let all = place.gearshift(&["show", "k", "--all"]).ends(0).out;
    assert!(all.contains("✓ book") && all.contains("· s59"), "{all}");
    let json = place.gearshift(&["show", "k", "-o", "json"]).ends(0).json();
    assert_eq!(json["steps"].as_array().unwrap().len(), 62);
}

#[test]
fn an_end_is_told_by_show_ls_watch_and_why() {
    let (place, _dev) = dev();
    started(&place, "job", "k");
    place.gearshift(&["kill", "k", "--reason", "too late", "--as", "ann"]).ends(0);
    let show = place.gearshift(&["show", "k"]).ends(0).out;
    assert!(
        show.contains("status    cancelled\nstate     steps\nend       killed by ann: too late")
    );
    let list = place.gearshift(&["ls"]).ends(0).out;
    assert!(list.contains("killed by ann: too late"), "{list}");
    let watch = place.gearshift(&["watch", "k"]).ends(1).out;
    assert_eq!(watch, "k  is cancelled, killed by ann: too late\n");
    let why = place.gearshift(&["why", "k"]).ends(0).out;
    assert!(why.ends_with("\n  killed by ann: too late\n"), "{why}");
    let json = place.gearshift(&["show", "k", "-o", "json"]).ends(0).json();
    assert_eq!((&json["end"]["how"], &json["end"]["by"]), (&"killed".into(), &"ann".into()));
}

#[test]
fn a_pause_of_a_plugin_says_what_answers_for_it() {
    let (place, _dev) = dev();
    let told = place.gearshift(&["pause", "--plugin", "a"]).ends(0).out;
    assert_eq!(told, "a  paused, mocked here\n");
    let told = place.gearshift(&["resume", "--plugin", "a"]).ends(0).out;
    assert_eq!(told, "a  resumed, mocked here\n");
    let told = place.gearshift(&["pause", "--plugin", "nobody"]).ends(0).out;
    assert_eq!(told, "nobody  paused, none of it is running\n");
}

#[test]
fn decision_34_kept_results_are_forgotten_when_a_person_says_so() {
    let (place, _dev) = dev();
    let text = "workflow: rates\nsteps:\n  look: { call: a.book, with: { id: '${ input.id }' }, \
                cache: { key: '${ input.id }', ttl: 1h } }\n";
    place.write("flows/rates.workflow.yaml", text);
    let deploy = ["deploy", "flows/rates.workflow.yaml"];
    place.gearshift(&deploy).ends(0);
    let run = |key: &str, id: &str| {
        let start = ["start", "rates", "--key", key, "-d", id, "--wait"];
        place.gearshift(&start).ends(0);
        let json = place.gearshift(&["show", key, "-o", "json"]).ends(0).json();
        json["steps"][0]["cached"] == true
    };
    assert!(!run("1", "id=a") && !run("2", "id=7") && run("3", "id=a"));
    let dry = place.gearshift(&["cache", "clear", "--all", "--dry-run"]).ends(0).out;
    assert!(dry.contains("rates     look  a.book     2\nwould forget 2 results\n"), "{dry}");
    let unasked = place.gearshift(&["cache", "clear", "rates"]).ends(2);
    let title = "forget 2 results that are kept for workflow `rates` needs a yes";
    assert!(unasked.err.contains(title), "{}", unasked.err);
    let one = place.gearshift(&["cache", "clear", "rates", "look", "7"]).ends(0).out;
    assert!(one.ends_with("forgot 1 result\n"), "{one}");
    assert!(run("4", "id=a") && !run("5", "id=7"));
    let all = place.gearshift(&["cache", "clear", "rates", "--yes", "-o", "json"]).ends(0).json();
    assert_eq!(all["results"][0]["count"], 2);
    assert!(!run("6", "id=a"));
    let none = place.gearshift(&["cache", "clear", "rates", "look", "nobody"]).ends(0).out;
    assert_eq!(none, "forgot 0 results\n");
    for (words, told) in [
        (&["nothing"][..], "error[GS4001]"),
        (&["rates", "lok"], "no version of `rates` has a step or a state `lok`"),
        (&["rates", "lok", "--dry-run"], "error[GS4040]"),
    ] {
        let refused = place.gearshift(&[&["cache", "clear"][..], words].concat()).ends(3).err;
        assert!(refused.contains(told), "{refused}");
    }
    let unsaid = place.gearshift(&["cache", "clear"]).ends(2).err;
    assert!(unsaid.contains("name a workflow, or say `--all`"), "{unsaid}");
}
