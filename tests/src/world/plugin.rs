//! [`Recorded`]: a plugin that remembers its calls and answers by a script of the test.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use gearshift_bus::Bus;
use gearshift_plugins_sdk::{Context, Failure, Plugin, Running, State};
use serde_json::Value;
use tokio::sync::Semaphore;

/// One call as the plugin saw it.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    /// The idempotency key.
    pub call_id: String,
    /// Counted from 1.
    pub attempt: u32,
    /// The calling instance.
    pub instance: String,
    /// What came in.
    pub input: Value,
}

/// What the plugin answers.
#[derive(Clone, Debug)]
pub enum Answer {
    /// This.
    Output(Value),
    /// Another attempt may succeed; with the wish when.
    Retryable(String, Option<Duration>),
    /// Another attempt is useless.
    Permanent(String),
    /// Nothing, ever.
    Never,
    /// This, once the gate is open.
    Behind(Arc<Semaphore>, Value),
}

type Script = dyn Fn(&Seen) -> Answer + Send + Sync;

/// The plugin `recorded`, version 1.0.0, with the operation `work`.
#[derive(Clone)]
pub struct Recorded {
    seen: Arc<Mutex<Vec<Seen>>>,
    script: Arc<Script>,
}

impl Recorded {
    /// A plugin that answers by `script`.
    pub fn new(script: impl Fn(&Seen) -> Answer + Send + Sync + 'static) -> Self {
        Self { seen: Arc::default(), script: Arc::new(script) }
    }

    /// All calls so far.
    #[must_use]
    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Serves until what is returned is dropped.
    ///
    /// # Panics
    /// Where the bus refuses.
    pub async fn serve(&self, bus: &Bus) -> Running {
        let plugin = Plugin::new("recorded", "1.0.0").operation("work", work).state(self.clone());
        plugin.serve(bus).await.unwrap_or_else(|error| panic!("plugin: {error}"))
    }
}

async fn work(
    State(recorded): State<Recorded>,
    context: Context,
    input: Value,
) -> Result<Value, Failure> {
    let seen = Seen {
        call_id: context.call_id.clone(),
        attempt: context.attempt,
        instance: context.instance_id.clone(),
        input,
    };
    let answer = (recorded.script)(&seen);
    recorded.seen.lock().unwrap_or_else(PoisonError::into_inner).push(seen);
    match answer {
        Answer::Output(output) => Ok(output),
        Answer::Retryable(reason, after) => {
            let failure = Failure::retryable(reason);
            Err(match after {
                Some(after) => failure.retry_after(after),
                None => failure,
            })
        }
        Answer::Permanent(reason) => Err(Failure::permanent(reason)),
        Answer::Never => std::future::pending().await,
        Answer::Behind(gate, output) => {
            // A closed gate is an open one: nobody holds it any more.
            drop(gate.acquire().await);
            Ok(output)
        }
    }
}
