//! Decision 0041: whoever starts an instance by command has its trace go on there and in children.

use std::sync::{Arc, Mutex};

use gearshift_bus::{Bus, Message, Subject, SubjectPattern};
use gearshift_client::Client;
use gearshift_client::protocol::command::Start;
use gearshift_client::protocol::headers;
use gearshift_engine::http::Door;
use serde_json::json;
use tokio::task::JoinSet;

use crate::flows::each;

const BROUGHT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const TOKEN: &str = "0123456789abcdef0123456789abcdef";

/// A call of its own, then one of its child.
const TRIP: &str = "
workflow: trip
version: 1
initial: asking
states:
  asking: { entry: { call: recorded.work, with: own }, done: going }
  going: { invoke: { id: leg, workflow: leg }, on: { done.invoke.leg: gone } }
  gone: { final: true }
---
workflow: leg
version: 1
initial: asking
states:
  asking: { entry: { call: recorded.work, with: child }, done: gone }
  gone: { final: true }
";

/// What each call said of its trace.
type Heard = Arc<Mutex<Vec<[Option<String>; 2]>>>;

async fn hear(bus: &Bus, heard: &Heard) -> JoinSet<()> {
    let pattern = SubjectPattern::parse("gearshift.plugin.recorded.v1.work").unwrap();
    let mut server = bus.requests().serve(&pattern, "q").await.unwrap();
    let heard = Arc::clone(heard);
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        while let Some(request) = server.next().await {
            let header = |name| request.message.headers.get(name).map(str::to_owned);
            let trace = [headers::TRACEPARENT, headers::TRACESTATE].map(header);
            heard.lock().unwrap().push(trace);
            let reply = Message::new(Subject::parse("reply").unwrap(), "null");
            drop(request.respond(reply).await);
        }
    });
    tasks
}

async fn start(client: &Client, key: &str) {
    let order = Start {
        workflow: "trip".to_owned(),
        key: Some(key.to_owned()),
        input: json!({}),
        ..Start::default()
    };
    client.start(&order).await.unwrap();
}

#[test]
fn decision_41_a_start_over_the_bus_and_over_http_brings_its_trace_to_children_too() {
    each(TRIP, |world| {
        let heard = Heard::default();
        let _plugin = world.run(hear(&world.bus(), &heard));
        let here = "127.0.0.1:0".parse().unwrap();
        let door = world.run(Door::bind(world.handle(), here, TOKEN)).unwrap();
        let http = Client::http(&format!("http://{}", door.address()), TOKEN).unwrap();
        let mut doors = JoinSet::new();
        world.run(async { doors.spawn(door.run()) });
        let due = [Some(BROUGHT.to_owned()), Some("v=1".to_owned())];
        for (key, client) in [("a", world.client()), ("b", http.clone())] {
            world.run(start(&client.in_trace(BROUGHT, Some("v=1")), key));
            world.wait_for(&format!("trip/{key}"), "gone");
            assert_eq!(heard.lock().unwrap().split_off(0), [due.clone(), due.clone()], "{key}");
        }
        // Whoever brings none has a trace of its own, the child with it.
        world.run(start(&http, "c"));
        world.wait_for("trip/c", "gone");
        let own = heard.lock().unwrap().split_off(0);
        let of = |at: usize| own[at][0].clone().unwrap();
        assert_eq!((own.len(), of(0)[..35] == of(1)[..35]), (2, true), "{own:?}");
        assert_ne!(of(0)[..35], BROUGHT[..35]);
        world.run(async { doors.shutdown().await });
    });
}
