//! Data processing: a CSV file is loaded, checked, cleaned, transformed and saved.

mod clean;
mod load;
mod save;
mod transform;
mod validate;

use std::path::Path;

use gearshift_plugins_sdk::Plugin;

use crate::files::Folder;

/// The plugins, working on the files in `dir`.
pub(crate) fn plugins(dir: &Path) -> Vec<Plugin> {
    let folder = Folder(dir.to_owned());
    vec![
        Plugin::new("csv_loader", "1.0.0")
            .operation("load_file", load::load_file)
            .state(folder.clone()),
        Plugin::new("data_validator", "1.0.0")
            .operation("validate_schema", validate::validate_schema)
            .state(folder.clone()),
        Plugin::new("data_cleaner", "1.0.0").operation("clean_dataset", clean::clean_dataset),
        Plugin::new("data_transformer", "1.0.0")
            .operation("apply_transformations", transform::apply_transformations),
        Plugin::new("csv_writer", "1.0.0").operation("save_file", save::save_file).state(folder),
    ]
}
