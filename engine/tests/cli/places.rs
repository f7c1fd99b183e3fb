//! `concurrency:` and calls that are answered later, over NATS: a promise keeps its place until its
//! result or its deadline, whichever engine waits for it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use gearshift_bus::{Bus, NatsOptions};
use gearshift_plugins_sdk::{Context, Failure, OperationOptions, Plugin, Running, State};
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::nats::serve;
use crate::server::{Server, runtime};
use crate::support::{Dev, Done, Place, until};

/// Only a hang reaches it.
const LONG: Duration = Duration::from_secs(40);

/// One place for three calls of one instance.
const DIGS: &str = "\
workflow: digs
correlate: data.key
plugins: { mine: { concurrency: 1 } }
vars: { dug: [] }
steps:
  dig:
    foreach: { in: '[1, 2, 3]', as: level, collect: partial }
    call: mine.dig
    with: { level: \"${ level }\" }
    timeout: TIME
    retry: { attempts: 1 }
";

/// One call as the plugin saw it.
#[derive(Clone, Debug, PartialEq)]
struct Seen {
    call: String,
    attempt: u32,
    level: u64,
    at: Instant,
}

/// What the plugin saw, and when calls may end.
#[derive(Clone)]
struct Mine {
    seen: Arc<Mutex<Vec<Seen>>>,
    /// Calls under way now, and the most there were at once.
    now: Arc<Mutex<(usize, usize)>>,
    gate: Arc<Semaphore>,
    /// Behind it those are answered that nobody waits for: their time is over by then, for sure.
    late: Arc<Semaphore>,
}

impl Mine {
    fn new() -> Self {
        let [gate, late] = [(), ()].map(|()| Arc::new(Semaphore::new(0)));
        Self { seen: Arc::default(), now: Arc::default(), gate, late }
    }

    fn serve(&self, server: &Server) -> Running {
        let long = OperationOptions::new().long(Duration::from_secs(2));
        let plugin = Plugin::new("mine", "1.0.0").concurrency(16).state(self.clone());
        let plugin = plugin.operation_with("dig", dig, long);
        runtime().block_on(async {
            let bus = Bus::connect(&NatsOptions::new(server.url())).await.unwrap();
            plugin.serve(&bus).await.unwrap()
        })
    }

    fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    fn most(&self) -> usize {
        self.now.lock().unwrap().1
    }
}

async fn dig(State(mine): State<Mine>, ctx: Context, input: Value) -> Result<Value, Failure> {
    let (call, level) = (ctx.call_id.clone(), input["level"].as_u64().unwrap_or_default());
    let seen = Seen { call, attempt: ctx.attempt, level, at: Instant::now() };
    mine.seen.lock().map_err(|_| Failure::permanent("poisoned"))?.push(seen);
    {
        let mut now = mine.now.lock().map_err(|_| Failure::permanent("poisoned"))?;
        now.0 += 1;
        now.1 = now.1.max(now.0);
    }
    let is_done = tokio::select! {
        biased;
        () = ctx.cancelled() => false,
        permit = mine.gate.acquire() => { permit?.forget(); true }
    };
    mine.now.lock().map_err(|_| Failure::permanent("poisoned"))?.0 -= 1;
    if is_done {
        return Ok(json!(level));
    }
    mine.late.acquire().await?.forget();
    Err(Failure::cancelled())
}

/// A place, a server with the plugin, and commands to it.
struct World {
    place: Place,
    server: Server,
    mine: Mine,
    plugin: Running,
}

impl World {
    fn new(time: &str) -> Self {
        let (place, server, mine) = (Place::new(), Server::start(""), Mine::new());
        place.write("digs.workflow.yaml", &DIGS.replace("TIME", time));
        let plugin = mine.serve(&server);
        Self { place, server, mine, plugin }
    }

    fn engine(&self) -> Dev {
        serve(&self.place, self.server.url(), &["digs.workflow.yaml"])
    }

    fn on(&self, arguments: &[&str]) -> Done {
        self.place.gearshift(&[arguments, &["-s", self.server.url()]].concat())
    }

    fn show(&self) -> Value {
        let done = self.on(&["show", "digs/d1", "-o", "json"]);
        if done.code == 0 { done.json() } else { Value::Null }
    }

    fn start(&self) {
        self.on(&["start", "digs", "--key", "d1"]).ends(0);
    }

    /// Waits until the plugin has seen so many calls, of which the last is promised, and the engine
    /// says that so many others are held for it.
    fn held(&self, seen: usize, waiting: u64) {
        until(LONG, || {
            let shown = self.on(&["plugin", "ls", "mine", "-o", "json"]);
            if shown.code != 0 || self.mine.seen().len() != seen {
                return None;
            }
            let operation = shown.json()[0]["operations"][0].clone();
            let calls = self.show()["calls"].as_array().cloned().unwrap_or_default();
            let promised = calls.iter().filter(|call| call["pending"] == true).count();
            let counts = [&operation["in_flight"], &operation["waiting"]];
            (promised == 1 && counts == [&json!(1), &json!(waiting)]).then_some(())
        });
        assert_eq!(self.mine.most(), 1, "{:?}", self.mine.seen());
    }

    fn ended(&self) -> Value {
        until(LONG, || Some(self.show()).filter(|seen| seen["status"] == "done"))
    }

    fn close(self) {
        self.mine.late.add_permits(3);
        let drained = async {
            tokio::time::timeout(LONG, self.plugin.drain()).await.unwrap();
        };
        runtime().block_on(drained);
    }
}

/// Each call was made once, as its first attempt.
fn once_each(seen: &[Seen]) {
    let mut levels: Vec<_> = seen.iter().map(|one| one.level).collect();
    levels.sort_unstable();
    assert_eq!(levels, [1, 2, 3], "{seen:#?}");
    assert!(seen.iter().all(|one| one.attempt == 1), "{seen:#?}");
}

#[test]
fn concurrency_1_has_one_promised_call_of_a_foreach_under_way_at_a_time() {
    let world = World::new("60s");
    let engine = world.engine();
    world.start();
    for (seen, waiting) in [(1, 2), (2, 1), (3, 0)] {
        world.held(seen, waiting);
        world.mine.gate.add_permits(1);
    }
    let shown = world.ended();
    once_each(&world.mine.seen());
    assert_eq!(world.mine.most(), 1);
    assert_eq!(shown["steps"][0]["status"], "completed", "{shown:#}");
    drop(engine);
    world.close();
}

#[test]
fn concurrency_a_promised_call_keeps_its_place_at_the_engine_that_takes_over_until_its_result() {
    let world = World::new("60s");
    let first = world.engine();
    world.start();
    world.held(1, 2);
    let second = world.engine();
    first.signal("-KILL");
    drop(first);
    // The second engine asks for the other two, and has no place for them.
    world.held(1, 2);
    world.mine.gate.add_permits(1);
    world.held(2, 1);
    // Once more, at an engine that did ask.
    second.signal("-KILL");
    drop(second);
    let third = world.engine();
    world.held(2, 1);
    world.mine.gate.add_permits(2);
    world.ended();
    once_each(&world.mine.seen());
    assert_eq!(world.mine.most(), 1);
    drop(third);
    world.close();
}

#[test]
fn concurrency_a_promised_call_keeps_its_place_at_the_engine_that_takes_over_until_its_deadline() {
    let time = Duration::from_secs(12);
    let world = World::new("12s");
    let first = world.engine();
    world.start();
    world.held(1, 2);
    let second = world.engine();
    first.signal("-KILL");
    drop(first);
    world.held(1, 2);
    // Nobody answers the first, whose time is over at last.
    world.held(2, 1);
    let seen = world.mine.seen();
    let between = seen[1].at.duration_since(seen[0].at);
    assert!(between + Duration::from_secs(1) >= time, "{between:?}: {seen:#?}");
    world.mine.gate.add_permits(2);
    let shown = world.ended();
    once_each(&world.mine.seen());
    assert_eq!(world.mine.most(), 1);
    let text = shown["steps"][0].to_string();
    assert!(text.contains("timeout"), "{shown:#}");
    drop(second);
    world.close();
}
