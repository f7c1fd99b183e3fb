//! Document router: rules, the most important first, say which way a document takes.

mod analyze;
mod pipelines;
mod record;

use std::path::Path;

use gearshift_plugins_sdk::Plugin;

use crate::files::Folder;

/// The plugins, working on the files in `dir`.
pub(crate) fn plugins(dir: &Path) -> Vec<Plugin> {
    let folder = Folder(dir.to_owned());
    let plugin = |name| Plugin::new(name, "1.0.0").state(folder.clone());
    vec![
        plugin("document_analyzer").operation("analyze", analyze::analyze),
        plugin("pipelines")
            .operation("legal", pipelines::legal)
            .operation("financial", pipelines::financial)
            .operation("technical", pipelines::technical)
            .operation("general", pipelines::general),
        plugin("recorder").operation("record", record::record),
    ]
}
