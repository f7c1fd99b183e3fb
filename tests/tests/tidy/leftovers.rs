//! Leftovers, skipped tests, allowed lints, and `select!` that is not fair by accident.

use crate::tree::{File, Finding, Tree};

/// What must not stay in comments; the second half apart, or this file would hold it.
const MARKS: [(&str, &str); 3] = [("FIX", "ME"), ("XX", "X"), ("HA", "CK")];

/// What must not stay in code.
const CODE: [(&str, &str); 5] =
    [("todo", "!("), ("unimplemented", "!("), ("#[ign", "ore"), ("#[al", "low"), ("#![al", "low")];

pub(crate) fn leftovers(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    for file in tree.rust() {
        for (line, row) in file.source.numbered() {
            let joined = |(a, b): &(&str, &str)| format!("{a}{b}");
            let words = || row.comment.split(|letter: char| !letter.is_ascii_alphanumeric());
            let marks = MARKS.iter().map(joined).filter(|mark| words().any(|word| word == *mark));
            let code = CODE.iter().map(joined).filter(|text| row.code.contains(text));
            for text in marks.chain(code) {
                found.push(file.finding(line, format!("`{text}` is left over")));
            }
        }
    }
    found
}

/// Every `select!` says in which order it looks.
pub(crate) fn select(tree: &Tree) -> Vec<Finding> {
    tree.rust().flat_map(select_of).collect()
}

fn select_of(file: &File) -> Vec<Finding> {
    let code = file.source.code();
    let mut found = Vec::new();
    for (at, word) in code.match_indices("select!") {
        let inside = code[at + word.len()..].trim_start().trim_start_matches(['{', '(']);
        if !inside.trim_start().starts_with("biased;") {
            let line = code[..at].matches('\n').count() + 1;
            found.push(file.finding(line, "`select!` without `biased;`"));
        }
    }
    found
}

#[test]
fn leftovers_are_found_in_code_and_comments_only() {
    let text = format!("// {}{}: later\n{}{}x);\n#[all{}]\n", "FIX", "ME", "todo", "!(", "ow(x)");
    assert_eq!(leftovers(&Tree::of("a.rs", &text)).len(), 3);
    assert_eq!(leftovers(&Tree::of("a.rs", "let a = \"XXX\";")), []);
    assert_eq!(select(&Tree::of("a.rs", "tokio::select! {\n a = b => {}\n}")).len(), 1);
    assert_eq!(select(&Tree::of("a.rs", "select! {\n  biased;\n a = b => {}\n}")), []);
}
