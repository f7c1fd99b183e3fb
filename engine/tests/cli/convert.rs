//! `convert`: what SCXML has no word for, folders, and several definitions in one file.

use crate::support::Place;

const SMALL: &str = "workflow: small\nstates: { a: { on: { x: b } }, b: { final: true } }\n";
const TWO: &str = "\
workflow: outer
states: { a: { run: inner, done: b }, b: { final: true } }
---
workflow: inner
states: { c: { final: true } }
";

#[test]
fn what_scxml_has_no_word_for_is_told_and_comes_back() {
    let place = Place::new();
    let folder = place.copy_example("document-approval");
    let file = folder.join("document_approval.workflow.yaml");
    let file = file.to_str().unwrap();
    let done = place.gearshift(&["convert", file, "--to", "scxml"]).ends(0);
    for key in ["actions", "approval", "correlate", "events"] {
        assert!(done.err.contains(key), "`{key}` is not in: {}", done.err);
    }
    let quiet = place.gearshift(&["convert", file, "--to", "scxml", "--quiet"]).ends(0);
    assert_eq!(quiet.err, "");
    place.write("back.scxml", &done.out);
    let back = place.gearshift(&["convert", "back.scxml"]).ends(0).out;
    std::fs::write(file, back).unwrap();
    place.gearshift(&["test", folder.to_str().unwrap()]).ends(0);
}

#[test]
fn a_folder_is_converted_file_by_file_and_a_bad_one_hides_no_other() {
    let place = Place::new();
    place.write("in/small.workflow.yaml", SMALL);
    place.write("in/deep/two.workflow.yaml", TWO);
    place.write("in/old.scxml", "<scxml name=\"old\"><final id=\"f\"/></scxml>");
    let usage = place.gearshift(&["convert", "in", "--to", "scxml"]).ends(2);
    assert!(usage.err.contains("`in` is a folder"), "{}", usage.err);
    place.gearshift(&["convert", "in", "--to", "scxml", "--out", "out"]).ends(0);
    for file in ["out/small.scxml", "out/deep/outer.scxml", "out/deep/inner.scxml", "out/old.scxml"]
    {
        assert!(place.path(file).is_file(), "there is no {file}");
    }
    place.write("in/bad.workflow.yaml", "workflow: bad\nstates: { a: { on: { x: nowhere } } }\n");
    place.write("in/same.workflow.yaml", SMALL);
    let done = place.gearshift(&["convert", "in", "--to", "dot", "--out", "dots"]).ends(8);
    for text in ["bad.workflow.yaml:2:", "nowhere", "small.dot", "2 of 5 files"] {
        assert!(done.err.contains(text), "`{text}` is not in: {}", done.err);
    }
    assert!(place.path("dots/deep/inner.dot").is_file());
    place.write("none/bad.workflow.yaml", "workflow: bad\nstates: {}\n");
    place.gearshift(&["convert", "none", "--to", "dot", "--out", "dots"]).ends(1);
}

#[test]
fn several_definitions_of_a_file_are_one_array_or_several_files() {
    let place = Place::new();
    place.write("two.workflow.yaml", TWO);
    let both = place.gearshift(&["convert", "two.workflow.yaml", "--to", "xstate"]).ends(0).json();
    assert_eq!((&both[0]["id"], &both[1]["id"]), (&"outer".into(), &"inner".into()));
    let done = place.gearshift(&["convert", "two.workflow.yaml", "--to", "scxml"]).ends(2);
    assert!(done.err.contains("outer, inner") && done.err.contains("--out"), "{}", done.err);
    std::fs::create_dir(place.path("out")).unwrap();
    let into = ["convert", "two.workflow.yaml", "--to", "scxml", "--out", "out"];
    place.gearshift(&into).ends(0);
    let back = place.gearshift(&["convert", "out/outer.scxml"]).ends(0).out;
    assert!(back.contains("run: { workflow: inner }"), "{back}");
}

#[test]
fn equality_of_ecmascript_is_taken_in_documents_of_ecmascript_only() {
    let place = Place::new();
    let document = |model: &str| {
        format!(
            "<scxml name=\"w\" datamodel=\"{model}\">\n<datamodel><data id=\"n\" expr=\"1\"/>\
             </datamodel>\n<state id=\"a\"><transition event=\"x\"\n cond=\"vars.n === 1\" \
             target=\"b\"/></state><final id=\"b\"/></scxml>"
        )
    };
    place.write("es.scxml", &document("ecmascript").replace("vars.n", "n"));
    let out = place.gearshift(&["convert", "es.scxml"]).ends(0).out;
    assert!(out.contains("vars.n == 1"), "{out}");
    place.write("cel.scxml", &document("cel"));
    let done = place.gearshift(&["convert", "cel.scxml"]).ends(1);
    assert!(done.err.contains("cel.scxml:4:") && done.err.contains("`==`"), "{}", done.err);
}
