//! Letters between instances of two engines on one server, while both are killed and stopped.
//!
//! Houses start porters in other partitions; these talk to their house and to ledgers, and hear the
//! house's bell. What everybody has written down in the end shows whether each letter was taken
//! once and in order. `GEARSHIFT_LONG=1` kills more often, `GEARSHIFT_TEST_SEED=N` repeats.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use fastrand::Rng;
use gearshift_client::protocol::query::{DeadLetters, Definitions, Instances};
use gearshift_client::protocol::{EventHeaders, Verdict};
use gearshift_client::{Client, NatsOptions};
use gearshift_tests::chaos::{Node, Program};
use gearshift_tests::nats::{Cluster, Nodes};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

/// What each porter says, and how often each house's bell rings.
const SAYS: u64 = 12;
const RINGS: u64 = 6;
/// Ledgers, so that they are in several partitions.
const LEDGERS: usize = 16;
/// Definitions under load.
const DEFINITIONS: usize = 3;
/// Longer than a lease: the other engine takes over from one that stands still.
const PAUSE_MS: std::ops::Range<u64> = 2_300..3_300;
/// How long an answer may take before it is asked for again.
const ANSWER_MAX: Duration = Duration::from_secs(1);
/// How long everything may take that has to come.
const PATIENCE: Duration = Duration::from_secs(120);

/// What is to happen.
struct Plan {
    houses: usize,
    kills: usize,
    pauses: usize,
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_13_letters_are_taken_once_and_in_order_while_engines_are_killed() {
    let is_long = std::env::var_os("GEARSHIFT_LONG").is_some();
    let seed = std::env::var("GEARSHIFT_TEST_SEED").ok();
    let seed = seed.map_or_else(|| fastrand::u64(..), |text| text.parse().unwrap());
    let plan = match is_long {
        true => Plan { houses: 600, kills: 60, pauses: 12 },
        false => Plan { houses: 40, kills: 6, pauses: 2 },
    };
    println!("seed {seed}: {} kills, {} pauses", plan.kills, plan.pauses);
    let folder = tempfile::Builder::new()
        .prefix("letters-")
        .tempdir_in(env!("CARGO_TARGET_TMPDIR"))
        .unwrap();
    let outcome = run(folder.path(), &plan, seed).await;
    if let Err(reason) = outcome {
        let kept = folder.keep();
        panic!("seed {seed}, everything is in {}: {reason}", kept.display());
    }
}

async fn run(folder: &Path, plan: &Plan, seed: u64) -> Result<(), String> {
    let mut rng = Rng::with_seed(seed);
    let cluster = Cluster::start(folder, Nodes::One).await.unwrap();
    let urls = cluster.urls();
    let mut engines: Vec<_> =
        (0..2).map(|number| Node::start(engine(folder, number, &urls)).unwrap()).collect();
    let client = connect(&urls).await;
    let epochs = both_serve(&client).await?;
    for ledger in 0..LEDGERS {
        let data = json!({ "ledger": format!("l{ledger}") });
        told(&client, "ledger.opened", &data, &format!("l{ledger}")).await?;
    }
    // All are open before the last fault, and each is at work while some fault happens.
    let mut tenants = JoinSet::new();
    for house in 0..plan.houses {
        let (client, wait) = (connect(&urls).await, rng.u64(0..faults_last_ms(plan)));
        tenants.spawn(async move {
            sleep(Duration::from_millis(wait)).await;
            live_in(&client, house).await
        });
    }
    let mut pauses: Vec<bool> = (0..plan.kills + plan.pauses).map(|at| at < plan.pauses).collect();
    rng.shuffle(&mut pauses);
    for is_pause in pauses {
        let which = rng.usize(..engines.len());
        let engine = &mut engines[which];
        if is_pause {
            engine.signal("-STOP").await.unwrap();
            sleep(Duration::from_millis(rng.u64(PAUSE_MS))).await;
            engine.signal("-CONT").await.unwrap();
        } else {
            engine.kill().await.unwrap();
            sleep(Duration::from_millis(rng.u64(..300))).await;
            engine.restart().unwrap();
        }
        sleep(Duration::from_millis(rng.u64(100..900))).await;
    }
    while let Some(ended) = tenants.join_next().await {
        ended.unwrap()?;
    }
    all_closed(&client).await?;
    judge(&client, plan).await?;
    let moved = sum_of_epochs(&client).await?.saturating_sub(epochs);
    println!("{moved} epochs were opened meanwhile");
    if moved < plan.kills as u64 {
        return Err(format!("only {moved} times did a partition change hands"));
    }
    for engine in &mut engines {
        let ended = engine.end().await.unwrap();
        if ended.is_none_or(|status| !status.success()) {
            return Err(format!("{} ended with {ended:?}", engine.name()));
        }
    }
    Ok(())
}

/// How long the faults last at least.
fn faults_last_ms(plan: &Plan) -> u64 {
    500 * plan.kills as u64 + 3_000 * plan.pauses as u64
}

fn engine(folder: &Path, number: usize, urls: &str) -> Program {
    let name = format!("engine-{number}");
    let data = folder.join(format!("{name}-data"));
    let definitions = Path::new(env!("CARGO_MANIFEST_DIR")).join("definitions/letters");
    let mut arguments: Vec<OsString> = ["serve", "--nats", urls].map(OsString::from).to_vec();
    arguments.extend(["--name".into(), name.clone().into(), "--data".into(), data.into()]);
    arguments.push(definitions.into());
    let path = env!("CARGO_BIN_EXE_gearshift-recorded").into();
    Program { name, path, arguments, variables: Vec::new(), folder: folder.to_owned() }
}

async fn connect(urls: &str) -> Client {
    let client = Client::nats(&NatsOptions::new(urls)).await.unwrap();
    client.as_user("ann").with_timeout(ANSWER_MAX)
}

/// Waits until each of the two engines has partitions; the sum of their epochs then.
async fn both_serve(client: &Client) -> Result<u64, String> {
    let end = Instant::now() + PATIENCE;
    loop {
        let known = client.definitions(&Definitions::default()).await;
        let health = client.health().await;
        if let (Ok(known), Ok(health)) = (&known, &health) {
            let mut owners: Vec<_> =
                health.partitions.iter().filter_map(|one| one.owner.clone()).collect();
            owners.sort();
            owners.dedup();
            let all = health.partitions.iter().all(|one| one.serving);
            if known.items.len() == DEFINITIONS && owners.len() == 2 && all {
                return Ok(health.partitions.iter().map(|one| one.epoch).sum());
            }
        }
        if Instant::now() > end {
            return Err(format!("the engines do not share the work: {health:#?}"));
        }
        sleep(Duration::from_millis(50)).await;
    }
}

async fn sum_of_epochs(client: &Client) -> Result<u64, String> {
    let end = Instant::now() + PATIENCE;
    loop {
        let health = client.health().await;
        if let Ok(health) = &health
            && health.partitions.iter().all(|one| one.serving)
        {
            return Ok(health.partitions.iter().map(|one| one.epoch).sum());
        }
        if Instant::now() > end {
            return Err(format!("not all partitions are served: {health:#?}"));
        }
        sleep(Duration::from_millis(50)).await;
    }
}

/// Sends an event until somebody has taken it, always under the same id.
async fn told(client: &Client, event: &str, data: &Value, id: &str) -> Result<(), String> {
    let headers = EventHeaders { id: Some(id.to_owned()), ..EventHeaders::default() };
    let end = Instant::now() + PATIENCE;
    loop {
        let reply = client.send_with(event, data, &headers).await;
        let verdict = reply.as_ref().ok().and_then(|reply| reply.verdicts.first());
        match verdict.map(|one| &one.verdict) {
            Some(
                Verdict::Started { .. } | Verdict::Transitioned { .. } | Verdict::Duplicate { .. },
            ) => {
                return Ok(());
            }
            _ if Instant::now() > end => return Err(format!("{event} {data}: {reply:?}")),
            // Unknown, busy or nobody there: the same again.
            Some(_) | None => sleep(Duration::from_millis(20)).await,
        }
    }
}

/// Opens a house and rings its bell, one ring after the other.
async fn live_in(client: &Client, house: usize) -> Result<(), String> {
    let name = format!("h{house}");
    let ledger = format!("l{}", house % LEDGERS);
    let data = json!({ "house": name, "ledger": ledger, "says": SAYS, "rings": RINGS });
    told(client, "house.opened", &data, &name).await?;
    for ring in 1..=RINGS {
        let data = json!({ "house": name, "n": ring });
        told(client, "house.rung", &data, &format!("{name}-{ring}")).await?;
    }
    Ok(())
}

/// Waits until no house and no porter runs any more.
async fn all_closed(client: &Client) -> Result<(), String> {
    let running = Instances {
        filter: Some("status != 'done' && workflow != 'ledger'".to_owned()),
        limit: Some(5),
        ..Instances::default()
    };
    let end = Instant::now() + PATIENCE;
    loop {
        let left = client.instances(&running).await.map(|page| page.items);
        match left {
            Ok(list) if list.is_empty() => return Ok(()),
            left if Instant::now() > end => return Err(format!("not all have ended: {left:#?}")),
            Ok(_) | Err(_) => sleep(Duration::from_millis(100)).await,
        }
    }
}

/// What everybody has written down.
async fn judge(client: &Client, plan: &Plan) -> Result<(), String> {
    let (said, rings): (Vec<_>, Vec<_>) = ((1..=SAYS).collect(), (1..=RINGS).collect());
    for house in 0..plan.houses {
        let vars = seen(client, &format!("house/h{house}")).await?;
        let expected =
            json!({ "left": said, "right": said, "left_rings": rings, "right_rings": rings });
        if vars != expected {
            return Err(format!("house h{house}: {vars}"));
        }
    }
    let mut noted: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for ledger in 0..LEDGERS {
        let vars = seen(client, &format!("ledger/l{ledger}")).await?;
        for line in vars["lines"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            let (who, number) = line.rsplit_once('/').unwrap();
            noted.entry(who.to_owned()).or_default().push(number.to_owned());
        }
    }
    let expected: Vec<_> = said.iter().map(u64::to_string).collect();
    if noted.len() != 2 * plan.houses || noted.values().any(|numbers| *numbers != expected) {
        return Err(format!("the ledgers say {noted:#?}"));
    }
    let lost =
        client.dead_letters(&DeadLetters::default()).await.map_err(|error| error.to_string());
    match lost?.items.as_slice() {
        [] => Ok(()),
        some => Err(format!("letters without a receiver: {some:#?}")),
    }
}

async fn seen(client: &Client, id: &str) -> Result<Value, String> {
    let end = Instant::now() + PATIENCE;
    loop {
        match client.instance(id).await {
            Ok(instance) => return Ok(instance.vars),
            Err(error) if Instant::now() > end => return Err(format!("{id}: {error}")),
            Err(_) => sleep(Duration::from_millis(50)).await,
        }
    }
}
