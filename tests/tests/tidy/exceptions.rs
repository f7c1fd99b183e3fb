//! What may stay as it is, with the reason: `tests/tidy-exceptions.txt`.

use crate::tree::Tree;

/// How many there may be; lowered with the list.
pub(crate) const fn count_max() -> usize {
    0
}

const LIST: &str = "tests/tidy-exceptions.txt";

/// All exceptions.
pub(crate) struct Exceptions(Vec<Entry>);

/// One exception.
pub(crate) struct Entry {
    pub(crate) rule: String,
    pub(crate) path: String,
    pub(crate) reason: String,
}

/// Reads the list; a row that is none is an error.
pub(crate) fn read(tree: &Tree) -> Exceptions {
    let rows = tree.file(LIST).text.lines();
    let rows = rows.filter(|row| !row.is_empty() && !row.starts_with('#'));
    Exceptions(rows.map(entry).collect())
}

fn entry(row: &str) -> Entry {
    let parsed = row.split_once(": ").and_then(|(place, reason)| {
        let (rule, path) = place.split_once(' ')?;
        let (rule, path, reason) = (rule.to_owned(), path.to_owned(), reason.to_owned());
        Some(Entry { rule, path, reason })
    });
    parsed.unwrap_or_else(|| panic!("`{row}` is not `RULE PATH: REASON`"))
}

impl Exceptions {
    pub(crate) fn covers(&self, rule: &str, path: &str) -> bool {
        self.0.iter().any(|entry| entry.rule == rule && entry.path == path)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.0.iter()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}
