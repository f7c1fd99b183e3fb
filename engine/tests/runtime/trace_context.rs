//! Decision 0038: the trace that an event brings reaches plugins and whoever reads what an instance
//! publishes, over a restart as well.

use std::time::Duration;

use gearshift_bus::{Message, SubjectPattern, Subscription};
use gearshift_machine::value::{Map, Value};
use gearshift_protocol::headers;

use crate::longwork::{ordered, publish};
use crate::support::{PRESS, Press, World, begun, on_each_bus};

const BROUGHT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

fn listen(world: &World, subject: &str) -> Subscription {
    let pattern = SubjectPattern::parse(subject).unwrap();
    world.run(world.bus().subscribe(&pattern)).unwrap()
}

fn heard(world: &World, from: &mut Subscription) -> [Option<String>; 2] {
    let limit = Duration::from_secs(30);
    let next = async { tokio::time::timeout(limit, from.next()).await.unwrap() };
    let message: Message = world.run(next).unwrap();
    let header = |name| message.headers.get(name).map(str::to_owned);
    [header(headers::TRACEPARENT), header(headers::TRACESTATE)]
}

#[test]
fn decision_38_the_trace_of_an_event_goes_on_to_calls_and_messages() {
    on_each_bus(|mut world| {
        let press = Press::default();
        world.start();
        world.deploy(&PRESS.replace("printed: {}", "printed: { entry: [{ publish: told.it }] }"));
        press.serve(&world);
        let mut own = begun("a");
        let mut brought = Map::new();
        brought.insert(headers::TRACEPARENT, Value::from(BROUGHT));
        brought.insert(headers::TRACESTATE, Value::from("v=1"));
        own.event.headers = Some(brought.into());
        world.ask(own).unwrap();
        let due = [Some(BROUGHT.to_owned()), Some("v=1".to_owned())];
        let order = ordered(&world, &press, 1).remove(0);
        assert_eq!(order.trace, due);

        // Another has none: it has a trace of its own.
        world.ask(begun("b")).unwrap();
        let [parent, state] = ordered(&world, &press, 2).remove(1).trace;
        let parent = parent.unwrap();
        assert!(parent.starts_with("00-") && parent.len() == 55 && state.is_none(), "{parent}");
        assert_ne!(parent[..35], BROUGHT[..35]);

        world.restart();
        let mut told = listen(&world, "told.it");
        world.run(publish(&world.bus(), order.result(3)));
        assert_eq!(heard(&world, &mut told), due, "after a restart");
    });
}
