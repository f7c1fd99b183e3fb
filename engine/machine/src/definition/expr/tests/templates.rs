//! Templates: `${ … }` in data.

use super::super::Template;
use super::World;
use super::world::json;
use crate::value::Value;

fn check(world: &World, lines: &[(&str, &str)]) {
    for (template, expected) in lines {
        assert_eq!(world.template(&(*template).into()), *expected, "{template}");
    }
}

#[test]
fn an_expression_alone_keeps_its_type() {
    let world = World::new("{\"n\": 1, \"l\": [1, null], \"m\": {\"a\": true}}");
    check(
        &world,
        &[
            ("${ data.n }", "1"),
            ("${data.l}", "[1,null]"),
            ("${ data.m }", "{\"a\":true}"),
            ("${ {'a': {'b': data.n}} }", "{\"a\":{\"b\":1}}"),
            ("${ '}' + \"{\" + '\\'}' }", "\"}{'}\""),
            (" ${ data.n }", "\" 1\""),
            ("n=${ data.n }, l=${ data.l }, ${ key }!", "\"n=1, l=[1,null], doc-42!\""),
            ("${ data.n }${ data.n }", "\"11\""),
        ],
    );
}

#[test]
fn dollars_are_escaped() {
    let world = World::new("{}");
    check(
        &world,
        &[
            ("$${ x }", "\"${ x }\""),
            ("$$${ x }", "\"$${ x }\""),
            ("costs $5 {or} $ {more}", "\"costs $5 {or} $ {more}\""),
            ("$${a} ${ key }", "\"${a} doc-42\""),
        ],
    );
    let escaped = world.with_names(|names| Template::compile_text("$${ x }", names)).unwrap();
    assert_eq!(escaped.as_const(), Some(&Value::from("${ x }")));
}

#[test]
fn templates_go_through_lists_and_maps() {
    let world = World::new("{\"n\": 1}");
    let nested = json("{\"to\": \"${ vars.reviewer }\", \"l\": [\"${ data.n }\", 2], \"c\": {}}");
    assert_eq!(world.template(&nested), "{\"c\":{},\"l\":[1,2],\"to\":\"ann\"}");
    let constant = json("{\"a\": [1, \"x\", null]}");
    let made = world.with_names(|names| Template::compile(&constant, names)).unwrap();
    assert_eq!(made.as_const(), Some(&constant));
}

#[test]
fn every_problem_is_reported_with_its_place() {
    let world = World::new("{}");
    let broken = json("{\"a\": \"x ${ nope }\", \"b\": [\"${ 1 + }\", \"${ open\"]}");
    let problems = world.with_names(|names| Template::compile(&broken, names)).unwrap_err();
    let found: Vec<(&str, Option<usize>)> =
        problems.iter().map(|problem| (problem.code, problem.offset)).collect();
    assert_eq!(found, [("unknown_name", Some(5)), ("syntax", Some(7)), ("syntax", Some(0))]);
}

#[test]
fn text_of_values() {
    let world = World::new("{\"m\": {\"b\": 1, \"a\": \"x\"}, \"s\": \"plain\"}");
    for (text, expected) in
        [("${ data.s }", "plain"), ("${ data.m }", "{\"a\":\"x\",\"b\":1}"), ("${ 1.5 }", "1.5")]
    {
        let template = world.with_names(|names| Template::compile_text(text, names)).unwrap();
        assert_eq!(&*template.eval_text(&world.scope()).unwrap(), expected);
    }
}
