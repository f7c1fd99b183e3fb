//! `manifest_creator`: a list of everything that was made.

use gearshift_plugins_sdk::{Context, Failure, JsonSchema, State, schemars};
use serde::{Deserialize, Serialize};

use crate::files::{self, Folder};

/// Which files to list, and where to.
#[derive(Deserialize, JsonSchema)]
pub(super) struct Create {
    files: Vec<String>,
    output_file: String,
    /// Sizes and digests as well.
    include_metadata: bool,
}

/// One file.
#[derive(Serialize, JsonSchema)]
struct Listed {
    path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sha256: Option<String>,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct Manifest {
    file: String,
    listed: usize,
}

pub(super) async fn create(
    State(Folder(folder)): State<Folder>,
    _: Context,
    create: Create,
) -> Result<Manifest, Failure> {
    let mut list = Vec::new();
    for path in create.files {
        let bytes = files::read(&folder, &path).await?;
        let metadata = create.include_metadata.then(|| (bytes.len(), files::digest(&bytes)));
        let (bytes, sha256) = metadata.unzip();
        list.push(Listed { path, bytes, sha256 });
    }
    list.sort_by(|one, other| one.path.cmp(&other.path));
    files::write_json(&files::below(&folder, &create.output_file)?, &list).await?;
    Ok(Manifest { file: create.output_file, listed: list.len() })
}
