//! Decision 0032 with a plugin of the SDK: its handler is a plain function, the rest is promised,
//! kept alive, published and taken by themselves.

use std::sync::Arc;
use std::time::Duration;

use gearshift_engine::Clock;
use gearshift_plugins_sdk::{Context, Failure, OperationOptions, Plugin, State};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::longwork::{has_ended, is_pending, key, pages, until};
use crate::support::{PRESS, World, begun, eventually_async, on_each_bus};

/// As [`is_pending`] wants it.
const HEARTBEAT: Duration = Duration::from_secs(10);

async fn render(
    State(gate): State<Arc<Semaphore>>,
    ctx: Context,
    _: Value,
) -> Result<Value, Failure> {
    ctx.heartbeat(40, "page 4 of 10");
    gate.acquire().await?.forget();
    Ok(json!({ "pages": 7 }))
}

fn works_long(world: World) {
    // Deadlines have to mean the same on both sides.
    let mut world = world.with(|config| config.clock = Clock::System);
    world.start();
    world.deploy(PRESS);
    let gate = Arc::new(Semaphore::new(0));
    let options = OperationOptions::new().long(HEARTBEAT);
    let plugin = Plugin::new("press", "1.0.0").state(Arc::clone(&gate));
    let plugin = plugin.operation_with("render", render, options);
    let bus = world.bus();
    let running = world.run(async { plugin.serve(&bus).await }).unwrap();
    world.ask(begun("a")).unwrap();
    until(&world, "a", "the plugin has taken it", is_pending);
    world.run(eventually_async("its progress is heard", async || {
        let list = world.handle().progress(&key("a")).await.ok()?;
        list.iter().any(|one| one.percent == Some(40)).then_some(())
    }));
    gate.add_permits(1);
    let ended = until(&world, "a", "the result is taken", has_ended);
    assert_eq!(pages(&ended), "7 1 \"\"");
    world.run(running.drain());
}

#[test]
fn decision_32_a_plugin_of_the_sdk_answers_later() {
    on_each_bus(works_long);
    works_long(World::embedded());
}
