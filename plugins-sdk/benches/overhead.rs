//! What the SDK costs: the same operation by a plain client of NATS and by a plugin, side by side.
//!
//! `cargo bench -p gearshift-plugins-sdk` starts a server of its own; both answer over a connection
//! of their own, and the same client asks them in turn: first one after the other, then in many
//! short turns, whose ratio says more where the machine is not quick all the time.

#![expect(clippy::print_stdout, reason = "its result")]

use std::time::Duration;

use async_nats::Client;
use criterion::{Criterion, criterion_group};
use futures_util::StreamExt as _;
use gearshift_bus::{Bus, NatsOptions, PrivateServer, ServerOptions};
use gearshift_plugins_sdk::{Failure, JsonSchema, Plugin, Running, schemars};
use serde::{Deserialize, Serialize};
use tokio::runtime::Runtime;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// Requests under way at once.
const ASKERS: u64 = 64;
/// Where the plain client answers: as long as that of the plugin.
const BARE: &str = "plainbare.plugin.validator.v1.validate_document";
/// Where the plugin answers.
const SDK: &str = "gearshift.plugin.validator.v1.validate_document";

/// Turns of each side, and requests in each.
const TURNS: usize = 400;
const REQUESTS: u64 = 640;

type Problem = Box<dyn std::error::Error + Send + Sync>;

#[derive(Deserialize, JsonSchema)]
struct Document {
    title: String,
}

#[derive(Serialize, JsonSchema)]
struct Verdict {
    valid: bool,
    words: usize,
}

fn judge(document: &Document) -> Verdict {
    Verdict { valid: true, words: document.title.split_whitespace().count() }
}

async fn validate_document(document: Document) -> Result<Verdict, Failure> {
    Ok(judge(&document))
}

/// As short as it can be: one task, no schemas, no limits, no cancellation.
async fn bare(client: Client) -> Result<(), Problem> {
    let mut requests = client.queue_subscribe(BARE, "q".to_owned()).await?;
    client.flush().await?;
    while let Some(request) = requests.next().await {
        let Some(reply) = request.reply else { continue };
        let document: Document = serde_json::from_slice(&request.payload)?;
        client.publish(reply, serde_json::to_vec(&judge(&document))?.into()).await?;
    }
    Ok(())
}

/// Asks so often, [`ASKERS`] at once; how long it took.
async fn ask(client: &Client, subject: &'static str, requests: u64) -> Result<Duration, Problem> {
    let began = Instant::now();
    let mut askers = JoinSet::new();
    for asker in 0..ASKERS {
        let client = client.clone();
        let share = requests / ASKERS + u64::from(asker < requests % ASKERS);
        askers.spawn(async move {
            for _ in 0..share {
                client.request(subject, r#"{"title":"a b c"}"#.into()).await?;
            }
            Ok::<_, Problem>(())
        });
    }
    while let Some(asked) = askers.join_next().await {
        asked??;
    }
    Ok(began.elapsed())
}

/// What answers, and who asks.
struct World {
    #[expect(dead_code, reason = "held for its drop")]
    server: PrivateServer,
    #[expect(dead_code, reason = "held for its drop")]
    responder: JoinSet<Result<(), Problem>>,
    running: Running,
    client: Client,
}

impl World {
    async fn start() -> Result<Self, Problem> {
        let server = PrivateServer::start(ServerOptions::default()).await?;
        let mut responder = JoinSet::new();
        responder.spawn(bare(async_nats::connect(server.url()).await?));
        let bus = Bus::connect(&NatsOptions::new(server.url())).await?;
        let plugin = Plugin::new("validator", "1.0.0");
        let plugin = plugin.operation("validate_document", validate_document).concurrency(64);
        let running = plugin.serve(&bus).await?;
        let client = async_nats::connect(server.url()).await?;
        Ok(Self { server, responder, running, client })
    }
}

fn overhead(criterion: &mut Criterion) {
    let runtime = Runtime::new().unwrap_or_else(|error| panic!("no runtime: {error}"));
    let world = runtime.block_on(World::start());
    let world = world.unwrap_or_else(|error| panic!("nothing can be measured: {error}"));
    let time = |subject, requests| {
        let asked = runtime.block_on(ask(&world.client, subject, requests));
        asked.unwrap_or_else(|error| panic!("`{subject}` does not answer: {error}"))
    };
    let mut group = criterion.benchmark_group("answer");
    for (name, subject) in [("bare", BARE), ("sdk", SDK)] {
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|requests| time(subject, requests));
        });
    }
    group.finish();
    println!("{}", in_turns(time));
    runtime.block_on(world.running.drain());
}

/// Both sides in turns: the median of each, and the median of the ratio of two turns that follow
/// each other.
fn in_turns(time: impl Fn(&'static str, u64) -> Duration) -> String {
    let (mut bare, mut sdk, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for turn in 0..TURNS {
        // What goes first takes turns as well.
        let pair = if turn % 2 == 0 { [BARE, SDK] } else { [SDK, BARE] };
        let [one, other] = pair.map(|subject| time(subject, REQUESTS).as_secs_f64());
        let (by_bare, by_sdk) = if turn % 2 == 0 { (one, other) } else { (other, one) };
        bare.push(by_bare);
        sdk.push(by_sdk);
        ratios.push(by_sdk / by_bare);
    }
    let median = |list: &mut Vec<f64>| {
        list.sort_by(f64::total_cmp);
        list.get(list.len() / 2).copied().unwrap_or_default()
    };
    let each = |list: &mut Vec<f64>| median(list) * 1e6 / REQUESTS as f64;
    let (by_bare, by_sdk) = (each(&mut bare), each(&mut sdk));
    let ratio = median(&mut ratios);
    format!("in turns: bare {by_bare:.2} us, sdk {by_sdk:.2} us, median ratio {ratio:.3}")
}

criterion_group!(benches, overhead);

fn main() {
    benches();
    Criterion::default().configure_from_args().final_summary();
}
