//! Nothing an author can write makes the loader panic; what it keeps, it keeps exactly.

use proptest::prelude::*;

use crate::definition::parse::{canonical, parse};
use crate::definition::{Format, from_canonical, load, load_all};

/// Pieces that definitions are made of, so that random texts get past the first lines.
const PIECES: [&str; 56] = [
    "workflow: w\n",
    "states:\n",
    "  a:\n",
    "  b: { final: true }\n",
    "    on:\n",
    "      x: b\n",
    "    entry: ",
    "{ call: p.o }",
    "{ set: { v: vars.v + 1 } }",
    "[",
    "]",
    "{",
    "}",
    ", ",
    ": ",
    "\n",
    "  ",
    "    ",
    "- ",
    "vars: { v: 1 }\n",
    "events: [x]\n",
    "'",
    "\"",
    "${ key }",
    "${",
    "&a ",
    "*a",
    "!t ",
    "#",
    "|\n",
    ">\n",
    "? ",
    "---\n",
    "...\n",
    "%YAML 1.2\n",
    "\t",
    "~",
    "null",
    "true",
    "1e400",
    "    after: { 1s: a }\n",
    "    always: a\n",
    "    parallel: { l: {}, m: {} }\n",
    "    history: deep\n",
    "    default: a\n",
    "    approval: true\n",
    "    done: b\n",
    "    invoke: { call: p.o }\n",
    "    defer: [x]\n",
    "if: [{ when: true, do: act }]",
    "each: ",
    "actions: { act: { log: x } }\n",
    "correlate: data.k\n",
    "é",
    "\u{202e}",
    "<<: ",
];

fn texts() -> impl Strategy<Value = String> {
    let pieces = proptest::collection::vec(proptest::sample::select(&PIECES[..]), 0..40);
    pieces.prop_map(|pieces| pieces.concat())
}

/// A JSON document of any shape.
fn documents() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        any::<i64>().prop_map(|number| number.to_string()),
        (-1e9..1e9_f64).prop_map(|number| format!("{number:?}")),
        any::<String>().prop_map(|text| serde_json::Value::from(text).to_string()),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        let entry = (any::<String>(), inner.clone());
        prop_oneof![
            proptest::collection::vec(inner, 0..6)
                .prop_map(|items| format!("[{}]", items.join(","))),
            proptest::collection::btree_map(entry.0, entry.1, 0..6).prop_map(|entries| {
                let entries: Vec<String> = entries
                    .into_iter()
                    .map(|(key, value)| format!("{}:{value}", serde_json::Value::from(key)))
                    .collect();
                format!("{{{}}}", entries.join(","))
            }),
        ]
    })
}

proptest! {
    #[test]
    fn any_text_gives_definitions_or_problems(text in any::<String>()) {
        for format in [Format::Yaml, Format::Json] {
            if let Err(problems) = load(&text, "w", format) {
                prop_assert!(problems.iter().any(|problem| problem.is_error()));
                for problem in problems {
                    prop_assert!(!problem.render(&text, false).is_empty());
                }
            }
        }
    }

    #[test]
    fn texts_that_look_like_definitions_never_panic(text in texts()) {
        match load_all(&text, "w", Format::Yaml) {
            Err(problems) => {
                for problem in problems {
                    prop_assert!(!problem.render(&text, false).is_empty());
                }
            }
            Ok(all) => {
                for loaded in all {
                    let again = from_canonical(&loaded.definition.canonical);
                    let again = again.map_err(|problems| {
                        TestCaseError::fail(format!("{text}\n{problems:?}"))
                    })?;
                    prop_assert_eq!(loaded.definition.hash, again.hash);
                }
            }
        }
    }

    #[test]
    fn canonical_text_is_a_fixed_point(text in documents()) {
        let first = parse(&text, Format::Json);
        for root in first.roots.iter().filter(|_| first.flaws.is_empty()) {
            let one = canonical(root);
            let second = parse(&one, Format::Json);
            prop_assert_eq!(second.flaws.len(), 0);
            let two: Vec<String> = second.roots.iter().map(canonical).collect();
            prop_assert_eq!(two, vec![one]);
        }
    }

    #[test]
    fn yaml_reads_json_as_json_does(text in documents()) {
        let json = parse(&text, Format::Json);
        let yaml = parse(&text, Format::Yaml);
        // YAML leaves an empty document out, and limits the length of keys.
        if let (Some(json), Some(yaml)) = (json.roots.first(), yaml.roots.first())
            && yaml.entries().is_some()
        {
            prop_assert_eq!(canonical(json), canonical(yaml));
        }
    }
}
