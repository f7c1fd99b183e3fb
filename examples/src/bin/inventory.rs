//! The plugin `inventory` of the example order, as a process: `cargo run -p gearshift-examples --bin inventory`.

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    gearshift_examples::run("order", "inventory").await
}
