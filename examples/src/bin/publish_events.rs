//! Publishes the events of a script as any program with a NATS client would: bare subjects, no
//! envelope. `cargo run -p gearshift-examples --bin publish_events examples/document-approval`.

use std::path::PathBuf;

use gearshift_examples::{Script, Step};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dir = std::env::args_os().nth(1).map(PathBuf::from);
    let script = Script::read(&dir.unwrap_or_else(|| "examples/document-approval".into()))?;
    let url = std::env::var("NATS_URL").unwrap_or_else(|_| "nats://127.0.0.1:4222".to_owned());
    let jetstream = async_nats::jetstream::new(async_nats::connect(url).await?);
    for step in script.steps {
        if let Step::Event { event, data } = step {
            // The second await is for the server's word that a stream has it.
            let body = serde_json::to_vec(&data)?;
            jetstream.publish(event, body.into()).await?.await?;
        }
    }
    Ok(())
}
