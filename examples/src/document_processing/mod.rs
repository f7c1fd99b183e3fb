//! Document processing: a document is read, then text, data and pictures of it are worked on at the
//! same time; one without pictures comes through as well.

mod analyze;
mod extract;
mod output;

use std::path::Path;

use gearshift_plugins_sdk::Plugin;

use crate::files::Folder;

/// The plugins, working on the files in `dir`.
pub(crate) fn plugins(dir: &Path) -> Vec<Plugin> {
    let folder = Folder(dir.to_owned());
    let plugin = |name| Plugin::new(name, "1.0.0").state(folder.clone());
    vec![
        plugin("document_ingestion").operation("ingest", extract::ingest),
        plugin("format_detection").operation("detect", extract::detect),
        plugin("content_extraction").operation("extract", extract::extract),
        plugin("text_analysis").operation("analyze", analyze::text),
        plugin("metadata_generation").operation("generate", analyze::metadata),
        plugin("image_processing").operation("process", analyze::images),
        plugin("output_generation").operation("generate", output::generate),
    ]
}
