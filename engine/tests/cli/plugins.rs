//! Plugins at the command line: `plugin ls|show|call|reset`, `check --live`, `deploy`.

use crate::support::Place;

const CALLS: &str = "\
workflow: calls
states:
  asking:
    entry:
      - { call: validator@^9.validate_document }
      - { call: validator.validate_document, with: { documentId: 7 } }
    done: asked
  asked: { final: true }
";

#[test]
fn plugins_are_listed_shown_and_called_embedded_and_over_nats() {
    for nats in [&[][..], &["--nats", "--nats-port", "0"][..]] {
        let place = Place::new();
        place.copy_example("document-approval");
        let dev = place.dev(&[&["document-approval"][..], nats].concat());
        let list = place.gearshift(&["plugin", "ls", "-o", "json"]).ends(0).json();
        let names: Vec<_> = list.as_array().unwrap().iter().map(|one| &one["name"]).collect();
        assert!(names.iter().any(|name| *name == "validator"), "{list}");
        let table = place.gearshift(&["plugin", "ls", "validator"]).ends(0).out;
        assert!(table.starts_with("PLUGIN ") && table.contains("1.2.0"), "{table}");
        let shown = place.gearshift(&["plugin", "show", "validator"]).ends(0).out;
        assert!(shown.contains("input  { documentId: string, title: string }"), "{shown}");
        let nobody = place.gearshift(&["plugin", "show", "vlidator"]).ends(3);
        assert!(nobody.err.contains("did you mean `validator`?"), "{}", nobody.err);

        let call = ["plugin", "call", "validator", "validate_document", "-d", "documentId=doc-43"];
        let done = place.gearshift(&[&call[..], &["-d", "title=Budget", "-o", "json"]].concat());
        assert_eq!(done.ends(0).json()["output"]["valid"], true);
        let refused = place.gearshift(&call).ends(1).out;
        assert!(refused.starts_with("permanent 400"), "{refused}");
        place.gearshift(&["plugin", "call", "nobody", "works"]).ends(3);
        place.gearshift(&["plugin", "reset", "validator"]).ends(0);
        place.gearshift(&["plugin", "reset", "no name"]).ends(2);
        drop(dev);
    }
}

#[test]
fn a_definition_is_compared_with_the_plugins_that_run() {
    let place = Place::new();
    place.copy_example("document-approval");
    place.write("calls.workflow.yaml", CALLS);
    let _dev = place.dev(&["document-approval"]);
    let check = ["check", "calls.workflow.yaml", "-o", "json"];
    assert_eq!(place.gearshift(&check).ends(0).json()["warnings"], 0);
    let told = place.gearshift(&[&check[..], &["--live"]].concat()).ends(0).json();
    let codes: Vec<_> =
        told["diagnostics"].as_array().unwrap().iter().map(|one| &one["code"]).collect();
    assert_eq!(codes, ["GS0226", "GS0227", "GS0227"], "{told}");
    let message = told["diagnostics"][0]["message"].as_str().unwrap();
    assert_eq!(message, "plugin `validator` runs as 1.2.0, but `^9` is needed");
    place.gearshift(&["check", "calls.workflow.yaml", "--live", "--deny-warnings"]).ends(1);
    let deployed = place.gearshift(&["deploy", "calls.workflow.yaml"]).ends(0);
    assert!(deployed.err.contains("GS0226") && deployed.err.contains("GS0227"), "{}", deployed.err);
}
