//! Links that lead nowhere, and places that exist on one machine only.

use std::path::Path;

use crate::tree::{File, Finding, Tree};

/// Folders of one machine, in halves, or this file would hold them.
const PLACES: [(&str, &str); 4] = [("/wo", "rk/"), ("/ro", "ot/"), ("/ho", "me/"), ("/Us", "ers/")];

/// Hosts of package registries, in halves.
const REGISTRIES: [(&str, &str); 7] = [
    ("crates", ".io"),
    ("docs", ".rs"),
    ("npmjs", ".org"),
    ("pypi", ".org"),
    ("pythonhosted", ".org"),
    ("proxy.golang", ".org"),
    ("rubygems", ".org"),
];

/// Files that name registries by their nature.
const MAY_NAME_REGISTRIES: [&str; 2] = ["Cargo.lock", "deny.toml"];

pub(crate) fn links(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    for file in tree.files().filter(|file| file.path.ends_with(".md")) {
        for (line, target) in targets(&file.text) {
            let path = target.split(['#', '?']).next().unwrap_or_default();
            let is_outside = target.contains("://") || target.starts_with("mailto:");
            if is_outside || path.is_empty() {
                continue;
            }
            let from = Path::new(&file.path).parent().unwrap_or_else(|| Path::new(""));
            if !tree.root().join(from).join(path).exists() {
                found.push(file.finding(line, format!("`{target}` is not there")));
            }
        }
    }
    found
}

/// Targets of `[words](target)`, outside of code, with their rows from 1.
fn targets(text: &str) -> Vec<(usize, &str)> {
    let mut list = Vec::new();
    let mut in_code = false;
    for (index, row) in text.lines().enumerate() {
        in_code ^= row.trim_start().starts_with("```");
        if in_code {
            continue;
        }
        // Every second piece between backticks is code.
        for prose in row.split('`').step_by(2) {
            for (at, _) in prose.match_indices("](") {
                let target = prose[at + 2..].split([')', ' ']).next().unwrap_or_default();
                list.push((index + 1, target));
            }
        }
    }
    list
}

pub(crate) fn places(tree: &Tree) -> Vec<Finding> {
    tree.files().flat_map(|file| named(file, &PLACES, "is a place on one machine")).collect()
}

pub(crate) fn registries(tree: &Tree) -> Vec<Finding> {
    tree.files()
        .filter(|file| !MAY_NAME_REGISTRIES.contains(&file.path.as_str()))
        .flat_map(|file| named(file, &REGISTRIES, "is a package registry"))
        .collect()
}

fn named(file: &File, halves: &[(&str, &str)], why: &str) -> Vec<Finding> {
    let mut found = Vec::new();
    for (index, row) in file.text.lines().enumerate() {
        for text in halves.iter().map(|(a, b)| format!("{a}{b}")) {
            if row.contains(&text) {
                found.push(file.finding(index + 1, format!("`{text}` {why}")));
            }
        }
    }
    found
}

#[test]
fn dead_links_places_and_registries_are_found() {
    let text = "[a](b.md) `[x](code.md)` [c](https://x/y) [d](#here)\n```\n[e](f)\n```\n[`g`](h)";
    let dead = links(&Tree::of("docs/a.md", text));
    let told = dead.iter().map(|one| (one.line, one.message.as_str())).collect::<Vec<_>>();
    assert_eq!(told, [(1, "`b.md` is not there"), (5, "`h` is not there")]);
    let place = format!("see {}{}x", "/wo", "rk/");
    assert_eq!(places(&Tree::of("a.txt", &place)).len(), 1);
    let host = format!("https://{}{}/x", "crates", ".io");
    assert_eq!(registries(&Tree::of("a.txt", &host)).len(), 1);
    assert_eq!(registries(&Tree::of("Cargo.lock", &host)), []);
}
