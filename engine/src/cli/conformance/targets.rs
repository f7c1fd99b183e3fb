//! [`Target`]: what is meant by a name: a plugin, or all that provide an interface, each in every
//! major version that runs.

use std::collections::{BTreeMap, BTreeSet};

use gearshift_bus::{EndpointInfo, ServiceInfo};
use gearshift_protocol::{OperationRef, PluginMetadata, metadata, subjects};
use semver::Version;

use super::super::failure::{Failure, NOT_FOUND};
use super::super::finding::Finding;
use super::super::words::{count, quoted};
use super::declared::schemas;

/// One major version of a plugin; its instances share the subjects of their operations.
#[derive(Debug)]
pub(super) struct Target<'s> {
    pub(super) name: &'s str,
    /// `None` where the version is none.
    pub(super) major: Option<u64>,
    /// Those that are meant and take calls, the newest first.
    pub(super) services: Vec<&'s ServiceInfo>,
    /// Those that share the subjects and are not meant.
    others: Vec<&'s ServiceInfo>,
    /// Those that take no calls yet, or no more.
    hidden: Vec<&'s ServiceInfo>,
}

/// An operation as some instances tell of it, and where it is asked.
#[derive(Debug)]
pub(super) struct Judged<'s> {
    pub(super) service: &'s ServiceInfo,
    pub(super) endpoint: &'s EndpointInfo,
    /// Why it is not asked, where it is not.
    pub(super) subject: Result<String, String>,
    /// Which instance it is that is asked, where another one says something else.
    pub(super) instance: Option<String>,
    /// What is to be said of that.
    pub(super) finding: Option<Finding>,
}

/// `NAME`, `NAME@VERSIONS`, `NAME.OPERATION` or `NAME@VERSIONS.OPERATION`; without an operation
/// that is empty.
///
/// # Errors
/// It is none of them.
pub(super) fn wanted(name: &str) -> Result<OperationRef, Failure> {
    // Read as a definition reads it, which has an operation behind that.
    let alone = format!("{name}.any").parse::<OperationRef>();
    let alone = alone.map(|it| OperationRef { operation: String::new(), ..it });
    alone.or_else(|_| name.parse()).map_err(|_| {
        let what = format!("`{name}` is not NAME, NAME@VERSIONS or NAME.OPERATION");
        let help = "write it as in `validator`, `validator@^1.2` or `validator.validate_document`";
        Failure::usage(what).with_help(help)
    })
}

/// What is meant, by name and major version.
///
/// # Errors
/// Nothing of it runs, in no version that is meant, or none of it takes calls.
pub(super) fn targets<'s>(
    services: &'s [ServiceInfo],
    wanted: &OperationRef,
) -> Result<Vec<Target<'s>>, Failure> {
    let mut named: Vec<_> = services.iter().filter(|one| one.name == wanted.plugin).collect();
    if named.is_empty() {
        let told = |one: &ServiceInfo| PluginMetadata::from_map(&one.metadata);
        let implements = |one: &&ServiceInfo| {
            told(one).is_some_and(|told| told.interfaces.contains(&wanted.plugin))
        };
        named = services.iter().filter(implements).collect();
    }
    if named.is_empty() {
        return Err(absent(&wanted.plugin, services));
    }
    let mut targets: BTreeMap<_, Target<'s>> = BTreeMap::new();
    for one in &named {
        let (name, major) = (one.name.as_str(), major(one));
        let target = targets.entry((name, major)).or_insert_with(|| Target {
            name,
            major,
            services: Vec::new(),
            others: Vec::new(),
            hidden: Vec::new(),
        });
        match (wanted.accepts(&one.version), state_of(one)) {
            (true, None) => target.services.push(one),
            (true, Some(_)) => target.hidden.push(one),
            (false, None) => target.others.push(one),
            (false, Some(_)) => {}
        }
    }
    let is_meant = |one: &Target<'_>| !(one.services.is_empty() && one.hidden.is_empty());
    let mut targets: Vec<_> = targets.into_values().filter(is_meant).collect();
    if targets.is_empty() {
        let versions: BTreeSet<_> = named.iter().map(|one| &*one.version).collect();
        let versions = Vec::from_iter(versions).join(", ");
        let needed = wanted.requirement.as_deref().unwrap_or("a semantic version");
        let plugin = &wanted.plugin;
        let what = format!("`{plugin}` runs as {versions}, but `{needed}` is needed");
        return Err(Failure::new(NOT_FOUND, what));
    }
    let first = targets.iter().find_map(|one| one.hidden.first());
    if let (true, Some(hidden)) = (targets.iter().all(|one| one.services.is_empty()), first) {
        let what = format!("plugin `{}` takes no calls: {}", hidden.name, words(hidden));
        let help = format!("`gearshift plugin show {}` tells what it waits for", hidden.name);
        return Err(Failure::new(NOT_FOUND, what).with_help(help));
    }
    for one in &mut targets {
        one.services.sort_by_key(|it| std::cmp::Reverse(Version::parse(&it.version).ok()));
    }
    Ok(targets)
}

impl<'s> Target<'s> {
    /// Each operation, as the newest instance that has it tells of it.
    pub(super) fn endpoints(&self) -> Vec<(&'s ServiceInfo, &'s EndpointInfo)> {
        let mut seen = BTreeSet::new();
        let all = self.services.iter().flat_map(|one| {
            let one: &'s ServiceInfo = one;
            one.endpoints.iter().map(move |endpoint| (one, endpoint))
        });
        all.filter(|(_, endpoint)| seen.insert(&*endpoint.name)).collect()
    }

    /// Each operation as it is asked: once where all instances tell the same of it, else at one
    /// instance of each kind, alone: which one the queue would pick is not known.
    pub(super) fn judged(&self) -> Vec<Judged<'s>> {
        self.endpoints().into_iter().flat_map(|(_, endpoint)| self.kinds(endpoint)).collect()
    }

    fn kinds(&self, endpoint: &'s EndpointInfo) -> Vec<Judged<'s>> {
        let mut kinds: Vec<Vec<(&'s ServiceInfo, &'s EndpointInfo)>> = Vec::new();
        for service in &self.services {
            let service: &'s ServiceInfo = service;
            let its = service.endpoints.iter().filter(|its| its.name == endpoint.name);
            for one in its.map(|its| (service, its)) {
                match kinds.iter_mut().find(|kind| kind.first().is_some_and(|it| alike(*it, one))) {
                    Some(kind) => kind.push(one),
                    None => kinds.push(vec![one]),
                }
            }
        }
        let shared = self.subject(endpoint);
        let asked = |it: &&(&ServiceInfo, &EndpointInfo)| is_alone(it.0);
        let is_one = kinds.len() < 2 || shared.is_err();
        let nobody = !kinds.iter().flatten().any(|it| asked(&it));
        let ids = |list: &mut dyn Iterator<Item = &'s ServiceInfo>| {
            quoted(&list.map(|one| one.id.clone()).collect::<Vec<_>>())
        };
        if is_one || nobody {
            let Some(&(service, endpoint)) = kinds.iter().flatten().next() else {
                return Vec::new();
            };
            let finding = (!is_one).then(|| {
                let told = ids(&mut kinds.iter().filter_map(|kind| Some(kind.first()?.0)));
                Finding::warning(
                    "instances",
                    format!(
                        "{told} tell different things of it, and none can be asked alone: what \
                         follows is of whichever the queue picked"
                    ),
                    "run one build of it, or let instances answer under their own subjects",
                )
            });
            return vec![Judged { service, endpoint, subject: shared, instance: None, finding }];
        }
        let judge = |kind: Vec<(&'s ServiceInfo, &'s EndpointInfo)>| {
            let (service, endpoint) = *kind.iter().find(asked).or_else(|| kind.first())?;
            let subject = match is_alone(service) {
                true => Ok(subjects::plugin_instance(&endpoint.subject, &service.id)),
                false => Err("not called: other instances tell something else of it, and it \
                              cannot be asked alone"
                    .to_owned()),
            };
            let alike = kind.iter().map(|(it, _)| *it).filter(|it| it.id != service.id);
            let alike = ids(&mut alike.into_iter());
            let finding = (!alike.is_empty()).then(|| {
                Finding::skipped("instances", format!("{alike} not asked: told the same of it"))
            });
            let instance = Some(service.id.clone());
            Some(Judged { service, endpoint, subject, instance, finding })
        };
        kinds.into_iter().filter_map(judge).collect()
    }

    /// Those of it that take no calls.
    pub(super) fn not_asked(&self) -> Option<Finding> {
        let first = self.hidden.first()?;
        let many = count(self.hidden.len(), "instance");
        Some(Finding::skipped("state", format!("{many} not asked: {}", words(first))))
    }

    /// Where an operation of it is asked.
    ///
    /// # Errors
    /// Why it is not.
    pub(super) fn subject(&self, endpoint: &EndpointInfo) -> Result<String, String> {
        let serves = |one: &ServiceInfo| {
            one.endpoints.iter().any(|served| served.subject == endpoint.subject)
        };
        let sharing = self.services.iter().chain(&self.others).filter(|one| serves(one));
        if let Some((one, spoken)) = sharing.clone().find_map(|one| Some((one, foreign(one)?))) {
            let (_, known) = metadata::METADATA_PROTOCOL;
            return Err(format!(
                "not called: instance `{}` speaks protocol version `{spoken}`, and engines that \
                 speak `{known}` do not ask it",
                one.id
            ));
        }
        let Some(other) = self.others.iter().find(|one| serves(one)) else {
            return Ok(endpoint.subject.clone());
        };
        // Who else has the subject would answer as well.
        let alone = |one: &&&ServiceInfo| serves(one) && is_alone(one);
        match self.services.iter().find(alone) {
            Some(one) => Ok(subjects::plugin_instance(&endpoint.subject, &one.id)),
            None => Err(format!(
                "not called: {} shares its subject, and no instance can be asked alone",
                other.version
            )),
        }
    }
}

/// The protocol that it speaks, where that is another one than ours.
pub(super) fn foreign(one: &ServiceInfo) -> Option<&str> {
    let (key, known) = metadata::METADATA_PROTOCOL;
    one.metadata.get(key).map(String::as_str).filter(|spoken| *spoken != known)
}

/// Does it answer under its own subjects too?
fn is_alone(one: &ServiceInfo) -> bool {
    PluginMetadata::from_map(&one.metadata).is_some_and(|told| told.instance)
}

/// Do two instances tell the same of an operation?
fn alike(one: (&ServiceInfo, &EndpointInfo), other: (&ServiceInfo, &EndpointInfo)) -> bool {
    let words = |endpoint: &EndpointInfo| {
        let keys = [
            metadata::METADATA_IDEMPOTENT,
            metadata::METADATA_TIMEOUT,
            metadata::METADATA_HEARTBEAT,
        ];
        keys.map(|key| endpoint.metadata.get(key).cloned())
    };
    one.0.version == other.0.version
        && one.1.subject == other.1.subject
        && words(one.1) == words(other.1)
        && schemas(one.1) == schemas(other.1)
}

fn major(one: &ServiceInfo) -> Option<u64> {
    Version::parse(&one.version).ok().map(|version| version.major)
}

fn state_of(one: &ServiceInfo) -> Option<gearshift_protocol::PluginState> {
    PluginMetadata::from_map(&one.metadata)?.state
}

/// `it is initializing since …`.
fn words(one: &ServiceInfo) -> String {
    let told = PluginMetadata::from_map(&one.metadata).and_then(|told| told.why_no_calls());
    format!("it is {}", told.unwrap_or_default())
}

fn absent(name: &str, services: &[ServiceInfo]) -> Failure {
    let (key, _) = metadata::METADATA_PROTOCOL;
    let mut running: Vec<&str> = services
        .iter()
        .filter(|one| one.metadata.contains_key(key))
        .map(|one| one.name.as_str())
        .collect();
    running.dedup();
    let help = match &running[..] {
        [] => "no plugin answers here at all: are these its servers?".to_owned(),
        running => format!("these run: {}", running.join(", ")),
    };
    Failure::new(NOT_FOUND, format!("no plugin `{name}` runs")).with_help(help)
}

#[cfg(test)]
#[path = "targets_tests.rs"]
mod tests;
