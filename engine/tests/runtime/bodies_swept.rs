//! Decision 0035, two engines that sweep one store of large bodies at the same time: what is in use
//! stays and is whole, and all that is not goes.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use gearshift_bus::{Bus, Digest, Message, NatsOptions, PrivateServer, ServerOptions, Subject};
use gearshift_engine::Clock;
use gearshift_engine::runtime::ClusterConfig;
use gearshift_machine::machine::{InstanceKey, Status};
use gearshift_plugins_sdk::{Context, Failure, Plugin, State};
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tokio::time::Instant;

use crate::cluster::{served, spread};
use crate::support::{World, event, eventually_async};

/// How long bodies stay here; every engine looks 24 times meanwhile.
const KEPT: Duration = Duration::from_secs(4);
/// So many times as long bodies are in use.
const TIMES: u32 = 4;
/// Bodies in use, which calls of many instances have: the first two of one engine alone, so that
/// the other one never takes them.
const USED: [&str; 4] = ["a", "b", "c", "d"];
/// Bodies that nobody uses.
const UNUSED: u8 = 40;
/// Bytes of a page, and pages of an input.
const PAGE: usize = 40_000;
const PAGES: usize = 4;

const READ: &str = r#"
workflow: leaf
version: 1
correlate: data.key
events: { page.found: { start: true } }
vars: { read: 0, times: 0 }
initial: reading
states:
  reading:
    entry: { call: reader.read, timeout: 60s, set: { read: output.bytes, times: output.attempt },
             with: { all: ["${ input.page }", "${ input.page }", "${ input.page }",
                           "${ input.page }"] } }
    done: ended
    failed: lost
  ended: { final: true }
  lost: { final: true }
"#;

/// What went wrong with an input, or came at a further attempt.
type Wrong = Arc<Mutex<Vec<String>>>;

async fn read(State(wrong): State<Wrong>, ctx: Context, input: Value) -> Result<Value, Failure> {
    let bytes = input.to_string().len();
    if bytes != size() || ctx.attempt != 1 {
        let told = format!("{}: attempt {}, {bytes} bytes", ctx.instance_id, ctx.attempt);
        wrong.lock().map_err(|_| Failure::permanent("poisoned"))?.push(told);
    }
    Ok(json!({ "bytes": bytes, "attempt": ctx.attempt }))
}

fn input(page: &str) -> Value {
    json!({ "all": vec![page.repeat(PAGE); PAGES] })
}

fn size() -> usize {
    input("x").to_string().len()
}

fn joined(url: &str, node: &str) -> World {
    let mut world = World::nats(url).with(|config| {
        config.name = node.to_owned();
        config.partitions = 4;
        config.clock = Clock::System;
        config.bodies_kept = KEPT;
        config.cluster = Some(ClusterConfig { node: node.to_owned(), lease: KEPT });
    });
    world.start();
    world
}

/// A name of this round whose instance that engine has.
fn name_at(world: &World, partitions: &BTreeSet<u16>, page: &str, round: u32) -> String {
    let mut names = (0..1_000).map(|number| format!("{page}-{round}-{number}"));
    let has = |name: &String| {
        let key = InstanceKey::new("leaf", name).unwrap();
        partitions.contains(&world.handle().partition_of(&key))
    };
    names.find(has).unwrap()
}

/// Begins an instance, and waits until it has ended well.
async fn reads(world: &World, name: &str, page: &str) {
    let body = json!({ "key": name, "page": page.repeat(PAGE) });
    eventually_async(&format!("{name} is begun"), async || {
        let begun = world.handle().event(event("page.found", &body)).await;
        begun.is_ok().then_some(())
    })
    .await;
    let key = InstanceKey::new("leaf", name).unwrap();
    let ended = eventually_async(&format!("{name} ends"), async || {
        let instance = world.handle().instance(&key).await.ok()??;
        (instance.status == Status::Done).then_some(instance)
    })
    .await;
    let vars: Vec<_> = ended.vars.iter().map(|value| value.to_json()).collect();
    assert_eq!(vars, [size().to_string(), "1".to_owned()], "{name}: {ended:#?}");
}

/// Stores what nobody uses: whole bodies, and parts without a name.
async fn leave_behind(bus: &Bus) -> BTreeSet<Digest> {
    let blobs = bus.blobs("bodies").await.unwrap();
    let mut left = BTreeSet::new();
    for number in 0..UNUSED {
        left.insert(blobs.put(vec![number; 200_000].into()).await.unwrap());
        let part = format!("$O.gearshift-bodies.C.cut{number}");
        let part = Message::new(Subject::parse(&part).unwrap(), vec![number; 1_000]);
        bus.requests().request(part, Duration::from_secs(10)).await.unwrap();
    }
    left
}

/// All messages of the store.
async fn messages(bus: &Bus) -> u64 {
    let info = Subject::parse("$JS.API.STREAM.INFO.OBJ_gearshift-bodies").unwrap();
    let reply = bus.requests().request(Message::new(info, ""), Duration::from_secs(10)).await;
    let told: Value = serde_json::from_slice(&reply.unwrap().payload).unwrap();
    told["state"]["messages"].as_u64().unwrap()
}

#[test]
fn decision_35_two_engines_that_sweep_leave_what_is_used_and_nothing_else() {
    let ground = Runtime::new().unwrap();
    let server = ground.block_on(PrivateServer::start(ServerOptions::default())).unwrap();
    let (first, second) = (joined(server.url(), "a"), joined(server.url(), "b"));
    spread(&[&first, &second], &[2, 2]);
    first.deploy(READ);
    let (one, other) = ((&first, &served(&first)), (&second, &served(&second)));
    let at = [one, one, other, other];
    let wrong = Wrong::default();
    let plugin = Plugin::new("reader", "1.0.0").state(Arc::clone(&wrong)).operation("read", read);
    ground.block_on(async {
        let bus = Bus::connect(&NatsOptions::new(server.url())).await.unwrap();
        let running = plugin.serve(&bus).await.unwrap();
        let blobs = bus.blobs("bodies").await.unwrap();
        let unused = leave_behind(&bus).await;
        let used: BTreeSet<_> =
            USED.iter().map(|page| Digest::of(input(page).to_string().as_bytes())).collect();
        let (began, mut rounds) = (Instant::now(), 0);
        while began.elapsed() < KEPT * TIMES {
            let reading = USED.iter().zip(at).map(async |(page, (world, partitions))| {
                reads(world, &name_at(world, partitions, page, rounds), page).await;
            });
            futures_util::future::join_all(reading).await;
            let there: BTreeSet<_> = blobs.list().await.unwrap().into_iter().collect();
            assert!(used.is_subset(&there), "round {rounds}: {used:?}, {there:?}");
            rounds += 1;
        }
        assert_eq!(*wrong.lock().unwrap(), [""; 0], "of {rounds} rounds");
        let there: BTreeSet<_> = blobs.list().await.unwrap().into_iter().collect();
        assert!(unused.is_disjoint(&there), "not swept within {:?}", began.elapsed());
        assert_eq!(there, used);
        for digest in &used {
            assert!(blobs.get(digest).await.unwrap().is_some(), "{digest}");
        }
        eventually_async("nothing is left", async || (messages(&bus).await == 0).then_some(()))
            .await;
        running.drain().await;
    });
}
