//! All languages serve at once, while some are killed and paused.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use gearshift_bus::Bus;
use gearshift_plugins_sdk::NatsOptions;
use serde_json::{Value, json};
use tokio::process::{Child, Command};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::world::{LANGUAGES, LOOK_AGAIN, PATIENCE, World};

/// Who sends at once.
const SENDERS: usize = 4;

/// Pause between two reviews of one sender: what matters is that there are always some.
const PAUSE: Duration = Duration::from_millis(20);

/// Waits until so many instances of the plugin answer who asks around.
pub(crate) async fn until_there_are(bus: &Bus, plugin: &str, count: usize) {
    let end = Instant::now() + PATIENCE;
    loop {
        let services = bus.requests().discover().await.unwrap();
        let found = services.iter().filter(|one| one.name == plugin).count();
        if found == count {
            return;
        }
        assert!(Instant::now() < end, "{found} instances answer, not {count}");
    }
}

/// Sends one review after the other until told to stop; how many the engine took.
async fn send_reviews(client: async_nats::Client, sender: usize, stop: Arc<AtomicBool>) -> usize {
    let mut count = 0;
    while !stop.load(Ordering::Relaxed) {
        let data = json!({ "documentId": format!("load-{sender}-{count}"), "title": "a b" });
        let body = data.to_string().into();
        let asked = client.request("gearshift.event.review.requested", body);
        let reply = tokio::time::timeout(PATIENCE, asked).await.unwrap().unwrap();
        let reply: Value = serde_json::from_slice(&reply.payload).unwrap();
        assert!(reply["verdicts"][0]["status"].is_string(), "{reply}");
        count += 1;
        tokio::time::sleep(PAUSE).await;
    }
    count
}

/// Sends a signal to a plugin.
pub(crate) async fn signal(plugin: &Child, name: &str) {
    let pid = plugin.id().unwrap().to_string();
    let sent = Command::new("kill").args(["-s", name, &pid]).status().await.unwrap();
    assert!(sent.success());
}

#[tokio::test]
async fn every_review_ends_while_plugins_of_all_languages_are_killed_and_paused() {
    let world = World::start().await;
    let bus = Bus::connect(&NatsOptions::new(world.server.url())).await.unwrap();
    let all = LANGUAGES.len();
    let mut plugins: Vec<Child> = LANGUAGES.iter().map(|one| world.plugin(one.name)).collect();
    until_there_are(&bus, "title_validator", all).await;
    let stop = Arc::new(AtomicBool::new(false));
    let mut senders = JoinSet::new();
    for sender in 0..SENDERS {
        senders.spawn(send_reviews(world.client.clone(), sender, Arc::clone(&stop)));
    }
    for paused in 0..all {
        let killed = (paused + 1) % all;
        signal(&plugins[paused], "STOP").await;
        signal(&plugins[killed], "KILL").await;
        plugins[killed].wait().await.unwrap();
        plugins[killed] = world.plugin(LANGUAGES[killed].name);
        until_there_are(&bus, "title_validator", all - 1).await;
        signal(&plugins[paused], "CONT").await;
        until_there_are(&bus, "title_validator", all).await;
    }
    stop.store(true, Ordering::Relaxed);
    let mut sent = 0;
    while let Some(count) = senders.join_next().await {
        sent += count.unwrap();
    }
    let end = Instant::now() + PATIENCE;
    loop {
        let metrics = world.gearshift(&["def", "show", "language_review"]).await["metrics"].take();
        if metrics["completed"] == sent {
            break;
        }
        assert!(Instant::now() < end, "{sent} reviews were sent: {metrics}");
        tokio::time::sleep(LOOK_AGAIN).await;
    }
    let refused = world.gearshift(&["ls", "--where", "state == 'refused'"]).await;
    let refused = refused.as_array().or_else(|| refused["items"].as_array()).unwrap();
    assert!(refused.is_empty(), "{refused:?}");
}
