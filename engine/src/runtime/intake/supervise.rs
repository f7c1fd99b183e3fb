//! Supervise: one reader per source, begun again after a failure; definitions learned in time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use futures_util::future::select_all;
use gearshift_bus::{ErrorKind, Inbox, SubjectPattern, Watch};
use gearshift_machine::partition::Partition;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::capture::{Turn, capture};
use super::cursors::keep_cursors;
use super::deploy::activate;
use super::places::Replaced;
use super::reader::Reader;
use super::sources::Source;
use super::stands::look;
use crate::runtime::clock::monotonic;
use crate::runtime::definitions::keep_derived;
use crate::runtime::error::Error;
use crate::runtime::seat::Seat;
use crate::runtime::shared::Shared;

/// Wait before a source is read again after a failure.
const RETRY_AFTER: Duration = Duration::from_millis(500);
/// How long a deployment may be incomplete before somebody else completes it.
const COMPLETE_AFTER: Duration = Duration::from_secs(2);
/// Between two looks at a deployment that is incomplete.
const PENDING_POLL: Duration = Duration::from_millis(100);
/// Between two looks at definitions that a watch may have missed.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// How long it may take to write what was read last, at the end.
const LAST_WORDS_MAX: Duration = Duration::from_secs(1);

/// Begins to capture and to read what the definitions name.
///
/// # Errors
/// [`Error::Bus`].
pub(crate) async fn start(shared: &Arc<Shared>) -> Result<(), Error> {
    let turn = Turn::wait(shared).await?;
    let begun = begin(shared).await;
    turn.end().await;
    begun?;
    // What was lost meanwhile is looked through where it is next.
    drop(shared.look_for_missing().await);
    let cursors = shared.bus.bucket("cursors").await?;
    shared.tasks.spawn(keep_definitions(Arc::clone(shared)));
    shared.tasks.spawn(supervise(Arc::clone(shared)));
    shared.tasks.spawn(keep_derived(Arc::clone(shared)));
    shared.tasks.spawn(keep_cursors(Arc::clone(shared), cursors));
    Ok(())
}

async fn begin(shared: &Shared) -> Result<(), Error> {
    let tail = shared.inbox_of(None).await?.tail().await?;
    shared.intake.sources.admit(None, &tail).await?;
    capture(shared, None).await?;
    if !shared.definitions.is_shared() {
        // Nobody but an earlier life of this engine has begun them.
        for definition in shared.definitions.index().pending() {
            activate(shared, definition).await?;
        }
    }
    Ok(())
}

/// Loads what others deploy, within milliseconds, and completes what they did not.
async fn keep_definitions(shared: Arc<Shared>) {
    let mut watches = None;
    let mut revision = shared.definitions.revision();
    let mut learned = None;
    let mut pending = BTreeMap::new();
    let mut seats = shared.seats.iter().map(Seat::subscribe).collect::<Vec<_>>();
    while !shared.stop.is_cancelled() {
        if shared.definitions.is_shared() && watches.is_none() {
            watches = shared.definitions.watch().await.ok();
        }
        let outcome = match learn(&shared, &mut learned).await {
            Ok(()) => complete(&shared, &mut pending).await,
            failed => failed,
        };
        if let Err(error) = outcome {
            tracing::warn!(%error, "definitions were not loaded, trying again");
            rest(&shared, RETRY_AFTER).await;
        }
        if let Err(error) = shared.look_for_missing().await {
            tracing::debug!(%error, "instances were not looked through");
        }
        let wait = if pending.is_empty() { LOOK_EVERY } else { PENDING_POLL };
        let heard = tokio::select! {
            biased;
            () = shared.stop.cancelled() => return,
            heard = hear(&mut watches) => heard,
            changed = revision.changed() => changed.is_ok(),
            _ = select_all(seats.iter_mut().map(|seat| seat.changed().boxed())) => true,
            () = tokio::time::sleep(wait) => true,
        };
        if !heard {
            watches = None;
            rest(&shared, RETRY_AFTER).await;
        }
    }
}

/// Waits for news; false where there will be none any more.
async fn hear(watches: &mut Option<[Watch; 2]>) -> bool {
    let Some([definitions, listens]) = watches else { return std::future::pending().await };
    let heard = tokio::select! {
        biased;
        change = definitions.next() => change,
        change = listens.next() => change,
    };
    // What else is there is loaded with it.
    while let Some(Some(_)) = listens.next().now_or_never() {}
    heard.is_some()
}

async fn learn(shared: &Shared, learned: &mut Option<u64>) -> Result<(), Error> {
    if shared.definitions.is_shared() {
        shared.definitions.refresh().await?;
    }
    let revision = *shared.definitions.revision().borrow();
    if *learned != Some(revision) {
        shared.load_plan().await?;
        if let Some(cluster) = &shared.cluster {
            cluster.set_definitions_revision(revision);
        }
        *learned = Some(revision);
    }
    Ok(())
}

/// Since when each definition is known to be incomplete.
type Pending = BTreeMap<(Arc<str>, u32), Instant>;

async fn complete(shared: &Shared, pending: &mut Pending) -> Result<(), Error> {
    let index = shared.definitions.index();
    let version = |definition: &gearshift_machine::definition::model::Definition| {
        (Arc::clone(&definition.name), definition.version)
    };
    pending.retain(|known, _| index.pending().iter().any(|one| version(one) == *known));
    for definition in index.pending() {
        let since = *pending.entry(version(definition)).or_insert_with(monotonic);
        if since.elapsed() >= COMPLETE_AFTER {
            tracing::warn!(
                workflow = %definition.name,
                version = definition.version,
                "whoever deployed this did not come to its end; completing it"
            );
            activate(shared, definition).await?;
        }
    }
    Ok(())
}

/// A reader, and what it reads.
struct Running {
    patterns: Vec<SubjectPattern>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

/// Keeps one reader per source, as the plan says.
async fn supervise(shared: Arc<Shared>) {
    let mut plans = shared.intake.plan.subscribe();
    let mut readers = BTreeMap::<Option<String>, Running>::new();
    loop {
        let plan = Arc::clone(&plans.borrow_and_update());
        let foreign =
            plan.foreign.iter().map(|(stream, list)| (Some(stream.clone()), list.clone()));
        let wanted = [(None, Vec::new())].into_iter().chain(foreign).collect::<BTreeMap<_, _>>();
        let is_right = |stream: &Option<String>, reader: &Running| {
            wanted.get(stream).is_some_and(|patterns| *patterns == reader.patterns)
        };
        let (right, over) = std::mem::take(&mut readers)
            .into_iter()
            .partition::<BTreeMap<_, _>, _>(|(stream, reader)| is_right(stream, reader));
        readers = right;
        for (stream, reader) in over {
            reader.stop.cancel();
            // A reader that panicked has ended as well.
            drop(reader.task.await);
            if let Some(stream) = stream {
                shared.forget(&stream);
            }
        }
        for (stream, patterns) in wanted {
            readers.entry(stream.clone()).or_insert_with(|| {
                let stop = shared.stop.child_token();
                let reading = keep_reading(Arc::clone(&shared), stream, stop.clone());
                Running { patterns, stop, task: shared.tasks.spawn(reading) }
            });
        }
        tokio::select! {
            biased;
            () = shared.stop.cancelled() => return,
            changed = plans.changed() => {
                if changed.is_err() {
                    return;
                }
            }
        }
    }
}

/// Reads one source until it is to stop, and tells how far it came.
async fn keep_reading(shared: Arc<Shared>, stream: Option<String>, stop: CancellationToken) {
    Box::pin(read_on(&shared, stream, stop)).await;
    let told = async {
        let bucket = shared.bus.bucket("cursors").await?;
        shared.write_places(&bucket, &mut BTreeMap::new()).await
    };
    match tokio::time::timeout(LAST_WORDS_MAX, told).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "what was read last was not written"),
        Err(_) => tracing::debug!("what was read last was not written: no answer"),
    }
}

async fn read_on(shared: &Arc<Shared>, stream: Option<String>, stop: CancellationToken) {
    let mut may_accept = shared.config.accept_new_inbox;
    while !stop.is_cancelled() {
        let read = Box::pin(read(shared, stream.as_deref(), &stop, &mut may_accept)).await;
        // It ends without an error where it is to be looked again what the stream is.
        let Err(error) = read else { continue };
        if stop.is_cancelled() {
            return;
        }
        let (code, name) = error.code();
        let mut reason = error.to_string();
        if matches!(error, Error::InboxChanged(_)) {
            reason = format!("{code} {name}: {reason}");
        }
        let mut is_news = false;
        shared.note(stream.as_deref(), |health| {
            is_news = health.reason.as_ref() != Some(&reason);
            health.reason = Some(reason.clone());
        });
        if is_news {
            tracing::error!(stream = stream.as_deref(), reason, "events are not read");
        }
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = tokio::time::sleep(RETRY_AFTER) => {}
        }
        // Of a foreign stream that is gone the inbox has to capture the subjects now. One of ours
        // that was made anew captures nothing: what comes is to be kept, although it is not read.
        let is_renewed = matches!(error, Error::InboxChanged(_)) && is_news;
        if (stream.is_some() && is_gone(&error)) || is_renewed {
            capture_again(shared).await;
        }
    }
}

async fn read(
    shared: &Arc<Shared>,
    stream: Option<&str>,
    stop: &CancellationToken,
    may_accept: &mut bool,
) -> Result<(), Error> {
    let inbox = shared.inbox_of(stream).await?;
    // Before the comparison: what comes over a later connection is not covered by it.
    let connects = inbox.connects();
    let source = admit(shared, stream, &inbox, *may_accept).await?;
    // From now on a change is a surprise.
    *may_accept = false;
    shared.note(stream, |health| {
        health.source = source.number;
        health.reason = None;
        health.position = 0;
    });
    Reader::new(Arc::clone(shared), inbox, source, stop.clone(), connects).run().await
}

/// The source that a stream is, if it is still the one it was.
async fn admit(
    shared: &Shared,
    stream: Option<&str>,
    inbox: &Inbox,
    may_accept: bool,
) -> Result<Source, Error> {
    let tail = inbox.tail().await?;
    shared.intake.sources.load().await?;
    let source = shared.intake.sources.admit(stream, &tail).await?;
    let read = highest_cursor(shared, &source).await;
    let name = source.name();
    let (what, from) = if !source.is(&tail) {
        (format!("stream `{name}` was deleted and made again"), 1)
    } else if tail.last < read {
        let last = tail.last;
        (format!("stream `{name}` ends at {last}, but was read up to {read}"), last + 1)
    } else if let Some(Replaced { what, from }) = shared.replaced(&source, inbox, &tail).await? {
        (what, from)
    } else {
        return Ok(source);
    };
    if !may_accept {
        shared.note(stream, |health| health.source = source.number);
        // Whoever starts next must find it as well.
        let bucket = shared.bus.bucket("cursors").await?;
        shared.write_places(&bucket, &mut BTreeMap::new()).await?;
        return Err(Error::InboxChanged(format!(
            "{what}: events are not read from it; restore it, or accept it as it is with \
             `--accept-new-inbox`"
        )));
    }
    let renewed = shared.intake.sources.renew(&source, &tail, from).await?;
    tracing::warn!(what, source = renewed.number, "accepted: it is read as a new source");
    shared.definitions.set_sources(shared.intake.sources.begins()).await?;
    capture_again(shared).await;
    Ok(renewed)
}

/// The highest sequence that a partition that is served here has seen.
async fn highest_cursor(shared: &Shared, source: &Source) -> u64 {
    let mut highest = 0;
    let number = source.number;
    for partition in (0..shared.config.partitions).filter(|one| shared.seat(*one).serves()) {
        let cursor = move |partition: &Partition| {
            let mut cursors = partition.cursors();
            cursors.find(|(source, _)| *source == number).map_or(0, |(_, cursor)| cursor.sequence)
        };
        highest = highest.max(look(shared, partition, cursor).await.unwrap_or(0));
    }
    highest
}

fn is_gone(error: &Error) -> bool {
    matches!(error, Error::Bus(error) if matches!(error.kind(), ErrorKind::NotFound { .. }))
}

async fn capture_again(shared: &Shared) {
    let captured = async {
        let turn = Turn::wait(shared).await?;
        let captured = capture(shared, None).await;
        turn.end().await;
        captured
    };
    if let Err(error) = captured.await {
        tracing::warn!(%error, "subjects of a stream that is gone are not captured");
    }
}

async fn rest(shared: &Shared, time: Duration) {
    tokio::select! {
        biased;
        () = shared.stop.cancelled() => {}
        () = tokio::time::sleep(time) => {}
    }
}
