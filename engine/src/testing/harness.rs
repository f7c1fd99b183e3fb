//! [`Harness`]: says what happens, moves the clock, and asserts.

use std::fmt::Display;
use std::path::Path;
use std::time::Duration;

use gearshift_bus::Bus;
use gearshift_client::Client;
use gearshift_client::protocol::command::{Decide, Start};
use gearshift_client::protocol::view::InstanceDetail;
use gearshift_client::protocol::{InstanceVerdict, Status};
use gearshift_machine::definition::{Format, load};
use gearshift_machine::machine::Timestamp;
use gearshift_plugins_sdk::Plugin;
use serde_json::Value;
use tokio::runtime::{Builder, Runtime};

use super::fault::Fault;
use super::quiet::settle;
use super::stand_in::{Called, StandIn};
use crate::api::{BusDoor, serve_on_bus};
use crate::runtime::{Clock, Engine, EngineConfig};

/// How long threads may take to end.
const CRASH_LIMIT: Duration = Duration::from_secs(10);

/// When virtual time begins: 2026-01-01T00:00:00Z.
const BEGIN: Timestamp = Timestamp(1_767_225_600_000);

/// An engine in memory with its plugins and a clock that only the test moves.
///
/// Every method that does something returns once nothing happens any more, and panics with what it
/// saw where that is not what the test says. It has a runtime of its own, so it is used in plain
/// tests, not in asynchronous ones.
pub struct Harness {
    life: Option<Life>,
    plugins: StandIn,
    client: Client,
    bus: Bus,
    clock: Clock,
    /// The instance that was addressed last.
    current: Option<String>,
    runtime: Runtime,
}

/// What ends with a crash, with the threads it runs on.
struct Life {
    engine: Engine,
    door: BusDoor,
    runtime: Runtime,
}

impl Harness {
    /// An engine without definitions and plugins. The clock stands at 2026-01-01T00:00:00Z.
    ///
    /// # Panics
    ///
    /// The engine does not start.
    #[must_use]
    #[track_caller]
    pub fn embedded() -> Self {
        let runtime = threads();
        let (bus, clock) = (Bus::in_memory(), Clock::at(BEGIN));
        let (client, plugins) =
            (Client::bus(bus.clone()).as_user("tester"), StandIn::new(bus.clone(), clock.clone()));
        let harness = Self { life: None, plugins, client, bus, clock, current: None, runtime };
        harness.begin()
    }

    #[track_caller]
    fn begin(mut self) -> Self {
        let config = EngineConfig {
            name: "harness".to_owned(),
            partitions: 2,
            clock: self.clock.clone(),
            ..EngineConfig::default()
        };
        let (bus, runtime) = (self.bus.clone(), threads());
        let started = runtime.block_on(async {
            let engine = Engine::start(bus, config).await?;
            let door = serve_on_bus(&engine.handle()).await?;
            Ok::<_, crate::Error>((engine, door))
        });
        let (engine, door) = must("the engine", started);
        self.life = Some(Life { engine, door, runtime });
        self
    }

    /// Serves a plugin.
    ///
    /// # Panics
    ///
    /// The plugin cannot be served.
    #[must_use]
    #[track_caller]
    pub fn plugin(mut self, plugin: Plugin) -> Self {
        must("the plugin", self.runtime.block_on(self.plugins.plugin(plugin)));
        self
    }

    /// Answers an operation, `plugin.operation`, with this output and without any plugin.
    ///
    /// # Panics
    ///
    /// It is no operation.
    #[must_use]
    #[track_caller]
    pub fn mock(mut self, operation: &str, output: Value) -> Self {
        must("the mock", self.runtime.block_on(self.plugins.mock(operation, output)));
        self
    }

    /// What goes wrong with the call of this number of an operation, `plugin.operation`; calls
    /// are counted from 1, over all instances and attempts.
    #[must_use]
    pub fn fault(self, operation: &str, call: u32, fault: Fault) -> Self {
        self.plugins.plan(operation, call, fault);
        self
    }

    /// Deploys the definition in a file.
    ///
    /// # Panics
    ///
    /// It cannot be read, or has problems: all of them are shown.
    #[track_caller]
    pub fn deploy(self, file: impl AsRef<Path>) -> Self {
        let file = file.as_ref();
        let shown = file.display().to_string();
        let text = must(&shown, std::fs::read_to_string(file));
        self.deploy_as(&text, &shown)
    }

    /// Deploys a definition in YAML.
    ///
    /// # Panics
    ///
    /// It has problems: all of them are shown.
    #[track_caller]
    pub fn deploy_text(self, text: &str) -> Self {
        self.deploy_as(text, "definition")
    }

    #[track_caller]
    fn deploy_as(self, text: &str, origin: &str) -> Self {
        let loaded = load(text, origin, Format::of(origin)).map_err(|problems| {
            problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
        });
        let definition = must(origin, loaded).definition;
        let deployed = self.runtime.block_on(self.life().engine.deploy(definition));
        must(origin, deployed);
        self
    }

    /// Starts an instance.
    ///
    /// # Panics
    ///
    /// It is not started.
    #[track_caller]
    pub fn start(mut self, workflow: &str, key: &str, input: Value) -> Self {
        let (workflow, key) = (workflow.to_owned(), Some(key.to_owned()));
        let order = Start { workflow, key, input, ..Start::default() };
        let reply = must("the start", self.runtime.block_on(self.client.start(&order)));
        self.took("the start", &reply.verdict);
        self.current = Some(reply.verdict.instance);
        self.settle()
    }

    /// Sends an event; the instance that takes it is the one that assertions speak of then.
    ///
    /// # Panics
    ///
    /// Nobody takes it, or it is refused.
    #[track_caller]
    pub fn send(mut self, event: &str, data: Value) -> Self {
        let reply = must(event, self.runtime.block_on(self.client.send(event, &data)));
        let mut taken = reply.verdicts.iter().filter(|one| one.status.is_some());
        let Some(verdict) = taken.next().or_else(|| reply.verdicts.first()) else {
            panic!("`{event}` got no verdict");
        };
        self.took(event, verdict);
        if verdict.status.is_some() {
            self.current = Some(verdict.instance.clone());
        }
        self.settle()
    }

    /// Decides an approval of the current instance in this user's name, such as `approve`.
    ///
    /// # Panics
    ///
    /// It is refused.
    #[track_caller]
    pub fn decide(self, user: &str, choice: &str) -> Self {
        let instance = self.current().to_owned();
        let order = Decide { instance, choice: choice.to_owned(), ..Decide::default() };
        let client = self.client.clone().as_user(user);
        let verdict = must(choice, self.runtime.block_on(client.decide(&order)));
        self.took(choice, &verdict);
        self.settle()
    }

    /// Moves the clock on, from one due moment to the next, each with all that follows from it.
    ///
    /// # Panics
    ///
    /// Something is under way for ever.
    #[track_caller]
    pub fn advance(self, by: Duration) -> Self {
        let millis = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
        let end = self.clock.now().plus_ms(millis);
        let mut next = self.quiet();
        while let Some(due) = next.filter(|due| *due <= end) {
            self.forward_to(due);
            next = self.quiet();
        }
        self.forward_to(end);
        self.settle()
    }

    fn forward_to(&self, moment: Timestamp) {
        let step = moment.since_ms(self.clock.now());
        self.clock.advance(Duration::from_millis(step));
    }

    /// Ends the engine wherever it is, without a word, and starts another one on what it left: what
    /// is durable is still there. Plugins go on.
    ///
    /// # Panics
    ///
    /// The engine does not start again.
    #[track_caller]
    pub fn crash(mut self) -> Self {
        if let Some(Life { engine, door, runtime }) = self.life.take() {
            // Its tasks end wherever they are.
            runtime.shutdown_timeout(CRASH_LIMIT);
            drop((engine, door));
        }
        self.begin().settle()
    }

    /// Speaks of this instance from now on: `workflow/key`, or the key where it tells which.
    #[must_use]
    pub fn on(mut self, instance: &str) -> Self {
        self.current = Some(instance.to_owned());
        self
    }

    /// Is the current instance in this state, an ended one included?
    ///
    /// # Panics
    ///
    /// It is not.
    #[track_caller]
    pub fn assert_state(self, state: &str) -> Self {
        let detail = self.detail();
        let active = &detail.summary.active;
        let is_in = active.iter().any(|one| one == state || one.rsplit('.').next() == Some(state));
        assert!(is_in, "{}", self.says(&format!("is not in `{state}`"), &detail));
        self
    }

    /// Has the current instance this status?
    ///
    /// # Panics
    ///
    /// It has not.
    #[track_caller]
    pub fn assert_status(self, status: Status) -> Self {
        let detail = self.detail();
        let is_so = detail.summary.status == status;
        assert!(is_so, "{}", self.says(&format!("is not {}", status.as_str()), &detail));
        self
    }

    /// Was the operation called so often, attempts counted each?
    ///
    /// # Panics
    ///
    /// It was not: what was called is shown.
    #[track_caller]
    pub fn assert_called(self, operation: &str, times: usize) -> Self {
        let called = self.plugins.called(operation);
        if called.len() != times {
            let all = self.plugins.operations();
            panic!(
                "`{operation}` was called {} times, not {times}; called were {all:?}: {called:#?}",
                called.len()
            );
        }
        self
    }

    /// The calls of an operation, in the order they came.
    #[must_use]
    pub fn called(&self, operation: &str) -> Vec<Called> {
        self.plugins.called(operation)
    }

    /// All about the current instance.
    ///
    /// # Panics
    ///
    /// There is none.
    #[must_use]
    #[track_caller]
    pub fn detail(&self) -> InstanceDetail {
        let current = self.current();
        must(current, self.runtime.block_on(self.client.instance(current)))
    }

    /// The virtual moment.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// What else can be asked or told.
    #[must_use]
    pub const fn client(&self) -> &Client {
        &self.client
    }

    /// Returns once nothing happens any more before the clock moves; needed after what was done
    /// by [`Harness::client`] only.
    ///
    /// # Panics
    ///
    /// Something is under way for ever.
    #[track_caller]
    pub fn settle(self) -> Self {
        self.quiet();
        self
    }

    #[track_caller]
    fn quiet(&self) -> Option<Timestamp> {
        let handle = self.life().engine.handle();
        let settled = self.runtime.block_on(settle(&handle, &self.plugins, &self.clock));
        must("quiet", settled)
    }

    #[track_caller]
    fn took(&self, what: &str, verdict: &InstanceVerdict) {
        let told = &verdict.verdict;
        assert!(told.exit_code() == 0, "`{what}` was not taken: {verdict:#?}");
    }

    fn says(&self, what: &str, detail: &InstanceDetail) -> String {
        let why = self.runtime.block_on(self.client.why(&detail.summary.id));
        let why = why.map_or_else(|error| error.to_string(), |why| format!("{why:#?}"));
        let (id, active) = (&detail.summary.id, &detail.summary.active);
        format!("`{id}` {what}, but in {active:?}, {}\n{why}", detail.summary.status.as_str())
    }

    #[track_caller]
    fn current(&self) -> &str {
        let Some(current) = &self.current else {
            panic!("no instance was started or addressed: use `start`, `send` or `on`");
        };
        current
    }

    #[track_caller]
    fn life(&self) -> &Life {
        let Some(life) = &self.life else { panic!("the engine did not start") };
        life
    }
}

/// Threads of their own.
#[track_caller]
fn threads() -> Runtime {
    must("threads", Builder::new_multi_thread().worker_threads(2).enable_all().build())
}

/// The value, or a panic that says what was tried.
#[track_caller]
fn must<T, E: Display>(what: &str, result: Result<T, E>) -> T {
    match result {
        Ok(value) => value,
        Err(error) => panic!("{what}: {error}"),
    }
}
