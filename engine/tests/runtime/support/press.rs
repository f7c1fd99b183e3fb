//! [`Press`]: a plugin that takes long work, without an SDK: it promises, and answers when told.

use std::sync::{Arc, Mutex};

use gearshift_bus::{
    Bus, EndpointInfo, Message, Registration, Request, Server, ServiceInfo, Subject,
};
use gearshift_protocol::{headers, subjects};
use serde_json::{Value, json};

use super::World;

/// A workflow with one long call, of [`Press`].
pub(crate) const PRESS: &str = r#"
workflow: press
version: 1
correlate: data.key
events:
  press.begun: { start: true }
  press.left: {}
vars: { pages: 0, attempts: 0, code: "" }
initial: printing
states:
  printing:
    entry:
      call: press.render
      with: { n: "${ input.n }" }
      timeout: 1h
      retry: { attempts: 2, backoff: 1s }
      set: { pages: output.pages, attempts: vars.attempts + 1 }
    done: printed
    failed: { do: { set: { code: event.data.code } }, to: broken }
    on: { press.left: broken }
  printed: {}
  broken: {}
"#;

/// One call as the plugin got it.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    pub(crate) call: String,
    pub(crate) attempt: u32,
    pub(crate) instance: String,
    pub(crate) result_to: String,
    /// `traceparent` and `tracestate`.
    pub(crate) trace: [Option<String>; 2],
}

/// The plugin `press`, which takes every call and promises its result.
#[derive(Clone, Default)]
pub(crate) struct Press {
    orders: Arc<Mutex<Vec<Order>>>,
    cancelled: Arc<Mutex<Vec<String>>>,
    once: bool,
}

impl Press {
    /// One whose operation may not be repeated.
    pub(crate) fn once() -> Self {
        Self { once: true, ..Self::default() }
    }

    /// All calls so far.
    pub(crate) fn orders(&self) -> Vec<Order> {
        self.orders.lock().unwrap().clone()
    }

    /// Call ids that the engine cancelled.
    pub(crate) fn cancelled(&self) -> Vec<String> {
        self.cancelled.lock().unwrap().clone()
    }

    /// Serves in this life of the world.
    pub(crate) fn serve(&self, world: &World) {
        let bus = world.bus();
        let (registration, server) = world.run(self.offer(&bus));
        let pattern = gearshift_bus::SubjectPattern::parse("gearshift.cancel.*").unwrap();
        let mut cancels = world.run(bus.subscribe(&pattern)).unwrap();
        let cancelled = Arc::clone(&self.cancelled);
        world.spawn(async move {
            while let Some(message) = cancels.next().await {
                let call = message.subject.as_str().strip_prefix(subjects::CANCEL).unwrap();
                cancelled.lock().unwrap().push(call.to_owned());
            }
        });
        world.spawn(self.clone().run(server, registration));
    }

    async fn offer(&self, bus: &Bus) -> (Registration, Server) {
        let told = ("gearshift.idempotent".to_owned(), (!self.once).to_string());
        let info = ServiceInfo {
            name: "press".to_owned(),
            id: "1".to_owned(),
            version: "1.0.0".to_owned(),
            metadata: [("gearshift.plugin".to_owned(), "1".to_owned())].into(),
            endpoints: vec![EndpointInfo {
                name: "render".to_owned(),
                subject: "gearshift.plugin.press.v1.render".to_owned(),
                metadata: [told].into(),
            }],
        };
        let (registration, mut servers) = bus.requests().offer(info, "q").await.unwrap();
        (registration, servers.remove(0))
    }

    async fn run(self, mut server: Server, registration: Registration) {
        while let Some(request) = server.next().await {
            self.orders.lock().unwrap().push(read(&request.message));
            promise(request).await;
        }
        drop(registration);
    }
}

fn read(message: &Message) -> Order {
    let header = |name| message.headers.get(name).unwrap().to_owned();
    Order {
        call: header(headers::CALL_ID),
        attempt: header(headers::ATTEMPT).parse().unwrap(),
        instance: header(headers::INSTANCE),
        result_to: header(headers::RESULT_TO),
        trace: [headers::TRACEPARENT, headers::TRACESTATE]
            .map(|name| message.headers.get(name).map(str::to_owned)),
    }
}

async fn promise(request: Request) {
    let reply = Message::new(request.message.subject.clone(), "")
        .with_header(headers::PENDING, "true")
        .unwrap()
        .with_header(headers::HEARTBEAT, "10s")
        .unwrap();
    // The engine may have been killed meanwhile.
    drop(request.respond(reply).await);
}

impl Order {
    /// The result as it is published.
    pub(crate) fn result(&self, pages: u64) -> Message {
        let body = json!({ "pages": pages }).to_string();
        self.headed(Message::new(Subject::parse(&self.result_to).unwrap(), body))
    }

    /// The message with the headers of a result of this call.
    pub(crate) fn headed(&self, message: Message) -> Message {
        let id = format!("{}.{}", self.call, self.attempt);
        [
            (headers::CALL_ID, self.call.clone()),
            (headers::ATTEMPT, self.attempt.to_string()),
            (headers::INSTANCE, self.instance.clone()),
            (headers::MESSAGE_ID, id),
        ]
        .into_iter()
        .fold(message, |message, (name, value)| message.with_header(name, &value).unwrap())
    }

    /// Says that the plugin lives, and how far it is.
    pub(crate) async fn beat(&self, bus: &Bus, percent: u64, note: &str) {
        let body = json!({ "attempt": self.attempt, "percent": percent, "note": note });
        let subject = Subject::parse(&subjects::heartbeat(&self.call)).unwrap();
        bus.publish(Message::new(subject, body.to_string())).await.unwrap();
    }
}

/// The input of one of its instances.
pub(crate) fn begun(name: &str) -> gearshift_engine::runtime::Incoming {
    let body: Value = json!({ "key": name, "n": 1 });
    super::event("press.begun", &body)
}
