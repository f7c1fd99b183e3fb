//! Data aggregation: many sources at once; what cannot be had is named in the report.

mod report;
mod sources;

use std::path::Path;

use gearshift_plugins_sdk::Plugin;

use crate::files::Folder;

/// The plugins, working on the files in `dir`.
pub(crate) fn plugins(dir: &Path) -> Vec<Plugin> {
    let folder = Folder(dir.to_owned());
    let plugin = |name| Plugin::new(name, "1.0.0").state(folder.clone());
    vec![
        plugin("catalog").operation("list", sources::list),
        plugin("source").operation("totals", sources::totals).operation("stock", sources::stock),
        plugin("reporter").operation("write", report::write),
    ]
}
