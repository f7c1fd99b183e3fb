//! E1-E5: numbers, absence, verdicts, lists, maps.

use super::World;
use super::world::json;

/// Asserts `source` → result, one line each.
fn check(world: &World, lines: &[(&str, &str)]) {
    for (source, expected) in lines {
        assert_eq!(world.eval(source), *expected, "{source}");
    }
}

#[test]
fn e1_integers_are_int_then_uint_then_double() {
    let world = World::new("{\"i\": 7, \"u\": 18446744073709551615, \"d\": 0.5, \"n\": -3}");
    check(
        &world,
        &[
            ("data.i - 20", "-13"),
            ("data.i * 2", "14"),
            ("data.i / 2", "3"),
            ("data.n % 2", "-1"),
            ("data.u == 18446744073709551615u", "true"),
            ("data.i < data.d", "false"),
            ("data.i == 7.0", "true"),
            ("data.i in [7.0]", "true"),
            ("type(data.i) == int && type(data.u) == uint && type(data.d) == double", "true"),
            ("data.i + data.d", "failed: `add` does not take (int, float)"),
            ("double(data.i) + data.d", "7.5"),
            ("int(data.d * 10.0)", "5"),
        ],
    );
}

#[test]
fn e1_overflow_and_division_by_zero_are_errors() {
    let world = World::new("{\"max\": 9223372036854775807, \"min\": -9223372036854775808}");
    for source in [
        "data.max + 1",
        "data.min - 1",
        "data.max * 2",
        "-data.min",
        "data.min / -1",
        "1 / 0",
        "1 % 0",
        "data.min % -1",
        "1.0 / 0.0",
        "double('NaN')",
        "int(1e30)",
        "uint(-1)",
    ] {
        let result = world.eval(source);
        assert!(result.starts_with("failed: "), "{source}: {result}");
    }
}

#[test]
fn e2_absent_member_is_an_error() {
    let world = World::new("{\"a\": {\"b\": null}, \"s\": \"x\"}");
    check(
        &world,
        &[
            ("data.c", "failed: `data.c` is absent"),
            ("data.a.c.d", "failed: `data.a.c` is absent"),
            (
                "data.s.length",
                "failed: `data.s` is string, not a map, and `data.s.length` asks for a \
          member of it",
            ),
            ("data.a['c']", "failed: `data.a.c` is absent"),
            ("data[data.s]", "failed: `x` is absent"),
            ("data.a.b", "null"),
            ("has(data.c)", "false"),
            ("has(data.a.b)", "true"),
            ("has(data.c.d)", "failed: `data.c` is absent"),
            ("data.?c.orValue(5)", "5"),
            ("data.?a.?b.orValue(5)", "null"),
            ("data.a.?x.y.orValue(1)", "1"),
            ("data.c == null", "failed: `data.c` is absent"),
        ],
    );
    let guard = world.guard("data.c == 1");
    assert_eq!(guard, "failed: `data.c` is absent");
}

#[test]
fn e2_or_and_and_absorb_errors_of_the_other_side() {
    let world = World::new("{\"ok\": true}");
    check(
        &world,
        &[
            ("data.c == 1 || data.ok", "true"),
            ("data.ok || data.c == 1", "true"),
            ("data.c == 1 && false", "false"),
            ("data.c == 1 && data.ok", "failed: `data.c` is absent"),
            ("data.c == 1 || !data.ok", "failed: `data.c` is absent"),
        ],
    );
}

#[test]
fn e3_a_guard_is_a_bool() {
    let world = World::new("{\"n\": 1, \"s\": \"true\", \"l\": [], \"t\": true}");
    for source in ["data.n", "data.s", "data.l", "data.n + 1", "[data.n]", "vars.reviewer"] {
        let result = world.guard(source);
        assert!(
            result.starts_with("failed: a guard is a bool, this gave ")
                || result.starts_with("not_bool: "),
            "{source}: {result}"
        );
    }
    for source in ["1", "'true'", "null", "[]", "{}", "b'x'", "0.5"] {
        let result = world.guard(source);
        assert!(result.starts_with("not_bool: a guard is a bool, this is "), "{source}: {result}");
    }
    assert_eq!(world.guard("data.t"), "true");
    assert_eq!(world.guard("true"), "true");
    assert_eq!(world.guard("data.n && data.t"), "failed: `&&` does not take (int, bool)");
}

#[test]
fn e4_lists_contain() {
    let world = World::new("{\"tags\": [\"a\", 2, [1, {\"x\": 1}]], \"one\": 2.0}");
    check(
        &world,
        &[
            ("data.tags.contains('a')", "true"),
            ("data.tags.contains('b')", "false"),
            ("data.tags.contains(2.0)", "true"),
            ("data.one in data.tags", "true"),
            ("data.tags.contains([1, {'x': 1}])", "true"),
            ("['a', 'b'].contains(data.tags[0])", "true"),
            ("['a', data.one].contains(2)", "true"),
            ("'abc'.contains('b')", "true"),
            ("data.tags[0].contains('a')", "true"),
            ("size(data.tags) == 3 && data.tags.size() == 3", "true"),
        ],
    );
}

#[test]
fn e4_equality_works_from_both_sides() {
    let world =
        World::new("{\"l\": [1, 2], \"m\": {\"a\": [1]}, \"k\": [{\"id\": 1}, {\"id\": 2}]}");
    check(
        &world,
        &[
            ("data.l == [1, 2]", "true"),
            ("[1, 2.0] == data.l", "true"),
            ("[1, data.l[1]] == data.l", "true"),
            ("data.l == [1, data.l[1]]", "true"),
            ("data.m == {'a': [1]}", "true"),
            ("{'a': [data.l[0]]} == data.m", "true"),
            ("data.m != {'a': [2]}", "true"),
            ("data.k.map(i, i.id) == data.l", "true"),
            ("data.l == data.k.map(i, i.id)", "true"),
            ("data.l in [[3], [1, data.l[1]]]", "true"),
            ("[1] + [2] == data.l", "true"),
            ("data.l + [3]", "[1,2,3]"),
            ("[0] + data.l", "[0,1,2]"),
            ("data.l + data.l == [1, 2, 1, 2]", "true"),
            ("(true ? [1, 2] : []) == data.l", "true"),
            ("data.l == null", "false"),
        ],
    );
}

#[test]
fn e5_maps_iterate_in_sorted_key_order() {
    let world = World::new("{\"z\": 1, \"a\": 2, \"m\": 3}");
    check(
        &world,
        &[
            ("data.map(k, k)", "[\"a\",\"m\",\"z\"]"),
            ("data.map(k, data[k])", "[2,3,1]"),
            ("data.exists(k, k == 'm')", "true"),
            ("{'z': data.z, 'b': 1, 'a': 2}", "{\"a\":2,\"b\":1,\"z\":1}"),
            ("'a' in data && !('b' in data)", "true"),
            ("{1: 2}", "failed: key `1` of a map is not a string"),
        ],
    );
    let refused = world.eval("{'z': data.z, 'a': 1}.map(k, k)");
    assert!(refused.starts_with("nesting: "), "{refused}");
}

#[test]
fn results_have_a_value_or_an_error() {
    let world = World::new("{}");
    check(
        &world,
        &[
            ("now", "\"2023-11-14T22:14:20.000Z\""),
            ("now - duration('1h')", "\"2023-11-14T21:14:20.000Z\""),
            ("now - event.time", "\"60s\""),
            ("duration('1500ms')", "\"1.5s\""),
            ("event.time < now", "true"),
            ("now.getFullYear()", "2023"),
            ("string(now)", "\"2023-11-14T22:14:20Z\""),
            ("timestamp('2024-01-01T00:00:00.123456Z')", "\"2024-01-01T00:00:00.123456Z\""),
            ("b'x'", "failed: result is bytes; use `string(…)`"),
            ("data.?x", "failed: result is an optional; use `.orValue(…)`"),
            ("type(1)", "failed: result is type"),
            ("1.0 / 3.0 > 0.3", "true"),
            ("18446744073709551615u", "18446744073709551615"),
            ("5u", "5"),
        ],
    );
}

#[test]
fn comprehensions_work_over_our_values() {
    let mut world = World::new(
        "{\"n\": [3, 1, 2], \"o\": [{\"k\": 2, \"v\": \"b\"}, {\"k\": 1, \"v\": \"a\"}]}",
    );
    world.locals = vec![("item".into(), json("{\"tags\": [\"x\"]}"))];
    check(
        &world,
        &[
            ("data.n.all(i, i > 0)", "true"),
            ("data.n.exists(i, i > 2)", "true"),
            ("data.n.exists_one(i, i > 1)", "false"),
            ("data.n.filter(i, i > 1)", "[3,2]"),
            ("data.n.map(i, i * 10)", "[30,10,20]"),
            ("data.n.map(i, i > 1, i * 10)", "[30,20]"),
            ("vars.order.items.map(i, i.price)", "[5,7]"),
            ("data.o.map(o, data.n.map(n, n + o.k))", "[[5,3,4],[4,2,3]]"),
            (
                "data.o.filter(o, o.k == 1).map(o, o.v)",
                "nesting: a comprehension iterates over a path \
          or a list of constants (keep the list in a variable first)",
            ),
            (
                "data.o.sortBy(o, o.k).map(o, o.v)",
                "nesting: a comprehension iterates over a path or a \
          list of constants (keep the list in a variable first)",
            ),
            ("data.o.sortBy(o, o.k)[0].v", "\"a\""),
            ("item.tags.exists(t, t == 'x')", "true"),
            ("[1, 2, 3].exists(x, x == data.n[0])", "true"),
            ("data.n.sort()", "[1,2,3]"),
            ("data.o.exists(data, data.k == 2)", "true"),
        ],
    );
}
