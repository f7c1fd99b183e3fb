//! What a plugin requires of others: looked for at the start, and again while it runs.

use std::time::Duration;

use gearshift_bus::{Bus, ServiceInfo};
use gearshift_protocol::{PluginMetadata, PluginState, Requirement};

use crate::life::Life;

/// Waits between looks at the start: doubled from the first to the last.
const LOOKS: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));

/// How often it is said what is missing at the start.
const SAY_AGAIN: Duration = Duration::from_secs(10);

/// How often it is looked again while nothing is missing, and while something is.
const AGAIN: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(3));

/// Those that none of the services satisfies.
fn missing(services: &[ServiceInfo], requires: &[Requirement]) -> Vec<Requirement> {
    // One that is shown but takes no calls is not there.
    let is_plugin = |one: &&ServiceInfo| {
        PluginMetadata::from_map(&one.metadata).is_some_and(|told| told.state.is_none())
    };
    let plugins: Vec<_> = services.iter().filter(is_plugin).collect();
    let is_missing = |one: &&Requirement| {
        !plugins.iter().any(|service| one.accepts(&service.name, &service.version))
    };
    requires.iter().filter(is_missing).cloned().collect()
}

fn names(missing: &[Requirement], optional: bool) -> Vec<String> {
    missing.iter().filter(|one| one.optional == optional).map(ToString::to_string).collect()
}

/// Waits until all that is required is there, at most this long; what is missing then.
pub(crate) async fn wait(
    life: &mut Life,
    bus: &Bus,
    requires: &[Requirement],
    patience: Duration,
) -> Result<Vec<String>, gearshift_bus::Error> {
    if requires.is_empty() {
        return Ok(Vec::new());
    }
    let began = tokio::time::Instant::now();
    let (mut wait, longest) = LOOKS;
    let mut said: Option<tokio::time::Instant> = None;
    loop {
        let found = missing(&bus.requests().discover().await?, requires);
        let required = names(&found, false);
        let optional = names(&found, true);
        if required.is_empty() || began.elapsed() >= patience {
            if !optional.is_empty() {
                tracing::info!(missing = optional.join(", "), "optional plugins are not there");
            }
            return Ok(required);
        }
        life.become_state(PluginState::Initializing, required.clone());
        if said.is_none_or(|said| said.elapsed() >= SAY_AGAIN) {
            tracing::warn!(
                missing = required.join(", "),
                "waiting for required plugins; they are found by asking `$SRV.INFO`, if this login \
                 may"
            );
            said = Some(tokio::time::Instant::now());
        }
        tokio::time::sleep(wait.min(patience)).await;
        wait = (wait * 2).min(longest);
    }
}

/// Looks again and again, and says what changed; never ends.
pub(crate) async fn watch(mut life: Life, bus: Bus, requires: Vec<Requirement>) {
    let (calm, worried) = AGAIN;
    loop {
        let degraded = life.gauge.state() == PluginState::Degraded;
        tokio::time::sleep(if degraded { worried } else { calm }).await;
        let services = bus.requests().discover().await.unwrap_or_default();
        // Whoever was not heard is not gone; and who does not hear itself has heard nobody.
        if !services.iter().any(|service| service.id == life.id()) {
            tracing::debug!("required plugins could not be looked for");
            continue;
        }
        let required = names(&missing(&services, &requires), false);
        match (required.is_empty(), degraded) {
            (true, true) => tracing::info!("all required plugins are there again"),
            (false, false) => {
                tracing::warn!(missing = required.join(", "), "required plugins are gone");
            }
            (true, false) | (false, true) => {}
        }
        let state = if required.is_empty() { PluginState::Active } else { PluginState::Degraded };
        life.become_state(state, required);
    }
}
