//! `archiver`: files in one (tar, as POSIX has it).

use std::io::Write as _;

use gearshift_plugins_sdk::{Context, Failure, JsonSchema, State, schemars};
use serde::{Deserialize, Serialize};

use crate::files::{self, Folder};

/// Everything in a tar comes in blocks of this size.
const BLOCK: usize = 512;

/// What to pack.
#[derive(Deserialize, JsonSchema)]
pub(super) struct Create {
    files: Vec<String>,
    archive_name: String,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct Archive {
    file: String,
    members: usize,
    bytes: usize,
    sha256: String,
}

pub(super) async fn create(
    State(Folder(folder)): State<Folder>,
    _: Context,
    create: Create,
) -> Result<Archive, Failure> {
    let mut archive = Vec::new();
    let mut members = create.files;
    members.sort();
    members.dedup();
    for path in &members {
        let bytes = files::read(&folder, path).await?;
        archive.extend(header(path, bytes.len())?);
        archive.extend(&bytes);
        archive.resize(archive.len().next_multiple_of(BLOCK), 0);
    }
    // Two empty blocks end it.
    archive.resize(archive.len() + 2 * BLOCK, 0);
    files::write(&files::below(&folder, &create.archive_name)?, &archive).await?;
    Ok(Archive {
        file: create.archive_name,
        members: members.len(),
        bytes: archive.len(),
        sha256: files::digest(&archive),
    })
}

/// The block before a file; with no time in it, so that the same files give the same archive.
fn header(path: &str, size: usize) -> Result<Vec<u8>, Failure> {
    if path.len() > 99 {
        let message = format!("`{path}` is longer than 99 bytes");
        return Err(Failure::permanent(message).code("long_name"));
    }
    let mut block = Vec::with_capacity(BLOCK);
    write!(block, "{path:\0<100}0000644\0{:07o}\0{:07o}\0{size:011o}\0{:011o}\0", 0, 0, 0)?;
    // While the sum is made, its place holds spaces.
    write!(block, "        0{:\0<100}ustar\x0000", "")?;
    block.resize(BLOCK, 0);
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    if let Some(place) = block.get_mut(148..156) {
        place.copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    }
    Ok(block)
}
