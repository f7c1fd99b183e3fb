//! What contradicts itself is refused at its place; places of what the checker refuses.

use super::refused::{content, refused};
use crate::convert::{from_long_form, from_scxml};
use crate::definition::Format;

#[test]
fn transitions_taken_in_any_case_wait_for_nothing() {
    let initial = |it: &str| {
        format!(
            "<state id=\"s\"><initial><transition {it} target=\"t\"/></initial>\
             <state id=\"t\"/></state>"
        )
    };
    refused(&initial("event=\"x\""), "GS0012", "x");
    refused(&initial("cond=\"true\""), "GS0012", "true");
    let history = "<state id=\"s\"><history id=\"h\"><transition event=\"x\" target=\"t\"/>\
                   </history><state id=\"t\"/></state>";
    refused(history, "GS0012", "x");
    let twice = "<state id=\"s\"><initial><transition target=\"t\"/><transition target=\"t\"/>\
                 </initial><state id=\"t\"/></state>";
    refused(twice, "GS0012", "<transition");
}

#[test]
fn initial_is_said_once_and_of_states_with_states_inside() {
    refused("<state id=\"v\" initial=\"w\"/><state id=\"w\"/>", "GS0012", "w");
    let element = "<initial><transition target=\"t\"/></initial>";
    let inside = format!("<state id=\"v\">{element}</state><state id=\"t\"/>");
    refused(&inside, "GS0012", "<initial");
    let both = format!("<state id=\"v\" initial=\"t\">{element}<state id=\"t\"/></state>");
    refused(&both, "GS0012", "<initial");
}

#[test]
fn attributes_and_elements_that_say_the_same_thing_twice() {
    content("<send event=\"e\" eventexpr=\"'f'\"/>", "GS0012", "'f'");
    content("<send event=\"e\" delay=\"1s\" delayexpr=\"'2s'\"/>", "GS0012", "'2s'");
    content("<send event=\"e\" target=\"#_parent\" targetexpr=\"'x'\"/>", "GS0012", "'x'");
    content("<send event=\"e\" type=\"scxml\" typeexpr=\"'x'\"/>", "GS0012", "'x'");
    let payload = |inside: &str, more: &str| {
        format!("<send event=\"e\" {more}><content>a</content>{inside}</send>")
    };
    content(&payload("<param name=\"p\" expr=\"1\"/>", ""), "GS0012", "<content");
    content(&payload("", "namelist=\"v\""), "GS0012", "<content");
    let param = |it: &str| format!("<send event=\"e\">{it}</send>");
    let both = "<param name=\"p\" expr=\"1\" location=\"v\"/>";
    content(&param(both), "GS0012", "v");
    content(&param("<param name=\"p\"/>"), "GS0101", "<param");
    let again = "<param name=\"p\" expr=\"1\"/><param name=\"p\" expr=\"2\"/>";
    content(&param(again), "GS0012", "p");
    content("<assign location=\"v\" expr=\"1\">2</assign>", "GS0012", "1");
    refused("<datamodel><data id=\"v\" expr=\"1\">2</data></datamodel><state/>", "GS0012", "1");
    let done = "<final id=\"f\"><donedata><content>a</content><param name=\"p\" expr=\"1\"/>\
                </donedata></final>";
    refused(done, "GS0012", "<content");
}

#[test]
fn what_the_checker_refuses_is_told_at_its_attribute() {
    let both = "<state id=\"s\"><transition event=\"go\" target=\"g s\"/></state>\
                <parallel id=\"p\"><state id=\"g\"/></parallel>";
    refused(both, "GS0109", "g s");
    let inside = "<state id=\"s\"><onentry><raise event=\"error.foo\"/></onentry>\
                  <transition event=\"error.foo\" target=\"s\"/></state>";
    let text = format!("<scxml>\n{inside}</scxml>");
    let problems = from_scxml(&text, "a.scxml").unwrap_err();
    let span = problems.first().unwrap().span.unwrap();
    assert!(text.get(..span.start).unwrap().ends_with("<raise event=\""), "{problems:?}");
}

#[test]
fn an_unknown_from_state_of_the_long_form_is_told_at_itself() {
    let text = r#"{"name":"d","initialState":"s","states":{"s":{}},
"transitions":[{"name":"a","fromState":"nosuch","toState":"s","triggerEvent":"e"}]}"#;
    let problems = from_long_form(text, "lf.json", Format::Json).unwrap_err();
    let span = problems.first().unwrap().span.unwrap();
    assert_eq!(text.get(span.start..span.end), Some("\"nosuch\""), "{problems:?}");
}
