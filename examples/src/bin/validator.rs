//! The plugin `validator` of the example document-approval, as a process: `cargo run -p gearshift-examples --bin validator`.

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    gearshift_examples::run("document-approval", "validator").await
}
