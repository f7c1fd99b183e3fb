//! Rules for plugins: what they become, and what is refused.

use crate::definition::check::tests::check_problems;
use crate::definition::model::{Balance, BreakerRules, Rate, WhileOpen};
use crate::definition::{Format, load};

#[test]
fn rules_of_plugins_are_read_and_found_by_operation() {
    let text = r#"workflow: w
plugins:
  validator:
    breaker: { threshold: 3, reset: 10s, open: fail }
    balance: least_in_flight
    prefer: [performance, reliability]
    concurrency: 10
    rate: 100/s
    per: "${ input.customer }"
  mailer: { breaker: off, rate: 5/m, prefer: reliability }
  plain: {}
states: { a: { final: true } }
"#;
    let definition = load(text, "w", Format::Yaml).unwrap().definition;
    let rules = definition.rules_of("validator@^1.2.validate").unwrap();
    let breaker = BreakerRules { threshold: 3, reset_ms: 10_000, open: WhileOpen::Fail };
    assert_eq!((rules.breaker, rules.balance), (Some(breaker), Balance::LeastInFlight));
    assert!(rules.prefers_performance && rules.prefers_reliability);
    assert_eq!(rules.concurrency, Some(10));
    assert_eq!(rules.rate, Some(Rate { count: 100, period_ms: 1_000 }));
    assert_eq!(&*rules.per.as_ref().unwrap().text, "${ input.customer }");
    let mailer = definition.rules_of("mailer.send").unwrap();
    assert_eq!((mailer.breaker, mailer.rate.unwrap().period_ms), (None, 60_000));
    assert!(!mailer.prefers_performance && mailer.prefers_reliability);
    let plain = definition.rules_of("plain.x").unwrap();
    assert_eq!((plain.breaker, plain.balance), (Some(BreakerRules::DEFAULT), Balance::Group));
    assert!(definition.rules_of("validators.validate").is_none(), "another plugin");
}

#[test]
fn rules_without_sense_are_refused() {
    check_problems(
        r"workflow: w
plugins:
  a: { breaker: on }
  b: { breaker: { threshold: 1001 } }
  c: { breaker: { reset: 5 } }
  d: { balance: fair }
  e: { prefer: speed }
  f: { rate: 100 }
  g: { rate: 0/s }
  h: { rate: 10001/s }
  i: { rate: 5/fortnight }
  j: { concurency: 4 }
  a b: {}
states: { x: { final: true } }
",
        "\
3:17 GS0102 type: expected a mapping (`breaker`), found `on`\n\
4:30 GS0172 plugin_rules: 1001 failures exceed the limit of 1000\n\
5:26 GS0117 duration_range: duration `5` has no unit after `5`; write `5s` for seconds\n\
6:17 GS0102 type: expected one of `group`, `random`, `round_robin`, `least_in_flight`, \
`weighted`, `resource`, found `fair`\n\
7:16 GS0102 type: expected one of `performance`, `reliability`, found `speed`\n\
8:14 GS0102 type: expected a rate such as `100/s`, found `100`\n\
9:14 GS0172 plugin_rules: `0` is no number of calls from 1 to 10000\n\
10:14 GS0172 plugin_rules: `10001` is no number of calls from 1 to 10000\n\
11:14 GS0117 duration_range: duration `1fortnight` has the unknown unit `fortnight`; units are `ms \
s m h d w`\n\
12:8 GS0100 unknown_field: a plugin has no key `concurency` | did you mean `concurrency`?\n\
13:3 GS0103 name: plugin `a b` has the character ` `; names are `[A-Za-z0-9_-]+`\n\
",
    );
}

#[test]
fn what_limits_are_counted_by_is_computed_of_what_an_instance_always_has() {
    check_problems(
        r#"workflow: w
plugins:
  a: { rate: 5/s, per: customer }
  b: { per: "${ key }" }
  c: { concurrency: 1, per: "${ data.customer }" }
  d: { concurrency: 1, per: 5 }
  e: { concurrency: 1, per: "of ${ vars.x }, ${ key }" }
vars: { x: 1 }
states: { x: { final: true } }
"#,
        "\
3:24 GS0172 plugin_rules: `per` is the same for all calls: it needs `${ … }`\n\
4:6 GS0172 plugin_rules: `per` needs a limit beside it: `concurrency` or `rate`\n\
5:33 GS0302 unknown_name: `data` does not exist here | names here: `vars`, `key`, `instance`, \
`workflow`, `input`\n\
6:29 GS0102 type: expected a text such as `${ input.customer }`, found `5`\n\
",
    );
}

#[test]
fn plugins_are_a_mapping() {
    check_problems(
        "workflow: w\nplugins: [a]\nstates: { x: { final: true } }\n",
        "2:10 GS0102 type: expected a mapping from names of plugins, found a list\n",
    );
}

#[test]
fn gs0231_rules_under_a_name_that_no_call_has_are_told() {
    check_problems(
        "workflow: w
plugins:
  nope: { rate: 5/s }
  mine: { rate: 5/s }
  yours: {}
steps:
  a: { call: mine@^1.x, undo: { call: yours.y } }
",
        "3:3 GS0231 idle_plugin_rules: no call names an operation of `nope`\n",
    );
}
