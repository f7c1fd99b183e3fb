//! Files of an example: names that stay in their folder, and writes that are whole or absent.

use std::io;
use std::path::{Path, PathBuf};

use gearshift_plugins_sdk::Failure;
use serde::Serialize;
use serde::de::DeserializeOwned;

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
