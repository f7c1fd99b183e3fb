//! Decision 0029 for long work: what a breaker hears of calls whose plugins answer later.

use std::time::Duration;

use gearshift_bus::{Headers, Message};
use gearshift_engine::api::{self, Request};
use gearshift_engine::runtime::Tripped;
use gearshift_protocol::headers;

use crate::longwork::{has_ended, instance, is_pending, ordered, publish, until};
use crate::support::{
    Order, PRESS, Press, World, begun, eventually, eventually_async, on_each_bus,
};

/// A world with the press under these rules of its breaker.
fn with(mut world: World, press: &Press, rules: &str) -> World {
    world.start();
    let rules = format!("plugins: {{ press: {{ breaker: {rules} }} }}\ninitial:");
    world.deploy(&PRESS.replace("initial:", &rules));
    press.serve(&world);
    world
}

/// The calls of these instances once the plugin has taken them, in their order.
fn taken(world: &World, press: &Press, names: &[&str]) -> Vec<Order> {
    let mut orders = Vec::new();
    for name in names {
        let known = press.orders().len();
        world.ask(begun(name)).unwrap();
        until(world, name, "the plugin has taken it", is_pending);
        orders.push(ordered(world, press, known + 1).remove(known));
    }
    orders
}

/// A result that is a failure, told under this message id.
fn failed(order: &Order, id: &str) -> Message {
    let mut message = order.result(0);
    message.headers.insert(headers::SERVICE_ERROR_CODE, "503").unwrap();
    message.headers.insert(headers::SERVICE_ERROR, "out of ink").unwrap();
    message.headers.insert(headers::MESSAGE_ID, id).unwrap();
    message
}

/// What `plugin ls -o json` tells of the operation: in flight, waiting, calls, errors.
async fn counted(world: &World) -> [u64; 4] {
    let request = Request {
        subject: "gearshift.query.plugins".to_owned(),
        headers: Headers::new(),
        body: "{}".into(),
    };
    let reply = api::answer(&world.handle(), request).await.unwrap();
    let page: serde_json::Value = serde_json::from_slice(&reply).unwrap();
    let operation = &page["items"][0]["operations"][0];
    ["in_flight", "waiting", "calls", "errors"].map(|name| operation[name].as_u64().unwrap())
}

fn opened(world: &World) -> Tripped {
    let open = || world.handle().breakers().pop().map(|(_, tripped)| tripped);
    world.run(eventually("the breaker opens", open))
}

fn has_failed(world: &World, name: &str) {
    let waits = |one: &gearshift_machine::machine::Instance| {
        one.sequences.iter().any(|one| one.call.as_ref().is_some_and(|call| !call.sent))
    };
    until(world, name, "its attempt has failed", waits);
}

#[test]
fn decision_29_failed_results_open_a_breaker_once_each_and_a_good_one_closes_it() {
    on_each_bus(|world| {
        let press = Press::default();
        let world = with(world, &press, "{ threshold: 2, reset: 1h }");
        let orders = taken(&world, &press, &["a", "b", "c"]);
        let bus = world.bus();
        world.run(async {
            publish(&bus, failed(&orders[0], "a1")).await;
            publish(&bus, failed(&orders[0], "a2")).await;
        });
        world.inbox_is_read();
        has_failed(&world, "a");
        assert_eq!(
            world.run(counted(&world)),
            [2, 0, 1, 1],
            "`b` and `c` are under way, `a` has failed"
        );
        assert_eq!(world.handle().breakers(), [], "a repeated result is no second failure");
        world.run(publish(&bus, failed(&orders[1], "b1")));
        let tripped = opened(&world);
        assert_eq!((tripped.failures, tripped.half_open), (2, false));
        assert_eq!(tripped.error, "503: out of ink");
        let held = async || {
            world.advance(Duration::from_millis(200));
            (counted(&world).await[1] == 2).then_some(())
        };
        world.run(eventually_async("what is tried again is held", held));
        assert_eq!(world.run(counted(&world)), [1, 2, 2, 2]);

        // The call that is tried is taken, which proves nothing yet.
        world.advance(Duration::from_secs(3_600));
        let tried = world.run(eventually("one is tried", || {
            world.advance(Duration::from_millis(200));
            press.orders().get(3).cloned()
        }));
        let half_open = || world.handle().breakers().pop().filter(|(_, one)| one.half_open);
        world.run(eventually("it is half open", half_open));
        let name = tried.instance.strip_prefix("press/").unwrap().to_owned();
        until(&world, &name, "its plugin has taken it", is_pending);
        assert!(half_open().is_some(), "a promise closes nothing");
        world.run(publish(&bus, tried.result(7)));
        until(&world, &name, "the result is taken", has_ended);
        let closed = || world.handle().breakers().is_empty().then_some(());
        world.run(eventually("it is closed", closed));
    });
}

#[test]
fn decision_29_lost_heartbeats_and_deadlines_count_as_failed_replies() {
    for (step, limit, said) in [
        (10_001, 1, "heartbeat_lost: no heartbeat for 10000 ms, as often as it promised one"),
        (9_000, 401, "no result in time"),
    ] {
        let press = Press::default();
        let world = with(World::memory(), &press, "{ threshold: 1, reset: 2h }");
        let order = taken(&world, &press, &["a"]).remove(0);
        let bus = world.bus();
        for _ in 0..limit {
            world.advance(Duration::from_millis(step));
            if limit == 1 || !world.handle().breakers().is_empty() {
                break;
            }
            world.run(async {
                order.beat(&bus, 1, "").await;
                let now = world.config.clock.now();
                eventually_async("it is heard, or over", async || {
                    let is_open = !world.handle().breakers().is_empty();
                    let key = crate::longwork::key("a");
                    let list = world.handle().progress(&key).await.ok()?;
                    (is_open || list.iter().all(|one| one.heard >= now)).then_some(())
                })
                .await;
            });
        }
        let tripped = opened(&world);
        assert_eq!((tripped.failures, &*tripped.error), (1, said));
    }
}

#[test]
fn decision_29_the_next_owner_counts_results_of_calls_that_it_did_not_send() {
    on_each_bus(|world| {
        let press = Press::default();
        let mut world = with(world, &press, "{ threshold: 2, reset: 1h }");
        let orders = taken(&world, &press, &["a", "b"]);
        world.restart();
        press.serve(&world);
        let bus = world.bus();
        world.run(publish(&bus, failed(&orders[0], "a1")));
        has_failed(&world, "a");
        assert!(is_pending(&world.run(instance(&world, "b")).unwrap()));
        world.run(publish(&bus, failed(&orders[1], "b1")));
        let tripped = opened(&world);
        assert_eq!((tripped.failures, &*tripped.error), (2, "503: out of ink"));
    });
}
