//! What is learned from discovery, what is kept, and when it is looked for again.

use std::collections::BTreeMap;

use gearshift_bus::{EndpointInfo, Registration, ServiceInfo};

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

async fn find(providers: &Providers, operation: &str) -> (String, bool) {
    let route = providers.find(&operation.into()).await.unwrap();
    (route.subject.as_str().to_owned(), route.once)
}

fn work(major: u64, once: bool) -> (String, bool) {
    (format!("gearshift.plugin.p.v{major}.work"), once)
}

#[tokio::test]
async fn the_newest_major_is_asked_unless_the_definition_names_one() {
    let bus = Bus::in_memory();
    let providers = Providers::new(bus.clone());
    assert_eq!(find(&providers, "p.work").await, work(1, false), "nobody runs");
    let _one = offer(&bus, "a", "1.9.0", None).await;
    let _two = offer(&bus, "b", "2.0.1", Some("true")).await;
    assert_eq!(find(&providers, "p.work").await, work(2, false));
    assert_eq!(find(&providers, "p@^1.2.work").await, work(1, false));
    assert!(matches!(providers.find(&"none".into()).await, Err(Unroutable::Name(_))));
}

#[tokio::test]
async fn decision_16_an_operation_that_is_not_idempotent_stays_so_while_its_plugin_is_away() {
    let bus = Bus::in_memory();
    let told = offer(&bus, "a", "1.0.0", Some("false")).await;
    assert_eq!(find(&Providers::new(bus.clone()), "p.work").await, work(1, true));
    drop(told);
    let later = Providers::new(bus.clone());
    assert_eq!(find(&later, "p.work").await, work(1, true), "kept on the bus");
    let _newer = offer(&bus, "b", "1.1.0", None).await;
    assert_eq!(find(&Providers::new(bus.clone()), "p.work").await, work(1, true));
    let _next = offer(&bus, "c", "2.0.0", None).await;
    assert_eq!(find(&Providers::new(bus), "p.work").await, work(2, false), "another major");
}

#[tokio::test]
async fn decision_16_of_several_instances_the_most_careful_one_counts() {
    let bus = Bus::in_memory();
    let _one = offer(&bus, "a", "1.0.0", None).await;
    let _two = offer(&bus, "b", "1.1.0", Some("false")).await;
    let _three = offer(&bus, "c", "1.2.0", Some("true")).await;
    assert_eq!(find(&Providers::new(bus), "p.work").await, work(1, true));
}

#[tokio::test]
async fn a_route_is_known_once_somebody_offers_or_answers_it() {
    let bus = Bus::in_memory();
    let providers = Providers::new(bus.clone());
    let operation = Arc::<str>::from("p.work");
    let bare = providers.find(&operation).await.unwrap();
    assert_eq!(providers.known("p.work"), None, "nobody offers it");
    providers.answered(&operation, &bare);
    assert_eq!(providers.known("p.work"), Some(bare));
    let _two = offer(&bus, "a", "2.0.0", Some("false")).await;
    providers.refresh().await;
    assert_eq!(providers.known("p.work"), None, "somebody offers another one now");
    assert_eq!(find(&providers, "p.work").await, work(2, true));
    assert!(providers.known("p.work").is_some());
    providers.forget("p.work");
    assert_eq!(providers.known("p.work"), None);
}

#[tokio::test]
async fn a_plugin_that_is_away_keeps_its_route_until_nobody_answers() {
    let bus = Bus::in_memory();
    let providers = Providers::new(bus.clone());
    let there = offer(&bus, "a", "2.0.0", None).await;
    find(&providers, "p.work").await;
    drop(there);
    providers.refresh().await;
    assert!(providers.known("p.work").is_some(), "discovery may have missed it");
    providers.forget("p.work");
    assert_eq!(find(&providers, "p.work").await, work(1, false));
}

#[tokio::test]
async fn one_caller_at_a_time_is_asked_to_refresh() {
    let providers = Providers::new(Bus::in_memory());
    assert!(providers.is_stale());
    assert!(!providers.is_stale(), "somebody does it already");
    providers.refresh().await;
    assert!(!providers.is_stale(), "it is fresh");
}

#[tokio::test]
async fn an_operation_is_not_asked_while_nobody_can_say_whether_it_may_be_repeated() {
    let bus = Bus::in_memory();
    bus.close().await.unwrap();
    let providers = Providers::new(bus);
    assert!(matches!(providers.find(&"p.work".into()).await, Err(Unroutable::Bus(_))));
}
