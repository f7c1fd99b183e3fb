//! All plugins of one example in one process, over NATS:
//! `cargo run -p gearshift-examples --bin example_plugins data-processing`.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    gearshift_examples::program::serve_example().await
}
