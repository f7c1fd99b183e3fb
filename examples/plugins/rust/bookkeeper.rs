//! The plugin `bookkeeper` in Rust: its effect is done once per call id, however often it is asked.

use std::io::{Error as IoError, ErrorKind};
use std::path::PathBuf;

use gearshift_plugins_sdk::{Context, Error, Failure, JsonSchema, Plugin, State, schemars};
use serde::{Deserialize, Serialize};

#[derive(Deserialize, JsonSchema)]
struct Wanted {
    account: String,
    amount: i64,
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct Entry {
    call: String,
    account: String,
    amount: i64,
    by: String,
    version: String,
}

#[derive(Clone)]
struct Books {
    folder: PathBuf,
    version: String,
}

async fn book(books: State<Books>, context: Context, wanted: Wanted) -> Result<Entry, Failure> {
    let by = format!("rust-{}", std::process::id());
    let Wanted { account, amount } = wanted;
    let version = books.0.version.clone();
    let entry = Entry { call: context.call_id, account, amount, by, version };
    Ok(tokio::task::spawn_blocking(move || books.0.enter(&entry)).await??)
}

impl Books {
    /// Enters it, unless that was done before; the entry that stands.
    fn enter(&self, entry: &Entry) -> Result<Entry, IoError> {
        let (name, draft) = (format!("{}.json", entry.call), format!("{}.draft", entry.by));
        let draft = self.folder.join(format!("{}-{draft}", entry.call));
        let name = self.folder.join(name);
        // A name is given once, and to what is complete.
        std::fs::write(&draft, serde_json::to_vec(entry)?)?;
        match std::fs::hard_link(&draft, &name) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
            Ok(()) | Err(_) => {}
        }
        std::fs::remove_file(&draft)?;
        Ok(serde_json::from_slice(&std::fs::read(&name)?)?)
    }
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    let told = |name: &str, default: &str| std::env::var(name).unwrap_or_else(|_| default.into());
    let version = told("BOOKKEEPER_VERSION", "1.0.0");
    let books = Books { folder: told("BOOKKEEPER_FOLDER", ".").into(), version: version.clone() };
    Plugin::new("bookkeeper", &version).operation("book", book).state(books).run().await
}
