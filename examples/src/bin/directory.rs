//! The plugin `directory` of the example document-approval, as a process of its own.

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    gearshift_examples::run("document-approval", "directory").await
}
