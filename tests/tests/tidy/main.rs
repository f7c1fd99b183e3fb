//! Style is a test: sizes, first lines, arrows between crates, words, links, leftovers (07 §4).
//!
//! A rule gives findings for one file. What a finding may stay for is in `tidy-exceptions.txt`.

#![expect(clippy::unwrap_used, reason = "tests")]

mod arrows;
mod exceptions;
mod functions;
mod leftovers;
mod manifest;
mod prose;
mod sizes;
mod source;
mod tree;
mod words;

use tree::{Finding, Tree};

/// A rule by name: what it finds in the whole tree.
type Rule = (&'static str, fn(&Tree) -> Vec<Finding>);

const RULES: [Rule; 14] = [
    ("file", sizes::files),
    ("function", sizes::functions),
    ("line", sizes::lines),
    ("head", sizes::heads),
    ("blob", sizes::blobs),
    ("arrow", arrows::crates),
    ("layer", arrows::layers),
    ("manifest", manifest::machine),
    ("bus-word", words::bus),
    ("select", leftovers::select),
    ("leftover", leftovers::leftovers),
    ("link", prose::links),
    ("place", prose::places),
    ("registry", prose::registries),
];

#[test]
fn the_tree_is_tidy() {
    let tree = Tree::read();
    let list = exceptions::read(&tree);
    let mut told = Vec::new();
    for (rule, find) in RULES {
        let found = find(&tree);
        told.extend(
            found
                .into_iter()
                .filter(|one| !list.covers(rule, &one.path))
                .map(|one| format!("{}:{}: [{rule}] {}", one.path, one.line, one.message)),
        );
    }
    assert!(told.is_empty(), "{} findings:\n{}\n", told.len(), told.join("\n"));
}

#[test]
fn every_exception_is_needed_and_has_a_reason() {
    let tree = Tree::read();
    let list = exceptions::read(&tree);
    assert!(
        list.len() <= exceptions::count_max(),
        "{} exceptions exceed the {} of before: the list may only shrink",
        list.len(),
        exceptions::count_max()
    );
    let mut stale = Vec::new();
    for entry in list.iter() {
        let rule = RULES.iter().find(|(name, _)| *name == entry.rule);
        let (_, find) = rule.unwrap_or_else(|| panic!("there is no rule `{}`", entry.rule));
        if !find(&tree).iter().any(|found| found.path == entry.path) {
            stale.push(format!("{} {}", entry.rule, entry.path));
        }
        assert!(entry.reason.len() > 10, "`{} {}` needs a reason", entry.rule, entry.path);
    }
    assert!(stale.is_empty(), "no longer needed: {stale:?}");
}

#[test]
fn the_tree_is_the_whole_project() {
    let tree = Tree::read();
    for path in ["Cargo.toml", "bus/src/lib.rs", "engine/machine/src/lib.rs", "tests/run"] {
        assert!(tree.files().any(|file| file.path == path), "{path} is not listed");
    }
    assert!(tree.rust().count() > 100);
}
