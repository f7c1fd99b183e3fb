//! [`Plugin`]: a name, a version and operations.

use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use gearshift_bus::{Bus, EndpointInfo, ServiceInfo};
use gearshift_protocol::{plugin, subjects};

use crate::context::States;
use crate::handler::sealed::Erased;
use crate::{Error, Handler, OperationOptions, Running, TestPlugin};

/// How many calls a plugin answers at once unless told otherwise.
const CONCURRENCY: usize = 16;

/// A plugin in the making.
#[derive(Clone)]
pub struct Plugin {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) concurrency: usize,
    pub(crate) states: States,
    pub(crate) operations: Vec<Operation>,
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
        }
    }

    /// Adds an operation; definitions call it as `plugin.operation`.
    #[must_use]
    pub fn operation<M>(self, name: &str, handler: impl Handler<M>) -> Self {
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
    pub fn operation_with<M>(
        mut self,
        name: &str,
        handler: impl Handler<M>,
        options: OperationOptions,
    ) -> Self {
        let (name, handler) = (name.to_owned(), handler.erase());
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

    /// The plugin's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Calls of operations without a bus.
    #[must_use]
    pub const fn test(self) -> TestPlugin {
        TestPlugin::new(self)
    }

    /// Answers calls over this bus from now on, until [`Running`] is dropped or drained.
    ///
    /// # Errors
    ///
    /// A name or the version is not one, an operation is there twice or takes a state that was
    /// not given, or the bus refuses. Nothing is served then.
    pub async fn serve(self, bus: &Bus) -> Result<Running, Error> {
        Running::start(self, bus).await
    }

    /// The major version, where everything about the plugin is in order.
    pub(crate) fn check(&self) -> Result<u64, Error> {
        let version = semver::Version::parse(&self.version)
            .map_err(|_| Error::Version { version: self.version.clone() })?;
        let names = self.operations.iter().map(|operation| &operation.name);
        for name in std::iter::once(&self.name).chain(names) {
            if !subjects::is_service_name(name) {
                return Err(Error::Name { name: name.clone() });
            }
        }
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
        let (key, value) = plugin::METADATA_PROTOCOL;
        ServiceInfo {
            name: self.name.clone(),
            id: format!("{}-{serial}-{random:016x}", std::process::id()),
            version: self.version.clone(),
            metadata: BTreeMap::from([(key.to_owned(), value.to_owned())]),
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
        if let Some(timeout) = self.options.timeout {
            let millis = u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX);
            let told = plugin::format_duration(millis);
            metadata.insert(plugin::METADATA_TIMEOUT.to_owned(), told);
        }
        metadata
    }
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
