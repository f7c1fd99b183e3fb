//! Document: one file of the suite.

use std::path::Path;

/// A file of the suite.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Document {
    /// What it is called: the file's name without `test` and ending.
    pub id: String,
    /// The file's name without its ending.
    pub stem: String,
    /// Its text.
    pub text: String,
}

impl Document {
    /// The document that a file holds.
    #[must_use]
    pub fn new(path: &Path, text: String) -> Self {
        let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
        let stem = stem.unwrap_or_default();
        Self { id: stem.strip_prefix("test").unwrap_or(&stem).to_owned(), stem, text }
    }

    /// Is it run as a child of another one only?
    #[must_use]
    pub fn is_child(&self) -> bool {
        self.stem.contains("sub")
    }
}
