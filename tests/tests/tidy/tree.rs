//! The files of the project, as git lists them, and what rules find in them.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::source::Source;

/// All files that are or would be committed.
pub(crate) struct Tree {
    root: PathBuf,
    files: Vec<File>,
}

/// One file.
pub(crate) struct File {
    /// Relative to the root, with `/`.
    pub(crate) path: String,
    /// Its size, in bytes.
    pub(crate) size: u64,
    /// Its text; empty for what is not text.
    pub(crate) text: String,
    /// Rows of Rust, empty for other files.
    pub(crate) source: Source,
}

/// Something a rule does not like.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) path: String,
    /// From 1.
    pub(crate) line: usize,
    pub(crate) message: String,
}

impl Tree {
    pub(crate) fn read() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned();
        let listed = Command::new("git")
            .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
            .current_dir(&root)
            .output()
            .unwrap();
        assert!(listed.status.success(), "git cannot list the files");
        let names = String::from_utf8(listed.stdout).unwrap();
        let mut files = names
            .split_terminator('\0')
            // One that was deleted and is not yet committed is listed as well.
            .filter(|path| root.join(path).is_file())
            .map(|path| File::read(&root, path))
            .collect::<Vec<_>>();
        files.sort_by(|a, b| a.path.cmp(&b.path));
        files.dedup_by(|a, b| a.path == b.path);
        Self { root, files }
    }

    pub(crate) fn files(&self) -> impl Iterator<Item = &File> {
        self.files.iter()
    }

    pub(crate) fn rust(&self) -> impl Iterator<Item = &File> {
        self.files.iter().filter(|file| file.is_rust())
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn file(&self, path: &str) -> &File {
        let found = self.files.iter().find(|file| file.path == path);
        found.unwrap_or_else(|| panic!("there is no `{path}`"))
    }

    /// A tree of one made-up file, for the tests of rules.
    pub(crate) fn of(path: &str, text: &str) -> Self {
        let root = PathBuf::from("/nonexistent");
        Self { root, files: vec![File::of(path, text.len() as u64, text.to_owned())] }
    }
}

impl File {
    fn read(root: &Path, path: &str) -> Self {
        let bytes = std::fs::read(root.join(path)).unwrap();
        let size = bytes.len() as u64;
        Self::of(path, size, String::from_utf8(bytes).unwrap_or_default())
    }

    fn of(path: &str, size: u64, text: String) -> Self {
        let mut file = Self { path: path.to_owned(), size, text, source: Source::default() };
        if file.is_rust() {
            file.source = Source::read(&file.text);
        }
        file
    }

    pub(crate) fn is_rust(&self) -> bool {
        Path::new(&self.path).extension().is_some_and(|extension| extension == "rs")
    }

    pub(crate) fn finding(&self, line: usize, message: impl Into<String>) -> Finding {
        Finding { path: self.path.clone(), line, message: message.into() }
    }
}
