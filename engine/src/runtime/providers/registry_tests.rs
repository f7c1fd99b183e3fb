//! What is learned from discovery, what is kept, and when it is looked for again.

use std::collections::BTreeMap;

use gearshift_bus::{EndpointInfo, Registration, ServiceInfo};
use gearshift_machine::definition::model::PluginRules;

use super::*;

/// A plugin `p` of this version whose operation `work` says this of repeats.
async fn offer(bus: &Bus, id: &str, version: &str, idempotent: Option<&str>) -> Registration {
    let major = version.split('.').next().unwrap();
    let told = idempotent.map(|told| ("gearshift.idempotent".to_owned(), told.to_owned()));
    let info = ServiceInfo {
        name: "p".to_owned(),
        id: id.to_owned(),
        version: version.to_owned(),
        metadata: BTreeMap::new(),
        endpoints: vec![EndpointInfo {
            name: "work".to_owned(),
            subject: format!("gearshift.plugin.p.v{major}.work"),
            metadata: told.into_iter().collect(),
        }],
    };
    bus.requests().offer(info, "q").await.unwrap().0
}

fn knowing(bus: Bus) -> Providers {
    Providers::new(bus, Mocked::default(), 16)
}

async fn find(providers: &Providers, operation: &str) -> (String, bool) {
    let route = providers.find(&operation.into(), Prefer::default()).await.unwrap();
    (route.subject.as_str().to_owned(), route.once)
}

fn known(providers: &Providers) -> Option<Arc<Route>> {
    providers.known("p.work", Prefer::default())
}

fn work(major: u64, once: bool) -> (String, bool) {
    (format!("gearshift.plugin.p.v{major}.work"), once)
}

#[tokio::test]
async fn the_newest_major_is_asked_unless_the_definition_names_one() {
    let bus = Bus::in_memory();
    let providers = knowing(bus.clone());
    assert_eq!(find(&providers, "p.work").await, work(1, false), "nobody runs");
    let _one = offer(&bus, "a", "1.9.0", None).await;
    let _two = offer(&bus, "b", "2.0.1", Some("true")).await;
    assert_eq!(find(&providers, "p.work").await, work(2, false));
    assert_eq!(find(&providers, "p@^1.2.work").await, work(1, false));
    assert!(matches!(
        providers.find(&"none".into(), Prefer::default()).await,
        Err(Unroutable::Name(_))
    ));
}

#[tokio::test]
async fn decision_16_an_operation_that_is_not_idempotent_stays_so_while_its_plugin_is_away() {
    let bus = Bus::in_memory();
    let told = offer(&bus, "a", "1.0.0", Some("false")).await;
    assert_eq!(find(&knowing(bus.clone()), "p.work").await, work(1, true));
    drop(told);
    let later = knowing(bus.clone());
    assert_eq!(find(&later, "p.work").await, work(1, true), "kept on the bus");
    let _newer = offer(&bus, "b", "1.1.0", None).await;
    assert_eq!(find(&knowing(bus.clone()), "p.work").await, work(1, true));
    let _next = offer(&bus, "c", "2.0.0", None).await;
    assert_eq!(find(&knowing(bus), "p.work").await, work(2, false), "another major");
}

#[tokio::test]
async fn decision_16_of_several_instances_the_most_careful_one_counts() {
    let bus = Bus::in_memory();
    let _one = offer(&bus, "a", "1.0.0", None).await;
    let _two = offer(&bus, "b", "1.1.0", Some("false")).await;
    let _three = offer(&bus, "c", "1.2.0", Some("true")).await;
    assert_eq!(find(&knowing(bus), "p.work").await, work(1, true));
}

#[tokio::test]
async fn a_route_is_known_once_somebody_offers_or_answers_it() {
    let bus = Bus::in_memory();
    let providers = knowing(bus.clone());
    let operation = Arc::<str>::from("p.work");
    let bare = providers.find(&operation, Prefer::default()).await.unwrap();
    assert!(known(&providers).is_none(), "nobody offers it");
    assert!(!providers.is_stale(), "nobody runs, as was just looked");
    providers.answered(&operation, Prefer::default(), &bare);
    assert!(providers.is_stale(), "somebody does");
    assert!(known(&providers).is_some_and(|route| Arc::ptr_eq(&route, &bare)));
    let _two = offer(&bus, "a", "2.0.0", Some("false")).await;
    providers.refresh().await;
    assert!(known(&providers).is_none(), "somebody offers another one now");
    assert_eq!(find(&providers, "p.work").await, work(2, true));
    assert!(known(&providers).is_some());
    providers.forget("p.work");
    assert!(known(&providers).is_none());
}

#[tokio::test]
async fn decision_60_what_is_given_is_known_where_all_who_serve_it_publish_the_same() {
    let bus = Bus::in_memory();
    let providers = knowing(bus.clone());
    let offer = async |id: &str, schema: Option<&str>| {
        let info = ServiceInfo {
            name: "p".to_owned(),
            id: id.to_owned(),
            version: "1.0.0".to_owned(),
            metadata: BTreeMap::new(),
            endpoints: vec![EndpointInfo {
                name: "work".to_owned(),
                subject: "gearshift.plugin.p.v1.work".to_owned(),
                metadata: schema
                    .map(|it| ("gearshift.output".to_owned(), it.to_owned()))
                    .into_iter()
                    .collect(),
            }],
        };
        bus.requests().offer(info, "q").await.unwrap().0
    };
    let gives = async || {
        find(&providers, "p.work").await;
        known(&providers).unwrap().gives.as_ref().map(|shape| shape.text().to_owned())
    };
    let _one = offer("a", Some("{\"type\":\"null\"}")).await;
    assert_eq!(gives().await.as_deref(), Some("{\"type\":\"null\"}"));
    let two = offer("b", Some("true")).await;
    providers.refresh().await;
    assert_eq!(gives().await, None, "two say different things");
    drop(two);
    providers.refresh().await;
    assert!(gives().await.is_some());
    let _three = offer("c", None).await;
    providers.refresh().await;
    assert_eq!(gives().await, None, "one says nothing");
}

#[tokio::test]
async fn a_plugin_that_is_away_keeps_its_route_until_nobody_answers() {
    let bus = Bus::in_memory();
    let providers = knowing(bus.clone());
    let there = offer(&bus, "a", "2.0.0", None).await;
    find(&providers, "p.work").await;
    drop(there);
    providers.refresh().await;
    assert!(known(&providers).is_some(), "discovery may have missed it");
    providers.forget("p.work");
    assert_eq!(find(&providers, "p.work").await, work(1, false));
}

#[tokio::test]
async fn one_caller_at_a_time_is_asked_to_refresh() {
    let providers = knowing(Bus::in_memory());
    assert!(providers.is_stale());
    assert!(!providers.is_stale(), "somebody does it already");
    providers.refresh().await;
    assert!(!providers.is_stale(), "it is fresh");
}

#[tokio::test]
async fn an_operation_is_not_asked_while_nobody_can_say_whether_it_may_be_repeated() {
    let bus = Bus::in_memory();
    bus.close().await.unwrap();
    let providers = knowing(bus);
    assert!(matches!(
        providers.find(&"p.work".into(), Prefer::default()).await,
        Err(Unroutable::Bus(_))
    ));
}

/// A plugin that implements `checker` and says this of itself.
async fn implement(bus: &Bus, name: &str, version: &str, told: &[(&str, &str)]) -> Registration {
    let mut metadata = BTreeMap::from([
        ("gearshift.plugin".to_owned(), "1".to_owned()),
        ("gearshift.interfaces".to_owned(), "[\"checker\"]".to_owned()),
    ]);
    metadata.extend(told.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())));
    let info = ServiceInfo {
        name: name.to_owned(),
        id: format!("id-{name}"),
        version: version.to_owned(),
        metadata,
        endpoints: vec![EndpointInfo {
            name: "check".to_owned(),
            subject: format!("gearshift.plugin.{name}.v1.check"),
            metadata: BTreeMap::new(),
        }],
    };
    bus.requests().offer(info, "q").await.unwrap().0
}

#[tokio::test]
async fn an_interface_is_the_best_plugin_that_implements_it() {
    let bus = Bus::in_memory();
    let fast = [("gearshift.priority", "1"), ("gearshift.performance", "3")];
    let sure = [("gearshift.priority", "2"), ("gearshift.reliability", "0.5")];
    let _fast = implement(&bus, "fast", "1.0.0", &fast).await;
    let _sure = implement(&bus, "sure", "1.4.0", &sure).await;
    let _other = implement(&bus, "other", "1.0.0", &[]).await;
    let rules = |performance, reliability| PluginRules {
        prefers_performance: performance,
        prefers_reliability: reliability,
        ..PluginRules::new("checker".into())
    };
    for (operation, performance, reliability, best) in [
        ("checker.check", false, false, "sure"),
        ("checker.check", true, false, "fast"),
        ("checker.check", true, true, "sure"),
        ("checker@=1.0.0.check", true, true, "fast"),
    ] {
        let providers = knowing(bus.clone());
        let prefer = Prefer::of(Some(&rules(performance, reliability)));
        let route = providers.find(&operation.into(), prefer).await.unwrap();
        assert_eq!(route.subject.as_str(), format!("gearshift.plugin.{best}.v1.check"));
    }
    let found = knowing(bus.clone());
    let found = found.find(&"checker@^2.check".into(), Prefer::default()).await;
    let Err(Unroutable::Version(told)) = found else { panic!("{found:?}") };
    assert_eq!(
        told,
        "plugin `sure`, which implements `checker`, runs as 1.4.0, but `^2` is needed"
    );
    // A plugin of that name is asked before any that implements it.
    let _named = implement(&bus, "checker", "1.0.0", &[]).await;
    let route = knowing(bus).find(&"checker.check".into(), Prefer::default()).await.unwrap();
    assert_eq!(route.subject.as_str(), "gearshift.plugin.checker.v1.check");
}

#[tokio::test]
async fn what_no_running_version_fits_is_told_with_what_runs() {
    let bus = Bus::in_memory();
    let _one = offer(&bus, "a", "1.1.0", None).await;
    let _two = offer(&bus, "b", "2.0.0", None).await;
    let providers = knowing(bus.clone());
    let found = providers.find(&"p@^1.2.work".into(), Prefer::default()).await;
    let Err(Unroutable::Version(told)) = found else { panic!("{found:?}") };
    assert_eq!(told, "plugin `p` runs as 1.1.0, 2.0.0, but `^1.2` is needed");
    // 1.2 shares the subject of 1.1, and none of them can be asked alone.
    let _three = offer(&bus, "c", "1.2.0", None).await;
    let found = providers.find(&"p@^1.2.work".into(), Prefer::default()).await;
    let Err(Unroutable::Version(told)) = found else { panic!("{found:?}") };
    assert!(told.ends_with("they share a subject, so none of them is asked"), "{told}");
}

#[tokio::test]
async fn p10_a_plugin_of_another_protocol_is_not_asked() {
    let bus = Bus::in_memory();
    let info = ServiceInfo {
        name: "p".to_owned(),
        id: "x".to_owned(),
        version: "1.0.0".to_owned(),
        metadata: BTreeMap::from([("gearshift.plugin".to_owned(), "99".to_owned())]),
        endpoints: vec![EndpointInfo {
            name: "work".to_owned(),
            subject: "gearshift.plugin.p.v1.work".to_owned(),
            metadata: BTreeMap::new(),
        }],
    };
    let _foreign = bus.requests().offer(info, "q").await.unwrap().0;
    let said = async || {
        let providers = knowing(bus.clone());
        providers.find(&"p.work".into(), Prefer::default()).await
    };
    let Err(Unroutable::Version(told)) = said().await else { panic!("it is asked") };
    assert_eq!(told, "plugin `p` speaks protocol version `99`, but `1` is needed");
    // One beside it that is not asked alone shares the subject with it.
    let _known = offer(&bus, "a", "1.0.0", None).await;
    assert!(matches!(said().await, Err(Unroutable::Version(_))));
}

#[tokio::test]
async fn a_pre_release_is_newest_only_where_it_is_asked_for_or_nothing_else_runs() {
    let bus = Bus::in_memory();
    let _next = offer(&bus, "n", "3.0.0-rc.1+b-7", None).await;
    assert_eq!(find(&knowing(bus.clone()), "p.work").await, work(3, false), "nothing else");
    let _one = offer(&bus, "a", "1.9.0", None).await;
    let _two = offer(&bus, "b", "2.0.1+build-3", None).await;
    assert_eq!(find(&knowing(bus.clone()), "p.work").await, work(2, false));
    assert_eq!(find(&knowing(bus), "p@^3.0.0-rc.work").await, work(3, false), "asked for");
}

#[tokio::test]
async fn decision_52_what_is_mocked_is_asked_in_this_process_whoever_runs() {
    let bus = Bus::in_memory();
    let _before = offer(&bus, "a", "1.0.0", Some("false")).await;
    let mocked = Mocked::default();
    let (mocking, other) = (Providers::new(bus.clone(), mocked.clone(), 16), knowing(bus.clone()));
    let route = async |of: &Providers, name: &str| {
        let route = of.find(&name.into(), Prefer::default()).await.unwrap();
        (route.mocked, route.subject.to_string(), route.pool.is_some())
    };
    let at = |mocked, major| (mocked, work(major, false).0, false);
    assert_eq!(route(&mocking, "p.work").await, at(false, 1));
    mocked.set(["p.work".to_owned()].into());
    assert!(known(&mocking).is_none(), "what was known is not so any more");
    assert_eq!(route(&mocking, "p.work").await, at(true, 1));
    assert_eq!(route(&mocking, "p@^7.work").await, at(true, 7), "whichever versions run");
    assert_eq!(route(&other, "p.work").await, at(false, 1), "another engine asks the plugin");
    let _after = offer(&bus, "b", "2.0.1", None).await;
    mocking.refresh().await;
    assert_eq!(known(&mocking).map(|it| it.mocked), Some(true));
    assert_eq!(route(&mocking, "p.work").await, at(true, 1));
    // Failures of a mock are no news of the plugin, nor are its counts and its results.
    let breaker = &known(&mocking).unwrap().breaker;
    let rules = gearshift_machine::definition::model::BreakerRules::DEFAULT;
    let bad = || breaker.bad(rules, gearshift_machine::machine::Timestamp(1), "no", "me");
    assert!((0..100).all(|_| bad().is_none()));
    known(&mocking).unwrap().counts.is_sent();
    assert_eq!(mocking.counted("p.v1.work").in_flight, 0);
    let under = gearshift_machine::machine::ContentHash([7; 32]);
    let apart = mocking.kept_under("p@^1.work", under);
    assert_ne!(apart, under);
    assert_eq!(other.kept_under("p.work", under), under);
    mocked.set(["p.work".to_owned()].into());
    assert_ne!(mocking.kept_under("p.work", under), apart);
    mocked.set(BTreeSet::new());
    assert_eq!(mocking.kept_under("p.work", under), under);
    assert_eq!(route(&mocking, "p.work").await, at(false, 2));
}

#[tokio::test]
async fn decision_52_the_plugin_that_provides_an_interface_may_be_the_one_that_is_mocked() {
    let bus = Bus::in_memory();
    let _one = implement(&bus, "a", "1.0.0", &[]).await;
    let mocked = Mocked::default();
    mocked.set(["a.check".to_owned()].into());
    let providers = Providers::new(bus, mocked, 16);
    let route = providers.find(&"checker.check".into(), Prefer::default()).await.unwrap();
    assert!(route.mocked, "{}", route.subject);
}
