//! What `start` and `send` say when what they wait for does not come; long values in `show`.

use crate::support::{Dev, Place};

const LAMP: &str = "\
workflow: lamp
correlate: data.id
on_error: suspend
events: { lamp.lit: {} }
vars: { n: 0 }
states:
  dark:
    always: [ { when: input.broken, to: odd }, { when: input.short, to: out } ]
    on: { lamp.lit: odd }
  odd: { entry: { set: { n: vars.n / 0 } } }
  out: { final: true }
";

fn lamps() -> (Place, Dev) {
    let place = Place::new();
    place.write("flows/lamp.workflow.yaml", LAMP);
    let dev = place.dev(&["flows"]);
    (place, dev)
}

#[test]
fn a_start_that_waits_says_at_once_that_it_is_stuck_and_why() {
    let (place, _dev) = lamps();
    let broken = r#"{"broken": true, "short": false}"#;
    let stuck = place.gearshift(&["start", "lamp", "--key", "a", "--data", broken, "--wait"]);
    let out = stuck.ends(1).out;
    assert!(out.contains("see `gearshift why a`"), "{out}");
    assert!(out.contains("not there, and only a person can move it: "), "{out}");
    assert!(out.contains("division by zero") && !out.contains("within"), "{out}");
    let short = r#"{"broken": false, "short": true}"#;
    let line = ["start", "lamp", "--key", "b", "--data", short, "--wait-for", "dark"];
    let elsewhere = place.gearshift(&line).ends(1).out;
    assert!(elsewhere.contains("not there: it is done in out"), "{elsewhere}");
    let fine = r#"{"broken": false, "short": false}"#;
    let line = ["start", "lamp", "--key", "c", "--data", fine, "--wait", "--timeout", "200ms"];
    let late = place.gearshift(&line).ends(7).out;
    assert!(late.contains("not there within 200ms"), "{late}");
    let sent = ["send", "lamp.lit", "-d", "id=c", "--wait-for", "out"];
    let stuck = place.gearshift(&sent).ends(1).out;
    assert!(stuck.contains("division by zero"), "{stuck}");
}

#[test]
fn a_long_value_is_cut_and_says_how_to_see_all_of_it() {
    let (place, _dev) = lamps();
    let data = format!(r#"{{"broken": false, "short": true, "text": "{}"}}"#, "é".repeat(20_000));
    place.gearshift(&["start", "lamp", "--key", "a", "--data", &data]).ends(0);
    let shown = place.gearshift(&["show", "a"]).ends(0).out;
    assert!(shown.len() < 4_000, "{} bytes", shown.len());
    assert!(shown.contains("… (40039 bytes; `--all` shows all)"), "{shown}");
    let all = place.gearshift(&["show", "a", "--all"]).ends(0).out;
    assert!(all.len() > 40_000, "{} bytes", all.len());
    let all = place.gearshift(&["show", "a", "-o", "json"]).ends(0).json();
    assert_eq!(all["input"]["text"].as_str().map(str::len), Some(40_000));
}
