//! Document approval: a document is checked, reviewed by a person and archived.

mod archive;
mod directory;
mod validator;

use std::path::Path;

use gearshift_plugins_sdk::Plugin;

/// The plugins, working on `documents/`, `directory.json` and `archive/` in `dir`.
pub(crate) fn plugins(dir: &Path) -> Vec<Plugin> {
    let documents = dir.join("documents");
    vec![
        validator::plugin(&documents),
        directory::plugin(&dir.join("directory.json")),
        archive::plugin(&documents, &dir.join("archive")),
    ]
}
