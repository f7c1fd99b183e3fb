//! Places of problems in what a document becomes, and what an author is told beside them.

use crate::convert::{Converted, from_long_form, from_scxml};
use crate::definition::{Format, Problem};

/// The problems of a text, each with its code and the text it points at.
fn places<'t>(text: &'t str, problems: &[Problem]) -> Vec<(String, Option<&'t str>)> {
    let one = |problem: &Problem| {
        assert!(!problem.render(text, false).is_empty());
        let span = problem.span.map(|span| text.get(span.start..span.end).unwrap());
        (problem.code.to_string(), span)
    };
    problems.iter().map(one).collect()
}

#[track_caller]
fn scxml_points_at(inside: &str, code: &str, at: &str) {
    let text = format!("<scxml datamodel=\"ecmascript\">\n{inside}</scxml>");
    let mut problems = from_scxml(&text, "a.scxml").unwrap_err();
    problems.retain(Problem::is_error);
    assert_eq!(places(&text, &problems), [(code.to_owned(), Some(at))], "{problems:#?}");
}

fn scxml(inside: &str) -> Converted {
    let text = format!("<scxml name=\"w\" datamodel=\"ecmascript\">\n{inside}</scxml>");
    from_scxml(&text, "w.scxml").unwrap()
}

#[test]
fn a_problem_of_what_a_document_becomes_is_told_at_its_element() {
    let state = |inside: &str| format!("<state id=\"a\"><onentry>{inside}</onentry></state>");
    scxml_points_at(&state("<raise event=\"done.x\"/>"), "GS0115", "done.x");
    let before = "<send event=\"x\" targetexpr=\"'#_kid'\"/>";
    scxml_points_at(&state(&format!("{before}<raise event=\"done.x\"/>")), "GS0115", "done.x");
    let twice = "<raise event=\"done.x\"/>".repeat(2);
    let text = format!("<scxml>{}</scxml>", state(&twice));
    let problems = from_scxml(&text, "a.scxml").unwrap_err();
    assert!(places(&text, &problems).iter().all(|(_, at)| *at == Some("done.x")), "{problems:?}");
    assert_eq!(problems.len(), 1, "{problems:?}");
    scxml_points_at(&state("<send event=\"x\" target=\"#_kid\"/>"), "GS0129", "#_kid");
    let inner = format!("<state id=\"o\">{}</state>", state("<raise event=\"done.x\"/>"));
    scxml_points_at(&inner, "GS0115", "done.x");
    let child = format!(
        "<state id=\"a\"><invoke id=\"k\"><content><scxml>{}</scxml></content></invoke></state>",
        inner.replace("\"a\"", "\"z\"")
    );
    scxml_points_at(&child, "GS0115", "done.x");
}

#[test]
fn a_problem_without_a_place_in_the_document_has_none() {
    let text = "<scxml version=\"1.0\" \
         xmlns:gearshift=\"urn:gearshift:scxml\"><gearshift:key name=\"title\">[1]</gearshift:key>\
         <state id=\"a\"/></scxml>";
    let problems = from_scxml(text, "a.scxml").unwrap_err();
    assert!(places(text, &problems).iter().all(|(_, at)| at.is_none()), "{problems:#?}");
    let told = problems.first().unwrap().to_string();
    assert!(told.contains("of the definition that the document becomes: `title`"), "{told}");
}

#[test]
fn a_problem_of_what_the_long_form_becomes_is_told_at_its_member() {
    let text = r#"{"name":"d","initialState":"s","states":{"s":{"entryActions":["m"]}},
"transitions":[{"name":"a","fromState":"s","toState":"s","triggerEvent":"workflow.x"}],
"actions":{"m":{"type":"message","parameters":{"topic":"gearshift.x"}}}}"#;
    let problems = from_long_form(text, "lf.json", Format::Json).unwrap_err();
    let reserved = |at| ("GS0115".to_owned(), Some(at));
    let subject = ("GS0116".to_owned(), Some("\"gearshift.x\""));
    let found = places(text, &problems);
    assert!(found.contains(&subject), "{problems:#?}");
    let (last, others) = found.split_last().unwrap();
    assert_eq!(*last, subject);
    assert!(others.iter().all(|it| *it == reserved("\"workflow.x\"")), "{problems:#?}");
}

#[test]
fn attributes_and_elements_that_nobody_knows_are_refused() {
    let state = |inside: &str| format!("<state id=\"a\">{inside}</state><state id=\"b\"/>");
    scxml_points_at(&state("<transition event=\"e\" targt=\"b\"/>"), "GS0012", "targt");
    scxml_points_at("<state id=\"a\" foo=\"bar\"/>", "GS0012", "foo");
    let send = "<send event=\"e\" sendid=\"q\"/>";
    scxml_points_at(&state(&format!("<onexit>{send}</onexit>")), "GS0012", "sendid");
    let parameter = "<onexit><send event=\"e\"><parm name=\"n\"/></send></onexit>";
    scxml_points_at(&state(parameter), "GS0012", "<parm");
    scxml_points_at("<datamodel><dat id=\"n\"/></datamodel><state id=\"a\"/>", "GS0012", "<dat");
    let include = "<xi:include xmlns:xi=\"http://www.w3.org/2001/XInclude\" href=\"b.xml\"/>";
    scxml_points_at(&state(include), "GS0012", "<xi:include");
    let inline = "<invoke><content><scxml x=\"1\"><state id=\"k\"/></scxml></content></invoke>";
    scxml_points_at(&state(inline), "GS0012", "x");
}

#[test]
fn what_other_namespaces_say_is_left_out_with_a_note() {
    let done =
        scxml("<state id=\"a\" xmlns:m=\"urn:m\" m:color=\"red\"\n xml:lang=\"en\"><m:n/></state>");
    assert_eq!(
        done.told,
        [
            "note: w.scxml:2: attribute `color` of another namespace is left out",
            "note: w.scxml:3: `n` of another namespace is left out",
        ]
    );
}

#[test]
fn names_that_change_are_told() {
    let done = scxml(
        "<state id=\"my-state.x\">\n<invoke src=\"sub/kid.scxml#part\"/>\n\
         <invoke src=\"file:other.scxml\"/></state>",
    );
    assert_eq!(
        done.told,
        [
            "note: w.scxml:2: state `my-state.x` is called `my_state_x` here",
            "note: w.scxml:3: `sub/kid.scxml#part` is the workflow `kid` here",
        ]
    );
    let done = from_scxml("<scxml name=\"a b\"><state id=\"s\"/></scxml>", "w.scxml").unwrap();
    assert_eq!(done.told, ["note: w.scxml:1: `a b` is the workflow `a_b` here"]);
}

fn with_condition(condition: &str) -> String {
    format!(
        "<datamodel><data id=\"n\"/><data id=\"s\"/></datamodel><state id=\"a\">\n\
         <transition event=\"e\" cond=\"{condition}\"/></state>"
    )
}

#[test]
fn conditions_that_may_be_no_bool_are_told_once() {
    for doubtful in ["n", "!s", "s ? n == 1 : true", "n == 1 ? n : true", "(n) &amp;&amp; s == 1"] {
        let told = scxml(&with_condition(doubtful)).told;
        let shown = doubtful.replace("&amp;", "&");
        let due = format!("warning: w.scxml: conditions must be boolean here: `{shown}`, line 3");
        assert_eq!(told, [due], "{doubtful}");
    }
    let value = "<datamodel><data id=\"n\"/></datamodel><state id=\"a\"><onentry>\
         <log expr=\"[n || 1 == 2]\"/><log expr=\"n ? 1 : 2\"/></onentry></state>";
    let told = scxml(value).told;
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told.concat().contains("`[n || 1 == 2]`, line 2; `n ? 1 : 2`, line 2"), "{told:?}");
    for plain in [
        "n === 1 || !(s != 'a ? b')",
        "In('a') &amp;&amp; true",
        "s.startsWith('x') ? n &lt; 2 : false",
        "!s.contains(')')",
    ] {
        assert_eq!(scxml(&with_condition(plain)).told, Vec::<String>::new(), "{plain}");
    }
    let cel = with_condition("vars.n");
    let cel = format!("<scxml name=\"w\" datamodel=\"cel\">{cel}</scxml>");
    assert_eq!(from_scxml(&cel, "w.scxml").unwrap().told, Vec::<String>::new());
}

#[test]
fn literals_that_mean_something_else_are_refused() {
    for wrong in ["!'x'", "n == 1 || 'x'", "null", "(0) ? true : false", "'a' + 1 == s"] {
        scxml_points_at(&with_condition(wrong), "GS0012", wrong);
    }
    let log = "<state id=\"a\"><onentry><log expr=\"[&quot;a&quot; + 1]\"/></onentry></state>";
    scxml_points_at(log, "GS0012", "[&quot;a&quot; + 1]");
    assert!(scxml(&log.replace("+ 1", "+ '1'")).told.is_empty());
}

#[test]
fn divisions_are_told_because_whole_numbers_stay_whole_here() {
    let told = |expression: &str| {
        let assign = format!("<assign location=\"n\" expr=\"{expression}\"/>");
        let inside = format!(
            "<datamodel><data id=\"n\"/></datamodel><state id=\"a\"><onentry>\n{assign}</onentry>\
             </state>"
        );
        scxml(&inside).told
    };
    let due = "warning: w.scxml: `/` of whole numbers gives a whole number here: `7/n`, line 3";
    assert_eq!(told("7/n"), [due]);
    assert_eq!(told("'a/b'"), Vec::<String>::new());
    let cel = "<scxml name=\"w\" datamodel=\"cel\"><state id=\"a\"><onentry>\
         <log expr=\"7/2\"/></onentry></state></scxml>";
    assert_eq!(from_scxml(cel, "w.scxml").unwrap().told, Vec::<String>::new());
}

#[test]
fn members_that_an_event_may_be_without_are_nothing_there_and_no_error_here() {
    let value = |member: &str| {
        let inside = format!(
            "<datamodel><data id=\"n\"/></datamodel><state id=\"a\"><transition event=\"e\">\
             <assign location=\"n\" expr=\"_event.{member}\"/></transition></state>"
        );
        scxml(&inside).yaml
    };
    for member in ["sendid", "invokeid"] {
        let ours = format!("event.?{member}.orValue(null)");
        assert!(value(member).contains(&ours), "{}", value(member));
    }
    let kind = "has(event.origin) ? 'http://www.w3.org/TR/scxml/#SCXMLEventProcessor' : null";
    assert!(value("origintype").contains(kind), "{}", value("origintype"));
    assert!(value("data.origin").contains("event.data.origin"), "{}", value("data.origin"));
}

#[test]
fn text_that_looks_like_an_expression_and_is_none_is_told() {
    let text = r#"{"name":"d","initialState":"s","states":{"s":{"entryActions":["m"]}},
"transitions":[],"actions":{"m":{"type":"message","parameters":{"topic":"a.b",
"data":{"x":"${x}","y":"${data.y}","z":"plain"}}}}}"#;
    let (converted, warnings) = from_long_form(text, "lf.json", Format::Json).unwrap();
    assert!(converted.yaml.contains("$${x}"), "{}", converted.yaml);
    let told = places(text, &warnings);
    assert_eq!(told, [("GS0012".to_owned(), Some("\"${x}\""))], "{warnings:#?}");
    let message = &warnings.first().unwrap().message;
    assert_eq!(message, "`${x}` stays text: it holds no expression");
}
