//! [`Plugin`]: a name, a version and operations.

use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use gearshift_bus::{Bus, EndpointInfo, ServiceInfo};
use gearshift_protocol::metadata::LIST_MAX;
use gearshift_protocol::{PluginMetadata, Requirement, plugin, subjects};
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::context::States;
use crate::handler::{Erased, erase};
use crate::hooks::Hooks;
use crate::life::Gauge;
use crate::{Error, Failure, Handler, OperationOptions, Running, TestPlugin};

/// How many calls a plugin answers at once unless told otherwise.
const CONCURRENCY: usize = 16;

/// How long a plugin waits at its start for those it requires, unless told otherwise.
const PATIENCE: Duration = Duration::from_secs(30);

/// A plugin in the making.
#[derive(Clone)]
pub struct Plugin {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) concurrency: usize,
    pub(crate) states: States,
    pub(crate) operations: Vec<Operation>,
    pub(crate) told: PluginMetadata,
    pub(crate) patience: Duration,
    pub(crate) hooks: Hooks,
}

/// One operation of a plugin.
#[derive(Clone)]
pub(crate) struct Operation {
    pub(crate) name: String,
    pub(crate) handler: Erased,
    pub(crate) options: OperationOptions,
}

impl Plugin {
    /// A plugin without operations. The name has letters, digits, `-` and `_`; the version is
    /// `major.minor.patch`, and its major version is part of the subject that callers use.
    #[must_use]
    pub fn new(name: &str, version: &str) -> Self {
        Self {
            name: name.to_owned(),
            version: version.to_owned(),
            concurrency: CONCURRENCY,
            states: States::default(),
            operations: Vec::new(),
            told: PluginMetadata::default(),
            patience: PATIENCE,
            hooks: Hooks::default(),
        }
    }

    /// Adds an operation; definitions call it as `plugin.operation`.
    ///
    /// The handler must not block its thread: `tokio::task::spawn_blocking` is for that. Handlers
    /// that have always been quick answer where calls are taken, so one that blocks all the same
    /// keeps the next ones of its operation waiting.
    #[must_use]
    pub fn operation<M, H>(self, name: &str, handler: H) -> Self
    where
        H: Handler<M> + Send + Sync + 'static,
        H::Input: DeserializeOwned + JsonSchema + Send + 'static,
        H::Output: Serialize + JsonSchema + 'static,
        H::Error: Into<Failure> + 'static,
        H::Answer: Send + 'static,
    {
        self.operation_with(name, handler, OperationOptions::new())
    }

    /// Adds an operation of which callers are told more.
    ///
    /// ```
    /// # use gearshift_plugins_sdk::{Failure, JsonSchema, OperationOptions, Plugin, schemars};
    /// # #[derive(serde::Deserialize, JsonSchema)] struct Amount { cents: u64 }
    /// async fn charge(amount: Amount) -> Result<u64, Failure> {
    ///     Ok(amount.cents)
    /// }
    ///
    /// let once = OperationOptions::new().idempotent(false);
    /// let billing = Plugin::new("billing", "1.0.0").operation_with("charge", charge, once);
    /// # assert_eq!(billing.name(), "billing");
    /// ```
    #[must_use]
    pub fn operation_with<M, H>(mut self, name: &str, handler: H, options: OperationOptions) -> Self
    where
        H: Handler<M> + Send + Sync + 'static,
        H::Input: DeserializeOwned + JsonSchema + Send + 'static,
        H::Output: Serialize + JsonSchema + 'static,
        H::Error: Into<Failure> + 'static,
        H::Answer: Send + 'static,
    {
        let (name, handler) = (name.to_owned(), erase(handler));
        self.operations.push(Operation { name, handler, options });
        self
    }

    /// Gives handlers that take [`crate::State`] of this type a clone of it; of one type there
    /// is one value, the last one given.
    #[must_use]
    pub fn state<S: Clone + Send + Sync + 'static>(mut self, state: S) -> Self {
        self.states.insert(state);
        self
    }

    /// How many calls are answered at once, at least 1; 16 unless set. The others wait in the
    /// queue of the bus, which is bounded.
    #[must_use]
    pub fn concurrency(mut self, calls: usize) -> Self {
        self.concurrency = calls.max(1);
        self
    }

    /// The plugin needs another one, in versions such as `>=1.0.0`.
    ///
    /// It starts once all it requires are there. Those that are still missing after
    /// [`Plugin::requires_within`] are said, in the log and to whoever watches plugins; the plugin
    /// is served all the same, as `degraded`, until they come.
    #[must_use]
    pub fn requires(self, plugin: &str, version: &str) -> Self {
        self.requirement(plugin, version, false)
    }

    /// The plugin works better with another one; where it is missing, that is said and no more.
    #[must_use]
    pub fn requires_optional(self, plugin: &str, version: &str) -> Self {
        self.requirement(plugin, version, true)
    }

    fn requirement(mut self, plugin: &str, version: &str, optional: bool) -> Self {
        let (plugin, version) = (plugin.to_owned(), version.to_owned());
        self.told.requires.push(Requirement { plugin, version, optional });
        self
    }

    /// How long the start waits for what the plugin requires; 30 s unless set.
    #[must_use]
    pub const fn requires_within(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// The plugin has all operations of this interface: definitions that call
    /// `interface.operation` reach it where no plugin has the interface's name.
    #[must_use]
    pub fn implements(mut self, interface: &str) -> Self {
        self.told.interfaces.push(interface.to_owned());
        self
    }

    /// Of several plugins with one interface the one with the highest priority is asked; 0 unless
    /// set.
    #[must_use]
    pub const fn priority(mut self, priority: i64) -> Self {
        self.told.priority = priority;
        self
    }

    /// The instance's share where calls are spread by weight, at least 1; 1 unless set.
    #[must_use]
    pub fn weight(mut self, weight: u32) -> Self {
        self.told.weight = weight.max(1);
        self
    }

    /// How quick the plugin is beside others that could do the same, the higher the quicker; 0
    /// unless set.
    #[must_use]
    pub const fn performance(mut self, tier: i64) -> Self {
        self.told.performance = tier;
        self
    }

    /// The share of time the plugin is up, from 0 to 1, for callers that choose by it.
    #[must_use]
    pub const fn reliability(mut self, share: f64) -> Self {
        self.told.reliability = Some(share);
        self
    }

    /// The plugin's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Calls of operations without a bus.
    #[must_use]
    pub fn test(self) -> TestPlugin {
        TestPlugin::new(self)
    }

    /// Answers calls over this bus from now on, until [`Running`] is dropped or drained.
    ///
    /// # Errors
    ///
    /// A name, a version or a requirement is not one, an operation is there twice or takes a state
    /// that was not given, a hook failed, or the bus refuses. Nothing is served then.
    pub async fn serve(self, bus: &Bus) -> Result<Running, Error> {
        let gauge = self.gauge();
        Running::start(self, bus, gauge).await
    }

    /// State and load, for whoever watches.
    pub(crate) fn gauge(&self) -> Gauge {
        Gauge::new(u32::try_from(self.concurrency).unwrap_or(u32::MAX))
    }

    /// The major version, where everything about the plugin is in order.
    pub(crate) fn check(&self) -> Result<u64, Error> {
        let version = semver::Version::parse(&self.version)
            .map_err(|_| Error::Version { version: self.version.clone() })?;
        let operations = self.operations.iter().map(|operation| &operation.name);
        let required = self.told.requires.iter().map(|one| &one.plugin);
        let others = operations.chain(required).chain(&self.told.interfaces);
        for name in std::iter::once(&self.name).chain(others) {
            if !subjects::is_service_name(name) {
                return Err(Error::Name { name: name.clone() });
            }
        }
        self.check_told()?;
        for (index, Operation { name, handler, .. }) in self.operations.iter().enumerate() {
            let operation = name.clone();
            if self.operations[..index].iter().any(|earlier| earlier.name == *name) {
                return Err(Error::DuplicateOperation { operation });
            }
            if let Some((id, state)) = handler.needs
                && !self.states.contains(id)
            {
                return Err(Error::MissingState { operation, state });
            }
        }
        Ok(version.major)
    }

    fn check_told(&self) -> Result<(), Error> {
        let told = &self.told;
        let lists = [("requirements", told.requires.len()), ("interfaces", told.interfaces.len())];
        for (what, count) in lists {
            if count > LIST_MAX {
                return Err(Error::TooMany { what, count, limit: LIST_MAX });
            }
        }
        if let Some(wrong) = told.requires.iter().find(|one| !one.is_valid()) {
            let Requirement { plugin, version, .. } = wrong.clone();
            return Err(Error::Requirement { plugin, version });
        }
        match told.reliability {
            Some(share) if !(0.0..=1.0).contains(&share) => {
                Err(Error::Reliability { reliability: share })
            }
            Some(_) | None => Ok(()),
        }
    }

    /// What the plugin tells about itself, under an id of its own.
    pub(crate) fn info(&self, major: u64) -> ServiceInfo {
        static STARTED: AtomicU64 = AtomicU64::new(1);

        let serial = STARTED.fetch_add(1, Ordering::Relaxed);
        // Process numbers repeat from one container to the next.
        let random = RandomState::new().hash_one(serial);
        let endpoints = self.operations.iter().map(|operation| EndpointInfo {
            name: operation.name.clone(),
            subject: subjects::plugin(&self.name, major, &operation.name),
            metadata: operation.metadata(),
        });
        let told = PluginMetadata {
            concurrency: Some(u32::try_from(self.concurrency).unwrap_or(u32::MAX)),
            instance: true,
            objects: true,
            ..self.told.clone()
        };
        ServiceInfo {
            name: self.name.clone(),
            id: format!("{}-{serial}-{random:016x}", std::process::id()),
            version: self.version.clone(),
            metadata: told.to_map(),
            endpoints: endpoints.collect(),
        }
    }

    pub(crate) fn shared_states(&self) -> Arc<States> {
        Arc::new(self.states.clone())
    }
}

impl Operation {
    /// What the endpoint tells about itself.
    fn metadata(&self) -> BTreeMap<String, String> {
        let mut metadata = BTreeMap::from([
            (plugin::METADATA_INPUT.to_owned(), self.handler.input.clone()),
            (plugin::METADATA_OUTPUT.to_owned(), self.handler.output.clone()),
            (plugin::METADATA_IDEMPOTENT.to_owned(), self.options.idempotent.to_string()),
        ]);
        let times = [
            (plugin::METADATA_TIMEOUT, self.options.timeout),
            (plugin::METADATA_HEARTBEAT, self.options.heartbeat),
        ];
        for (key, time) in times {
            if let Some(time) = time {
                metadata.insert(key.to_owned(), plugin::format_duration(millis(time)));
            }
        }
        metadata
    }
}

pub(crate) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

impl std::fmt::Debug for Plugin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let operations: Vec<_> = self.operations.iter().map(|one| &one.name).collect();
        f.debug_struct("Plugin")
            .field("name", &self.name)
            .field("version", &self.version)
            .field("operations", &operations)
            .finish_non_exhaustive()
    }
}
