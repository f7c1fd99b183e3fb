//! The plugin `inventory` of the example order, as a process of its own.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    gearshift_examples::program::serve("order", "inventory").await
}
