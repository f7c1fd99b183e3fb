//! 200 plugin instances with connections of their own and 5,000 calls in flight leave nothing
//! behind: no task, no open file, no connection, no subscription, and no memory that grows.
//!
//! `GEARSHIFT_LONG=1` makes more waves.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use gearshift_bus::{Bus, NatsOptions, PrivateServer, ServerOptions};
use gearshift_client::Client;
use gearshift_client::protocol::command::{Deploy, Format};
use gearshift_client::protocol::query::{Instances, Plugins};
use gearshift_engine::api::serve_on_bus;
use gearshift_engine::{Engine, EngineConfig};
use gearshift_tests::leaks::{CROWD, DEFINITION, Served, Sizes, TOLD, Told};
use gearshift_tests::world::eventually_async;
use serde_json::json;
use tokio::process::{Child, Command};
use tokio::runtime::{Handle, Runtime};
use tokio::task::JoinSet;

/// Plugin instances, and those that come and go.
const INSTANCES: usize = 200;
/// Workflow instances, and the calls that each of them makes at once.
const LIVES: usize = 50;
const CALLS_EACH: usize = 100;
/// Calls of each whose results come later: each of those is stored.
const LATER_EACH: usize = 20;
/// Memory may differ by a tenth, and by so many kilobytes, between one wave and the next.
const MEMORY_KB_MARGIN: u64 = 8 * 1_024;
/// The longest that anything here may take.
const ANSWER_MAX: Duration = Duration::from_secs(60);

/// Everything that may leak.
#[derive(Clone, Copy, Debug)]
struct All {
    engine: Sizes,
    crowd: Sizes,
    server: Served,
}

struct Test {
    server: PrivateServer,
    engine: Handle,
    client: Client,
    nats: async_nats::Client,
    wave: u64,
}

#[test]
fn p13_many_plugins_and_calls_in_flight_leak_nothing() {
    // The engine's tasks are counted, so nothing else runs in its runtime.
    let (own, others) = (Runtime::new().unwrap(), Runtime::new().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let options = ServerOptions::in_dir(&folder.path().join("server"));
    let server = others.block_on(PrivateServer::start(options)).unwrap();
    let url = server.url().to_owned();
    let config = EngineConfig {
        data: Some(folder.path().to_owned()),
        // By default 1,024 are sent at once, and the others wait for them.
        calls_in_flight_limit: 2 * LIVES * CALLS_EACH,
        ..EngineConfig::default()
    };
    let (engine, door) = own.block_on(async {
        let bus = Bus::connect(&NatsOptions::new(&url)).await.unwrap();
        let engine = Engine::start(bus, config).await.unwrap();
        let door = serve_on_bus(&engine.handle()).await.unwrap();
        (engine, door)
    });
    let handle = own.handle().clone();
    let _server = others.block_on(async move {
        let client = Client::nats(&NatsOptions::new(&url)).await.unwrap();
        let nats = async_nats::connect(&url).await.unwrap();
        let client = client.as_user("ann").with_timeout(ANSWER_MAX);
        Test { server, engine: handle, client, nats, wave: 0 }.run().await
    });
    own.block_on(async move {
        door.close().await;
        assert!(engine.shutdown().await, "something of the engine did not end");
    });
}

impl Test {
    /// Gives the server back, which the engine needs to end in order.
    async fn run(mut self) -> PrivateServer {
        self.deploy().await;
        let mut crowd = self.start_crowd().await;
        // What is made once, at the first call, is no leak.
        self.wave(1, false).await;
        self.wave(1, true).await;
        let before = self.all().await;
        println!("{INSTANCES} instances: {before:?}");
        let waves = if std::env::var_os("GEARSHIFT_LONG").is_some() { 10 } else { 3 };
        let mut last = before;
        // Calls that wait for their reply, then some that are promised a result later.
        for (later, waves, calls) in [(false, waves, CALLS_EACH), (true, waves / 3, LATER_EACH)] {
            for wave in 1..=waves {
                self.wave(calls, later).await;
                let after = self.until_back(&before).await;
                println!("after {} calls, later: {later}: {after:?}", LIVES * calls);
                // The first wave makes room, which later ones need as well.
                if wave > 2 {
                    no_growth(&last, &after);
                }
                last = after;
            }
        }
        self.tell(&format!("churn {INSTANCES}")).await;
        self.wave(1, false).await;
        let after = self.until_back(&before).await;
        println!("after {INSTANCES} have come and gone: {after:?}");
        no_growth(&last, &after);
        self.until_known(INSTANCES).await;
        // So it is where they are killed, and others come.
        let mut gone = Vec::new();
        for _ in 0..2 {
            crowd.kill().await.unwrap();
            self.until_known(0).await;
            gone.push(Served::by(self.server.monitor_url()).await.unwrap());
            crowd = self.start_crowd().await;
            self.wave(1, false).await;
            let after = self.until_back(&before).await;
            println!("after all were killed, and others came: {after:?}");
        }
        assert!(gone[1].is_back_at(&gone[0]), "kept for killed plugins: {gone:?}");
        self.server
    }

    async fn deploy(&self) {
        let text = Path::new(env!("CARGO_MANIFEST_DIR")).join(DEFINITION);
        let text = std::fs::read_to_string(text).unwrap();
        let deploy = Deploy { text, origin: DEFINITION.to_owned(), format: Format::Yaml };
        self.client.deploy(&deploy).await.unwrap();
    }

    async fn start_crowd(&self) -> Child {
        let mut crowd = Command::new(env!("CARGO_BIN_EXE_gearshift-test-crowd"));
        crowd.args([self.server.url(), &INSTANCES.to_string()]).stdin(Stdio::null());
        let crowd = crowd.kill_on_drop(true).spawn().unwrap();
        let hears = async || self.nats.request(TOLD, "sizes".into()).await.ok();
        eventually_async("the crowd is there", hears).await;
        self.until_known(INSTANCES).await;
        crowd
    }

    async fn tell(&self, words: &str) -> Told {
        let asked = async_nats::Request::new().payload(words.to_owned().into());
        let asked = asked.timeout(Some(ANSWER_MAX));
        let told = self.nats.send_request(TOLD, asked).await.unwrap();
        serde_json::from_slice(&told.payload).unwrap()
    }

    async fn all(&self) -> All {
        let server = Served::by(self.server.monitor_url()).await.unwrap();
        let crowd = self.tell("sizes").await.sizes;
        All { engine: Sizes::here(&self.engine).unwrap(), crowd, server }
    }

    /// Each life asks for so many calls; all are in flight before the first one is answered.
    async fn wave(&mut self, calls_each: usize, later: bool) {
        self.wave += 1;
        let wave = self.wave;
        let answered = self.answered().await;
        let items: Vec<usize> = (0..calls_each).collect();
        let mut sending = JoinSet::new();
        for life in 0..LIVES {
            let data =
                json!({ "key": format!("l-{life}"), "wave": wave, "items": items, "later": later });
            let client = self.client.clone();
            sending.spawn(async move { client.send("wave.wanted", &data).await.map(drop) });
        }
        sending.join_all().await.into_iter().for_each(Result::unwrap);
        let calls = LIVES * calls_each;
        let are_in_flight = async || (self.tell("sizes").await.in_flight == calls).then_some(());
        eventually_async("all calls are in flight", are_in_flight).await;
        assert_eq!(self.answered().await, answered, "nothing is answered yet");
        self.tell(&format!("open {wave}")).await;
        let wanted = answered + calls;
        let are_answered = async || (self.answered().await == wanted).then_some(());
        eventually_async("all calls are answered", are_answered).await;
    }

    /// How many calls all lives together know as answered.
    async fn answered(&self) -> usize {
        let filter = Some("workflow == 'crowd'".to_owned());
        let list = Instances { filter, limit: Some(500), ..Instances::default() };
        let mut sum = 0;
        for one in self.client.instances(&list).await.unwrap().items {
            let detail = self.client.instance(&one.id).await.unwrap();
            sum += usize::try_from(detail.vars["answered"].as_u64().unwrap()).unwrap();
        }
        sum
    }

    /// Waits until everything but memory is as it was.
    async fn until_back(&self, before: &All) -> All {
        let end = tokio::time::Instant::now() + ANSWER_MAX;
        loop {
            let now = self.all().await;
            let is_back = now.engine.is_back_at(&before.engine)
                && now.crowd.is_back_at(&before.crowd)
                && now.server.is_back_at(&before.server);
            if is_back {
                return now;
            }
            assert!(tokio::time::Instant::now() < end, "leaked: {now:#?}, before: {before:#?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until the engine knows so many instances of the plugin, and no others.
    async fn until_known(&self, count: usize) {
        let list = Plugins { name: Some(CROWD.to_owned()) };
        eventually_async(&format!("{count} instances are known"), async || {
            let plugins = self.client.plugins(&list).await.unwrap().items;
            let known: usize = plugins.iter().map(|one| one.instances.len()).sum();
            (known == count).then_some(())
        })
        .await;
    }
}

/// Memory is what it was, within the margin.
fn no_growth(before: &All, after: &All) {
    for (who, before, after) in
        [("engine", before.engine, after.engine), ("plugins", before.crowd, after.crowd)]
    {
        let most = before.memory_kb + before.memory_kb / 10 + MEMORY_KB_MARGIN;
        assert!(after.memory_kb <= most, "memory of the {who}: {before:?}, then {after:?}");
    }
}
