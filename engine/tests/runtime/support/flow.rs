//! The workflow whose states askers wait for, and how they ask over the bus.

use std::time::Duration;

use gearshift_bus::{Bus, Message, PrivateServer, ServerOptions, Subject};
use gearshift_engine::Handle;
use gearshift_machine::machine::InstanceKey;
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tokio::task::{AbortHandle, JoinSet};

use super::{PATIENCE, World, eventually_async};

/// Every way to a state, past it, and to nowhere.
pub(crate) const FLOW: &str = r#"
workflow: flow
version: 1
correlate: data.key
events:
  flow.begun: { start: true }
  flow.counted: {}
  flow.armed: {}
  flow.timed: {}
  flow.divided: {}
  flow.ended: {}
  flow.lost: {}
vars: { at: 0 }
initial: open
states:
  open:
    on:
      flow.counted: { do: { set: { at: vars.at + 1 } } }
      flow.armed: { to: armed }
      flow.timed: { to: timed }
      flow.divided: { do: { set: { at: "10 / data.n" } }, to: armed }
      flow.lost: { to: lost }
  timed:
    after: { 30s: armed }
  armed:
    on:
      flow.ended: { to: done }
  done: { final: true }
  lost: { final: true }
"#;

/// The instance `name` of [`FLOW`].
pub(crate) fn flow(name: &str) -> InstanceKey {
    InstanceKey::new("flow", name).unwrap()
}

/// An event over the bus, to whichever engine.
pub(crate) struct Asking {
    event: &'static str,
    name: String,
    n: u64,
    id: Option<String>,
    wish: Option<(&'static str, Duration)>,
}

impl Asking {
    pub(crate) fn new(event: &'static str, name: &str) -> Self {
        Self { event, name: name.to_owned(), n: 0, id: None, wish: None }
    }

    pub(crate) fn id(mut self, id: &str) -> Self {
        self.id = Some(id.to_owned());
        self
    }

    pub(crate) fn wait(mut self, state: &'static str, limit: Duration) -> Self {
        self.wish = Some((state, limit));
        self
    }

    /// Asks beside the test, on the runtime that it is called in.
    pub(crate) fn begin(self, bus: &Bus) -> Asked {
        let mut tasks = JoinSet::new();
        let task = tasks.spawn(self.over(bus.clone()));
        Asked { tasks, task }
    }

    /// What is answered, at the latest when the wait is over and some more.
    pub(crate) async fn over(self, bus: Bus) -> Value {
        let subject = Subject::parse(&format!("gearshift.event.{}", self.event)).unwrap();
        let body = json!({ "key": self.name, "n": self.n }).to_string();
        let mut message = Message::new(subject, body);
        if let Some(id) = &self.id {
            message = message.with_header("Nats-Msg-Id", id).unwrap();
        }
        if let Some((state, limit)) = self.wish {
            let limit = limit.as_millis().to_string();
            message = message.with_header("Gearshift-Wait-For", state).unwrap();
            message = message.with_header("Gearshift-Timeout-Ms", &limit).unwrap();
        }
        let reply = bus.requests().request(message, PATIENCE).await.unwrap();
        serde_json::from_slice(&reply.payload).unwrap()
    }
}

/// A question under way; dropping it gives it up.
pub(crate) struct Asked {
    tasks: JoinSet<Value>,
    task: AbortHandle,
}

impl Asked {
    pub(crate) fn is_answered(&self) -> bool {
        self.task.is_finished()
    }

    pub(crate) async fn answer(mut self) -> Value {
        self.tasks.join_next().await.unwrap().unwrap()
    }
}

/// Waits until the instance is in `state`.
pub(crate) async fn is_in(handle: &Handle, name: &str, state: &str) {
    eventually_async(state, async || {
        let instance = handle.instance(&flow(name)).await.ok().flatten()?;
        let registry = handle.definitions().registry();
        let definition = registry.get("flow", 1)?;
        let mut active = instance.active.iter();
        active.any(|id| &*definition.state(*id).id == state).then_some(())
    })
    .await;
}

/// Runs a test in memory and on a server of its own.
pub(crate) fn on_each_bus(test: impl Fn(World)) {
    test(World::memory());
    on_nats(test);
}

/// Runs a test on a server of its own.
pub(crate) fn on_nats(test: impl Fn(World)) {
    let runtime = Runtime::new().unwrap();
    let server = runtime.block_on(PrivateServer::start(ServerOptions::default())).unwrap();
    test(World::nats(server.url()));
}
