//! Every document below a folder.

use std::io;
use std::path::Path;

use super::Document;

/// What lies below a folder.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// Documents to run, in the order of their ids.
    pub documents: Vec<Document>,
    /// Documents that others start as children.
    pub children: Vec<Document>,
}

/// Reads every `.txml` below `folder`.
///
/// # Errors
/// What cannot be read.
pub fn find(folder: &Path) -> io::Result<Found> {
    let mut found = Found::default();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "txml") {
                let bytes = std::fs::read(&path)?;
                let text = String::from_utf8_lossy(&bytes).into_owned();
                let document = Document::new(&path, text);
                let list =
                    if document.is_child() { &mut found.children } else { &mut found.documents };
                list.push(document);
            }
        }
    }
    // 144 before 1440, 403a before 403b.
    let order = |document: &Document| {
        let end = document.id.find(|c: char| !c.is_ascii_digit()).unwrap_or(document.id.len());
        let number = document.id.get(..end).and_then(|digits| digits.parse::<u32>().ok());
        (number.unwrap_or(u32::MAX), document.id.clone())
    };
    found.documents.sort_by_key(order);
    found.children.sort_by_key(order);
    Ok(found)
}
