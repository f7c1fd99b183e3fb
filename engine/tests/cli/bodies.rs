//! Decision 0035 with the real binary: inputs that travel as objects, and engines that are killed
//! while they store them, before they send them, and before they hear the answer.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use gearshift_bus::{Bus, Message, NatsOptions, Subject};
use gearshift_plugins_sdk::{Context, Failure, Plugin, Running, State};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::held::Held;
use crate::nats::serve;
use crate::server::{Server, runtime};
use crate::support::{Dev, Place, until};

/// Only a hang reaches it.
const LONG: Duration = Duration::from_secs(40);

/// `make` gives what `read` is asked with.
const COPY: &str = "\
workflow: copy
correlate: data.key
vars: { read: 0 }
steps:
  make: { call: reader.make, timeout: 60s }
  read:
    needs: [make]
    call: reader.read
    with: { all: \"${ steps.make.pages }\" }
    timeout: 60s
    set: { read: output.bytes }
";

/// Bytes of one page, and how many there are: too much to travel inline.
const PAGE: usize = 50_000;
const PAGES: usize = 4;

/// How a call of the plugin begins on the wire, and the name of an object.
const CALL: &[u8] = b"HPUB gearshift.plugin.reader.v1.read ";
const NAME: &[u8] = b"HPUB $O.gearshift-bodies.M.";

/// A plugin that does its work once for each call id, however often it is asked.
#[derive(Clone)]
struct Reader {
    /// Call id, attempt and bytes of all requests.
    seen: Arc<Mutex<Vec<(String, u32, usize)>>>,
    /// Call ids of what was done, in order.
    done: Arc<Mutex<Vec<String>>>,
    /// What is asked is done behind it.
    gate: Arc<Semaphore>,
}

impl Reader {
    fn serve(server: &Server) -> (Self, Running) {
        let gate = Arc::new(Semaphore::new(0));
        let reader = Self { seen: Arc::default(), done: Arc::default(), gate };
        let plugin = Plugin::new("reader", "1.0.0").state(reader.clone());
        let plugin = plugin.operation("make", make).operation("read", read);
        let running = runtime().block_on(async {
            let bus = Bus::connect(&NatsOptions::new(server.url())).await.unwrap();
            plugin.serve(&bus).await.unwrap()
        });
        (reader, running)
    }

    fn seen(&self) -> Vec<(String, u32, usize)> {
        self.seen.lock().unwrap().clone()
    }

    /// Each request was the first attempt of one call, with all of its input; it was done once.
    fn did_it_once(&self, requests: usize) {
        let (seen, done) = (self.seen(), self.done.lock().unwrap().clone());
        let ids: BTreeSet<_> = seen.iter().map(|(id, ..)| id.clone()).collect();
        assert_eq!((seen.len(), done.len()), (requests, 1), "{seen:?}, {done:?}");
        assert_eq!(ids, done.into_iter().collect(), "{seen:?}");
        assert!(seen.iter().all(|one| (one.1, one.2) == (1, size())), "{seen:?}");
    }
}

async fn make(_: Context, _: Value) -> Result<Value, Failure> {
    Ok(json!({ "pages": vec!["x".repeat(PAGE); PAGES] }))
}

async fn read(State(reader): State<Reader>, ctx: Context, input: Value) -> Result<Value, Failure> {
    let (id, bytes) = (ctx.call_id.clone(), input.to_string().len());
    reader.seen.lock().map_err(lost)?.push((id.clone(), ctx.attempt, bytes));
    reader.gate.acquire().await?.forget();
    let mut done = reader.done.lock().map_err(lost)?;
    if !done.contains(&id) {
        done.push(id);
    }
    Ok(json!({ "bytes": bytes }))
}

fn lost<T>(_: T) -> Failure {
    Failure::permanent("a lock is lost")
}

/// The bytes of what `read` is asked with.
fn size() -> usize {
    json!({ "all": vec!["x".repeat(PAGE); PAGES] }).to_string().len()
}

/// A place and a server with the plugin.
struct World {
    place: Place,
    server: Server,
    reader: Reader,
    plugin: Running,
}

impl World {
    fn new() -> Self {
        let (place, server) = (Place::new(), Server::start(""));
        place.write("copy.workflow.yaml", COPY);
        let (reader, plugin) = Reader::serve(&server);
        Self { place, server, reader, plugin }
    }

    /// An engine at this address of the server.
    fn engine(&self, url: &str) -> Dev {
        serve(&self.place, url, &["copy.workflow.yaml"])
    }

    fn start(&self) {
        let line = ["start", "copy", "--key", "a", "-s", self.server.url()];
        self.place.gearshift(&line).ends(0);
    }

    /// What is stored: blobs with a name, and all messages of the store.
    fn stored(&self) -> (usize, u64) {
        runtime().block_on(async {
            let bus = self.bus().await;
            let blobs = bus.blobs("bodies").await.unwrap().list().await.unwrap();
            let info = Subject::parse("$JS.API.STREAM.INFO.OBJ_gearshift-bodies").unwrap();
            let reply = bus.requests().request(Message::new(info, ""), LONG).await.unwrap();
            let told: Value = serde_json::from_slice(&reply.payload).unwrap();
            (blobs.len(), told["state"]["messages"].as_u64().unwrap())
        })
    }

    async fn bus(&self) -> Bus {
        Bus::connect(&NatsOptions::new(self.server.url())).await.unwrap()
    }

    /// Waits until it is done, and then sees that a sweep leaves nothing.
    fn ends_and_leaves_nothing(self) {
        let shown = until(LONG, || {
            let done = self.place.gearshift(&["show", "a", "-s", self.server.url(), "-o", "json"]);
            Some(done)
                .filter(|done| done.code == 0)
                .map(|done| done.json())
                .filter(|seen| seen["status"] == "done")
        });
        assert_eq!(shown["vars"]["read"], size(), "{shown:#}");
        assert_eq!(self.stored().0, 2, "the answer and the input, once each");
        runtime().block_on(async {
            // As an engine does with what nobody took for a day.
            let blobs = self.bus().await.blobs("bodies").await.unwrap();
            for digest in blobs.list().await.unwrap() {
                assert!(blobs.delete_idle(&digest, Duration::ZERO).await.unwrap());
            }
            blobs.delete_orphans(Duration::ZERO).await.unwrap();
        });
        assert_eq!(self.stored(), (0, 0));
        runtime()
            .block_on(async { tokio::time::timeout(LONG, self.plugin.drain()).await.unwrap() });
    }
}

/// An engine is killed when `line` of it is held on its way to the server; another one goes on.
fn killed_before(line: &'static [u8], parts_without_name: bool) {
    let world = World::new();
    let wire = Held::start(world.server.url(), line);
    let first = world.engine(&wire.url());
    world.start();
    wire.until_held(LONG);
    let (named, messages) = world.stored();
    // The answer of `make` is there; each has two parts and a name.
    assert_eq!((named, messages), if parts_without_name { (1, 5) } else { (2, 6) });
    first.signal("-KILL");
    drop(first);
    drop(wire);
    assert_eq!(world.reader.seen(), [], "nobody was asked");
    world.reader.gate.add_permits(1);
    let _second = world.engine(world.server.url());
    until(LONG, || (!world.reader.seen().is_empty()).then_some(()));
    let reader = world.reader.clone();
    world.ends_and_leaves_nothing();
    reader.did_it_once(1);
}

#[test]
fn decision_35_an_engine_killed_while_it_stores_an_input_leaves_parts_that_a_sweep_finds() {
    killed_before(NAME, true);
}

#[test]
fn decision_35_an_engine_killed_between_storing_an_input_and_the_call_has_the_next_one_make_it() {
    killed_before(CALL, false);
}

#[test]
fn decision_35_an_engine_killed_before_the_answer_to_an_object_has_the_next_one_ask_again() {
    let world = World::new();
    let first = world.engine(world.server.url());
    world.start();
    until(LONG, || (world.reader.seen().len() == 1).then_some(()));
    first.signal("-KILL");
    drop(first);
    let _second = world.engine(world.server.url());
    until(LONG, || (world.reader.seen().len() == 2).then_some(()));
    world.reader.gate.add_permits(2);
    let reader = world.reader.clone();
    world.ends_and_leaves_nothing();
    reader.did_it_once(2);
}
