//! What has no equivalent is refused where it stands.

use crate::convert::from_scxml;

/// The only problem of a document with `inside`: its code, and the text it points at.
#[track_caller]
pub(super) fn refused(inside: &str, code: &str, at: &str) {
    let text = format!("<scxml datamodel=\"ecmascript\"\n>{inside}</scxml>");
    let problems = from_scxml(&text, "a.scxml").unwrap_err();
    assert_eq!(problems.len(), 1, "{problems:#?}");
    let problem = problems.first().unwrap();
    let span = problem.span.unwrap();
    assert_eq!(problem.code.to_string(), code, "{problem}");
    assert_eq!(text.get(span.start..span.end).unwrap(), at, "{problem}");
    assert!(problem.line >= 2, "{problem}");
}

/// A state that does `content` on entry.
#[track_caller]
pub(super) fn content(content: &str, code: &str, at: &str) {
    let data = "<datamodel><data id=\"v\"/></datamodel>";
    refused(&format!("{data}<state id=\"s\"><onentry>{content}</onentry></state>"), code, at);
}

#[test]
fn scripts_and_elements_of_others() {
    refused("<script>x()</script><state/>", "GS0012", "<script");
    content("<script>x()</script>", "GS0012", "<script");
    content("<x:go xmlns:x=\"urn:x\"/>", "GS0012", "<x:go");
    content("<publish/>", "GS0012", "<publish");
    refused("<state id=\"s\"><onfoo/></state>", "GS0012", "<onfoo");
    let empty = from_scxml("<scxml/>", "a.scxml").unwrap_err();
    assert!(empty.iter().all(|problem| problem.code.to_string() == "GS0101"), "{empty:?}");
}

#[test]
fn expressions_that_are_not_cel() {
    content("<log expr=\"typeof v\"/>", "GS0012", "typeof v");
    content("<log expr=\"_ioprocessors\"/>", "GS0012", "_ioprocessors");
    content("<log expr=\"v++\"/>", "GS0012", "v++");
    content("<log expr=\"unknown.x\"/>", "GS0012", "unknown.x");
    content("<if cond=\"1\"/>", "GS0012", "1");
    content("<log expr=\" \"/>", "GS0012", " ");
}

#[test]
fn places_that_cannot_be_assigned() {
    content("<assign location=\"w\" expr=\"1\"/>", "GS0012", "w");
    content("<assign location=\"_name\" expr=\"1\"/>", "GS0012", "_name");
    content("<assign location=\"v[0]\" expr=\"1\"/>", "GS0012", "v[0]");
    content("<assign location=\"v\"><x/></assign>", "GS0012", "<x");
}

#[test]
fn processors_targets_and_times() {
    content("<send event=\"e\" type=\"basichttp\"/>", "GS0012", "basichttp");
    content("<send event=\"e\" target=\"http://x\"/>", "GS0012", "http://x");
    content("<send event=\"e\" delay=\"soon\"/>", "GS0012", "soon");
    content("<send event=\"e\" namelist=\"w\"/>", "GS0012", "w");
    content("<send event=\"a b\"/>", "GS0012", "a b");
    content("<send/>", "GS0101", "<send");
    let internal = "<send event=\"e\" target=\"#_internal\" delay=\"1s\"/>";
    content(internal, "GS0012", "<send");
}

#[test]
fn data_models_binding_and_files() {
    let state = "<state id=\"s\"/>";
    let at_root = |attribute: &str, at: &str| {
        let text = format!("<scxml\n {attribute}>{state}</scxml>");
        let problems = from_scxml(&text, "a.scxml").unwrap_err();
        let span = problems.first().unwrap().span.unwrap();
        assert_eq!(text.get(span.start..span.end), Some(at), "{problems:#?}");
    };
    at_root("datamodel=\"xpath\"", "xpath");
    at_root("binding=\"late\"", "late");
    let data = |data: &str| format!("<datamodel>{data}</datamodel>{state}");
    refused(&data("<data id=\"v\" src=\"file:x\"/>"), "GS0012", "file:x");
    refused(&data("<data id=\"a.b\"/>"), "GS0103", "a.b");
    refused(&data("<data id=\"v\"/><data id=\"v\"/>"), "GS0103", "v");
    refused(&data("<data id=\"v\"><x/></data>"), "GS0012", "<x");
}

#[test]
fn states_that_are_not_there() {
    refused("<state id=\"s\"><transition target=\"t\"/></state>", "GS0104", "t");
    refused("<state id=\"s\"><history id=\"h\"/><state/></state>", "GS0101", "<history");
    refused("<state id=\"s\"/><state id=\"s\"/>", "GS0105", "s");
    let invoke = "<state id=\"s\"><invoke type=\"http\" src=\"x\"/></state>";
    refused(invoke, "GS0012", "http");
    refused("<state id=\"s\"><invoke/></state>", "GS0012", "<invoke");
}

#[test]
fn what_is_no_document_at_all() {
    let code = |text: &str| {
        let problems = from_scxml(text, "a.scxml").unwrap_err();
        problems.first().unwrap().code.to_string()
    };
    assert_eq!(code(""), "GS0002");
    assert_eq!(code("<scxml>"), "GS0002");
    assert_eq!(code("<svg/>"), "GS0012");
    assert_eq!(code(&" ".repeat(600_000)), "GS0008");
    let deep = |levels: usize| {
        format!("<scxml>{}{}</scxml>", "<state>".repeat(levels), "</state>".repeat(levels))
    };
    assert_eq!(code(&deep(30_000)), "GS0003");
    assert_eq!(code(&deep(64)), "GS0003");
    assert!(from_scxml(&deep(60), "a.scxml").is_err(), "definitions nest less than documents");
    assert!(from_scxml(&deep(20), "a.scxml").is_ok());
    let entities = "<!DOCTYPE scxml [<!ENTITY x SYSTEM \"file:///etc/passwd\">]><scxml>&x;</scxml>";
    assert_eq!(code(entities), "GS0002");
}
