//! B1-B5.

use std::fmt::Write;

use super::super::ExprKind;
use super::World;
use super::world::json;
use crate::value::Value;

fn numbers(count: usize) -> String {
    let numbers: Vec<String> = (0..count).map(|number| number.to_string()).collect();
    numbers.join(",")
}

#[test]
fn b1_source_nodes_and_depth_are_bounded() {
    let world = World::new("{}");
    let fits = format!("'{}'", "a".repeat(1_022));
    assert!(!world.eval(&fits).contains("too_large"));
    assert_eq!(
        world.eval(&format!("{fits} ")),
        "too_large: expression of 1025 bytes exceeds the limit of 1024 bytes"
    );
    let nodes = format!("[{}]", numbers(260).replace("25", "2"));
    assert!(world.eval(&nodes).starts_with("too_large: expression of "), "{}", world.eval(&nodes));
    let deep = format!("1{}", "+1".repeat(31));
    assert_eq!(world.eval(&deep), "32");
    let deeper = format!("1{}", "+1".repeat(32));
    assert_eq!(world.eval(&deeper), "too_deep: expression of 33 levels exceeds the limit of 32");
}

#[test]
fn b2_comprehensions_are_few_and_shallow() {
    let world = World::new("{\"l\": [[1], [2]]}");
    let nested = "data.l.exists(a, a.exists(b, b == 2))";
    assert_eq!(world.eval(nested), "true");
    let refused = world.guard(nested);
    assert_eq!(refused, "nesting: comprehensions nested 2 deep exceed the limit of 1");
    let three = world.eval("data.l.map(a, a.map(b, data.l.map(c, 1)))");
    assert_eq!(three, "nesting: comprehensions nested 3 deep exceed the limit of 2");
    let four = ["data.l.all(a, true)"; 4].join(" && ");
    assert_eq!(world.guard(&four), "true");
    let five = ["data.l.all(a, true)"; 5].join(" && ");
    assert_eq!(world.guard(&five), "nesting: more than 4 comprehensions");
}

#[test]
fn b2_range_must_be_a_path() {
    let world = World::new("{\"l\": [1], \"m\": {\"k\": [1]}}");
    for source in
        ["data.l", "data['l']", "data.m.k", "data.m['k']", "vars.order.items", "[1, 2]", "event"]
    {
        let result = world.eval(&format!("{source}.exists(x, true)"));
        assert_eq!(result, "true", "{source}");
    }
    for source in [
        "(data.l + data.l)",
        "[data.l]",
        "data.l.map(x, x)",
        "'a b'.split(' ')",
        "{'a': 1}",
        "lists.range(9)",
        "[[1]]",
        "data[data.l[0]]",
        "data.?l.orValue([])",
    ] {
        let result = world.eval(&format!("{source}.exists(x, true)"));
        assert!(result.starts_with("nesting: a comprehension iterates over a path"), "{result}");
    }
}

#[test]
fn b3_entries_are_bounded_when_it_iterates() {
    let world =
        World::new(&format!("{{\"fits\": [{}], \"l\": [{}]}}", numbers(1_000), numbers(1_001)));
    assert_eq!(world.eval("data.fits.all(x, x < 1000)"), "true");
    assert_eq!(
        world.eval("data.l.all(x, x >= 0)"),
        "limit: comprehension over 1001 entries exceeds the limit of 1000"
    );
    // Without iterating, size does not matter.
    assert_eq!(world.eval("data.l.size() == 1001 && data.l[1000] == 1000"), "true");
    assert_eq!(
        world.eval("data.fits.exists(x, data.fits.exists(y, x + y == -1))"),
        "limit: nested comprehensions of 11000 iterations exceed the limit of 10000"
    );
    assert_eq!(
        world.eval("(data.l + data.l).size()"),
        "limit: list of 2002 items exceeds the limit of 1000"
    );
    assert_eq!(
        world.eval("lists.range(1001).size()"),
        "limit: list of 1001 items exceeds the limit of 1000"
    );
}

#[test]
fn b3_nested_sizes_are_the_actual_ones() {
    let mut data = String::from("{\"rows\": [");
    for row in 0..90 {
        let comma = if row == 0 { "" } else { "," };
        write!(data, "{comma}{{\"cells\": [{}]}}", numbers(100)).unwrap();
    }
    data.push_str("]}");
    let world = World::new(&data);
    assert_eq!(world.eval("data.rows.all(r, r.cells.all(c, c < 100))"), "true");
    // 90 + 9,000 iterations were paid for, and their nodes.
    assert!(world.fuel.get() < World::FUEL - 9_090);
}

#[test]
fn b3_strings_are_bounded() {
    let mut world = World::new("{}");
    let long = "a".repeat(65_537);
    world.input = Value::list(vec![long.as_str().into(), "a".repeat(65_536).as_str().into()]);
    assert_eq!(
        world.eval("input[0].startsWith('a')"),
        "limit: `input[0]` is a string above the limit of 65536 bytes"
    );
    assert_eq!(world.eval("size(input[1])"), "65536");
    for source in [
        "input[1].replace('a', 'aa').size()",
        "[input[1], input[1]].join('').size()",
        "input[1].replace('', input[1]).size()",
    ] {
        let result = world.eval(source);
        assert!(result.starts_with("limit: string of "), "{source}: {result}");
    }
    let split = world.eval("input[1].split('').size()");
    assert_eq!(split, "limit: list of 65536 items exceeds the limit of 1000");
}

#[test]
fn b3_growth_is_computed_before_it_happens() {
    let mut world = World::new(&format!("{{\"l\": [{}]}}", numbers(1_000)));
    world.input = "a".repeat(60_000).as_str().into();
    let result = world.eval("data.l.map(x, input + input + string(x)).size()");
    assert!(result.starts_with("limit: 4000 steps over values of up to 60000 bytes"), "{result}");
    let lists = world.eval("data.l.map(x, data.l + [x]).size()");
    assert!(lists.starts_with("limit: 2000 steps over values of up to 64000 bytes"), "{lists}");
    assert_eq!(world.eval("data.l.map(x, input.startsWith('a')).size()"), "1000");
    assert_eq!(world.eval("data.l.exists(x, x + 1 == 1000)"), "true");
}

#[test]
fn b4_patterns_are_literal_short_and_compiled_at_load() {
    let world = World::new("{\"s\": \"aaa\", \"p\": \"a\"}");
    assert_eq!(world.eval("data.s.matches('(a+)+$')"), "true");
    assert_eq!(
        world.eval("data.s.matches(data.p)"),
        "regex: the pattern of `matches` is not a literal string"
    );
    assert_eq!(
        world.eval(&format!("data.s.matches('{}')", "a".repeat(257))),
        "regex_size: pattern of 257 bytes exceeds the limit of 256 bytes"
    );
    assert_eq!(
        world.eval("data.s.matches('a(')"),
        "regex: pattern is not a regular expression: unclosed group"
    );
    assert_eq!(world.eval("matches(1, 'a')"), "failed: `matches` of int, not of a string");
}

#[test]
fn d19_patterns_that_compile_too_large_are_refused() {
    let world = World::new("{\"s\": \"a\"}");
    let result = world.eval("data.s.matches('(a{1000}){1000}')");
    assert_eq!(result, "regex_size: compiled pattern exceeds the limit of 1048576 bytes");
}

#[test]
fn b5_what_is_only_named_may_be_larger() {
    let mut world = World::new("{}");
    let items = |count: i64| Value::list((0..count).map(Value::Int).collect());
    world.input = items(10_000);
    assert!(world.eval("input").starts_with("[0,"));
    world.input = items(200_000);
    assert!(world.eval("input").contains("exceeds the limit of 1048576 bytes"));
}

#[test]
fn b5_results_are_bounded() {
    let mut world = World::new("{}");
    world.input = "a".repeat(40_000).as_str().into();
    assert_eq!(world.eval("size(input)"), "40000");
    for source in ["input + input", "[input, input]", "{'a': input, 'b': input}"] {
        assert_eq!(
            world.eval(source),
            "limit: result exceeds the limit of 65536 bytes",
            "{source}"
        );
    }
}

#[test]
fn b5_fuel_is_counted_in_iterations_and_nodes() {
    let world = World::new("{\"l\": [1, 2, 3]}");
    assert_eq!(world.eval("1 + data.l[0]"), "2");
    let first = World::FUEL - world.fuel.get();
    assert!(first > 0 && first < 16, "{first}");
    let expr = world.compile("data.l.map(x, x + 1)", ExprKind::Value).unwrap();
    let before = world.fuel.get();
    assert_eq!(expr.eval(&world.scope()).unwrap(), json("[2, 3, 4]"));
    let cost = before - world.fuel.get();
    assert_eq!(expr.eval(&world.scope()).unwrap(), json("[2, 3, 4]"));
    assert_eq!(world.fuel.get(), before - 2 * cost, "the same work costs the same");
    world.fuel.set(cost - 1);
    let starved = world.eval("data.l.map(x, x + 1)");
    assert!(starved.starts_with("limit: evaluation of "), "{starved}");
    assert_eq!(world.fuel.get(), 0);
}
