//! What a login may not do: the server says so beside the connection, and no request is answered.

use std::time::Duration;

use gearshift_bus::{
    Bus, EndpointInfo, ErrorKind, Message, NatsOptions, PrivateServer, ServiceInfo, Subject,
    SubjectPattern,
};
use tokio::time::Instant;

use crate::world::{Outcome, patient, server};

/// Longer than anything takes that ends at all.
const LONG: Duration = Duration::from_secs(30);
/// Far shorter than that.
const AT_ONCE: Duration = Duration::from_secs(10);

/// May ask on `open.>`, subscribe there and hear replies, and nothing else.
const USERS: &str = r#"authorization { users: [
    { user: free, password: pw }
    { user: narrow, password: pw, permissions: {
        publish: { allow: ["open.>", "_INBOX.>"] }, subscribe: { allow: ["open.>", "_INBOX.>"] } } }
] }"#;

async fn narrow(server: &PrivateServer) -> Bus {
    login(server, "narrow").await
}

async fn login(server: &PrivateServer, user: &str) -> Bus {
    let mut options = NatsOptions::new(server.url());
    options.user = Some(user.to_owned());
    options.password = Some("pw".to_owned());
    Bus::connect(&options).await.unwrap()
}

fn message(subject: &str) -> Message {
    Message::new(Subject::parse(subject).unwrap(), "{}")
}

fn is_refused(error: &gearshift_bus::Error, words: &str) {
    let ErrorKind::Refused { reason } = error.kind() else { panic!("{error:?}") };
    assert!(reason.contains(words), "{reason}");
}

#[tokio::test]
async fn a_checked_request_that_may_not_be_sent_is_refused_at_once() -> Outcome {
    let server = server(USERS).await;
    let bus = narrow(&server).await;
    let began = Instant::now();
    for _ in 0..3 {
        let asked = bus.requests().request_checked(message("shut.a"), LONG).await;
        is_refused(&asked.unwrap_err(), "does not let this login publish `shut.a`");
    }
    assert!(began.elapsed() < AT_ONCE, "{:?}", began.elapsed());
    // An earlier refusal says nothing about another subject, nor about one that is allowed.
    let asked = bus.requests().request_checked(message("open.a"), LONG).await;
    assert!(matches!(asked.unwrap_err().kind(), ErrorKind::NoResponders { .. }));
    let free = login(&server, "free").await;
    let asked = free.requests().request_checked(message("shut.a"), LONG).await;
    assert!(matches!(asked.unwrap_err().kind(), ErrorKind::NoResponders { .. }));
    Ok(())
}

fn service(subject: &str) -> ServiceInfo {
    let endpoint = EndpointInfo {
        name: "a".to_owned(),
        subject: subject.to_owned(),
        metadata: std::collections::BTreeMap::new(),
    };
    ServiceInfo {
        name: "a".to_owned(),
        id: String::new(),
        version: "1.0.0".to_owned(),
        metadata: std::collections::BTreeMap::new(),
        endpoints: vec![endpoint],
    }
}

#[tokio::test]
async fn who_may_not_listen_is_told_so() -> Outcome {
    let server = server(USERS).await;
    let bus = narrow(&server).await;
    let pattern = SubjectPattern::parse("shut.>")?;
    let refused = "does not let this login subscribe to `shut.>`";
    is_refused(&bus.subscribe(&pattern).await.unwrap_err(), refused);
    is_refused(&bus.requests().serve(&pattern, "q").await.unwrap_err(), refused);
    let offered = bus.requests().offer(service("shut.a"), "q").await;
    is_refused(&offered.unwrap_err(), "does not let this login subscribe to `shut.a`");
    drop(bus.subscribe(&SubjectPattern::parse("open.>")?).await?);
    Ok(())
}

#[tokio::test]
async fn a_service_whose_permission_is_taken_away_is_told_so() -> Outcome {
    let server = server(USERS).await;
    let bus = narrow(&server).await;
    let (registration, _servers) = bus.requests().offer(service("open.a"), "q").await?;
    let config = server.dir().join("server.conf");
    let text = std::fs::read_to_string(&config)?;
    let narrower = text.replace("subscribe: { allow: [\"open.>\", ", "subscribe: { allow: [");
    assert_ne!(text, narrower);
    std::fs::write(&config, narrower)?;
    let pid = server.pid().to_string();
    assert!(std::process::Command::new("kill").args(["-HUP", &pid]).status()?.success());
    let refused = patient(registration.refused()).await;
    is_refused(&refused, "does not let this login subscribe to `open.a`");
    Ok(())
}

#[tokio::test]
async fn streams_that_may_not_be_asked_for_are_refused_at_once() -> Outcome {
    let server = server(USERS).await;
    let bus = narrow(&server).await;
    let began = Instant::now();
    is_refused(&bus.log("x").await.unwrap_err(), "does not let this login publish `$JS.API.");
    assert!(began.elapsed() < AT_ONCE, "{:?}", began.elapsed());
    Ok(())
}
