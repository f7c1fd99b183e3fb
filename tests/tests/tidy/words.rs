//! The bus knows no workflow word.

use crate::tree::{Finding, Tree};

const WORDS: [&str; 4] = ["workflow", "instance", "transition", "plugin"];

pub(crate) fn bus(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    for file in tree.rust().filter(|file| file.path.starts_with("bus/src/")) {
        for (line, row) in file.source.numbered() {
            for word in parts(&row.code) {
                let single = word.strip_suffix('s').unwrap_or(&word);
                if WORDS.contains(&single) {
                    found.push(file.finding(line, format!("`{word}` is not a word of the bus")));
                }
            }
        }
    }
    found
}

/// The words that identifiers are made of, in lower case.
fn parts(code: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut before_lower = false;
    for letter in code.chars() {
        let begins = !letter.is_ascii_alphanumeric() || (letter.is_uppercase() && before_lower);
        before_lower = letter.is_ascii_lowercase();
        if begins {
            parts.push(String::new());
        }
        if let Some(part) = parts.last_mut().filter(|_| letter.is_ascii_alphanumeric()) {
            part.push(letter.to_ascii_lowercase());
        }
    }
    parts
}

#[test]
fn a_workflow_word_is_found_in_any_identifier() {
    for code in ["fn plugin_count()", "struct InstanceKey;", "let a = WORKFLOWS;", "x.transition"] {
        assert_eq!(bus(&Tree::of("bus/src/a.rs", code)).len(), 1, "{code}");
    }
    let free = "let constant = 1; // a plugin\nlet b = \"workflow\";";
    assert_eq!(bus(&Tree::of("bus/src/a.rs", free)), []);
}
