//! The core's manifest has nothing to be impure with (01 §1.7).

use crate::tree::{Finding, Tree};

const MANIFEST: &str = "engine/machine/Cargo.toml";

/// What would bring async, clocks, randomness, input and output, or unordered maps.
const IMPURE: [&str; 22] = [
    "tokio",
    "tokio-util",
    "tokio-stream",
    "futures-util",
    "async-nats",
    "axum",
    "reqwest",
    "rand",
    "getrandom",
    "fastrand",
    "uuid",
    "fjall",
    "dashmap",
    "ahash",
    "tempfile",
    "notify",
    "tracing-subscriber",
    "time",
    "chrono",
    "gearshift-bus",
    "gearshift-protocol",
    "gearshift-client",
];

pub(crate) fn machine(tree: &Tree) -> Vec<Finding> {
    if tree.files().all(|file| file.path != MANIFEST) {
        return Vec::new();
    }
    let file = tree.file(MANIFEST);
    let mut section = "";
    let mut found = Vec::new();
    for (index, row) in file.text.lines().enumerate() {
        if row.starts_with('[') {
            section = row;
        } else if section == "[dependencies]" || section == "[build-dependencies]" {
            let name = row.split(['=', '.', ' ']).next().unwrap_or_default();
            if IMPURE.contains(&name) {
                found
                    .push(file.finding(index + 1, format!("the core must not depend on `{name}`")));
            }
        }
    }
    found
}

#[test]
fn an_impure_dependency_is_found() {
    let text = "[dependencies]\nserde = \"1\"\ntokio = { workspace = true }\n\
                [dev-dependencies]\ntempfile = \"3\"\n";
    assert_eq!(machine(&Tree::of(MANIFEST, text)).len(), 1);
}
