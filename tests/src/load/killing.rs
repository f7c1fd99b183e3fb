//! The killing: an engine lives for a random while under load, is killed, and lives again.

use std::io::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use fastrand::Rng;
use gearshift_client::Client;
use gearshift_client::protocol::query::Instances;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::DEFINITIONS;
use super::client::{Load, Work, work};
use super::export::{export, export_raw};
use super::operation::Desk;
use crate::checker::{Settings, open_lines};
use crate::nats;
use crate::world::{Dev, Launch, eventually_async};

/// What is to be done.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The program under test.
    pub program: PathBuf,
    /// Where everything is recorded; also the working directory.
    pub folder: PathBuf,
    /// The seed of everything random.
    pub seed: u64,
    /// What clients ask for.
    pub load: Load,
    /// Approvals or jobs in all.
    pub count: u32,
    /// Kills.
    pub kills: u32,
    /// Concurrent clients.
    pub clients: u32,
    /// Whether the bus is a NATS server, which outlives engines; else it is embedded.
    pub on_nats: bool,
}

/// What `crash_timer` waits.
const TIMER_DELAY_MS: i64 = 700;
/// The longest life under load before a kill, in milliseconds.
const LIFE_MS_MAX: u64 = 500;
/// The longest life of an engine that is killed at work, in milliseconds.
const BUSY_MS_MAX: u64 = 120;
/// The longest life of an engine that is killed while it starts, in milliseconds.
const EARLY_MS_MAX: u64 = 250;
/// How long the clients may take over anything after the last kill.
const END: Duration = Duration::from_secs(60);

/// Runs the plan; what it left in the folder is for the checker.
///
/// # Errors
/// The program does not start, or clients do not come to an end.
pub async fn run(plan: &Plan) -> Result<(), Error> {
    let server = match plan.on_nats {
        true => Some(nats::Cluster::start(&plan.folder, nats::Nodes::One).await?),
        false => None,
    };
    let launch = prepare(plan, server.as_ref().map(nats::Cluster::urls))?;
    let mut rng = Rng::with_seed(plan.seed);
    let (alive, target) = watch::channel(None);
    let shared = Arc::new(Work {
        permits: Semaphore::new(0),
        next: AtomicU32::new(0),
        count: plan.count,
        load: plan.load,
    });
    let mut clients = JoinSet::new();
    for client in 0..plan.clients {
        let path = plan.folder.join(format!("client-{client}.jsonl"));
        let desk = Desk {
            client,
            history: open_lines(&path)?,
            target: target.clone(),
            began: Instant::now(),
            count: 0,
        };
        clients.spawn(work(desk, Arc::clone(&shared), rng.fork()));
    }
    let each = usize::try_from(plan.count / plan.kills.max(1) + 1).map_err(Error::other)?;
    for _ in 0..plan.kills {
        shared.permits.add_permits(each);
        live_and_die(&launch, &alive, &mut rng).await?;
    }
    shared.permits.add_permits(each * 2);
    let mut last = launch.spawn()?;
    last.ready().await?;
    alive.send_replace(Some(last.client()));
    finish(&mut clients, &shared, &last).await?;
    export(&launch, &last, &plan.folder).await?;
    if let Some(server) = &server {
        export_raw(&server.client().await?, &plan.folder).await?;
    }
    let ended = last.terminate().await?;
    if !ended.success() {
        return Err(Error::other(format!("after SIGTERM it ended with {ended}")));
    }
    Ok(())
}

fn prepare(plan: &Plan, nats: Option<String>) -> Result<Launch, Error> {
    let settings = Settings {
        seed: plan.seed,
        timer_delay_ms: TIMER_DELAY_MS,
        kills: plan.kills,
        raw: plan.on_nats,
        ..Settings::default()
    };
    std::fs::write(plan.folder.join("settings.json"), serde_json::to_vec(&settings)?)?;
    Ok(Launch {
        program: plan.program.clone(),
        definitions: Path::new(env!("CARGO_MANIFEST_DIR")).join(DEFINITIONS),
        data: plan.folder.join("data"),
        folder: plan.folder.clone(),
        variables: vec![("GEARSHIFT_TEST_CALLS", plan.folder.join("calls.jsonl"))],
        nats,
    })
}

/// One life: some are over before they began, the others end at a random moment.
async fn live_and_die(
    launch: &Launch,
    alive: &watch::Sender<Option<Client>>,
    rng: &mut Rng,
) -> Result<(), Error> {
    let mut engine = launch.spawn()?;
    if rng.u8(..6) == 0 {
        tokio::time::sleep(Duration::from_millis(rng.u64(..EARLY_MS_MAX))).await;
    } else {
        engine.ready().await?;
        alive.send_replace(Some(engine.client()));
        serving(&engine.client()).await;
        // Half of the lives end while the work they were given is under way.
        let longest = if rng.bool() { BUSY_MS_MAX } else { LIFE_MS_MAX };
        tokio::time::sleep(Duration::from_millis(rng.u64(..longest))).await;
    }
    engine.kill().await?;
    alive.send_replace(None);
    Ok(())
}

/// Waits until all partitions answer: on NATS the lease of the engine before must expire first.
async fn serving(client: &Client) {
    let one = Instances { limit: Some(1), ..Instances::default() };
    eventually_async("all partitions answer", async || client.instances(&one).await.ok()).await;
}

/// Waits until the clients are done and every instance has come to its end.
async fn finish(
    clients: &mut JoinSet<Result<(), Error>>,
    work: &Work,
    engine: &Dev,
) -> Result<(), Error> {
    let mut begun = work.next.load(Ordering::Relaxed);
    loop {
        match tokio::time::timeout(END, clients.join_next()).await {
            Ok(Some(ended)) => ended.map_err(Error::other)??,
            Ok(None) => break,
            // How long all of it takes says how busy the machine is, and nothing else.
            Err(_elapsed) if work.next.load(Ordering::Relaxed) > begun => {
                begun = work.next.load(Ordering::Relaxed);
            }
            Err(_elapsed) => return Err(Error::other("clients did not come to an end")),
        }
    }
    let client = engine.client();
    let running = Instances {
        filter: Some("status in ['running', 'compensating']".to_owned()),
        limit: Some(1),
        ..Instances::default()
    };
    eventually_async("no instance is running", async || {
        client.instances(&running).await.ok()?.items.is_empty().then_some(())
    })
    .await;
    Ok(())
}
