//! Where documents lie.

use std::io;
use std::path::{Path, PathBuf};

use super::{Found, find};

/// The folder of the W3C's documents, and whether somebody chose it.
#[must_use]
pub fn suite() -> (PathBuf, bool) {
    match std::env::var_os("GEARSHIFT_SCXML_DIR") {
        Some(folder) => (PathBuf::from(folder), true),
        None => (default_suite(), false),
    }
}

/// Is it the folder of the given documents, by whatever path?
#[must_use]
pub fn is_default_suite(folder: &Path) -> bool {
    let default = default_suite().canonicalize();
    default.is_ok_and(|default| folder.canonicalize().is_ok_and(|folder| folder == default))
}

fn default_suite() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/scxml-irp")
}

/// The folder of the documents of our own, for what the given ones leave out.
#[must_use]
pub fn own() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("scxml")
}

/// The documents of a chosen folder; without a choice our own and, where they are, the given ones.
///
/// # Errors
/// What cannot be read, or that there is no chosen folder.
pub fn all() -> io::Result<Found> {
    let (folder, chosen) = suite();
    if chosen {
        return find(&folder);
    }
    let mut found = find(&own())?;
    if folder.is_dir() {
        let given = find(&folder)?;
        found.documents.extend(given.documents);
        found.children.extend(given.children);
    }
    Ok(found)
}
