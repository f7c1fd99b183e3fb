//! Parallel media: pictures, films and sound are worked on at the same time, then packed together.

mod archive;
mod audio;
mod images;
mod manifest;
mod videos;

use std::path::Path;

use gearshift_plugins_sdk::{Failure, JsonSchema, Plugin, schemars};
use serde::{Deserialize, Serialize};

use crate::files::{self, Folder};

/// Which files, and where they go.
#[derive(Deserialize, JsonSchema)]
struct Batch {
    input_directory: String,
    output_directory: String,
}

/// What was made.
#[derive(Serialize, JsonSchema)]
struct Made {
    files: Vec<String>,
    bytes: usize,
}

/// The plugins, working on the files in `dir`.
pub(crate) fn plugins(dir: &Path) -> Vec<Plugin> {
    let folder = Folder(dir.to_owned());
    let plugin = |name| Plugin::new(name, "1.0.0").state(folder.clone());
    vec![
        plugin("image_processor").operation("batch_process", images::batch_process),
        plugin("video_processor").operation("batch_process", videos::batch_process),
        plugin("audio_processor").operation("batch_process", audio::batch_process),
        plugin("manifest_creator").operation("create_media_manifest", manifest::create),
        plugin("archiver").operation("create_archive", archive::create),
    ]
}

/// Makes one file of each that has the extension `from`; the new ones have `to`.
async fn each(
    folder: &Path,
    batch: &Batch,
    (from, to): (&str, &str),
    convert: impl Fn(&[u8]) -> Option<Vec<u8>>,
) -> Result<Made, Failure> {
    let mut made = Made { files: Vec::new(), bytes: 0 };
    let source = files::below(folder, &batch.input_directory)?;
    for name in files::names(&source).await? {
        let Some(stem) = name.strip_suffix(&format!(".{from}")) else { continue };
        let bytes = tokio::fs::read(source.join(&name)).await?;
        let converted = convert(&bytes).ok_or_else(|| {
            Failure::permanent(format!("`{name}` is no {from} file")).code("bad_media")
        })?;
        let path = format!("{}/{stem}.{to}", batch.output_directory);
        files::write(&files::below(folder, &path)?, &converted).await?;
        made.bytes += converted.len();
        made.files.push(path);
    }
    if made.files.is_empty() {
        let message = format!("there is no {from} file in `{}`", batch.input_directory);
        return Err(Failure::permanent(message).code("not_found"));
    }
    Ok(made)
}
