//! The shipped server configuration on a real server: each role can do its work, and is refused
//! what it must not do.

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_nats::{Client, ConnectOptions, Event};
use gearshift_bus::{Bus, EndpointInfo, Message, NatsOptions, ServiceInfo};
use serde_json::{Value, json};

use crate::server::{Server, runtime};
use crate::support::{Dev, Place, until};

/// The password of everybody.
pub(crate) const PASSWORD: &str = "correct-horse";
/// Only a hang reaches it.
pub(crate) const LONG: Duration = Duration::from_secs(20);

const ORDER: &str = "\
workflow: order
version: 1
correlate: data.orderId
events: { order.placed: { start: true }, user.action: {} }
vars: { ok: false }
initial: new
states:
  new: { on: { order.placed: checking } }
  checking:
    entry:
      - call: validator.check
        with: { order: data.orderId }
        timeout: 5s
        set: { ok: output.ok }
    done: waiting
  waiting:
    approval: { title: Ship it, choices: [approve, reject] }
    on:
      user.action:
        - { when: data.action == 'approve', to: shipped }
        - { when: data.action == 'reject', to: refused }
  shipped: { final: true }
  refused: { final: true }
";

/// The accounts of the shipped file with passwords; everything else is the private server's own.
pub(crate) fn accounts(place: &Place) -> String {
    let file = place.gearshift(&["bus", "config"]).ends(0).out;
    let (_, accounts) = file.split_once("\naccounts {").unwrap();
    let mut text = format!("accounts {{{accounts}");
    for name in ["ENGINE", "ORDERS", "VALIDATOR", "ANN"] {
        let variable = format!("$NATS_PASSWORD_{name}");
        assert!(text.contains(&variable), "{variable}");
        text = text.replace(&variable, &format!("\"{PASSWORD}\""));
    }
    text
}

/// Starts an engine as its role.
pub(crate) fn engine(place: &Place, server: &Server) -> Dev {
    place.write("order.workflow.yaml", ORDER);
    let mut command = place.command(&["serve", "order.workflow.yaml", "-o", "json", "--no-wait"]);
    command.env("GEARSHIFT_NATS", server.url());
    login(&mut command, "engine");
    let mut engine = Dev::spawn(command);
    engine.line();
    engine
}

pub(crate) fn login(command: &mut Command, user: &str) {
    command
        .env("GEARSHIFT_NATS_USER", user)
        .env("GEARSHIFT_NATS_PASSWORD", PASSWORD)
        .env("GEARSHIFT_NATS_INBOX_PREFIX", format!("_INBOX_{user}"));
}

/// A command given by a user.
pub(crate) fn by(
    place: &Place,
    server: &Server,
    user: &str,
    line: &[&str],
) -> crate::support::Done {
    let mut command = place.command(line);
    command.args(["-s", server.url()]);
    login(&mut command, user);
    crate::support::Done::of(&command.output().unwrap())
}

pub(crate) fn options(server: &Server, user: &str) -> NatsOptions {
    let mut options = NatsOptions::new(server.url());
    options.user = Some(user.to_owned());
    options.password = Some(PASSWORD.to_owned());
    options.inbox_prefix = Some(format!("_INBOX_{user}"));
    options
}

/// A plain client, and what the server refused it.
pub(crate) struct Plain {
    client: Client,
    refused: Arc<Mutex<Vec<String>>>,
}

impl Plain {
    pub(crate) async fn connect(server: &Server, user: &str) -> Self {
        let refused = Arc::new(Mutex::new(Vec::new()));
        let told = Arc::clone(&refused);
        let options = ConnectOptions::with_user_and_password(user.to_owned(), PASSWORD.to_owned())
            .custom_inbox_prefix(format!("_INBOX_{user}"))
            .event_callback(move |event| {
                if let Event::ServerError(error) = event {
                    told.lock().unwrap().push(error.to_string());
                }
                std::future::ready(())
            });
        Self { client: options.connect(server.url()).await.unwrap(), refused }
    }

    /// Waits until the server has refused something that names `subject`.
    async fn is_refused(&self, subject: &str) {
        let deadline = tokio::time::Instant::now() + LONG;
        loop {
            let said = self.refused.lock().unwrap().clone();
            let names = |text: &&String| {
                text.to_lowercase().contains("permissions violation") && text.contains(subject)
            };
            if said.iter().any(|text| names(&text)) {
                return;
            }
            let late = tokio::time::Instant::now() >= deadline;
            assert!(!late, "`{subject}` was not refused: {said:?}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    pub(crate) async fn may_not_publish(&self, subject: &str) {
        self.client.publish(subject.to_owned(), "{}".into()).await.unwrap();
        self.client.flush().await.unwrap();
        self.is_refused(&format!("Publish to \"{subject}\"")).await;
    }

    pub(crate) async fn may_not_subscribe(&self, subject: &str) {
        let subscription = self.client.subscribe(subject.to_owned()).await.unwrap();
        self.client.flush().await.unwrap();
        self.is_refused(&format!("Subscription to \"{subject}\"")).await;
        drop(subscription);
    }

    async fn ask(&self, subject: &str, body: Value) -> Value {
        let reply = self.client.request(subject.to_owned(), body.to_string().into());
        let reply = tokio::time::timeout(LONG, reply).await.unwrap().unwrap();
        serde_json::from_slice(&reply.payload).unwrap()
    }
}

/// A plugin as its role; it answers until dropped.
async fn plugin(server: &Server) -> tokio::task::JoinSet<()> {
    let bus = Bus::connect(&options(server, "validator")).await.unwrap();
    let check = EndpointInfo {
        name: "check".to_owned(),
        subject: "gearshift.plugin.validator.v1.check".to_owned(),
        metadata: BTreeMap::new(),
    };
    let info = ServiceInfo {
        name: "validator".to_owned(),
        id: "one".to_owned(),
        version: "1.0.0".to_owned(),
        metadata: BTreeMap::from([("gearshift.plugin".to_owned(), "1".to_owned())]),
        endpoints: vec![check],
    };
    let (registration, mut servers) = bus.requests().offer(info, "q").await.unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(async move {
        let _held = registration;
        while let Some(request) = servers[0].next().await {
            let subject = request.message.subject.clone();
            request.respond(Message::new(subject, r#"{"ok":true}"#)).await.unwrap();
        }
    });
    tasks
}

/// How far each journal has got, as the engine's login sees it.
async fn journals(server: &Server) -> Vec<u64> {
    let engine = Plain::connect(server, "engine").await;
    let mut lasts = Vec::new();
    for partition in 0..4 {
        let subject = format!("$JS.API.STREAM.INFO.gearshift-log-journal-{partition}");
        lasts.push(engine.ask(&subject, json!({})).await["state"]["last_seq"].as_u64().unwrap());
    }
    lasts
}

/// Every variable that the shipped file reads.
fn passwords(command: &mut Command, file: &str) {
    let lines = file.lines().filter_map(|line| line.trim().strip_prefix("password: $"));
    let variables = lines.collect::<Vec<_>>();
    assert_eq!(variables.len(), 4, "{variables:?}");
    for variable in variables {
        command.env(variable, PASSWORD);
    }
}

#[test]
fn the_shipped_configuration_is_sound() {
    let place = Place::new();
    let file = place.gearshift(&["bus", "config"]).ends(0).out;
    place.write("nats-server.conf", &file);
    let program = std::env::var("NATS_SERVER_BIN").unwrap_or_else(|_| "nats-server".to_owned());
    let mut command = Command::new(program);
    command.args(["-t", "-c"]).arg(place.path("nats-server.conf"));
    passwords(&mut command, &file);
    let done = crate::support::Done::of(&command.output().unwrap()).ends(0);
    assert!(done.err.contains("is valid") || done.out.contains("is valid"), "{}", done.err);
    // Whoever starts the server so may give commands beside it.
    let mut command = place.command(&["bus", "config", "--role", "engine"]);
    passwords(&mut command, &file);
    crate::support::Done::of(&command.output().unwrap()).ends(0);
    let block = place.gearshift(&["bus", "config", "--role", "plugin", "--name", "billing"]);
    assert!(block.ends(0).out.contains("gearshift.plugin.billing.>"));
}

#[test]
fn each_role_can_do_its_work() {
    let place = Place::new();
    let server = Server::start(&accounts(&place));
    let _engine = engine(&place, &server);
    let _plugin = runtime().block_on(plugin(&server));
    runtime().block_on(async {
        let service = Plain::connect(&server, "orders").await;
        // Stored, and acknowledged to its own inbox.
        let stored = service.ask("order.placed", json!({ "orderId": "o-1" })).await;
        assert!(stored["seq"].as_u64().unwrap() > 0, "{stored}");
        // And by the door with a verdict.
        let answer = service.ask("gearshift.event.order.placed", json!({ "orderId": "o-2" })).await;
        assert_eq!(answer["verdicts"][0]["key"], "o-2", "{answer}");
        assert!(service.refused.lock().unwrap().is_empty());
    });
    for id in ["o-1", "o-2"] {
        until(LONG, || {
            let tasks = by(&place, &server, "ann", &["tasks", "-o", "json"]).ends(0).json();
            let there =
                tasks.as_array().unwrap().iter().any(|task| task["id"] == format!("order/{id}"));
            there.then_some(())
        });
    }
    // The login's name is the user, without `--as`.
    by(&place, &server, "ann", &["approve", "o-1", "--reason", "fine"]).ends(0);
    let history = by(&place, &server, "ann", &["history", "o-1", "-o", "json"]).ends(0).json();
    assert!(history.to_string().contains(r#""by":"ann""#), "{history}");
    let seen = by(&place, &server, "ann", &["show", "o-1", "-o", "json"]).ends(0).json();
    assert_eq!(seen["status"], "done", "{seen}");
    // Each login finds out what it is.
    let monitor = server.monitor().to_owned();
    let doctor = |user: &str| {
        let mut command =
            place.command(&["bus", "doctor", "--nats", server.url(), "--monitor", &monitor]);
        login(&mut command, user);
        crate::support::Done::of(&command.output().unwrap()).ends(0).out
    };
    assert!(doctor("engine").contains("`engine` may do all that an engine does"));
    assert!(doctor("ann").contains("`ann` may look, and command in this name: an operator"));
    assert!(doctor("orders").contains("a service or a plugin"));
}

#[test]
fn each_role_is_refused_what_it_must_not_do() {
    let place = Place::new();
    let server = Server::start(&accounts(&place));
    let _engine = engine(&place, &server);
    runtime().block_on(async {
        let before = journals(&server).await;
        let ann = Plain::connect(&server, "ann").await;
        for subject in [
            "gearshift.command.bob.decide",
            "gearshift.event.order.placed",
            "order.placed",
            "gearshift.result.abc",
        ] {
            ann.may_not_publish(subject).await;
        }
        ann.may_not_subscribe("_INBOX_orders.>").await;
        ann.may_not_subscribe("gearshift.command.>").await;
        let service = Plain::connect(&server, "orders").await;
        for subject in [
            "document.submitted",
            "user.action",
            "gearshift.event.user.action",
            "gearshift.query.health",
        ] {
            service.may_not_publish(subject).await;
        }
        service.may_not_subscribe("order.placed").await;
        let validator = Plain::connect(&server, "validator").await;
        for subject in ["order.placed", "gearshift.announce.billing", "gearshift.cancel.abc"] {
            validator.may_not_publish(subject).await;
        }
        for subject in [
            "gearshift.plugin.billing.>",
            "gearshift.plugin.>",
            "gearshift.event.>",
            "$SRV.PING.billing",
        ] {
            validator.may_not_subscribe(subject).await;
        }
        for plain in [&ann, &service, &validator] {
            for subject in [
                "gearshift.journal.0",
                "gearshift.owner.0",
                "$JS.API.STREAM.PURGE.gearshift-log-journal-0",
                "$JS.API.STREAM.DELETE.gearshift-log-journal-0",
                "$JS.API.STREAM.CREATE.mine",
                "$KV.gearshift-definitions.order",
                "_INBOX_engine.forged",
            ] {
                plain.may_not_publish(subject).await;
            }
            plain.may_not_subscribe("gearshift.journal.>").await;
            plain.may_not_subscribe("gearshift.owner.>").await;
        }
        assert_eq!(journals(&server).await, before, "nothing was stored");
    });
    // In another's name, the command line gets nowhere either.
    let line = ["start", "order", "--key", "x", "--as", "bob", "--timeout", "1s"];
    assert_ne!(by(&place, &server, "ann", &line).code, 0);
    by(&place, &server, "ann", &["show", "order/x"]).ends(3);
}
