//! Decision 0059: how many calls one engine has under way is counted for each operation by itself.

use std::time::Duration;

use gearshift_machine::machine::{InstanceKey, Status};
use serde_json::json;

use crate::support::{Answer, Recorded, World, event, eventually_async, on_each_bus};

/// A workflow that makes one call.
fn calls(workflow: &str, operation: &str, timeout: &str) -> String {
    format!(
        "
workflow: {workflow}
correlate: data.key
events: {{ {workflow}.wanted: {{ start: true }} }}
plugins: {{ recorded: {{ breaker: off }} }}
steps:
  one: {{ call: recorded.{operation}, with: {{ by: {workflow} }}, timeout: {timeout} }}
"
    )
}

async fn want(world: &World, workflow: &str, name: &str) {
    let wanted = event(&format!("{workflow}.wanted"), &json!({ "key": name }));
    world.handle().event(wanted).await.unwrap();
}

async fn ends(world: &World, workflow: &str, name: &str) {
    let key = InstanceKey::new(workflow, name).unwrap();
    let seen = async || {
        let instance = world.handle().instance(&key).await.ok()??;
        (instance.status == Status::Done).then_some(())
    };
    eventually_async(&format!("{name} ends"), seen).await;
}

async fn called(plugin: &Recorded, count: usize) {
    let called = async || (plugin.seen().len() == count).then_some(());
    eventually_async(&format!("{count} are called"), called).await;
}

#[test]
fn decision_59_calls_of_one_that_hangs_keep_no_other_one_waiting() {
    on_each_bus(|world| {
        let mut world = world.with(|config| config.calls_in_flight_limit = 2);
        world.start();
        let plugin = Recorded::new(|seen| match seen.input["by"] == "slow" {
            true => Answer::Hold,
            false => Answer::Done,
        });
        world.deploy(&calls("slow", "work", "60s"));
        world.deploy(&calls("quick", "other", "60s"));
        world.run(async {
            let bus = world.bus();
            let server = Recorded::listen(&bus).await;
            drop(bus.requests().discover().await);
            world.spawn(plugin.clone().run(server, bus, world.config.partitions));
            for number in 0..20 {
                want(&world, "slow", &format!("s{number}")).await;
            }
            called(&plugin, 2).await;
            for number in 0..20 {
                want(&world, "quick", &format!("q{number}")).await;
            }
            for number in 0..20 {
                ends(&world, "quick", &format!("q{number}")).await;
            }
            assert_eq!((plugin.seen().len(), plugin.held()), (22, 2));
        });
    });
}

#[test]
fn decision_59_what_waits_for_a_place_is_no_attempt_and_has_its_time_in_full() {
    let plugin = Recorded::new(|_| Answer::Hold);
    let world = World::memory().with(|config| config.calls_in_flight_limit = 2);
    let mut world = world.in_no_time().serving(&plugin);
    world.start();
    world.deploy(&calls("long", "work", "1h"));
    world.deploy(&calls("short", "work", "16s"));
    world.run(async {
        for name in ["a", "b"] {
            want(&world, "long", name).await;
        }
        called(&plugin, 2).await;
        want(&world, "short", "c").await;
        tokio::time::sleep(Duration::from_secs(600)).await;
        let key = InstanceKey::new("short", "c").unwrap();
        let held = world.handle().progress(&key).await.unwrap();
        let held = held.into_iter().filter_map(|one| one.held).collect::<Vec<_>>();
        let said = "the limit of 2 calls of `recorded.v1.work` that one engine has under way is \
                    reached, and it is the next";
        assert_eq!(held, [said]);
        plugin.release().await;
        called(&plugin, 3).await;
        tokio::time::sleep(Duration::from_secs(15)).await;
        plugin.release().await;
        for (workflow, name) in [("long", "a"), ("long", "b"), ("short", "c")] {
            ends(&world, workflow, name).await;
        }
        assert!(plugin.seen().iter().all(|one| one.attempt == 1), "{:?}", plugin.seen());
        assert_eq!(plugin.seen().len(), 3);
    });
}
