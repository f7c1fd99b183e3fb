//! A whole run: start, load, faults, heal, wait for the end, record.

use std::ffi::OsString;
use std::io::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

use fastrand::Rng;
use gearshift_client::protocol::query::{Definitions, Instances};
use gearshift_client::{Client, NatsOptions};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::DEFINITIONS;
use super::export::export;
use super::node::Program;
use super::schedule::{FaultKind, Step};
use super::stage::Stage;
use crate::checker::{Settings, open_lines};
use crate::load::{Desk, Load, Work, wall_ms, work};
use crate::nats::{Cluster, Nodes};

/// What is to be done.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The program under test.
    pub engine: PathBuf,
    /// The plugin.
    pub plugin: PathBuf,
    /// Where everything is recorded.
    pub folder: PathBuf,
    /// The seed of everything random.
    pub seed: u64,
    /// The faults.
    pub steps: Vec<Step>,
    /// Engines, and as many plugins.
    pub engines: usize,
    /// Servers.
    pub nodes: Nodes,
    /// Concurrent clients.
    pub clients: u32,
    /// Approvals and jobs begun in a second.
    pub pace: usize,
    /// How often each kind of fault must have happened.
    pub faults_each: usize,
    /// How long a client waits for an answer.
    pub answer_max: Duration,
}

/// How long engines may take until the first answer.
const START_MAX: Duration = Duration::from_secs(60);
/// After the last fault everything must move on within this time; the checker looks closer.
const END_MAX: Duration = Duration::from_secs(90);
/// Definitions under load.
const DEFINITIONS_COUNT: usize = 3;
/// How late a timer may fire, in milliseconds.
const TIMER_LATE_MS_MAX: i64 = 30_000;
/// Attempts that the definitions allow.
const ATTEMPTS_MAX: u32 = 200;

/// Runs the plan; what it left in the folder is for the checker.
///
/// # Errors
/// Something does not start, or the load does not come to an end.
pub async fn run(plan: &Plan) -> Result<(), Error> {
    let cluster = Cluster::start(&plan.folder, plan.nodes).await?;
    let urls = cluster.urls();
    let engine = |number: usize, urls: &str| engine(plan, number, urls);
    let plugin = |number: usize, urls: &str| plugin(plan, number, urls);
    let mut stage = Stage::start(cluster, &plan.folder, engine, plugin, plan.engines).await?;
    let watcher = connect(plan, &urls).await?;
    answering(&watcher, &mut stage).await?;
    let shared = Arc::new(Work {
        permits: Semaphore::new(0),
        next: AtomicU32::new(0),
        count: u32::MAX,
        load: Load::Both,
    });
    let mut clients = spawn_clients(plan, &urls, &shared).await?;
    let mut pace = JoinSet::new();
    pace.spawn(keep_pace(Arc::clone(&shared), plan.pace));
    let mut outcome = Ok(());
    for step in &plan.steps {
        outcome = stage.suffer(step).await;
        if outcome.is_err() {
            break;
        }
    }
    pace.shutdown().await;
    shared.permits.close();
    outcome?;
    let settings = Settings { healed_ms: Some(wall_ms()), ..settings(plan) };
    std::fs::write(plan.folder.join("settings.json"), serde_json::to_vec(&settings)?)?;
    finish(&mut clients, &watcher, &mut stage).await?;
    export(&watcher, &stage.cluster, &plan.folder).await?;
    for node in stage.engines.iter_mut().chain(&mut stage.plugins) {
        let ended = node.end().await?;
        if ended.is_none_or(|status| !status.success()) {
            let text = format!("{} ended with {ended:?} after SIGTERM", node.name());
            return Err(Error::other(text));
        }
    }
    Ok(())
}

fn settings(plan: &Plan) -> Settings {
    Settings {
        seed: plan.seed,
        attempts_max: ATTEMPTS_MAX,
        timer_late_ms_max: Some(TIMER_LATE_MS_MAX),
        separate_plugins: true,
        faults_each: plan.faults_each,
        raw: true,
        kills: u32::try_from(plan.steps.iter().filter(|step| kills(step.kind)).count())
            .unwrap_or(u32::MAX),
        ..Settings::default()
    }
}

/// Does the fault take an engine's memory away?
const fn kills(kind: FaultKind) -> bool {
    matches!(kind, FaultKind::KillEngine | FaultKind::KillPair | FaultKind::KillAllEngines)
}

fn engine(plan: &Plan, number: usize, urls: &str) -> Program {
    let name = format!("engine-{number}");
    let data = plan.folder.join(format!("{name}-data"));
    let definitions = Path::new(env!("CARGO_MANIFEST_DIR")).join(DEFINITIONS);
    let mut arguments: Vec<OsString> = ["serve", "--nats", urls].map(OsString::from).to_vec();
    arguments.push("--nats-ignore-discovered".into());
    arguments.extend(["--name".into(), name.clone().into(), "--data".into(), data.into()]);
    arguments.push(definitions.into());
    let path = plan.engine.clone();
    Program { name, path, arguments, variables: Vec::new(), folder: plan.folder.clone() }
}

fn plugin(plan: &Plan, number: usize, urls: &str) -> Program {
    let name = format!("plugin-{number}");
    let calls = plan.folder.join(format!("calls-{number}.jsonl"));
    Program {
        name,
        path: plan.plugin.clone(),
        arguments: vec![urls.into()],
        variables: vec![("GEARSHIFT_TEST_CALLS", calls.into())],
        folder: plan.folder.clone(),
    }
}

async fn connect(plan: &Plan, urls: &str) -> Result<Client, Error> {
    let client = Client::nats(&NatsOptions::new(urls)).await.map_err(Error::other)?;
    Ok(client.as_user("ann").with_timeout(plan.answer_max))
}

/// Waits until all partitions answer, and the definitions are deployed.
async fn answering(client: &Client, stage: &mut Stage) -> Result<(), Error> {
    let end = Instant::now() + START_MAX;
    loop {
        stage.revive()?;
        let instances = client.instances(&Instances::default()).await.map(drop);
        let deployed = client.definitions(&Definitions::default()).await;
        let deployed = deployed.map(|page| page.items.len());
        match (instances, deployed) {
            (Ok(()), Ok(DEFINITIONS_COUNT)) => return Ok(()),
            seen if Instant::now() > end => {
                return Err(Error::other(format!("the engines are not ready: {seen:?}")));
            }
            _ => sleep(Duration::from_millis(100)).await,
        }
    }
}

async fn spawn_clients(
    plan: &Plan,
    urls: &str,
    shared: &Arc<Work>,
) -> Result<JoinSet<Result<(), Error>>, Error> {
    let mut rng = Rng::with_seed(plan.seed);
    let mut clients = JoinSet::new();
    for client in 0..plan.clients {
        let (keep, target) = watch::channel(Some(connect(plan, urls).await?));
        let desk = Desk {
            client,
            history: open_lines(&plan.folder.join(format!("client-{client}.jsonl")))?,
            target,
            began: Instant::now(),
            count: 0,
        };
        let (shared, rng) = (Arc::clone(shared), rng.fork());
        clients.spawn(async move {
            let done = work(desk, shared, rng).await;
            drop(keep);
            done
        });
    }
    Ok(clients)
}

/// Lets `pace` approvals and jobs begin in each second.
async fn keep_pace(shared: Arc<Work>, pace: usize) {
    let mut tick = tokio::time::interval(Duration::from_secs(1));
    loop {
        tick.tick().await;
        // What nobody could begin in time is not heaped up.
        if shared.permits.available_permits() < pace {
            shared.permits.add_permits(pace);
        }
    }
}

/// Waits until clients are done and no instance runs.
async fn finish(
    clients: &mut JoinSet<Result<(), Error>>,
    watcher: &Client,
    stage: &mut Stage,
) -> Result<(), Error> {
    let end = Instant::now() + END_MAX;
    let all = async {
        while let Some(ended) = clients.join_next().await {
            ended.map_err(Error::other)??;
        }
        Ok::<_, Error>(())
    };
    let ended = tokio::time::timeout_at(end, all).await;
    ended.map_err(|_| Error::other("clients did not come to an end"))??;
    let running = Instances {
        filter: Some("status in ['running', 'compensating']".to_owned()),
        limit: Some(5),
        ..Instances::default()
    };
    loop {
        stage.revive()?;
        let left = watcher.instances(&running).await.map(|page| page.items);
        match left {
            Ok(list) if list.is_empty() => return Ok(()),
            left if Instant::now() > end => {
                return Err(Error::other(format!("instances still run: {left:#?}")));
            }
            Ok(_) | Err(_) => sleep(Duration::from_millis(100)).await,
        }
    }
}
