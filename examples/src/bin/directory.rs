//! The plugin `directory` of the example document-approval, as a process of its own.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    gearshift_examples::program::serve("document-approval", "directory").await
}
