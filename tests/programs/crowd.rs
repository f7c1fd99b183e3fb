//! `gearshift-test-crowd URL COUNT`: so many instances of the plugin `crowd` in one process, each
//! with connections of its own, whose calls end when the test says so.
//!
//! It hears `crowd.told`: `sizes`; `open WAVE`, which lets all calls of this wave and of earlier
//! ones end; `churn COUNT`, by which so many further instances come and go.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::StreamExt as _;
use gearshift_bus::{Bus, NatsOptions};
use gearshift_plugins_sdk::{
    Context, Failure, JsonSchema, OperationOptions, Plugin, Running, State, schemars,
};
use gearshift_tests::leaks::{CROWD, Sizes, TOLD, Told};
use serde::Deserialize;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Calls that one instance has at once: more than its share, which the bus draws.
const CONCURRENCY: usize = 256;
/// The longest silence of long work: few signs of life, as there are many calls.
const HEARTBEAT: Duration = Duration::from_secs(30);
/// Instances that come or go at once.
const AT_ONCE: usize = 20;

#[tokio::main]
async fn main() -> ExitCode {
    match serve().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            use std::io::Write as _;
            let told = writeln!(std::io::stderr(), "{error}");
            ExitCode::from(if told.is_ok() { 1 } else { 2 })
        }
    }
}

#[derive(Clone)]
struct Crowd {
    opened: watch::Receiver<u64>,
    in_flight: Arc<AtomicUsize>,
}

#[derive(Deserialize, JsonSchema)]
struct Input {
    wave: u64,
    item: u64,
}

/// A call under way, whatever becomes of it.
struct UnderWay(Arc<AtomicUsize>);

impl UnderWay {
    fn begin(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(count))
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

async fn hold(State(crowd): State<Crowd>, _: Context, input: Input) -> Result<u64, Failure> {
    let _under_way = UnderWay::begin(&crowd.in_flight);
    let mut opened = crowd.opened.clone();
    opened.wait_for(|wave| *wave >= input.wave).await?;
    Ok(input.item)
}

async fn serve() -> Result<(), String> {
    let mut words = std::env::args().skip(1);
    let (Some(url), Some(count)) = (words.next(), words.next()) else {
        return Err("usage: gearshift-test-crowd URL COUNT".to_owned());
    };
    let (open, opened) = watch::channel(0);
    let crowd = Crowd { opened, in_flight: Arc::default() };
    let _all = come(&url, &crowd, number(&count)?).await?;
    let client = async_nats::connect(&url).await.map_err(text)?;
    let mut orders = client.subscribe(TOLD).await.map_err(text)?;
    while let Some(order) = orders.next().await {
        let words = String::from_utf8_lossy(&order.payload).into_owned();
        match words.split_once(' ') {
            Some(("open", wave)) => drop(open.send_replace(wave.parse().map_err(text)?)),
            Some(("churn", count)) => churn(&url, &crowd, number(count)?).await?,
            _ => {}
        }
        let sizes = Sizes::here(&Handle::current()).map_err(text)?;
        let in_flight = crowd.in_flight.load(Ordering::Relaxed);
        let told = serde_json::to_vec(&Told { in_flight, sizes }).map_err(text)?;
        let asker = order.reply.ok_or("nobody to answer")?;
        client.publish(asker, told.into()).await.map_err(text)?;
    }
    Ok(())
}

/// So many instances; each has its own connections, as in a process of its own.
async fn come(url: &str, crowd: &Crowd, count: usize) -> Result<Vec<(Running, Bus)>, String> {
    let mut all = Vec::new();
    while all.len() < count {
        let mut coming = JoinSet::new();
        for _ in 0..AT_ONCE.min(count - all.len()) {
            let (mut options, crowd) = (NatsOptions::new(url), crowd.clone());
            CROWD.clone_into(&mut options.name);
            coming.spawn(async move {
                let bus = Bus::connect(&options).await.map_err(text)?;
                let long = OperationOptions::new().long(HEARTBEAT);
                let plugin = Plugin::new(CROWD, "1.0.0").operation("hold", hold).state(crowd);
                let plugin = plugin.operation_with("hold_long", hold, long);
                let running = plugin.concurrency(CONCURRENCY).serve(&bus).await.map_err(text)?;
                Ok::<_, String>((running, bus))
            });
        }
        while let Some(come) = coming.join_next().await {
            all.push(come.map_err(text)??);
        }
    }
    Ok(all)
}

/// Lets so many come and go, some at a time.
async fn churn(url: &str, crowd: &Crowd, count: usize) -> Result<(), String> {
    for _ in 0..count.div_ceil(AT_ONCE) {
        for (running, bus) in come(url, crowd, AT_ONCE).await? {
            running.drain().await;
            bus.close().await.map_err(text)?;
        }
    }
    Ok(())
}

fn number(word: &str) -> Result<usize, String> {
    word.parse().map_err(|error| format!("`{word}`: {error}"))
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}
