//! Sizes: files, functions, lines, blobs; and the line every file begins with.

use crate::functions::functions as functions_of;
use crate::tree::{Finding, Tree};

/// Rows of a Rust file.
const FILE_ROWS_MAX: usize = 400;
/// Rows of a function.
const FUNCTION_ROWS_MAX: usize = 70;
/// Characters of a row.
const LINE_LETTERS_MAX: usize = 100;
/// Bytes of any file.
const BLOB_BYTES_MAX: u64 = 256 * 1_024;

pub(crate) fn files(tree: &Tree) -> Vec<Finding> {
    let long = tree.rust().filter(|file| file.source.rows.len() > FILE_ROWS_MAX);
    long.map(|file| {
        let rows = file.source.rows.len();
        file.finding(rows, format!("file of {rows} rows exceeds the limit of {FILE_ROWS_MAX}"))
    })
    .collect()
}

pub(crate) fn functions(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    for file in tree.rust() {
        for one in functions_of(&file.source) {
            if one.rows > FUNCTION_ROWS_MAX {
                let (name, rows) = (&one.name, one.rows);
                let limit = FUNCTION_ROWS_MAX;
                let message = format!("function `{name}` of {rows} rows exceeds {limit}");
                found.push(file.finding(one.line, message));
            }
        }
    }
    found
}

pub(crate) fn lines(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    for file in tree.rust() {
        for (line, row) in file.source.numbered() {
            let letters = row.text.chars().count();
            if letters > LINE_LETTERS_MAX && !row.is_literal {
                let message = format!("line of {letters} exceeds {LINE_LETTERS_MAX} characters");
                found.push(file.finding(line, message));
            }
        }
    }
    found
}

pub(crate) fn heads(tree: &Tree) -> Vec<Finding> {
    let headless = tree.rust().filter(|file| {
        // An inner attribute may stand before the doc comment, nothing else.
        let mut rows = file.source.rows.iter().map(|row| row.text.trim());
        !rows.find(|row| !row.is_empty() && !row.starts_with("#!")).is_some_and(is_head)
    });
    headless.map(|file| file.finding(1, "the file does not begin with `//!`")).collect()
}

fn is_head(row: &str) -> bool {
    row.strip_prefix("//! ").is_some_and(|words| words.len() > 5)
}

pub(crate) fn blobs(tree: &Tree) -> Vec<Finding> {
    let large = tree.files().filter(|file| file.size > BLOB_BYTES_MAX);
    large
        .map(|file| {
            let size = file.size;
            file.finding(1, format!("{size} bytes exceed the limit of {BLOB_BYTES_MAX}"))
        })
        .collect()
}

#[test]
fn what_is_too_long_or_headless_is_found() {
    let long_line = format!("let a = {}; // x\n", "b".repeat(100));
    assert_eq!(lines(&Tree::of("a.rs", &long_line)).len(), 1);
    let literal = format!("    \"{}\",\n", "b".repeat(100));
    assert_eq!(lines(&Tree::of("a.rs", &literal)), []);
    assert_eq!(heads(&Tree::of("a.rs", "use x;\n")).len(), 1);
    assert_eq!(heads(&Tree::of("a.rs", "#![x]\n\n//! Does things.\n")), []);
    assert_eq!(files(&Tree::of("a.rs", &"\n".repeat(401))).len(), 1);
    assert_eq!(files(&Tree::of("a.rs", &"\n".repeat(400))), []);
    let body = format!("fn a() {{\n{}}}\n", "x;\n".repeat(69));
    assert_eq!(functions(&Tree::of("a.rs", &body)).len(), 1);
    assert_eq!(blobs(&Tree::of("a", &"x".repeat(256 * 1_024 + 1))).len(), 1);
}
