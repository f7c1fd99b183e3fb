//! Long work over the real binary: results that come while no engine runs, and what people see.

use std::collections::BTreeMap;
use std::process::Command;
use std::time::Duration;

use gearshift_bus::{Bus, EndpointInfo, Message, NatsOptions, Registration, ServiceInfo, Subject};
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::roles::{PASSWORD, accounts, by, login};
use crate::server::{Server, runtime};
use crate::support::{Dev, Place, until};

/// Only a hang reaches it.
const LONG: Duration = Duration::from_secs(30);

const PRINT: &str = "\
workflow: print
version: 1
correlate: data.key
events: { print.wanted: { start: true } }
vars: { pages: 0, times: 0 }
initial: printing
states:
  printing:
    steps:
      - id: render
        call: validator.render
        with: { key: \"${ key }\" }
        timeout: 1h
        set: { pages: output.pages, times: vars.times + 1 }
    done: printed
  printed: { final: true }
";

fn options(server: &Server) -> NatsOptions {
    let mut options = NatsOptions::new(server.url());
    options.user = Some("validator".to_owned());
    options.password = Some(PASSWORD.to_owned());
    options.inbox_prefix = Some("_INBOX_validator".to_owned());
    options
}

/// A plugin as its role that promises every result.
struct Plugin {
    bus: Bus,
    calls: mpsc::UnboundedReceiver<Message>,
    _serving: JoinSet<()>,
}

impl Plugin {
    async fn serve(server: &Server) -> Self {
        let bus = Bus::connect(&options(server)).await.unwrap();
        let (registration, mut servers) = offer(&bus).await;
        let (tell, calls) = mpsc::unbounded_channel();
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            let _held = registration;
            while let Some(request) = servers.next().await {
                let asked = request.message.clone();
                let reply = Message::new(asked.subject.clone(), "")
                    .with_header("Gearshift-Pending", "true")
                    .unwrap();
                request.respond(reply).await.unwrap();
                tell.send(asked).unwrap();
            }
        });
        Self { bus, calls, _serving: serving }
    }

    async fn called(&mut self) -> Message {
        tokio::time::timeout(LONG, self.calls.recv()).await.unwrap().unwrap()
    }

    /// Publishes the result of a call, durably.
    async fn answer(&self, call: &Message, pages: u64) {
        let to = Subject::parse(call.headers.get("Gearshift-Result-To").unwrap()).unwrap();
        let mut result = Message::new(to, format!("{{\"pages\":{pages}}}"));
        for name in ["Gearshift-Call-Id", "Gearshift-Attempt", "Gearshift-Instance"] {
            result.headers.insert(name, call.headers.get(name).unwrap()).unwrap();
        }
        let id = format!("{}.1", call.headers.get("Gearshift-Call-Id").unwrap());
        result.headers.insert("Nats-Msg-Id", &id).unwrap();
        self.bus.publish(result).await.unwrap();
    }

    fn beat(&self, call: &Message, percent: u8, note: &str) {
        let id = call.headers.get("Gearshift-Call-Id").unwrap();
        let subject = Subject::parse(&format!("gearshift.heartbeat.{id}")).unwrap();
        let body = format!("{{\"attempt\":1,\"percent\":{percent},\"note\":\"{note}\"}}");
        self.bus.notify(Message::new(subject, body)).unwrap();
    }
}

async fn offer(bus: &Bus) -> (Registration, gearshift_bus::Server) {
    let render = EndpointInfo {
        name: "render".to_owned(),
        subject: "gearshift.plugin.validator.v1.render".to_owned(),
        metadata: BTreeMap::new(),
    };
    let info = ServiceInfo {
        name: "validator".to_owned(),
        id: "one".to_owned(),
        version: "1.0.0".to_owned(),
        metadata: BTreeMap::from([("gearshift.plugin".to_owned(), "1".to_owned())]),
        endpoints: vec![render],
    };
    let (registration, mut servers) = bus.requests().offer(info, "q").await.unwrap();
    (registration, servers.remove(0))
}

fn engine(place: &Place, server: &Server) -> Dev {
    place.write("print.workflow.yaml", PRINT);
    let line = ["serve", "print.workflow.yaml", "-o", "json", "--no-wait"];
    let mut command: Command = place.command(&line);
    command.env("GEARSHIFT_NATS", server.url());
    login(&mut command, "engine");
    let mut engine = Dev::spawn(command);
    engine.line();
    engine
}

fn show(place: &Place, server: &Server) -> Value {
    let done = by(place, server, "ann", &["show", "print/p1", "-o", "json"]);
    if done.code == 0 { done.json() } else { Value::Null }
}

#[test]
fn p2_a_result_published_while_the_engine_is_killed_is_applied_once_when_it_is_back() {
    let place = Place::new();
    let server = Server::start(&accounts(&place));
    let first = engine(&place, &server);
    let mut plugin = runtime().block_on(Plugin::serve(&server));
    runtime().block_on(async {
        let mut options = options(&server);
        options.user = Some("engine".to_owned());
        options.inbox_prefix = Some("_INBOX_engine".to_owned());
        let bus = Bus::connect(&options).await.unwrap();
        let wanted = Subject::parse("print.wanted").unwrap();
        bus.publish(Message::new(wanted, "{\"key\":\"p1\"}")).await.unwrap();
    });
    let call = runtime().block_on(plugin.called());
    // People see that it is taken, and how far it is.
    let seen = until(LONG, || {
        plugin.beat(&call, 40, "page 4 of 10");
        let seen = show(&place, &server);
        (seen["calls"][0]["progress"]["percent"] == 40).then_some(seen)
    });
    assert_eq!(seen["calls"][0]["pending"], true, "{seen}");
    assert_eq!(seen["steps"][0]["progress"]["note"], "page 4 of 10", "{seen}");
    let text = by(&place, &server, "ann", &["show", "print/p1"]).ends(0).out;
    assert!(text.contains("40 %  page 4 of 10"), "{text}");
    let why = by(&place, &server, "ann", &["why", "print/p1"]).ends(0).out;
    assert!(why.contains("its plugin answers later; 40 %, page 4 of 10"), "{why}");
    first.signal("-KILL");
    drop(first);
    runtime().block_on(plugin.answer(&call, 7));
    let second = engine(&place, &server);
    let seen = until(LONG, || Some(show(&place, &server)).filter(|one| one["status"] == "done"));
    assert_eq!((&seen["vars"]["pages"], &seen["vars"]["times"]), (&7.into(), &1.into()));
    assert!(plugin.calls.try_recv().is_err(), "it was not asked again");
    // Once more, for an engine that begins anew: it was taken before.
    second.signal("-KILL");
    drop(second);
    let _third = engine(&place, &server);
    let again = until(LONG, || Some(show(&place, &server)).filter(|one| one["status"] == "done"));
    assert_eq!(again["step"], seen["step"]);
}
