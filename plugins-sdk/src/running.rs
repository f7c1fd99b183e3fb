//! [`Running`]: a plugin that answers calls.

use std::sync::Arc;

use gearshift_bus::{Bus, Clock, Offer, Registration, ServiceInfo, SubjectPattern, Subscription};
use gearshift_protocol::metadata::{METADATA_SINCE, METADATA_STATE};
use gearshift_protocol::{AnnouncementKind, PluginState, subjects};
use tokio::sync::Semaphore;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use crate::context::{Shared, States};
use crate::desk::Desk;
use crate::hooks::{Hooks, Phase};
use crate::inflight::InFlight;
use crate::life::{Gauge, Life};
use crate::outlet::Outlet;
use crate::pace::Pace;
use crate::plugin::Operation;
use crate::{Error, Plugin, requires};

/// A plugin that answers calls; made by [`Plugin::serve`].
///
/// Dropping it takes the plugin off the bus; calls under way are still answered. What
/// [`Plugin::on_deactivate`] and [`Plugin::on_cleanup`] ask for happens in a [`Running::drain`]
/// only.
#[derive(Debug)]
pub struct Running {
    presence: Presence,
    registration: Registration,
    stop: DropGuard,
    tasks: TaskTracker,
    companions: TaskTracker,
    ending: Ending,
}

/// Tells that the plugin goes, when it is dropped.
#[derive(Debug)]
struct Presence(Life);

/// A plugin that is found and takes no calls yet.
pub(crate) struct Beginning {
    info: ServiceInfo,
    shown: Registration,
}

impl Beginning {
    /// Shows it from now on, until this is dropped.
    pub(crate) async fn show(plugin: &Plugin, bus: &Bus) -> Result<Self, Error> {
        let mut info = plugin.info(plugin.check()?);
        let first = Offer::new(subjects::PLUGIN_GROUP);
        let shown = show(bus, &info, PluginState::Initializing, first).await?;
        shown.id().clone_into(&mut info.id);
        Ok(Self { info, shown })
    }
}

/// What a drain does last.
#[derive(Debug)]
struct Ending {
    life: Life,
    hooks: Hooks,
    bus: Bus,
    info: ServiceInfo,
}

impl Running {
    pub(crate) async fn start(plugin: Plugin, bus: &Bus, gauge: Gauge) -> Result<Self, Error> {
        let beginning = Beginning::show(&plugin, bus).await?;
        plugin.hooks.run(Phase::Initialize).await?;
        Self::activate(plugin, bus, gauge, beginning).await
    }

    /// Serves what is initialized, or cleans it up. So does who drops this future.
    pub(crate) async fn activate(
        plugin: Plugin,
        bus: &Bus,
        gauge: Gauge,
        beginning: Beginning,
    ) -> Result<Self, Error> {
        let hooks = plugin.hooks.clone();
        let served = Box::pin(Self::serve(plugin, bus, gauge, beginning)).await;
        if served.is_err() {
            hooks.run_last(Phase::Cleanup).await;
        }
        served
    }

    async fn serve(
        plugin: Plugin,
        bus: &Bus,
        gauge: Gauge,
        Beginning { info, shown }: Beginning,
    ) -> Result<Self, Error> {
        let mut life = Life::new(gauge, bus, (&plugin.name, &plugin.version), &info.id)?;
        let missing =
            requires::wait(&mut life, bus, &plugin.told.requires, plugin.patience).await?;
        let cancels = bus.subscribe(&SubjectPattern::parse(&subjects::cancel("*"))?).await?;
        plugin.hooks.run(Phase::Activate).await?;

        // Everything is served before the first task starts, so that a refusal leaves nothing.
        let gauge = life.gauge.clone();
        let data = move || serde_json::to_value(gauge.status()).unwrap_or_default();
        let offer = Offer::new(subjects::PLUGIN_GROUP).alone().keep_id().attended().data(data);
        drop(shown);
        let offered = bus.requests().offer_as(info.clone(), offer).await;
        let (registration, servers) = match offered {
            Ok(offered) => offered,
            Err(error) => {
                plugin.hooks.run_last(Phase::Deactivate).await;
                return Err(error.into());
            }
        };
        let stop = CancellationToken::new();
        let (tasks, companions) = (TaskTracker::new(), TaskTracker::new());
        let calls = InFlight::default();
        let desks = desks(&plugin, bus, &life.gauge, &calls, &tasks);
        for (desk, server) in desks.into_iter().zip(servers) {
            tasks.spawn(desk.take(server, stop.clone()));
        }
        if !missing.is_empty() {
            tracing::warn!(missing = missing.join(", "), "served without required plugins");
        }
        life.register(missing);
        let ended = (stop.clone(), tasks.clone());
        companions.spawn(watch_cancels(cancels, calls, ended));
        companions.spawn(until(stop.clone(), life.clone().watch_load()));
        if plugin.told.requires.iter().any(|one| !one.optional) {
            let watch = requires::watch(life.clone(), bus.clone(), plugin.told.requires.clone());
            companions.spawn(until(stop.clone(), watch));
        }
        let ending = Ending { life: life.clone(), hooks: plugin.hooks, bus: bus.clone(), info };
        let (presence, stop) = (Presence(life), stop.drop_guard());
        Ok(Self { presence, registration, stop, tasks, companions, ending })
    }

    /// Ends with the refusal once the bus says that this login may not hear an operation's calls;
    /// else never.
    pub async fn refused(&self) -> Error {
        self.registration.refused().await.into()
    }

    /// How far the plugin is in its life.
    #[must_use]
    pub fn state(&self) -> PluginState {
        self.ending.life.gauge.state()
    }

    /// The id under which this instance is discovered.
    #[must_use]
    pub fn id(&self) -> &str {
        self.registration.id()
    }

    /// Takes the plugin off the bus, answers what it has taken, and returns when all is done, long
    /// work included.
    pub async fn drain(self) {
        let Self { presence, registration, stop, tasks, companions, ending } = self;
        drop(presence);
        drop(registration);
        drop(stop);
        let Ending { life, hooks, bus, info } = ending;
        let ended = async {
            tasks.close();
            tasks.wait().await;
            companions.close();
            companions.wait().await;
            hooks.run_last(Phase::Deactivate).await;
            hooks.run_last(Phase::Cleanup).await;
        };
        // It is shown as long as that takes, and nothing waits for its being shown.
        tokio::select! {
            biased;
            () = ended => {}
            () = show_on(&bus, &info, PluginState::Deactivating) => {}
        }
        life.announce_as(PluginState::Stopped, AnnouncementKind::State);
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        self.0.announce_as(PluginState::Deactivating, AnnouncementKind::Unregistered);
    }
}

/// Lets an instance that takes no calls be found, with its state and without operations.
async fn show(
    bus: &Bus,
    info: &ServiceInfo,
    state: PluginState,
    offer: Offer,
) -> Result<Registration, gearshift_bus::Error> {
    let mut metadata = info.metadata.clone();
    metadata.insert(METADATA_STATE.to_owned(), state.to_string());
    if let Ok(now) = jiff::Timestamp::from_second(Clock::system().now_ms() / 1_000) {
        metadata.insert(METADATA_SINCE.to_owned(), now.to_string());
    }
    let shown = ServiceInfo { metadata, endpoints: Vec::new(), ..info.clone() };
    let (registration, _) = bus.requests().offer_as(shown, offer).await?;
    Ok(registration)
}

/// The same for as long as this is polled.
async fn show_on(bus: &Bus, info: &ServiceInfo, state: PluginState) {
    let offer = Offer::new(subjects::PLUGIN_GROUP).keep_id();
    let shown = show(bus, info, state, offer).await;
    if let Err(error) = &shown {
        tracing::debug!(%error, %state, "the plugin is not shown");
    }
    std::future::pending::<()>().await;
    drop(shown);
}

/// A desk for each server: of the group, then of this instance alone.
fn desks(
    plugin: &Plugin,
    bus: &Bus,
    gauge: &Gauge,
    calls: &InFlight,
    tasks: &TaskTracker,
) -> Vec<Arc<Desk>> {
    let permits = Arc::new(Semaphore::new(plugin.concurrency));
    let states: Arc<States> = plugin.shared_states();
    let desk = |operation: &Operation, chosen: bool| {
        let shared = Shared {
            plugin: plugin.name.clone(),
            operation: format!("{}.{}", plugin.name, operation.name),
            states: Arc::clone(&states),
            outlet: Outlet::Bus(bus.clone()),
        };
        Arc::new(Desk {
            bus: bus.clone(),
            operation: operation.clone(),
            shared: Arc::new(shared),
            permits: Arc::clone(&permits),
            calls: calls.clone(),
            gauge: gauge.clone(),
            tasks: tasks.clone(),
            pace: Pace::default(),
            chosen,
        })
    };
    // First those of the group, then those of this instance, as they were offered.
    let all = [false, true].into_iter();
    all.flat_map(|chosen| plugin.operations.iter().map(move |one| (one, chosen)))
        .map(|(operation, chosen)| desk(operation, chosen))
        .collect()
}

/// Runs what never ends until the plugin stops.
async fn until(stop: CancellationToken, work: impl Future<Output = ()>) {
    tokio::select! {
        biased;
        () = stop.cancelled() => {}
        () = work => {}
    }
}

/// Hands cancellations to the calls they are for, until the plugin has stopped and the last of
/// them is answered.
async fn watch_cancels(
    mut cancels: Subscription,
    calls: InFlight,
    (stop, tasks): (CancellationToken, TaskTracker),
) {
    let ended = async {
        stop.cancelled().await;
        tasks.close();
        tasks.wait().await;
    };
    tokio::pin!(ended);
    loop {
        let message = tokio::select! {
            biased;
            () = &mut ended => return,
            message = cancels.next() => message,
        };
        let Some(message) = message else { return };
        if let Some(call_id) = message.subject.as_str().strip_prefix(subjects::CANCEL) {
            calls.cancel(call_id);
        }
    }
}
