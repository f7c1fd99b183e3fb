//! A plugin's life: hooks, state, what it requires, and what it tells of itself.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use gearshift_bus::{Bus, Message, ServiceInfo, Subject, SubjectPattern, Subscription};
use gearshift_plugins_sdk::{Context, Error, Failure, Plugin, PluginState, State};
use gearshift_protocol::{Announcement, AnnouncementKind, Load, PluginMetadata, headers};
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// Generous: only a hang reaches it.
const PATIENCE: Duration = Duration::from_secs(30);

/// What happened, in order.
#[derive(Clone, Default)]
struct Diary(Arc<Mutex<Vec<&'static str>>>);

impl Diary {
    fn write(&self, line: &'static str) {
        self.0.lock().unwrap().push(line);
    }

    fn read(&self) -> Vec<&'static str> {
        self.0.lock().unwrap().clone()
    }

    /// The plugin with hooks that write, and fail where the diary says so.
    fn hooks(&self, plugin: Plugin, fails: &'static str) -> Plugin {
        let hook = |line: &'static str| {
            let diary = self.clone();
            move || {
                let diary = diary.clone();
                async move {
                    diary.write(line);
                    if line == fails { Err(Failure::retryable("no database")) } else { Ok(()) }
                }
            }
        };
        plugin
            .on_initialize(hook("initialize"))
            .on_activate(hook("activate"))
            .on_deactivate(hook("deactivate"))
            .on_cleanup(hook("cleanup"))
    }
}

async fn echo(State(diary): State<Diary>, _: Context, input: Value) -> Result<Value, Failure> {
    diary.write("call");
    Ok(input)
}

fn validator(diary: &Diary) -> Plugin {
    let plugin = Plugin::new("validator", "1.2.0").operation("echo", echo);
    plugin.state(diary.clone())
}

async fn call(bus: &Bus, subject: &str) -> Message {
    let message = Message::new(Subject::parse(subject).unwrap(), "7");
    bus.requests().request(message, PATIENCE).await.unwrap()
}

/// Listens to what plugins announce.
async fn ears(bus: &Bus) -> Subscription {
    bus.subscribe(&SubjectPattern::parse("gearshift.announce.*").unwrap()).await.unwrap()
}

/// Ids, states and operations of a plugin's instances, as everybody finds them.
async fn shown(bus: &Bus, name: &str) -> Vec<(String, Option<PluginState>, usize)> {
    let found = bus.requests().discover().await.unwrap();
    let ours = found.into_iter().filter(|one| one.name == name);
    let state = |one: &ServiceInfo| PluginMetadata::from_map(&one.metadata).unwrap().state;
    ours.map(|one| (one.id.clone(), state(&one), one.endpoints.len())).collect()
}

async fn told(ears: &mut Subscription) -> (AnnouncementKind, PluginState, Vec<String>) {
    let message = tokio::time::timeout(PATIENCE, ears.next()).await.unwrap().unwrap();
    let told = Announcement::parse(&message.payload).unwrap();
    (told.event, told.status.state, told.missing)
}

#[tokio::test]
async fn hooks_are_called_in_order_around_the_calls() {
    let (bus, diary) = (Bus::in_memory(), Diary::default());
    let running = diary.hooks(validator(&diary), "").serve(&bus).await.unwrap();
    assert_eq!(running.state(), PluginState::Active);
    call(&bus, "gearshift.plugin.validator.v1.echo").await;
    running.drain().await;
    assert_eq!(diary.read(), ["initialize", "activate", "call", "deactivate", "cleanup"]);
}

#[tokio::test]
async fn a_plugin_whose_start_fails_is_not_served() {
    for (fails, name, calls) in [
        ("initialize", "on_initialize", vec!["initialize"]),
        ("activate", "on_activate", vec!["initialize", "activate", "cleanup"]),
    ] {
        let (bus, diary) = (Bus::in_memory(), Diary::default());
        let error = diary.hooks(validator(&diary), fails).serve(&bus).await.unwrap_err();
        assert_eq!(error.to_string(), format!("`{name}` failed: no database"));
        assert_eq!(diary.read(), calls);
        assert!(bus.requests().discover().await.unwrap().is_empty());
    }
    let bus = Bus::in_memory();
    let panics = Plugin::new("p", "1.0.0").on_initialize(|| async {
        assert!(std::env::args().count() == 0, "boom");
        Ok::<_, Failure>(())
    });
    let error = panics.serve(&bus).await.unwrap_err();
    assert_eq!(error.to_string(), "`on_initialize` failed: the hook panicked: boom");
}

#[tokio::test]
async fn g2_a_plugin_is_seen_while_it_initializes() {
    let (bus, diary) = (Bus::in_memory(), Diary::default());
    let (hooked, seen) = (bus.clone(), diary.clone());
    let plugin = validator(&diary).on_initialize(move || {
        let (bus, diary) = (hooked.clone(), seen.clone());
        async move {
            let seen = shown(&bus, "validator").await;
            let is_so = matches!(&seen[..], [(_, Some(PluginState::Initializing), 0)]);
            diary.write(if is_so { "seen" } else { "not seen" });
            Ok::<_, Failure>(())
        }
    });
    let running = plugin.serve(&bus).await.unwrap();
    assert_eq!(diary.read(), ["seen"]);
    let seen = shown(&bus, "validator").await;
    assert_eq!(seen, [(running.id().to_owned(), None, 1)]);
    running.drain().await;
}

#[tokio::test]
async fn a_failing_end_is_an_end_all_the_same() {
    let (bus, diary) = (Bus::in_memory(), Diary::default());
    let running = diary.hooks(validator(&diary), "deactivate").serve(&bus).await.unwrap();
    running.drain().await;
    assert_eq!(diary.read(), ["initialize", "activate", "deactivate", "cleanup"]);
}

#[tokio::test]
async fn activation_waits_for_what_is_required() {
    let (bus, diary) = (Bus::in_memory(), Diary::default());
    let mut ears = ears(&bus).await;
    let plugin = diary.hooks(validator(&diary), "");
    let plugin = plugin.requires("parser", ">=1.0.0").requires_optional("spell-checker", "*");
    let mut starting = JoinSet::new();
    let served = bus.clone();
    starting.spawn(async move { plugin.serve(&served).await.unwrap() });
    let missing = vec!["parser >=1.0.0".to_owned()];
    assert_eq!(
        told(&mut ears).await,
        (AnnouncementKind::State, PluginState::Initializing, missing)
    );
    let waits = shown(&bus, "validator").await;
    assert_eq!((waits[0].1, waits[0].2), (Some(PluginState::Initializing), 0));
    // One that is too old does not do.
    let old = Plugin::new("parser", "0.9.0").serve(&bus).await.unwrap();
    assert_eq!(told(&mut ears).await.0, AnnouncementKind::Registered);
    tokio::time::timeout(Duration::from_millis(300), starting.join_next()).await.unwrap_err();
    assert_eq!(diary.read(), ["initialize"]);
    let parser = Plugin::new("parser", "1.4.0").serve(&bus).await.unwrap();
    let started = tokio::time::timeout(PATIENCE, starting.join_next()).await.unwrap();
    let running = started.unwrap().unwrap();
    // First the parser, then the one that waited for it, which misses nothing any more.
    let registered = (AnnouncementKind::Registered, PluginState::Active, vec![]);
    assert_eq!(told(&mut ears).await, registered);
    assert_eq!(told(&mut ears).await, registered);
    assert_eq!(running.state(), PluginState::Active);
    assert_eq!(diary.read(), ["initialize", "activate"]);
    assert_eq!(shown(&bus, "validator").await, [(running.id().to_owned(), None, 1)]);
    assert_eq!(waits[0].0, running.id());
    drop((old, parser));
    running.drain().await;
}

#[tokio::test]
async fn without_what_is_required_a_plugin_is_degraded_until_it_comes() {
    let bus = Bus::in_memory();
    let plugin = validator(&Diary::default()).requires("parser", "^1");
    let plugin = plugin.requires_within(Duration::from_millis(20));
    let mut ears = ears(&bus).await;
    let running = plugin.serve(&bus).await.unwrap();
    assert_eq!(running.state(), PluginState::Degraded);
    let missing = || vec!["parser ^1".to_owned()];
    let degraded = PluginState::Degraded;
    assert_eq!(told(&mut ears).await.1, PluginState::Initializing);
    assert_eq!(told(&mut ears).await, (AnnouncementKind::Registered, degraded, missing()));
    // It answers all the same: what it requires may be needed for some calls only.
    call(&bus, "gearshift.plugin.validator.v1.echo").await;
    let _parser = Plugin::new("parser", "1.4.0").serve(&bus).await.unwrap();
    assert_eq!(told(&mut ears).await.0, AnnouncementKind::Registered);
    let recovered = (AnnouncementKind::State, PluginState::Active, vec![]);
    assert_eq!(told(&mut ears).await, recovered);
    assert_eq!(running.state(), PluginState::Active);
    running.drain().await;
}

/// Holds calls until the gate lets them go.
async fn hold(State(gate): State<Arc<Semaphore>>, _: Context, _: Value) -> Result<(), Failure> {
    gate.acquire().await?.forget();
    Ok(())
}

#[tokio::test]
async fn load_and_state_are_told_by_replies_statistics_and_announcements() {
    let (bus, gate) = (Bus::in_memory(), Arc::new(Semaphore::new(0)));
    let mut ears = ears(&bus).await;
    let plugin = Plugin::new("validator", "1.2.0").operation("hold", hold).concurrency(2);
    let running = plugin.state(Arc::clone(&gate)).serve(&bus).await.unwrap();
    let active = PluginState::Active;
    assert_eq!(told(&mut ears).await, (AnnouncementKind::Registered, active, vec![]));
    let mut calls = JoinSet::new();
    let subject = format!("gearshift.plugin.validator.v1.hold.{}", running.id());
    for _ in 0..2 {
        let bus = bus.clone();
        let subject = subject.clone();
        calls.spawn(async move { call(&bus, &subject).await });
    }
    assert_eq!(told(&mut ears).await, (AnnouncementKind::Overloaded, active, vec![]));
    let stats = bus.requests().stats().await.unwrap();
    assert_eq!(stats[0].id, running.id());
    let full = json!({"state": "active", "in_flight": 2, "capacity": 2});
    assert!(stats[0].endpoints.iter().all(|endpoint| endpoint.data == full), "{stats:?}");
    gate.add_permits(2);
    let mut loads = Vec::new();
    while let Some(reply) = calls.join_next().await {
        let load: Load = reply.unwrap().headers.get(headers::LOAD).unwrap().parse().unwrap();
        loads.push(load.in_flight);
    }
    loads.sort_unstable();
    assert_eq!(loads, [0, 1]);
    assert_eq!(told(&mut ears).await, (AnnouncementKind::Available, active, vec![]));
    running.drain().await;
    let gone = (AnnouncementKind::Unregistered, PluginState::Deactivating, vec![]);
    assert_eq!(told(&mut ears).await, gone);
    assert_eq!(told(&mut ears).await, (AnnouncementKind::State, PluginState::Stopped, vec![]));
}

#[tokio::test]
async fn each_instance_has_subjects_of_its_own() {
    let bus = Bus::in_memory();
    let diaries = [Diary::default(), Diary::default()];
    let first = validator(&diaries[0]).serve(&bus).await.unwrap();
    let second = validator(&diaries[1]).serve(&bus).await.unwrap();
    for _ in 0..3 {
        call(&bus, &format!("gearshift.plugin.validator.v1.echo.{}", second.id())).await;
    }
    assert_eq!((diaries[0].read().len(), diaries[1].read().len()), (0, 3));
    drop(first);
    second.drain().await;
}

#[tokio::test]
async fn what_the_author_says_is_in_the_metadata() {
    let bus = Bus::in_memory();
    let plugin = validator(&Diary::default()).concurrency(4).priority(5).weight(3);
    let plugin = plugin.performance(2).reliability(0.99).implements("document-validator");
    let plugin = plugin.requires_optional("spell-checker", ">=2");
    let running = plugin.serve(&bus).await.unwrap();
    let info = bus.requests().discover().await.unwrap().remove(0);
    let told = PluginMetadata::from_map(&info.metadata).unwrap();
    assert_eq!((told.priority, told.weight, told.performance), (5, 3, 2));
    assert_eq!((told.reliability, told.concurrency, told.instance), (Some(0.99), Some(4), true));
    assert_eq!(told.interfaces, ["document-validator"]);
    assert_eq!(told.requires[0].to_string(), "spell-checker >=2");
    running.drain().await;
    let fails = async |plugin: Plugin| plugin.serve(&bus).await.unwrap_err();
    let plugin = || Plugin::new("p", "1.0.0");
    let wrong = fails(plugin().requires("q", "new")).await;
    assert_eq!(
        wrong.to_string(),
        "`new` of plugin `q` is no version requirement such as `>=1.0.0`"
    );
    assert!(matches!(fails(plugin().requires("a.b", "*")).await, Error::Name { .. }));
    assert!(matches!(fails(plugin().implements("a.b")).await, Error::Name { .. }));
    assert!(matches!(fails(plugin().reliability(1.5)).await, Error::Reliability { .. }));
    let many = (0..65).fold(plugin(), |plugin, n| plugin.implements(&format!("i{n}")));
    let wrong = fails(many).await.to_string();
    assert_eq!(wrong, "65 interfaces, more than the limit of 64");
}

/// One that waits for the other does not count as being there, or nobody would wait.
#[tokio::test]
async fn who_is_shown_and_takes_no_calls_satisfies_nobody() {
    let bus = Bus::in_memory();
    let plugin = |name: &str, other: &str| {
        let plugin = Plugin::new(name, "1.0.0").requires(other, "*");
        plugin.requires_within(Duration::from_millis(300))
    };
    let (one, other) =
        tokio::join!(plugin("one", "other").serve(&bus), plugin("other", "one").serve(&bus));
    let (one, other) = (one.unwrap(), other.unwrap());
    assert!([one.state(), other.state()].contains(&PluginState::Degraded));
}

#[tokio::test]
async fn a_drain_is_seen_until_it_is_over() {
    let (bus, gate) = (Bus::in_memory(), Arc::new(Semaphore::new(0)));
    let plugin = Plugin::new("validator", "1.2.0").operation("hold", hold);
    let running = plugin.state(Arc::clone(&gate)).serve(&bus).await.unwrap();
    let id = running.id().to_owned();
    let mut ears = ears(&bus).await;
    let mut work = JoinSet::new();
    let caller = bus.clone();
    work.spawn(async move { drop(call(&caller, "gearshift.plugin.validator.v1.hold").await) });
    let end = tokio::time::Instant::now() + PATIENCE;
    while bus.requests().stats().await.unwrap()[0].endpoints[0].data["in_flight"] != 1 {
        assert!(tokio::time::Instant::now() < end, "the call is not taken");
        tokio::task::yield_now().await;
    }
    work.spawn(running.drain());
    assert_eq!(told(&mut ears).await.0, AnnouncementKind::Unregistered);
    let drains = [(id, Some(PluginState::Deactivating), 0)];
    while shown(&bus, "validator").await != drains {
        assert!(tokio::time::Instant::now() < end, "it is not shown");
        tokio::task::yield_now().await;
    }
    gate.add_permits(1);
    while work.join_next().await.is_some() {}
    assert_eq!(shown(&bus, "validator").await, []);
}
