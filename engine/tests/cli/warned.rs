//! Warnings of `deploy` and `check --live`: in the order of the file, whoever found them.

use serde_json::Value;

use crate::support::Place;

/// Findings of the checker, of what runs, and of both in one another's midst.
const WARNED: &str = "\
workflow: warned
correlate: data.key
events: { thing.began: { start: true }, thing.never: {}, user.action: {} }
initial: first
states:
  zeta: { on: { thing.never: last } }
  first:
    entry:
      - { call: nobody.one }
      - { call: validator@^9.validate_document }
    done: second
    failed: last
  second:
    approval: { title: t, roles: [boss], choices: [yes, no] }
    on: { user.action: [{ when: data.action == 'yes', to: third }, { to: last }] }
  third:
    entry: { call: validator.validate_document, with: { documentId: 7, title: t } }
    done: last
    failed: last
  alpha:
    entry: { call: nobody.two }
    done: last
  last: { final: true }
";

/// The lines that warnings point to, with their codes.
fn told(of: &Value) -> Vec<(u64, String)> {
    let one =
        |one: &Value| (one["line"].as_u64().unwrap(), one["code"].as_str().unwrap().to_owned());
    of["diagnostics"].as_array().unwrap().iter().map(one).collect()
}

/// The same of what people read: `warning[CODE]: …`, then ` --> FILE:LINE:COLUMN`.
fn read(text: &str) -> Vec<(u64, String)> {
    let mut found = Vec::new();
    let mut code = "";
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("warning[") {
            code = rest.split(']').next().unwrap();
        } else if let Some(place) = line.trim_start().strip_prefix("--> ") {
            let line = place.split(':').nth(1).unwrap().parse().unwrap();
            found.push((line, code.to_owned()));
        }
    }
    found
}

#[test]
fn deploy_and_check_live_warn_in_the_order_of_the_file() {
    let place = Place::new();
    place.copy_example("document-approval");
    place.write("warned.workflow.yaml", WARNED);
    let _dev = place.dev(&["document-approval"]);
    let expected = [
        (6, "GS0206"),
        (9, "GS0226"),
        (10, "GS0226"),
        (14, "GS0228"),
        (17, "GS0227"),
        (20, "GS0206"),
        (21, "GS0226"),
    ]
    .map(|(line, code)| (line, code.to_owned()));
    let check = ["check", "--live", "warned.workflow.yaml"];
    assert_eq!(read(&place.gearshift(&check).ends(0).out), expected);
    let checked = place.gearshift(&[&check[..], &["-o", "json"]].concat()).ends(0).json();
    assert_eq!(told(&checked), expected);
    let deploy = ["deploy", "warned.workflow.yaml"];
    let deployed = place.gearshift(&[&deploy[..], &["-o", "json"]].concat()).ends(0).json();
    assert_eq!(told(&deployed), expected);
    // People are told of what an engine does not do, and of what does not run.
    let own = expected.into_iter().filter(|(_, code)| code != "GS0206").collect::<Vec<_>>();
    assert_eq!(read(&place.gearshift(&deploy).ends(0).err), own);
}
