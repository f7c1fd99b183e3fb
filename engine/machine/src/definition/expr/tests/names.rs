//! E6 and E7: what may be called, what may be named.

use super::super::NameSet;
use super::World;
use super::world::json;

#[test]
fn e6_functions_of_every_library_work() {
    let world = World::new("{\"s\": \"Hello World\", \"l\": [1, [2, [3]], 1]}");
    for (source, expected) in [
        ("size(data.s)", "11"),
        ("data.s.startsWith('Hell') && data.s.endsWith('ld')", "true"),
        ("data.s.lowerAscii()", "\"hello world\""),
        ("data.s.upperAscii()", "\"HELLO WORLD\""),
        ("data.s.split(' ')", "[\"Hello\",\"World\"]"),
        ("data.s.split(' ', 1)", "[\"Hello World\"]"),
        ("'äb'.split('')", "[\"ä\",\"b\"]"),
        ("'abc'.split('', 2)", "[\"a\",\"bc\"]"),
        ("data.s.split(' ').join('-')", "\"Hello-World\""),
        ("['a', 'b'].join()", "\"ab\""),
        ("data.s.replace('l', 'L')", "\"HeLLo WorLd\""),
        ("data.s.replace('l', 'L', 1)", "\"HeLlo World\""),
        ("'ab'.replace('', '-')", "\"-a-b-\""),
        ("data.s.indexOf('o')", "4"),
        ("data.s.indexOf('o', 5)", "7"),
        ("data.s.indexOf('x')", "-1"),
        ("'äöo'.indexOf('o')", "2"),
        ("data.s.lastIndexOf('o')", "7"),
        ("data.s.lastIndexOf('o', 5)", "4"),
        ("data.s.indexOf('o', 99)", "failed: letter 99 is not in a string"),
        ("data.s.substring(6)", "\"World\""),
        ("data.s.substring(0, 5)", "\"Hello\""),
        ("data.s.charAt(1)", "\"e\""),
        ("' x '.trim()", "\"x\""),
        ("'abc'.reverse()", "\"cba\""),
        ("'%s has %d'.format([data.s, 2])", "\"Hello World has 2\""),
        ("strings.quote('a\"b')", "\"\\\"a\\\\\\\"b\\\"\""),
        ("data.l.flatten()", "[1,2,[3],1]"),
        ("data.l.distinct()", "[1,[2,[3]]]"),
        ("data.l.reverse()[2]", "1"),
        ("data.l.slice(0, 1)", "[1]"),
        ("lists.range(3)", "[0,1,2]"),
        ("math.greatest(1, 5, 3)", "5"),
        ("math.least(data.l[0], 2)", "1"),
        ("math.abs(-3)", "3"),
        ("math.ceil(1.2)", "2.0"),
        ("math.bitAnd(6, 3)", "2"),
        ("optional.of(1).hasValue()", "true"),
        ("optional.none().orValue(2)", "2"),
        ("string(1) + string(true)", "\"1true\""),
        ("int('12') + int(3.7)", "15"),
        ("data.s.matches('^H.*d$')", "true"),
        ("matches(data.s, 'x+')", "false"),
        ("active('under_review') && !active('approved')", "true"),
        ("active('under' + '_review')", "true"),
        ("bytes('a') == b'a'", "true"),
    ] {
        assert_eq!(world.eval(source), expected, "{source}");
    }
}

#[test]
fn d18_functions_that_are_not_pure_do_not_exist() {
    let world = World::new("{}");
    for source in ["random()", "env('HOME')", "http.get('x')", "readFile('x')", "data.fetch()"] {
        let result = world.eval(source);
        assert!(result.contains("unknown_function: no function"), "{source}: {result}");
    }
    assert_eq!(
        world.eval("now()"),
        "unknown_function: no function `now` (`now` is a name: write it without `()`)"
    );
    assert_eq!(
        world.eval("data.startWith('x')"),
        "unknown_function: no function `startWith` (did you mean `startsWith`?)"
    );
    assert_eq!(
        world.eval("math.sqr(1.0)"),
        "unknown_function: no function `math.sqr` (did you mean `math.sqrt`?)"
    );
    let wrong = world.eval("data.all(x)");
    assert!(wrong.starts_with("unknown_function: `all` does not take these arguments"), "{wrong}");
}

#[test]
fn e7_names_are_checked_where_they_stand() {
    let mut world = World::new("{\"x\": 1}");
    for (source, expected) in [
        ("date.x", "unknown_name: no name `date` (did you mean `data`?)"),
        ("vars.ordr", "unknown_name: no variable `ordr` (did you mean `vars.order`?)"),
        ("vars['ordr']", "unknown_name: no variable `ordr` (did you mean `vars.order`?)"),
        ("has(vars.zzz)", "unknown_name: no variable `zzz` (declare it: `vars: { zzz: null }`)"),
        ("reviewer", "unknown_name: no name `reviewer` (did you mean `vars.reviewer`?)"),
        (
            "event.user",
            "unknown_name: `event` has no field `user` (the payload is `data`: \
          `data.user`)",
        ),
        ("event.tyme", "unknown_name: `event` has no field `tyme` (did you mean `event.time`?)"),
        (
            "active('under_revue')",
            "unknown_name: no state `under_revue` (did you mean \
          `under_review`?)",
        ),
        ("steps.a", "unknown_name: no step `a`"),
        (
            "data.x.map(i, j)",
            "unknown_name: no name `j` (names here: `vars`, `data`, `event`, \
          `key`, `instance`, `workflow`, `now`, `input`, `steps`)",
        ),
        ("Money{amount: 1}", "unknown_name: no type `Money` (a map is written `{'name': value}`)"),
    ] {
        assert_eq!(world.eval(source), expected, "{source}");
    }
    let output = world.eval("output.id");
    assert!(output.starts_with("unknown_name: `output` does not exist here"), "{output}");
    world.allowed = NameSet::CORRELATE;
    assert_eq!(world.eval("data.x"), "1");
    for source in ["vars.order", "key", "now", "active('approved')"] {
        let result = world.eval(source);
        assert!(result.contains("does not exist here"), "{source}: {result}");
    }
}

#[test]
fn e7_every_name_has_its_value() {
    let mut world = World::new("{\"x\": 1}");
    world.allowed = NameSet::CALL_SET.with_error();
    world.output = Some(json("{\"id\": 9}"));
    world.error = Some(json("{\"kind\": \"timeout\", \"code\": \"\", \"message\": \"late\"}"));
    world.locals = vec![("each".into(), 1_i64.into()), ("each".into(), json("{\"y\": [4, 5]}"))];
    for (source, expected) in [
        ("key", "\"doc-42\""),
        ("instance", "\"approval/doc-42\""),
        ("workflow", "\"approval\""),
        ("workflow + '-' + key", "\"approval-doc-42\""),
        ("instance.startsWith('approval/')", "true"),
        ("input.title", "\"Q3\""),
        ("output.id", "9"),
        ("error.kind", "\"timeout\""),
        ("vars.reviewer", "\"ann\""),
        ("vars.size()", "2"),
        ("vars.?reviewer.orValue('x')", "\"ann\""),
        ("has(vars.reviewer)", "true"),
        ("event.name", "\"user.action\""),
        ("event.type", "\"external\""),
        ("event.id", "\"e-1\""),
        ("event.data.x", "1"),
        ("has(event.sendid)", "false"),
        ("has(event.id)", "true"),
        ("event.sendid", "failed: `event.sendid` is absent"),
        (
            "event",
            "{\"data\":{\"x\":1},\"id\":\"e-1\",\"name\":\"user.action\",\"time\":\
          \"2023-11-14T22:13:20.000Z\",\"type\":\"external\"}",
        ),
        ("each.y[1]", "5"),
        ("each['y'][0]", "4"),
    ] {
        assert_eq!(world.eval(source), expected, "{source}");
    }
    if let Some(event) = &mut world.event {
        event.data = None;
    }
    assert_eq!(world.eval("data.x"), "failed: `data` is not bound here");
    world.event = None;
    assert_eq!(world.eval("event.name"), "failed: `event` is not bound here");
    assert_eq!(world.eval("has(event.id)"), "failed: `event` is not bound here");
}

#[test]
fn offsets_point_at_the_name() {
    let world = World::new("{}");
    for (source, offset) in [
        ("data.x == 1 && vars.ordr", 15),
        ("'ä' == 'ä' && nope", 16),
        ("1 +", 3),
        ("data.x == 'a' &&\n  nope", 19),
    ] {
        let problems = world.compile(source, super::super::ExprKind::Value).expect_err(source);
        assert_eq!(problems.first().and_then(|problem| problem.offset), Some(offset), "{source}");
    }
}
