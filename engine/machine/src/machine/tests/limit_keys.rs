//! What limits of plugins count calls by: computed with the call, and the same for its attempts.

use super::check::{World, definition};

fn world(per: &str, start: &str) -> World {
    let text = format!(
        "workflow: t\nplugins: {{ p: {{ concurrency: 1, per: \"{per}\" }} }}\nvars: {{ who: ann }}\n\
         initial: a\nstates:\n  a:\n    entry:\n      - {{ call: p.work, retry: {{ attempts: 3, \
         backoff: 1s }} }}\n    on: {{ renamed: {{ do: {{ set: {{ who: data.who }} }} }} }}\n    \
         done: b\n  b: {{ entry: [{{ call: other.work }}] }}\n"
    );
    let mut world = World::new(definition(&text));
    world.run(start);
    world
}

fn keys(world: &World) -> Vec<Option<&str>> {
    world.calls.iter().map(|call| call.per.as_deref()).collect()
}

#[test]
fn the_key_of_limits_is_that_of_the_first_attempt_and_of_no_other_plugin() {
    let mut world = world("${ vars.who }", "start");
    for line in ["event renamed {who: bob}", "fail p.work retryable", "advance 2s"] {
        world.run(line);
    }
    assert_eq!(keys(&world), [Some("ann"), Some("ann")]);
    world.run("reply p.work {}");
    assert_eq!(keys(&world), [Some("ann"), Some("ann"), None]);
}

#[test]
fn what_cannot_be_computed_or_is_nothing_is_the_empty_key() {
    for (per, start, key) in [
        ("${ input.customer }", "start {customer: ann}", "ann"),
        ("${ input.customer }", "start {customer: 7}", "7"),
        ("${ input.customer }", "start {customer: null}", ""),
        ("${ input.customer }", "start {}", ""),
        ("of ${ input.customer }", "start {customer: ann}", "of ann"),
        ("${ key }", "start", "k1"),
    ] {
        assert_eq!(keys(&world(per, start)), [Some(key)], "{per} {start}");
    }
    let long = "ü".repeat(200);
    let cut = world("${ input.customer }", &format!("start {{customer: {long}}}"));
    assert_eq!(keys(&cut), [Some(&*"ü".repeat(128))]);
}
