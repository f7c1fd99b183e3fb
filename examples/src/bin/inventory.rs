//! The plugin `inventory` of the example order, as a process of its own.

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    gearshift_examples::run("order", "inventory").await
}
