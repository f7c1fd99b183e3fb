//! Rows D15-D17 and E3 of the bad-input catalogue.

use super::World;

#[test]
fn d15_long_chains_are_refused_before_they_are_parsed() {
    let world = World::new("{}");
    for source in [
        format!("1{}", "+1".repeat(5_000)),
        "(".repeat(5_000),
        format!("data{}", ".a".repeat(5_000)),
    ] {
        let result = world.eval(&source);
        assert!(result.starts_with("too_large: expression of "), "{result}");
    }
}

#[test]
fn d15_the_deepest_sources_that_fit_do_no_harm() {
    let world = World::new("{}");
    for source in [
        format!("1{}", "+1".repeat(511)),
        "(".repeat(1_024),
        format!("{}1{}", "(".repeat(511), ")".repeat(511)),
        format!("data{}", ".a".repeat(510)),
        format!("{}{}", "[".repeat(512), "]".repeat(512)),
        format!("data{}", "[0]".repeat(340)),
        "{".repeat(1_024),
        "a?b:".repeat(256),
        "has(".repeat(256),
        format!("data{}", ".map(x,x)".repeat(110)),
    ] {
        let result = world.eval(&source);
        let refused = ["too_deep", "too_large", "syntax", "nesting"];
        assert!(refused.iter().any(|code| result.starts_with(code)), "{source}: {result}");
    }
}

#[test]
fn d15_chains_of_signs_are_read_as_one() {
    let world = World::new("{}");
    assert_eq!(world.eval(&format!("{}1", "-".repeat(1_023))), "-1");
    assert_eq!(world.eval(&format!("{}true", "!".repeat(1_020))), "true");
}

#[test]
fn d15_deep_expressions_run_on_a_small_stack() {
    let run = || {
        let world = World::new("{\"a\": true}");
        let mut source = String::from("data.a");
        for _ in 0..28 {
            source = format!("!({source})");
        }
        world.guard(&source)
    };
    let small = std::thread::Builder::new().stack_size(2 * 1_024 * 1_024).spawn(run).unwrap();
    assert_eq!(small.join().unwrap(), "true");
}

#[test]
fn d16_what_costs_too_much_is_refused_before_it_runs() {
    let list = vec!["1"; 1_000].join(",");
    let world = World::new(&format!("{{\"l\": [{list}], \"s\": \"0123456789abcdef\"}}"));
    let nested = world.eval("data.l.map(a, data.l.filter(b, a == b).size())");
    assert!(nested.starts_with("limit: "), "{nested}");
    let mut source = String::from("[data.s]");
    for _ in 0..26 {
        source.push_str(".map(v, v + v)");
    }
    let doubled = world.eval(&source);
    assert!(doubled.contains("nesting: ") || doubled.starts_with("too_"), "{doubled}");
}

#[test]
fn d17_arithmetic_never_panics_or_gives_null() {
    let world = World::new("{\"none\": null, \"min\": -9223372036854775808, \"d\": 0.0}");
    for source in [
        "1 / 0",
        "data.min / -1",
        "-data.min",
        "data.min - 1",
        "1 % 0",
        "data.none + 1",
        "data.none < 1",
        "data.none.x",
        "0.0 / data.d",
        "data.d / data.d",
        "1u - 2u",
        "int('x')",
        "timestamp('x')",
        "duration('x')",
        "data.min * data.min",
        "timestamp('9999-12-31T23:59:59Z') + duration('100000h')",
        "now - duration('2000000h') - duration('2000000h') - duration('2000000h') - \
         duration('2000000h') - duration('2000000h') - duration('2000000h') - \
         duration('2000000h') - duration('2000000h') - duration('2000000h')",
    ] {
        let result = world.eval(source);
        assert!(result.starts_with("failed: "), "{source}: {result}");
    }
    // NaN compares with nothing.
    assert_eq!(world.eval("data.d / data.d == data.d / data.d"), "false");
    let order = world.eval("data.d / data.d < 1.0");
    assert!(order == "false" || order.starts_with("failed: "), "{order}");
}

#[test]
fn e3_numbers_are_exact() {
    let world = World::new("{\"big\": 9007199254740993, \"a\": 0.1, \"b\": 0.2, \"z\": -0}");
    assert_eq!(world.eval("data.big + 1"), "9007199254740994");
    assert_eq!(world.eval("data.big == 9007199254740992"), "false");
    assert_eq!(world.eval("data.big == 9007199254740993"), "true");
    assert_eq!(world.eval("data.a + data.b == 0.3"), "false");
    assert_eq!(world.eval("data.z == 0"), "true");
    for text in ["{\"x\": 1e400}", "{\"x\": 1234567890123456789012345}"] {
        assert!(crate::value::Value::from_json(text.as_bytes()).is_err(), "{text}");
    }
}

#[test]
fn messages_of_the_parser_are_fragments() {
    let world = World::new("{}");
    for source in ["1 +", "data.", "'abc", "a b", "", "  ", "data.x = 1", "@p0", "#", "data.`x`"] {
        let result = world.eval(source);
        assert!(result.starts_with("syntax: "), "{source}: {result}");
        assert!(!result.contains("EOF") && !result.contains("expecting"), "{source}: {result}");
    }
}

#[test]
fn deep_brackets_are_one_problem_in_words() {
    for (open, close) in [("(", ")"), ("[", "]"), ("{1: ", "}"), ("!(", ")"), ("a(", ")")] {
        for depth in [40, 100, 200] {
            let text = format!("{}1{}", open.repeat(depth), close.repeat(depth));
            let problems = World::new("{}").eval(&text);
            let refused = problems.starts_with("too_deep: expression");
            assert!(refused || !problems.contains("too_deep"), "{text}: {problems}");
            assert!(!problems.contains(['{', ';']), "{text}: {problems}");
        }
    }
}

#[test]
fn a_hundred_brackets_are_too_deep() {
    let text = format!("{}1{}", "(".repeat(100), ")".repeat(100));
    assert_eq!(
        World::new("{}").eval(&text),
        "too_deep: expression nests too deeply, the limit is 32 levels"
    );
}
