//! Decision 0035: an input above the inline limit comes as an object to those who read such, and
//! inline to others; nobody has to know who it is.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use gearshift_bus::{Bus, Digest, Message, SubjectPattern};
use gearshift_engine::Clock;
use gearshift_machine::machine::{InstanceKey, Status};
use gearshift_plugins_sdk::{Context, Failure, Plugin, State};
use serde_json::{Value, json};

use crate::support::{World, event, eventually_async, on_each_bus};

/// `maker` gives what `reader` is asked with; it fits into variables and into no reply.
const COPY: &str = r#"
workflow: copy
version: 1
correlate: data.key
events: { copy.wanted: { start: true } }
vars: { pages: [], read: 0, code: "" }
initial: making
states:
  making:
    entry: { call: maker.make, with: { pages: "${ input.pages }", of: "${ input.of }" },
             timeout: 60s, set: { pages: output.pages } }
    done: reading
    failed: lost
  reading:
    entry: { call: reader.read, with: { all: "${ vars.pages }" }, timeout: 60s,
             retry: { attempts: 3, backoff: 100ms },
             set: { read: output.bytes } }
    done: copied
    failed: { do: { set: { code: event.data.code } }, to: lost }
  copied: { final: true }
  lost: { final: true }
"#;

/// Bytes of one page, of which at most a string of expressions holds.
const PAGE: usize = 50_000;

async fn make(_: Context, wanted: Value) -> Result<Value, Failure> {
    let pages = wanted["pages"].as_u64().ok_or_else(|| Failure::permanent("no number"))?;
    let page = wanted["of"].as_str().unwrap_or_default().repeat(PAGE);
    Ok(json!({ "pages": vec![page; usize::try_from(pages)?] }))
}

/// What a reader saw: the attempt and the size of its input.
type Seen = Arc<Mutex<Vec<(u32, usize)>>>;

async fn read(
    State((seen, fails)): State<(Seen, u32)>,
    ctx: Context,
    input: Value,
) -> Result<Value, Failure> {
    let bytes = input.to_string().len();
    seen.lock().map_err(|_| Failure::permanent("poisoned"))?.push((ctx.attempt, bytes));
    if ctx.attempt <= fails {
        return Err(Failure::retryable("not yet"));
    }
    Ok(json!({ "bytes": bytes }))
}

fn maker() -> Plugin {
    Plugin::new("maker", "1.0.0").operation("make", make)
}

fn reader(seen: &Seen, fails: u32) -> Plugin {
    let state = (Arc::clone(seen), fails);
    Plugin::new("reader", "1.0.0").state(state).operation("read", read)
}

/// A reader without an SDK, which knows nothing of objects; it answers until dropped.
async fn bare(bus: &Bus, seen: &Seen) -> tokio::task::JoinSet<()> {
    let pattern = SubjectPattern::parse("gearshift.plugin.reader.v1.read").unwrap();
    let mut server = bus.requests().serve(&pattern, "q").await.unwrap();
    let (seen, mut serving) = (Arc::clone(seen), tokio::task::JoinSet::new());
    serving.spawn(async move {
        while let Some(request) = server.next().await {
            let bytes = request.message.payload.len();
            seen.lock().unwrap().push((1, bytes));
            let body = json!({ "bytes": bytes }).to_string();
            let subject = request.message.subject.clone();
            request.respond(Message::new(subject, body)).await.unwrap();
        }
    });
    serving
}

async fn begin(world: &World, name: &str, pages: usize, of: &str) {
    let body = json!({ "key": name, "pages": pages, "of": of });
    world.handle().event(event("copy.wanted", &body)).await.unwrap();
}

/// The variables `read` and `code` at the end.
async fn ended(world: &World, name: &str) -> (u64, String) {
    let key = InstanceKey::new("copy", name).unwrap();
    let seen = async || {
        let instance = world.handle().instance(&key).await.ok()??;
        (instance.status == Status::Done).then_some(instance)
    };
    let instance = eventually_async(&format!("{name} ends"), seen).await;
    let texts: Vec<_> = instance.vars.iter().map(|value| value.to_json()).collect();
    (texts[1].parse().unwrap(), texts[2].trim_matches('"').to_owned())
}

/// The size of what `reader` is asked with.
fn size(pages: usize) -> usize {
    json!({ "all": vec!["x".repeat(PAGE); pages] }).to_string().len()
}

async fn stored(bus: &Bus) -> Vec<Digest> {
    bus.blobs("bodies").await.unwrap().list().await.unwrap()
}

#[test]
fn decision_35_a_large_input_is_read_by_a_plugin_of_the_sdk_at_every_attempt() {
    on_each_bus(|world| {
        // Deadlines have to mean the same on both sides.
        let mut world = world.with(|config| config.clock = Clock::System);
        world.start();
        world.deploy(COPY);
        let (bus, seen) = (world.bus(), Seen::default());
        world.run(async {
            let maker = maker().serve(&bus).await.unwrap();
            let reader = reader(&seen, 2).serve(&bus).await.unwrap();
            begin(&world, "a", 4, "x").await;
            assert_eq!(ended(&world, "a").await, (size(4) as u64, String::new()));
            assert_eq!(*seen.lock().unwrap(), [1, 2, 3].map(|attempt| (attempt, size(4))));
            assert_eq!(stored(&bus).await.len(), 2, "the answer and the input, once each");
            // One that fits is not stored.
            begin(&world, "b", 0, "x").await;
            assert_eq!(ended(&world, "b").await, (size(0) as u64, String::new()));
            assert_eq!(stored(&bus).await.len(), 2);
            reader.drain().await;
            maker.drain().await;
        });
    });
}

#[test]
fn decision_35_who_does_not_say_that_it_reads_objects_gets_all_of_it_inline() {
    on_each_bus(|world| {
        let mut world = world.with(|config| config.clock = Clock::System);
        world.start();
        world.deploy(COPY);
        let (bus, seen) = (world.bus(), Seen::default());
        world.run(async {
            let maker = maker().serve(&bus).await.unwrap();
            let serving = bare(&bus, &seen).await;
            begin(&world, "a", 2, "x").await;
            assert_eq!(ended(&world, "a").await, (size(2) as u64, String::new()));
            assert_eq!(stored(&bus).await.len(), 1, "the answer of the maker");
            drop(serving);
            maker.drain().await;
        });
    });
}

/// In JSON it has six bytes, and one in a journal, whose frames bound what a call is given.
const CONTROL: &str = "\u{1}";

#[test]
fn decision_35_what_the_bus_does_not_carry_fails_for_good_and_says_the_limit() {
    on_each_bus(|world| {
        let mut world = world.with(|config| config.clock = Clock::System);
        world.start();
        world.deploy(COPY);
        let (bus, seen) = (world.bus(), Seen::default());
        world.run(async {
            let maker = maker().serve(&bus).await.unwrap();
            let serving = bare(&bus, &seen).await;
            begin(&world, "a", 4, CONTROL).await;
            let (_, code) = ended(&world, "a").await;
            assert_eq!((code.as_str(), seen.lock().unwrap().len()), ("input_too_large", 0));
            let key = InstanceKey::new("copy", "a").unwrap();
            let trace = world.handle().trace(&key).await.unwrap();
            let notes: Vec<_> = trace.iter().filter_map(|entry| entry.note.as_deref()).collect();
            let told = notes.iter().find(|note| note.contains("input_too_large")).unwrap();
            assert!(told.contains("the plugin reads no objects"), "{told}");
            drop(serving);
            // Whoever reads objects takes as much.
            let reader = reader(&seen, 0).serve(&bus).await.unwrap();
            let found = async || {
                let found = bus.requests().discover().await.ok()?;
                found.iter().any(|one| one.name == "reader").then_some(())
            };
            eventually_async("the reader is found", found).await;
            begin(&world, "b", 4, CONTROL).await;
            let (bytes, code) = ended(&world, "b").await;
            assert!(bytes > 1_048_576 && code.is_empty(), "{bytes} {code}");
            reader.drain().await;
            maker.drain().await;
        });
    });
}

#[test]
fn decision_35_an_input_that_was_stored_before_a_crash_is_sent_by_the_next_owner() {
    let mut world = World::embedded().with(|config| config.clock = Clock::System);
    world.start();
    world.deploy(COPY);
    let (bus, seen) = (world.bus(), Seen::default());
    world.run(async {
        let maker = maker().serve(&bus).await.unwrap();
        // Nobody reads yet.
        begin(&world, "a", 4, "x").await;
        let made = async || (stored(&bus).await.len() == 1).then_some(());
        eventually_async("the maker answered", made).await;
        // The same bytes as the engine will store, as if it had been ended before it sent them.
        let body = json!({ "all": vec!["x".repeat(PAGE); 4] }).to_string();
        bus.blobs("bodies").await.unwrap().put(body.into()).await.unwrap();
        maker.drain().await;
    });
    drop(bus);
    world.crash();
    world.start();
    let bus = world.bus();
    world.run(async {
        let maker = maker().serve(&bus).await.unwrap();
        let reader = reader(&seen, 0).serve(&bus).await.unwrap();
        assert_eq!(ended(&world, "a").await, (size(4) as u64, String::new()));
        assert_eq!(stored(&bus).await.len(), 2, "it was there already");
        tokio::time::timeout(Duration::from_secs(10), reader.drain()).await.unwrap();
        maker.drain().await;
    });
}
