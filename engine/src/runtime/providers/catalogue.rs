//! Catalogue: the instances of plugins that answered one discovery, and which of them can be asked.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use gearshift_bus::{EndpointInfo, ServiceInfo};
use gearshift_protocol::{OperationRef, PluginMetadata, plugin, subjects};

use super::prefer::Prefer;

/// The instances that answered one discovery.
#[derive(Debug)]
pub(crate) struct Catalogue {
    /// When they were asked.
    pub(super) asked: Instant,
    /// By name and id.
    instances: Vec<Instance>,
    /// Does the operation at this subject say that it may not be repeated?
    endpoints: BTreeMap<String, bool>,
}

/// One instance as it told of itself.
#[derive(Clone, Debug)]
pub(crate) struct Instance {
    pub(crate) info: ServiceInfo,
    pub(crate) metadata: PluginMetadata,
    major: Option<u64>,
    /// The protocol that it speaks, where that is another one than this engine's.
    pub(crate) foreign: Option<String>,
    /// The schemas that it publishes of what it gives, by subject.
    gives: BTreeMap<String, Arc<str>>,
}

/// Where an operation is asked now.
#[derive(Debug, PartialEq)]
pub(super) struct Target {
    /// The subject of the operation.
    pub(super) subject: String,
    /// Does somebody say that he serves it?
    pub(super) offered: bool,
    /// May the queue group be asked? Else some of its members have a version that was not meant.
    pub(super) group: bool,
    /// Does everybody who may be asked read inputs out of the object store?
    pub(super) objects: bool,
    /// The schema of what it gives, where all who serve it publish the same.
    pub(super) gives: Option<Arc<str>>,
    /// Those who can be asked alone.
    pub(super) alone: Vec<Candidate>,
}

/// An instance that can be asked alone.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Candidate {
    pub(super) id: String,
    pub(super) subject: String,
    pub(super) weight: u32,
    pub(super) capacity: Option<u32>,
    pub(super) score: i64,
    /// The schema of what it gives.
    pub(super) gives: Option<Arc<str>>,
}

/// What is published of what an operation gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Published {
    /// Nobody serves it.
    Nowhere,
    /// This schema, by everybody who might have answered.
    As(Arc<str>),
    /// Nothing by some, or not the same.
    Unsure,
}

impl Instance {
    fn new(info: ServiceInfo) -> Self {
        let told = PluginMetadata::from_map(&info.metadata);
        let mark = info.metadata.get(plugin::METADATA_PROTOCOL.0);
        let foreign = mark.filter(|_| told.is_none()).cloned();
        let metadata = told.unwrap_or_default();
        let major = info.version.split('.').next().and_then(|text| text.parse().ok());
        let gives = info.endpoints.iter().filter_map(|endpoint| {
            let schema = endpoint.metadata.get(plugin::METADATA_OUTPUT)?;
            Some((endpoint.subject.clone(), Arc::from(schema.as_str())))
        });
        let gives = gives.collect();
        Self { info, metadata, major, foreign, gives }
    }

    /// Is it asked for anything? One that takes no calls yet, or no more, is shown to people and to
    /// nobody else, and one that speaks another protocol is not understood.
    pub(crate) fn takes_calls(&self) -> bool {
        self.metadata.state.is_none() && self.foreign.is_none()
    }

    /// Is it none of those that come before a release, as `2.0.0-rc.1` does?
    fn is_release(&self) -> bool {
        !self.info.version.split('+').next().unwrap_or_default().contains('-')
    }

    /// The endpoint at this subject.
    fn serves(&self, subject: &str) -> bool {
        self.info.endpoints.iter().any(|endpoint| endpoint.subject == subject)
    }

    /// The operation that is called so.
    pub(crate) fn operation(&self, name: &str) -> Option<&EndpointInfo> {
        let subject = self.subject(name)?;
        self.info.endpoints.iter().find(|endpoint| endpoint.subject == subject)
    }

    /// Where one operation of it is asked.
    pub(crate) fn subject(&self, operation: &str) -> Option<String> {
        Some(subjects::plugin(&self.info.name, self.major?, operation))
    }

    /// Its operations: name, endpoint.
    pub(crate) fn operations(&self) -> impl Iterator<Item = (&str, &EndpointInfo)> {
        let prefix = self.subject("").unwrap_or_default();
        self.info.endpoints.iter().filter_map(move |endpoint| {
            let operation = endpoint.subject.strip_prefix(&prefix)?;
            (!prefix.is_empty() && !operation.contains('.')).then_some((operation, endpoint))
        })
    }

    fn candidate(&self, subject: &str, prefer: Prefer) -> Option<Candidate> {
        self.metadata.instance.then(|| Candidate {
            id: self.info.id.clone(),
            subject: subjects::plugin_instance(subject, &self.info.id),
            weight: self.metadata.weight,
            capacity: self.metadata.concurrency,
            score: prefer.score(&self.metadata),
            gives: self.gives.get(subject).cloned(),
        })
    }
}

/// Does the endpoint say that it may not be repeated?
pub(crate) fn is_once(endpoint: &EndpointInfo) -> bool {
    let told = endpoint.metadata.get(plugin::METADATA_IDEMPOTENT);
    told.is_some_and(|told| told.trim().eq_ignore_ascii_case("false"))
}

impl Catalogue {
    pub(super) fn new(asked: Instant, services: Vec<ServiceInfo>) -> Self {
        let mut endpoints = BTreeMap::new();
        for endpoint in services.iter().flat_map(|service| &service.endpoints) {
            // Of several instances the most careful one counts: any of them may be asked.
            *endpoints.entry(endpoint.subject.clone()).or_insert(false) |= is_once(endpoint);
        }
        Self { asked, instances: services.into_iter().map(Instance::new).collect(), endpoints }
    }

    /// Every instance, by name and id.
    pub(crate) fn instances(&self) -> &[Instance] {
        &self.instances
    }

    /// The instances of one plugin.
    pub(crate) fn of<'c>(&'c self, plugin: &'c str) -> impl Iterator<Item = &'c Instance> {
        self.instances.iter().filter(move |instance| instance.info.name == plugin)
    }

    /// May the operation at this subject be asked only once? `None`: nobody offers it.
    pub(super) fn once(&self, subject: &str) -> Option<bool> {
        self.endpoints.get(subject).copied()
    }

    /// The longest silence of the operation at this subject when it answers later, in milliseconds,
    /// where somebody who offers it says so.
    pub(super) fn heartbeat_ms(&self, subject: &str) -> Option<u64> {
        let endpoints = self.instances.iter().flat_map(|one| &one.info.endpoints);
        let told = endpoints.filter(|endpoint| endpoint.subject == subject);
        let told = told.filter_map(|endpoint| endpoint.metadata.get(plugin::METADATA_HEARTBEAT));
        told.filter_map(|told| plugin::parse_duration(told.trim())).max()
    }

    /// What is published of the operation at this subject: by the instance `id`, or by all who
    /// serve it, in whichever state, as one that drains still answers what it has.
    pub(super) fn published(&self, subject: &str, id: Option<&str>) -> Published {
        let meant = |one: &&Instance| id.is_none_or(|id| one.info.id == id) && one.serves(subject);
        let mut all = self.instances.iter().filter(meant).map(|one| one.gives.get(subject));
        match all.next() {
            None => Published::Nowhere,
            Some(Some(first)) if all.all(|one| one == Some(first)) => {
                Published::As(Arc::clone(first))
            }
            Some(_) => Published::Unsure,
        }
    }

    /// Where `wanted` is asked; a definition that asks for no version gets the newest major that
    /// runs.
    ///
    /// # Errors
    /// Why it must not be asked although the plugin runs: no version of it is the one meant.
    pub(super) fn target(&self, wanted: &OperationRef, prefer: Prefer) -> Result<Target, String> {
        let takes_calls = |one: &&Instance| one.takes_calls();
        let mut running: Vec<_> = self.of(&wanted.plugin).filter(takes_calls).collect();
        if running.is_empty() {
            running = self.implementing(wanted, prefer);
        }
        let foreign = self.of(&wanted.plugin).find_map(|one| one.foreign.as_deref());
        if let Some(spoken) = foreign.filter(|_| running.is_empty()) {
            return Err(not_spoken(&wanted.plugin, spoken));
        }
        if running.is_empty() {
            // A responder that cannot be discovered may be there all the same.
            let subject = wanted.subject(wanted.major().unwrap_or(1));
            return Ok(Target {
                subject,
                offered: false,
                group: true,
                objects: false,
                gives: None,
                alone: Vec::new(),
            });
        }
        let accepted = |one: &&Instance| wanted.accepts(&one.info.version) && one.major.is_some();
        let meant: Vec<_> = running.iter().copied().filter(accepted).collect();
        let offers = |one: &&&Instance| one.operation(&wanted.operation).is_some();
        // A pre-release is newest where there is nothing else; who asks for one has no other left.
        let age = |one: &&&Instance| (one.is_release(), one.major);
        let newest = meant.iter().filter(offers).max_by_key(age);
        let Some(newest) = newest.or_else(|| meant.iter().max_by_key(age)) else {
            return Err(not_meant(wanted, &running));
        };
        let Some(subject) = newest.subject(&wanted.operation) else {
            return Err(not_meant(wanted, &running));
        };
        let serving: Vec<_> = running.iter().copied().filter(|one| one.serves(&subject)).collect();
        let fit: Vec<_> = serving.iter().copied().filter(accepted).collect();
        let alone: Vec<_> = fit.iter().filter_map(|one| one.candidate(&subject, prefer)).collect();
        // One of another protocol shares the subject, and might be asked.
        let is_shared = running.first().is_some_and(|it| {
            self.of(&it.info.name).any(|one| one.foreign.is_some() && one.serves(&subject))
        });
        let group = fit.len() == serving.len() && !is_shared;
        if !group && alone.is_empty() {
            return Err(format!(
                "{}; they share a subject, so none of them is asked",
                not_meant(wanted, &running)
            ));
        }
        let offered = !serving.is_empty();
        let objects = offered && serving.iter().all(|one| one.metadata.objects);
        let gives = match self.published(&subject, None) {
            Published::As(schema) => Some(schema),
            Published::Nowhere | Published::Unsure => None,
        };
        Ok(Target { offered, subject, group, objects, gives, alone })
    }

    /// The instances of the best plugin that implements the interface `wanted` names.
    fn implementing(&self, wanted: &OperationRef, prefer: Prefer) -> Vec<&Instance> {
        let implements = |one: &&Instance| {
            one.takes_calls()
                && one.metadata.interfaces.contains(&wanted.plugin)
                && one.operation(&wanted.operation).is_some()
        };
        let able = self.instances.iter().filter(implements);
        let best = able.max_by(|left, right| {
            // One of a version that is not meant is found as well, so that it can be told.
            let score = |one: &Instance| {
                let is_accepted = wanted.accepts(&one.info.version);
                (is_accepted, one.is_release(), prefer.score(&one.metadata))
            };
            // Of equal ones the first by name, so that all engines choose alike.
            score(left).cmp(&score(right)).then_with(|| right.info.name.cmp(&left.info.name))
        });
        let Some(best) = best else { return Vec::new() };
        self.of(&best.info.name).filter(|one| one.takes_calls()).collect()
    }
}

/// `` plugin `p` speaks protocol version `99`, but `1` is needed ``.
pub(crate) fn not_spoken(name: &str, spoken: &str) -> String {
    let (_, known) = plugin::METADATA_PROTOCOL;
    format!("plugin `{name}` speaks protocol version `{spoken}`, but `{known}` is needed")
}

/// `` plugin `validator` runs as 1.0.3, 2.0.0, but `^1.2` is needed ``.
fn not_meant(wanted: &OperationRef, running: &[&Instance]) -> String {
    let versions: BTreeSet<_> = running.iter().map(|one| one.info.version.as_str()).collect();
    let versions = versions.into_iter().collect::<Vec<_>>().join(", ");
    let needed = wanted.requirement.as_deref().unwrap_or("a semantic version");
    let plugin = running.first().map_or(&*wanted.plugin, |one| &*one.info.name);
    let interface = &wanted.plugin;
    let role = if plugin == interface {
        String::new()
    } else {
        format!(", which implements `{interface}`,")
    };
    format!("plugin `{plugin}`{role} runs as {versions}, but `{needed}` is needed")
}
