//! Who asks an engine whether it is ready hears that its own definitions are on their way.

use serde_json::{Value, json};

use crate::remote::request;
use crate::support::World;

#[test]
fn an_engine_is_not_ready_before_its_own_definitions_are_deployed() {
    let mut world = World::memory();
    world.start();
    let health = || request(&world, "gearshift.query.health", &json!({})).unwrap();
    let loading = world.handle().loading();
    let seen = health();
    assert_eq!(seen["status"], "starting", "{seen}");
    let told: Vec<Value> = seen["warnings"].as_array().unwrap().clone();
    let words = "the definitions that it was started with are being deployed";
    assert_eq!(told, [json!(words)]);
    drop(loading);
    assert_eq!(health()["status"], "ready");
}
