//! The plugin `directory` of the example document-approval, as a process: `cargo run -p gearshift-examples --bin directory`.

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    gearshift_examples::run("document-approval", "directory").await
}
