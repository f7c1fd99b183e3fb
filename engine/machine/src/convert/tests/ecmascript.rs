//! Expressions of ECMAScript: translated exactly, told, or refused.

use super::refused::content;
use crate::convert::{Converted, from_scxml};

/// A document that logs an expression; `l` is a list, `o` is none.
fn logged(expression: &str) -> Converted {
    let text = format!(
        "<scxml name=\"w\"><datamodel><data id=\"l\" expr=\"[1, 2]\"/><data id=\"o\"/></datamodel>\
         <state id=\"a\"><onentry>\n<log expr=\"{expression}\"/></onentry></state></scxml>"
    );
    from_scxml(&text, "w.scxml").unwrap()
}

#[track_caller]
fn becomes(expression: &str, ours: &str) {
    let done = logged(expression);
    assert!(done.yaml.contains(&format!("${{ {ours} }}")), "{}", done.yaml);
}

#[track_caller]
fn told(expression: &str, what: &str) {
    let warnings = logged(expression).told;
    let due = format!("warning: w.scxml: {what}: `{expression}`, line 2");
    assert_eq!(warnings, [due], "{expression}");
}

#[test]
fn what_has_a_word_here_is_translated() {
    for (theirs, ours) in [
        ("l.length + 1", "size(vars.l) + 1"),
        ("'.length'", "'.length'"),
        ("{a: 1, o: {b: o}}", "{'a': 1, 'o': {'b': vars.o}}"),
        ("'aa'.replace('a', 'b')", "'aa'.replace('a', 'b', 1)"),
        ("o.zz === undefined", "vars.o.?zz.orValue(null) == null"),
        ("_event.data.x != null ? 1 : 2", "event.data.?x.orValue(null) != null ? 1 : 2"),
        ("o == null", "vars.o == null"),
        ("'o.zz == null'", "'o.zz == null'"),
    ] {
        becomes(theirs, ours);
        assert_eq!(logged(theirs).told, Vec::<String>::new(), "{theirs}");
    }
    becomes("l.join()", "vars.l.join(',')");
}

#[test]
fn what_may_mean_something_else_is_told() {
    let mixed = "fractions and whole numbers do not mix in arithmetic here: `double(n)`";
    told("o * 1.5", mixed);
    told("2.5", mixed);
    let absent = "an absent member is an error here and not `undefined`: `has(o.member)`";
    told("_event.data == null", absent);
    told("o['q'] == undefined", absent);
    told("null == o.b", absent);
    told("'n' + o", "text is joined with text only here: `string(n)`");
    told("o.indexOf('x')", "`indexOf` is of text only here");
    for plain in ["1 + 2", "'1.5'", "'n' + string(o)", "0x1e + 1", "'a.indexOf('"] {
        assert_eq!(logged(&plain.replace('&', "&amp;")).told, Vec::<String>::new(), "{plain}");
    }
}

#[test]
fn what_has_no_word_here_is_refused_at_its_place() {
    for wrong in ["v.length", "'abc'.length", "'abc'.slice(1)", "010 + 1", "v.push(1)"] {
        content(&format!("<log expr=\"{wrong}\"/>"), "GS0012", wrong);
    }
    let text = "<scxml><state id=\"a\"><onentry><log expr=\"_event.data.length\"/></onentry>\
                </state></scxml>";
    let told = from_scxml(text, "a.scxml").unwrap_err().first().unwrap().to_string();
    assert!(told.contains("`size(_event.data)`"), "{told}");
}
