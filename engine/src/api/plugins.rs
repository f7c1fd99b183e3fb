//! Plugins: looking at them, calls by hand, and breakers closed by hand.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use gearshift_bus::{BackendKind, Bus, EndpointInfo, MESSAGE_BYTES_MAX};
use gearshift_machine::definition::model::Definition;
use gearshift_machine::machine::{CallOutcome, Principal, Timestamp};
use gearshift_protocol::command::{
    PluginCall, PluginCallFailure, PluginCallReply, PluginReset, PluginResetReply,
};
use gearshift_protocol::metadata::{
    METADATA_HEARTBEAT, METADATA_INPUT, METADATA_OUTPUT, METADATA_TIMEOUT,
};
use gearshift_protocol::query::Plugins;
use gearshift_protocol::view::{
    BreakerView, CallView, OperationView, Page, PluginInstanceView, PluginView, RequirementState,
    RequirementView, Why,
};
use gearshift_protocol::{OperationRef, PluginState, ProblemKind, Requirement, subjects};

use super::why::say_once;
use super::{Reply, commands, describe, mocked, problem, reply, wire};
use crate::runtime::{
    Handle, Held, Hold, Looked, ProviderInstance, Tripped, is_once, silent, silent_words,
};

/// How long a call by hand may take where nobody says.
const CALL_LIMIT: Duration = Duration::from_secs(10);
/// How long it may take at most.
const CALL_LIMIT_MAX: Duration = Duration::from_secs(600);
/// The largest answer to one over NATS, in bytes: headers fit beside it.
const ANSWER_MAX: usize = MESSAGE_BYTES_MAX - 4 * 1_024;

/// The plugins that run, by name and version.
pub(super) async fn list(handle: &Handle, query: &Plugins) -> Reply {
    let looked = handle.plugins().await?;
    let now = handle.config().clock.now();
    let items = views(&looked, query.name.as_deref(), &handle.holds(), now);
    let missing = does_not_answer(handle, query.name.as_deref(), &looked).await;
    reply(&Page { missing, ..Page::from(items) })
}

/// Of the plugin that is asked for, or of those that definitions call: which is connected and says
/// nothing, in words.
async fn does_not_answer(handle: &Handle, name: Option<&str>, looked: &Looked) -> Vec<String> {
    let definitions = handle.definitions().registry();
    let called = definitions.iter().flat_map(|one| describe::operations(one));
    let called = called.filter_map(|name| Some(name.parse::<OperationRef>().ok()?.plugin));
    let names: BTreeSet<String> = match name {
        Some(name) => BTreeSet::from([name.to_owned()]),
        None => called.collect(),
    };
    let is_away = |name: &&str| looked.catalogue.of(name).next().is_none();
    let names = names.iter().map(String::as_str).filter(is_away);
    silent(handle.bus(), names).await.iter().map(|name| silent_words(name)).collect()
}

/// The plugins that run on a bus without an engine: what they say of themselves.
///
/// # Errors
/// What the bus meets.
pub(crate) async fn bare(
    bus: &Bus,
    name: Option<&str>,
) -> Result<Vec<PluginView>, gearshift_bus::Error> {
    Ok(views(&Looked::of_bus(bus).await?, name, &[], Timestamp(0)))
}

/// Is this plugin, of which nobody answered, connected? Said without an engine.
pub(crate) async fn is_silent(bus: &Bus, name: &str) -> Option<String> {
    silent(bus, std::iter::once(name)).await.first().map(|name| silent_words(name))
}

fn views(
    looked: &Looked,
    name: Option<&str>,
    holds: &[(Held, Hold)],
    now: Timestamp,
) -> Vec<PluginView> {
    type Version<'v> = (&'v str, &'v str, Option<&'v str>);
    let mut versions: BTreeMap<Version<'_>, Vec<&ProviderInstance>> = BTreeMap::new();
    for instance in looked.catalogue.instances() {
        let is_wanted = name.is_none_or(|name| name == instance.info.name);
        let is_plugin = instance.operations().next().is_some() || instance.metadata.state.is_some();
        if is_wanted && is_plugin {
            let foreign = instance.foreign.as_deref();
            let version = (&*instance.info.name, &*instance.info.version, foreign);
            versions.entry(version).or_default().push(instance);
        }
    }
    let view = |((name, version, foreign), instances): (Version<'_>, Vec<&ProviderInstance>)| {
        let held = holds.iter().find(|(held, _)| *held == Held::Plugin(name.to_owned()));
        let metadata = instances.iter().map(|one| &one.metadata);
        let needs: Vec<_> = metadata.clone().flat_map(|one| one.requires.clone()).collect();
        let mut interfaces: Vec<_> =
            metadata.flat_map(|one| one.interfaces.iter().cloned()).collect();
        interfaces.sort();
        interfaces.dedup();
        PluginView {
            name: name.to_owned(),
            version: version.to_owned(),
            foreign_protocol: foreign.map(str::to_owned),
            instances: instances.iter().map(|one| of_instance(looked, one)).collect(),
            operations: operations(looked, &instances, now),
            interfaces,
            requires: requires(looked, needs),
            cycle: cycle(looked, name),
            paused: held.map(|(what, hold)| hold.words(what)),
        }
    };
    let running = versions.into_iter().map(view).collect();
    mocked::with_mocks(looked, name, running)
}

fn of_instance(looked: &Looked, instance: &ProviderInstance) -> PluginInstanceView {
    let (stats, status) = looked.of_instance(&instance.info.id);
    let endpoints = stats.map(|stats| stats.endpoints.as_slice()).unwrap_or_default();
    let calls: u64 = endpoints.iter().map(|one| one.requests).sum();
    let took: u128 =
        endpoints.iter().map(|one| one.average.as_micros() * u128::from(one.requests)).sum();
    let average = took.checked_div(u128::from(calls)).unwrap_or_default();
    let load = status.map(|status| status.load).or_else(|| looked.load_of(&instance.info.id));
    PluginInstanceView {
        id: instance.info.id.clone(),
        state: status.map(|it| it.state).or(instance.metadata.state).unwrap_or_default(),
        since: instance.metadata.since.clone(),
        in_flight: load.map(|load| load.in_flight),
        capacity: load.map(|load| load.capacity).or(instance.metadata.concurrency),
        calls,
        errors: endpoints.iter().map(|one| one.errors).sum(),
        average_us: u64::try_from(average).unwrap_or(u64::MAX),
        alone: instance.metadata.instance,
    }
}

/// What any of the instances can be asked, by name.
fn operations(
    looked: &Looked,
    instances: &[&ProviderInstance],
    now: Timestamp,
) -> Vec<OperationView> {
    let mut all: BTreeMap<&str, Vec<(&str, &EndpointInfo)>> = BTreeMap::new();
    for one in instances {
        for (name, endpoint) in one.operations() {
            all.entry(name).or_default().push((&one.info.id, endpoint));
        }
    }
    let view = |(name, told): (&str, Vec<(&str, &EndpointInfo)>)| {
        // The first that tells what it takes; some libraries publish no schemas.
        let schemas = |endpoint: &EndpointInfo| {
            [METADATA_INPUT, METADATA_OUTPUT].map(|key| schema(endpoint, key))
        };
        let has =
            |(_, endpoint): &&(&str, &EndpointInfo)| schemas(endpoint).iter().flatten().count();
        let most = told.iter().map(|one| has(&one)).max();
        let (_, endpoint) = *told.iter().find(|one| Some(has(one)) == most)?;
        let [input, output] = schemas(endpoint);
        // One that publishes none tells nothing, and contradicts nobody.
        let other = |its: Option<serde_json::Value>, told: &Option<serde_json::Value>| {
            its.zip(told.as_ref()).is_some_and(|(its, told)| its != *told)
        };
        let differs = |(_, one): &&(&str, &EndpointInfo)| {
            let [its_input, its_output] = schemas(one);
            other(its_input, &input) || other(its_output, &output)
        };
        let differing = told.iter().filter(differs).map(|(id, _)| (*id).to_owned()).collect();
        let (counted, tripped) = looked.of_operation(&endpoint.subject);
        let micros = |took: Duration| u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        Some(OperationView {
            name: name.to_owned(),
            subject: endpoint.subject.clone(),
            input,
            output,
            differing,
            // As it is asked: of several instances the most careful one counts.
            mocked: looked.is_mocked_at(&endpoint.subject),
            idempotent: !told.iter().any(|(_, one)| is_once(one)),
            timeout: endpoint.metadata.get(METADATA_TIMEOUT).cloned(),
            heartbeat: endpoint.metadata.get(METADATA_HEARTBEAT).cloned(),
            calls: counted.calls,
            errors: counted.errors,
            conflicts: counted.conflicts,
            average_us: micros(counted.average),
            p99_us: micros(counted.p99),
            in_flight: counted.in_flight,
            waiting: counted.waiting,
            breaker: tripped.map(|tripped| breaker(tripped, now)),
        })
    };
    all.into_iter().filter_map(view).collect()
}

/// A schema that an endpoint publishes, where it is one.
fn schema(endpoint: &EndpointInfo, key: &str) -> Option<serde_json::Value> {
    serde_json::from_str(endpoint.metadata.get(key)?).ok()
}

fn breaker(tripped: Tripped, now: Timestamp) -> BreakerView {
    BreakerView {
        state: if tripped.half_open { "half_open" } else { "open" }.to_owned(),
        since: tripped.since.to_string(),
        until: tripped.until.to_string(),
        left_ms: tripped.until.since_ms(now),
        failures: tripped.failures,
        error: tripped.error,
    }
}

fn requires(looked: &Looked, mut needs: Vec<Requirement>) -> Vec<RequirementView> {
    needs.sort_by(|left, right| left.plugin.cmp(&right.plugin));
    needs.dedup();
    let view = |needed: Requirement| {
        let there: Vec<_> = looked.catalogue.of(&needed.plugin).collect();
        let state = state_of(&there, &needed);
        let versions: BTreeSet<_> = there.iter().map(|one| one.info.version.clone()).collect();
        RequirementView {
            found: state == RequirementState::Runs,
            state,
            versions: versions.into_iter().collect(),
            plugin: needed.plugin,
            version: needed.version,
            optional: needed.optional,
        }
    };
    needs.into_iter().map(view).collect()
}

/// How it is with what is needed, by those of its name that are there.
fn state_of(there: &[&ProviderInstance], needed: &Requirement) -> RequirementState {
    let accepts = |one: &&&ProviderInstance| needed.accepts(&one.info.name, &one.info.version);
    let meant: Vec<_> = there.iter().filter(accepts).collect();
    let is = |state| meant.iter().any(|one| one.metadata.state == Some(state));
    if meant.iter().any(|one| one.takes_calls()) {
        RequirementState::Runs
    } else if is(PluginState::Initializing) {
        RequirementState::Initializing
    } else if meant.iter().any(|one| one.metadata.state.is_some()) {
        RequirementState::Deactivating
    } else if !meant.is_empty() {
        RequirementState::ForeignProtocol
    } else if there.is_empty() {
        RequirementState::Absent
    } else {
        RequirementState::WrongVersion
    }
}

/// A way from `plugin` back to itself, by what each needs and cannot do without.
fn cycle(looked: &Looked, plugin: &str) -> Vec<String> {
    let needs = |name: &str| {
        let metadata = looked.catalogue.of(name).flat_map(|one| one.metadata.requires.iter());
        let mut names: Vec<_> =
            metadata.filter(|one| !one.optional).map(|one| one.plugin.clone()).collect();
        names.sort();
        names.dedup();
        names
    };
    // Breadth first, so that the shortest way is told; each plugin is looked at once.
    let mut ways = vec![vec![plugin.to_owned()]];
    let mut at = 0;
    while let Some(way) = ways.get(at).cloned() {
        at += 1;
        for next in needs(way.last().map_or(plugin, String::as_str)) {
            if next == plugin {
                return [way, vec![next]].concat();
            }
            if !ways.iter().any(|known| known.last() == Some(&next)) {
                ways.push([way.clone(), vec![next]].concat());
            }
        }
    }
    Vec::new()
}

/// A call by hand.
pub(super) async fn call(handle: &Handle, order: PluginCall) -> Reply {
    let input = commands::value_of(&order.input)?;
    let limit = order.timeout_ms.map_or(CALL_LIMIT, Duration::from_millis).min(CALL_LIMIT_MAX);
    let called = handle.call_by_hand(&order.operation, &input, limit).await;
    let called = called.map_err(|reason| problem(ProblemKind::BadRequest, reason))?;
    let (output, failure) = match called.outcome {
        CallOutcome::Success(output) | CallOutcome::Cached(output) => {
            (Some(wire::json(&output)), None)
        }
        CallOutcome::Failure { kind, code, message, retry_after_ms } => {
            let (kind, code) = (kind.as_str().to_owned(), code.to_string());
            let message = message.to_string();
            (None, Some(PluginCallFailure { kind, code, message, retry_after_ms }))
        }
    };
    let took_us = u64::try_from(called.took.as_micros()).unwrap_or(u64::MAX);
    let (subject, mocked) = (called.subject, called.mocked);
    let reply = reply(&PluginCallReply { output, failure, subject, mocked, took_us })?;
    let size = reply.len();
    if handle.bus().kind() == BackendKind::Nats && size > ANSWER_MAX {
        let text = format!(
            "the call succeeded, but its output of {size} bytes exceeds the limit of {ANSWER_MAX} \
             bytes of an answer over NATS"
        );
        let told = problem(ProblemKind::TooLarge, text);
        return Err(Box::new(told.with_code("GS5009", "output_not_shown")));
    }
    Ok(reply)
}

/// Breakers closed by hand.
pub(super) async fn reset(handle: &Handle, order: PluginReset, by: &Principal) -> Reply {
    let names = [Some(&order.plugin), order.operation.as_ref()];
    if let Some(wrong) = names.into_iter().flatten().find(|it| !subjects::is_service_name(it)) {
        return Err(problem(ProblemKind::BadRequest, format!("`{wrong}` is no name")));
    }
    let operation = order.operation.as_deref();
    let closed = handle.reset_breakers(&order.plugin, operation, &by.user).await?;
    reply(&PluginResetReply { closed })
}

/// Why calls that are under way wait.
pub(super) fn why(handle: &Handle, definition: &Definition, calls: &[CallView], why: &mut Why) {
    // What the definition switches off holds none of its calls back.
    let heeds = |call: &&CallView| {
        let rules = definition.rules_of(&call.operation);
        rules.is_none_or(|rules| rules.breaker.is_some())
    };
    for (key, tripped) in handle.breakers() {
        let mut parts = key.splitn(3, '.');
        let (plugin, major, name) = (parts.next(), parts.next(), parts.next());
        let is_its = |call: &CallView| {
            call.operation.parse::<OperationRef>().is_ok_and(|it| {
                let is_mocked = handle.config().is_mocked(&it.plugin, &it.operation);
                let of_major = it.major().is_none_or(|wanted| major == Some(&format!("v{wanted}")));
                Some(it.plugin.as_str()) == plugin
                    && Some(it.operation.as_str()) == name
                    && of_major
                    && !is_mocked
            })
        };
        if calls.iter().filter(heeds).any(is_its) {
            say_once(why, tripped.words(&key));
            let plugin = plugin.unwrap_or_default();
            why.try_this.push(format!("gearshift plugin reset {plugin}"));
        }
    }
}
