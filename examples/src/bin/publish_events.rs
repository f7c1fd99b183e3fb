//! Publishes the events of a script as any program with a NATS client would: bare subjects, no
//! envelope. `cargo run -p gearshift-examples --bin publish_events examples/document-approval`.

use std::error::Error;
use std::path::Path;
use std::process::ExitCode;

use gearshift_examples::program::{Wanted, fail, folder, innermost, print};
use gearshift_examples::{Script, Step};

const HELP: &str = "\
Publishes the events of an example's `events.yaml` under their own subjects, over NATS.

Usage: publish_events [FOLDER]

  FOLDER  the example [default: examples/document-approval]

The server is NATS_URL, else nats://127.0.0.1:4222. Decisions of the script are left out: they are
for people (`gearshift approve`).
";

#[tokio::main]
async fn main() -> ExitCode {
    let default = Path::new("examples/document-approval");
    let dir = match folder(std::env::args_os().skip(1), default) {
        Ok(Wanted::Folder(dir)) => dir,
        Ok(Wanted::Help) => return print(HELP),
        Err(word) => return fail(2, format!("`{}` is not known; see --help", word.display())),
    };
    match publish(&dir).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(1, said(&*error)),
    }
}

async fn publish(dir: &Path) -> Result<(), Box<dyn Error>> {
    let script = Script::read(dir)?;
    let url = std::env::var("NATS_URL").unwrap_or_else(|_| "nats://127.0.0.1:4222".to_owned());
    let client = async_nats::connect(&url).await.map_err(|error| format!("`{url}`: {error}"))?;
    let jetstream = async_nats::jetstream::new(client);
    for step in script.steps {
        if let Step::Event { event, data } = step {
            // The second await is for the server's word that a stream has it.
            let body = serde_json::to_vec(&data)?;
            let sent = jetstream.publish(event.clone(), body.into()).await?;
            sent.await.map_err(|error| format!("`{event}` was not stored: {error}"))?;
        }
    }
    Ok(())
}

/// What went wrong, and what lay beneath it.
fn said(error: &(dyn Error + 'static)) -> String {
    let (above, beneath) = (error.to_string(), innermost(error).to_string());
    match above.contains(&beneath) {
        true => above,
        false => format!("{above}: {beneath}"),
    }
}
