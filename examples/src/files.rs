//! Files of an example: names that stay in their folder, and writes that are whole or absent.

use std::io;
use std::path::{Component, Path, PathBuf};

use gearshift_plugins_sdk::Failure;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

/// The folder that the paths of a plugin's calls are below.
#[derive(Clone)]
pub(crate) struct Folder(pub(crate) PathBuf);

/// `folder/name` with this extension, for a name that came from outside.
///
/// # Errors
///
/// A permanent failure if the name could lead out of the folder.
pub(crate) fn inside(folder: &Path, name: &str, extension: &str) -> Result<PathBuf, Failure> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.is_empty() || name.len() > 100 || name.starts_with('.') || !name.chars().all(plain) {
        let message = format!("`{}` is not usable as a file name", name.escape_debug());
        return Err(Failure::permanent(message).code("bad_name"));
    }
    Ok(folder.join(format!("{name}.{extension}")))
}

/// `folder/path` for a relative path that came from outside.
///
/// # Errors
///
/// A permanent failure if the path leads out of the folder.
pub(crate) fn below(folder: &Path, path: &str) -> Result<PathBuf, Failure> {
    let parts = Path::new(path).components();
    if path.is_empty() || !parts.into_iter().all(|part| matches!(part, Component::Normal(_))) {
        let message = format!("`{}` is not a path below the folder", path.escape_debug());
        return Err(Failure::permanent(message).code("bad_path"));
    }
    Ok(folder.join(path))
}

/// Reads a file that has to be there.
pub(crate) async fn read(folder: &Path, path: &str) -> Result<Vec<u8>, Failure> {
    match tokio::fs::read(below(folder, path)?).await {
        Ok(bytes) => Ok(bytes),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(Failure::permanent(format!("there is no file `{path}`")).code("not_found"))
        }
        Err(error) => Err(error.into()),
    }
}

/// Reads a file of text that has to be there.
pub(crate) async fn read_text(folder: &Path, path: &str) -> Result<String, Failure> {
    String::from_utf8(read(folder, path).await?)
        .map_err(|_| Failure::permanent(format!("`{path}` is not text in UTF-8")).code("not_text"))
}

/// The names of the files in a folder, in order; none where there is no folder.
pub(crate) async fn names(folder: &Path) -> Result<Vec<String>, Failure> {
    let mut listing = match tokio::fs::read_dir(folder).await {
        Ok(listing) => listing,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    let mut names = Vec::new();
    while let Some(found) = listing.next_entry().await? {
        if found.file_type().await?.is_file() {
            names.push(found.file_name().to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}

/// The SHA-256 of some bytes, in hex.
pub(crate) fn digest(bytes: &[u8]) -> String {
    let hash = Sha256::digest(bytes);
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Reads a JSON file; `None` if there is none.
pub(crate) async fn read_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, Failure> {
    match tokio::fs::read(path).await {
        Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes)?)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Writes a JSON file.
pub(crate) async fn write_json<T: Serialize>(path: &Path, value: &T) -> Result<(), Failure> {
    write(path, &serde_json::to_vec_pretty(value)?).await
}

/// Writes a file so that readers see all of it or nothing, creating its folder.
pub(crate) async fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    if let Some(folder) = path.parent() {
        tokio::fs::create_dir_all(folder).await?;
    }
    let mut half = path.as_os_str().to_owned();
    half.push(".part");
    tokio::fs::write(&half, bytes).await?;
    Ok(tokio::fs::rename(&half, path).await?)
}

/// Removes a file; `false` if there was none.
pub(crate) async fn remove(path: &Path) -> Result<bool, Failure> {
    match tokio::fs::remove_file(path).await {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error.into()),
    }
}
