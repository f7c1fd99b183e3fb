//! Reads: answered between two frames, from durable state only.

use gearshift_machine::definition::export;
use gearshift_machine::definition::model::Definition;
use gearshift_machine::machine::{Instance, InstanceKey};
use gearshift_protocol::query::{
    ById, DeadLetters, Definition as OneDefinition, Definitions, Graph, GraphFormat, Instances,
    Tasks, What,
};
use gearshift_protocol::view::{
    DeadLetter, DefinitionDetail, DefinitionSummary, GraphText, Page, WorkflowMetrics,
};
use gearshift_protocol::{Problem, ProblemKind};

use super::filter::{self, Filter};
use super::{
    Reply, body, describe, health, late, plugins, problem, progress, reply, resolve, schedules,
    steps, transactions, why,
};
use crate::runtime::{DeadLetterFilter, Error, Handle};

/// Items of a page where the asker does not say.
const PAGE_DEFAULT: usize = 100;
/// The most items of a page.
const PAGE_MAX: usize = 10_000;

/// Answers `what`.
pub(super) async fn look(handle: &Handle, what: &str, bytes: &[u8]) -> Reply {
    let Some(what) = What::parse(what) else {
        let known = What::ALL.map(What::as_str).join(", ");
        return Err(problem(
            ProblemKind::NotFound,
            format!("no query is called `{what}`; there are {known}"),
        ));
    };
    match what {
        What::Instances => instances(handle, &body(bytes)?).await,
        What::Instance => {
            let (instance, definition) = one(handle, &body::<ById>(bytes)?.id).await?;
            let mut seen = describe::detail(&instance, &definition, handle.config().clock.now());
            progress::add(handle, &instance.key, &mut seen).await;
            if let Some(scope) = &mut seen.scope {
                transactions::ends(handle, scope).await?;
            }
            reply(&seen)
        }
        What::History => history(handle, &body(bytes)?).await,
        What::Why => {
            let (instance, definition) = one(handle, &body::<ById>(bytes)?.id).await?;
            reply(&why::why(handle, &instance, &definition).await)
        }
        What::Tasks => tasks(handle, &body(bytes)?).await,
        What::Definitions => definitions(handle, &body(bytes)?).await,
        What::Definition => definition(handle, &body(bytes)?).await,
        What::DeadLetters => dead_letters(handle, &body(bytes)?).await,
        What::DeadLetter => {
            let (partition, number) =
                resolve::dead_letter(handle, &body::<ById>(bytes)?.id).await?;
            let seen = handle.dead_letter(partition, number).await?;
            let letter = seen.map(|letter| describe::dead_letter(partition, number, &letter));
            letter.map_or_else(
                || Err(problem(ProblemKind::NotFound, "dropped meanwhile")),
                |letter| reply(&letter),
            )
        }
        What::Health => health::health(handle).await,
        What::Graph => graph(handle, &body(bytes)?).await,
        What::Schedules => schedules::list(handle, &body(bytes)?).await,
        What::Plugins => plugins::list(handle, &body(bytes)?).await,
    }
}

/// The instance that `id` names, and its definition.
async fn one(
    handle: &Handle,
    id: &str,
) -> Result<(Instance, std::sync::Arc<Definition>), Box<Problem>> {
    let key = resolve::instance(handle, id).await?;
    let instance = handle.instance(&key).await?.ok_or_else(|| resolve::unknown(id))?;
    let definition = pinned(handle, &instance)?;
    Ok((instance, definition))
}

fn pinned(
    handle: &Handle,
    instance: &Instance,
) -> Result<std::sync::Arc<Definition>, Box<Problem>> {
    let registry = handle.definitions().registry();
    let (workflow, pin) = (instance.key.workflow(), instance.pin);
    registry.pinned(workflow, pin).cloned().ok_or_else(|| {
        let name = format!("{workflow}@{}", pin.version);
        Error::UnknownWorkflow { name }.into()
    })
}

/// Walks all instances in partition and key order, from behind `after`, and collects what `pick`
/// makes of them until `limit` are found.
async fn walk<T>(
    handle: &Handle,
    after: Option<&str>,
    limit: usize,
    mut pick: impl FnMut(&Instance, Option<&Definition>) -> Option<T>,
) -> Result<Page<T>, Box<Problem>> {
    let registry = handle.definitions().registry();
    let (mut items, mut missing) = (Vec::new(), Vec::new());
    let mut from = match after {
        None => None,
        Some(cursor) => Some(
            InstanceKey::parse(cursor)
                .map_err(|reason| problem(ProblemKind::BadRequest, format!("cursor: {reason}")))?,
        ),
    };
    let first = from.as_ref().map_or(0, |key| handle.partition_of(key));
    for partition in first..handle.config().partitions {
        loop {
            let found = handle.instances_from(partition, from.as_ref()).await;
            let Some(slice) = or_missing(found, &mut missing)? else { break };
            let Some(last) = slice.last().map(|instance| instance.key.clone()) else { break };
            for instance in &slice {
                let workflow = instance.key.workflow();
                let definition = registry.pinned(workflow, instance.pin);
                if let Some(item) = pick(instance, definition.map(|known| &**known)) {
                    items.push(item);
                    if items.len() >= limit {
                        let next = Some(instance.key.to_string());
                        return Ok(Page { next, missing, ..Page::from(items) });
                    }
                }
            }
            from = Some(last);
        }
        from = None;
    }
    Ok(Page { missing, ..Page::from(items) })
}

/// What was found; nothing, and a word in `missing`, where the partition refuses to serve: a
/// damaged one takes no list away from the others.
fn or_missing<T>(found: Result<T, Error>, missing: &mut Vec<String>) -> Result<Option<T>, Error> {
    match found {
        Err(error @ Error::Refuses { .. }) => {
            missing.push(error.to_string());
            Ok(None)
        }
        found => found.map(Some),
    }
}

fn page_limit(asked: Option<u32>) -> Result<usize, Box<Problem>> {
    match asked {
        None => Ok(PAGE_DEFAULT),
        Some(0) => Err(problem(ProblemKind::BadRequest, "limit 0 is below the least of 1")),
        Some(limit) => Ok(usize::try_from(limit).unwrap_or(PAGE_MAX).min(PAGE_MAX)),
    }
}

async fn instances(handle: &Handle, query: &Instances) -> Reply {
    let filter = Filter::compile(query.filter.as_deref())?;
    let now = handle.config().clock.now();
    let workflow = query.workflow.as_deref();
    let limit = page_limit(query.limit)?;
    let mut unjudged = None;
    let page = walk(handle, query.after.as_deref(), limit, |instance, definition| {
        if workflow.is_some_and(|name| name != instance.key.workflow()) {
            return None;
        }
        match filter.judge(definition, instance, now) {
            Ok(true) => Some(describe::summary(instance, definition, now)),
            Ok(false) => None,
            Err(reason) => {
                filter::unjudged(&mut unjudged, instance, reason);
                None
            }
        }
    });
    let page = page.await?;
    reply(&Page { unjudged, ..page })
}

async fn tasks(handle: &Handle, query: &Tasks) -> Reply {
    let now = handle.config().clock.now();
    let limit = page_limit(query.limit)?;
    let page = walk(handle, query.after.as_deref(), limit, |instance, definition| {
        let wanted = query.workflow.as_deref().is_none_or(|name| name == instance.key.workflow());
        if !wanted || instance.status.is_ended() {
            return None;
        }
        let open = describe::tasks(instance, definition?, now);
        let mine = |task: &gearshift_protocol::view::Task| {
            query.assign.is_none() || task.assign == query.assign
        };
        let open = open.into_iter().filter(mine).collect::<Vec<_>>();
        (!open.is_empty()).then_some(open)
    })
    .await?;
    reply(&Page { next: page.next, missing: page.missing, ..Page::from(page.items.concat()) })
}

async fn history(handle: &Handle, query: &ById) -> Reply {
    let (instance, definition) = one(handle, &query.id).await?;
    let entries = handle.trace(&instance.key).await?;
    let registry = handle.definitions().registry();
    // What comes before a migration names the states and transitions of another version, which
    // may be gone: then the rest of the line is told.
    let mut under = Some(&*definition);
    let mut list = Vec::with_capacity(entries.len());
    for entry in entries.iter().rev() {
        list.push(describe::line(entry, under));
        if let Some(version) = entry.before {
            under = registry.get(instance.key.workflow(), version).map(|known| &**known);
        }
    }
    list.reverse();
    late::name((&instance, &definition), &entries, &mut list);
    reply(&Page::from(list))
}

async fn definitions(handle: &Handle, query: &Definitions) -> Reply {
    let registry = handle.definitions().registry();
    let (mut items, mut missing) = (Vec::new(), Vec::new());
    for definition in registry.iter() {
        if query.name.as_deref().is_none_or(|name| name == &*definition.name) {
            let (one, uncounted) = summary(handle, definition).await?;
            items.push(one);
            missing = uncounted;
        }
    }
    reply(&Page { missing, ..Page::from(items) })
}

async fn summary(
    handle: &Handle,
    definition: &Definition,
) -> Result<(DefinitionSummary, Vec<String>), Box<Problem>> {
    let version = definition.version;
    let (living, uncounted) = handle.living_versions(&definition.name).await?;
    let registry = handle.definitions().registry();
    let newest = registry.latest(&definition.name);
    let one = DefinitionSummary {
        name: definition.name.to_string(),
        version,
        title: definition.title.to_string(),
        hash: definition.hash.to_string(),
        deployed_at: String::new(),
        instances: living.get(&version).copied().unwrap_or(0),
        newest: newest.is_some_and(|newest| newest.version == version),
        derived_from: definition.derived_from,
    };
    Ok((one, uncounted))
}

async fn find(
    handle: &Handle,
    name: &str,
    version: Option<u32>,
) -> Result<std::sync::Arc<Definition>, Box<Problem>> {
    handle.knows(name, version).await?;
    let registry = handle.definitions().registry();
    let known = match version {
        Some(version) => registry.get(name, version),
        None => registry.latest(name),
    };
    known.cloned().ok_or_else(|| {
        let name = version.map_or_else(|| name.to_owned(), |version| format!("{name}@{version}"));
        Error::UnknownWorkflow { name }.into()
    })
}

async fn definition(handle: &Handle, query: &OneDefinition) -> Reply {
    let definition = find(handle, &query.name, query.version).await?;
    let mut operations = describe::operations(&definition);
    operations.sort();
    operations.dedup();
    reply(&DefinitionDetail {
        summary: summary(handle, &definition).await?.0,
        text: definition.canonical.to_string(),
        events: definition.events.iter().map(|event| event.name.to_string()).collect(),
        operations,
        metrics: metrics(handle, &query.name, query.version).await?,
    })
}

/// What became of the instances of a workflow, of one version of it where one is named.
async fn metrics(
    handle: &Handle,
    name: &str,
    version: Option<u32>,
) -> Result<WorkflowMetrics, Box<Problem>> {
    let mut metrics = WorkflowMetrics::default();
    let mut took = 0_u64;
    let page = walk(handle, None, 1, |instance, _| {
        let version_fits = version.is_none_or(|version| version == instance.pin.version);
        if version_fits && instance.key.workflow() == name {
            steps::count(&mut metrics, &mut took, instance);
        }
        None::<()>
    });
    page.await?;
    Ok(metrics)
}

async fn graph(handle: &Handle, query: &Graph) -> Reply {
    let definition = find(handle, &query.name, query.version).await?;
    let text = match query.format {
        GraphFormat::Dot => export::dot(&definition),
        GraphFormat::Json => definition.canonical.to_string(),
        _ => export::mermaid(&definition),
    };
    reply(&GraphText { text })
}

async fn dead_letters(handle: &Handle, query: &DeadLetters) -> Reply {
    let limit = page_limit(query.limit)?;
    let wanted = DeadLetterFilter { workflow: query.workflow.clone(), ..Default::default() };
    let (first, mut after) = match &query.after {
        None => (0, None),
        Some(id) => {
            let (partition, number) = resolve::dead_letter(handle, id).await?;
            (partition, Some(number))
        }
    };
    let (mut items, mut missing) = (Vec::<DeadLetter>::new(), Vec::new());
    for partition in first..handle.config().partitions {
        let room = limit + 1 - items.len();
        let found = handle.dead_letters(partition, &wanted, after.take(), room).await;
        let Some(letters) = or_missing(found, &mut missing)? else { continue };
        let views = letters.iter();
        items.extend(views.map(|(number, one)| describe::dead_letter(partition, *number, one)));
        if items.len() > limit {
            break;
        }
    }
    let more = items.len() > limit;
    items.truncate(limit);
    let next = if more { items.last().map(|letter| letter.id.clone()) } else { None };
    reply(&Page { next, missing, ..Page::from(items) })
}
