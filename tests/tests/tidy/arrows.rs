//! Arrows: which crate may name which, and which folder of a crate which other (01 §2).

use crate::tree::{Finding, Tree};

/// The start of our crates' names.
const PREFIX: &str = "gearshift_";

/// A folder or file, and the crates of ours that it may name; the first that fits counts.
const CRATES: [(&str, &[&str]); 10] = [
    ("bus/src/", &["bus"]),
    ("plugins-sdk/protocol/src/", &["protocol"]),
    ("plugins-sdk/client/src/", &["bus", "protocol", "client"]),
    ("plugins-sdk/src/", &["bus", "protocol", "client", "plugins_sdk"]),
    ("engine/machine/src/", &["machine"]),
    ("engine/src/main.rs", &["bus", "engine", "examples"]),
    ("engine/src/cli/", &["bus", "protocol", "client", "machine"]),
    ("engine/src/testing/", &["bus", "protocol", "client", "machine", "plugins_sdk"]),
    ("engine/src/", &["bus", "protocol", "machine"]),
    ("examples/src/", &["bus", "plugins_sdk", "examples"]),
];

/// A folder, and the modules of its own crate that it must not name: they stand above it.
const LAYERS: [(&str, &[&str]); 8] = [
    ("engine/machine/src/value", &["definition", "machine", "partition"]),
    // Ids and times live in `machine::ids`, so definitions name that module.
    ("engine/machine/src/definition/", &["partition"]),
    ("engine/machine/src/machine/", &["partition"]),
    ("engine/src/runtime/", &["api", "http", "cli", "testing"]),
    ("engine/src/api/", &["http", "cli", "testing"]),
    ("engine/src/http/", &["cli", "testing"]),
    ("engine/src/cli/", &["testing"]),
    ("bus/src/local/", &["memory", "embedded", "simulated"]),
];

pub(crate) fn crates(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    for file in tree.rust() {
        let Some((_, allowed)) = CRATES.iter().find(|(place, _)| file.path.starts_with(place))
        else {
            continue;
        };
        for (line, row) in file.source.numbered() {
            for name in names_after(&row.code, PREFIX) {
                if !allowed.contains(&name) {
                    let message = format!("`{PREFIX}{name}` must not be named here");
                    found.push(file.finding(line, message));
                }
            }
        }
    }
    found
}

pub(crate) fn layers(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    for file in tree.rust().filter(|file| !is_test(&file.path)) {
        for (place, above) in LAYERS.iter().filter(|(place, _)| file.path.starts_with(place)) {
            for (line, row) in file.source.numbered() {
                for name in names_after(&row.code, "crate::") {
                    if above.contains(&name) {
                        let message = format!("`{name}` stands above `{place}`");
                        found.push(file.finding(line, message));
                    }
                }
            }
        }
    }
    found
}

fn is_test(path: &str) -> bool {
    path.contains("/tests/") || path.ends_with("tests.rs")
}

/// The names that follow `prefix` where a word begins.
fn names_after<'a>(code: &'a str, prefix: &'a str) -> impl Iterator<Item = &'a str> {
    let is_word = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    code.match_indices(prefix)
        .filter(move |(at, _)| !code[..*at].ends_with(|letter| is_word(letter) || letter == '$'))
        .map(move |(at, _)| code[at + prefix.len()..].split(move |letter| !is_word(letter)))
        .filter_map(|mut words| words.next())
}

#[test]
fn an_import_against_the_arrows_is_found() {
    let against = [
        ("bus/src/a.rs", "use gearshift_protocol::Verdict;"),
        ("engine/src/runtime/a.rs", "let a = gearshift_plugins_sdk::Plugin::new();"),
        ("engine/src/cli/a.rs", "use gearshift_examples::load;"),
        ("engine/machine/src/machine/a.rs", "use gearshift_bus::Bus;"),
    ];
    for (path, text) in against {
        assert_eq!(crates(&Tree::of(path, text)).len(), 1, "{path}");
    }
    assert_eq!(crates(&Tree::of("engine/src/main.rs", "use gearshift_examples::load;")), []);
    assert_eq!(crates(&Tree::of("bus/src/a.rs", "// gearshift_engine\n\"gearshift_x\"")), []);
    let below = "use crate::partition::Frame;";
    assert_eq!(layers(&Tree::of("engine/machine/src/machine/a.rs", below)).len(), 1);
    assert_eq!(layers(&Tree::of("engine/machine/src/partition/a.rs", below)), []);
}
