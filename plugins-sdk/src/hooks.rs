//! [`Hooks`]: what a plugin does when it starts and when it ends.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;

use crate::answer::panicked;
use crate::{Error, Failure, Plugin};

type Hook = Arc<dyn Fn() -> BoxFuture<'static, Result<(), Failure>> + Send + Sync>;

/// When a hook is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Initialize,
    Activate,
    Deactivate,
    Cleanup,
}

impl Phase {
    const fn name(self) -> &'static str {
        match self {
            Self::Initialize => "on_initialize",
            Self::Activate => "on_activate",
            Self::Deactivate => "on_deactivate",
            Self::Cleanup => "on_cleanup",
        }
    }
}

/// The hooks of a plugin; those of one phase are called in the order they were given.
#[derive(Clone, Default)]
pub(crate) struct Hooks(Vec<(Phase, Hook)>);

impl Hooks {
    /// Calls the hooks of this phase, up to the first that fails.
    pub(crate) async fn run(&self, phase: Phase) -> Result<(), Error> {
        for (_, hook) in self.0.iter().filter(|(other, _)| *other == phase) {
            // The call is made inside the future, so that a panic before its first await is
            // caught too.
            let run = AssertUnwindSafe(async { hook().await }).catch_unwind().await;
            let outcome = run.unwrap_or_else(|panic| Err(panicked("hook", panic.as_ref(), true)));
            if let Err(failure) = outcome {
                let message = failure.message().to_owned();
                return Err(Error::Hook { hook: phase.name(), message });
            }
        }
        Ok(())
    }

    /// Calls the hooks of this phase on the way out, where a failure is only told.
    pub(crate) async fn run_last(&self, phase: Phase) {
        if let Err(error) = self.run(phase).await {
            tracing::warn!(%error, "the plugin ends all the same");
        }
    }
}

impl std::fmt::Debug for Hooks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(phase, _)| phase)).finish()
    }
}

impl Plugin {
    /// Calls this before anything else at the start, such as to connect to a database. Where it
    /// fails, the plugin is not served.
    ///
    /// ```
    /// # use gearshift_plugins_sdk::{Failure, Plugin};
    /// let plugin = Plugin::new("validator", "1.2.0")
    ///     .on_initialize(|| async { Ok::<_, std::io::Error>(std::fs::create_dir_all("/tmp")?) })
    ///     .on_cleanup(|| async { Ok::<_, Failure>(()) });
    /// # assert_eq!(plugin.name(), "validator");
    /// ```
    #[must_use]
    pub fn on_initialize<F, R, E>(self, hook: F) -> Self
    where
        F: Fn() -> R + Send + Sync + 'static,
        R: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<Failure> + 'static,
    {
        self.hook(Phase::Initialize, hook)
    }

    /// Calls this once all that is required is there, before the first call is taken. Where it
    /// fails, the plugin is not served.
    #[must_use]
    pub fn on_activate<F, R, E>(self, hook: F) -> Self
    where
        F: Fn() -> R + Send + Sync + 'static,
        R: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<Failure> + 'static,
    {
        self.hook(Phase::Activate, hook)
    }

    /// Calls this in a drain, after the last call was answered.
    #[must_use]
    pub fn on_deactivate<F, R, E>(self, hook: F) -> Self
    where
        F: Fn() -> R + Send + Sync + 'static,
        R: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<Failure> + 'static,
    {
        self.hook(Phase::Deactivate, hook)
    }

    /// Calls this last: after a drain, and where the start failed or was broken off once
    /// [`Plugin::on_initialize`] had gone well.
    #[must_use]
    pub fn on_cleanup<F, R, E>(self, hook: F) -> Self
    where
        F: Fn() -> R + Send + Sync + 'static,
        R: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<Failure> + 'static,
    {
        self.hook(Phase::Cleanup, hook)
    }

    fn hook<F, R, E>(mut self, phase: Phase, hook: F) -> Self
    where
        F: Fn() -> R + Send + Sync + 'static,
        R: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<Failure> + 'static,
    {
        let hook = move || -> BoxFuture<'static, Result<(), Failure>> {
            let run = hook();
            Box::pin(async move { run.await.map_err(Into::into) })
        };
        self.hooks.0.push((phase, Arc::new(hook)));
        self
    }
}
