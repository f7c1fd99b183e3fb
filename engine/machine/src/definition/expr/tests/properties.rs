//! Whatever the text and the data: an answer, never a panic.

use proptest::prelude::*;

use super::super::ExprKind;
use super::World;
use crate::value::{Map, Value};

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        (i64::MAX as u64 + 1..).prop_map(Value::Uint),
        any::<f64>().prop_filter("finite", |number| number.is_finite()).prop_map(Value::Double),
        "[^@\\p{C}]{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::list),
            prop::collection::vec(("[a-e]{1,2}", inner), 0..6)
                .prop_map(|entries| Value::from(entries.into_iter().collect::<Map>())),
        ]
    })
}

const OPERATORS: [&str; 12] = ["+", "-", "*", "/", "%", "==", "!=", "<", ">=", "&&", "||", " in "];

const MEMBERS: [&str; 22] = [
    ".size()",
    ".all(x, x == data.a)",
    ".map(x, x)",
    ".exists(x, x.a in data)",
    ".flatten()",
    ".?a.orValue(0)",
    "[0]",
    ".join()",
    ".split('')",
    ".sort()",
    ".distinct()",
    ".a",
    ".contains('a')",
    ".reverse()",
    ".getHours()",
    ".substring(1)",
    ".lastIndexOf('a', 1)",
    ".replace('', 'b')",
    ".format([1])",
    ".indexOf('', 1)",
    ".charAt(0)",
    ".slice(0, 1)",
];

const CALLS: [&str; 17] = [
    "size",
    "int",
    "double",
    "string",
    "!",
    "-",
    "timestamp",
    "duration",
    "math.abs",
    "type",
    "math.greatest",
    "bytes",
    "uint",
    "optional.of",
    "active",
    "lists.range",
    "bool",
];

/// Expressions that are often well-formed.
fn any_source() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("data".to_owned()),
        Just("data.a".to_owned()),
        Just("data.b.c".to_owned()),
        Just("data[0]".to_owned()),
        Just("vars.order".to_owned()),
        Just("now".to_owned()),
        Just("[1, 'x']".to_owned()),
        Just("{'a': data}".to_owned()),
        Just("-9223372036854775808".to_owned()),
        Just("1.5e308".to_owned()),
        Just("duration('1000000h')".to_owned()),
        Just("''".to_owned()),
        any::<i8>().prop_map(|number| format!("({number})")),
    ];
    let operators = prop::sample::select(OPERATORS.to_vec());
    let members = prop::sample::select(MEMBERS.to_vec());
    let calls = prop::sample::select(CALLS.to_vec());
    leaf.prop_recursive(4, 12, 2, move |inner| {
        prop_oneof![
            (inner.clone(), operators.clone(), inner.clone())
                .prop_map(|(left, operator, right)| format!("({left}{operator}{right})")),
            (inner.clone(), members.clone()).prop_map(|(value, member)| format!("{value}{member}")),
            (calls.clone(), inner.clone()).prop_map(|(call, value)| format!("{call}({value})")),
            (inner.clone(), inner.clone(), inner)
                .prop_map(|(test, yes, no)| format!("({test} ? {yes} : {no})")),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn compile_never_panics(source in "\\PC{0,60}|[-a-z0-9.()\\[\\]{}'\"+*/!<>=&|?:, ]{0,60}") {
        let world = World::new("{}");
        if let Err(problems) = world.compile(&source, ExprKind::Value) {
            prop_assert!(!problems.is_empty());
            for problem in problems {
                prop_assert!(problem.offset.is_none_or(|at| at <= source.len()));
            }
        }
    }

    #[test]
    fn eval_never_panics_and_is_deterministic(source in any_source(), data in any_value()) {
        let mut world = World::new("{}");
        if let Some(event) = &mut world.event {
            event.data = Some(data);
        }
        let first = world.eval(&source);
        prop_assert_eq!(&first, &world.eval(&source));
        prop_assert!(!first.contains('@'), "{}: {}", source, first);
    }

    #[test]
    fn values_equal_themselves_in_every_shape(value in any_value()) {
        let mut world = World::new("{}");
        world.input = value.clone();
        if let Some(event) = &mut world.event {
            event.data = Some(value);
        }
        prop_assert_eq!(world.eval("data == input"), "true");
        prop_assert_eq!(world.eval("[data] == [input] && {'a': data} == {'a': input}"), "true");
        prop_assert_eq!(world.eval("data in [input] && [input].contains(data)"), "true");
    }

    #[test]
    fn json_and_message_pack_give_the_value_back(value in any_value()) {
        let text = value.to_json();
        prop_assert_eq!(Value::from_json(text.as_bytes()).unwrap(), value.clone());
        let bytes = rmp_serde::to_vec_named(&value).unwrap();
        prop_assert_eq!(rmp_serde::from_slice::<Value>(&bytes).unwrap(), value);
    }
}
