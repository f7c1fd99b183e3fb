//! [`Target`]: what is meant by a name: a plugin, or all that provide an interface, each in every
//! major version that runs.

use std::collections::{BTreeMap, BTreeSet};

use gearshift_bus::{EndpointInfo, ServiceInfo};
use gearshift_protocol::{OperationRef, PluginMetadata, metadata, subjects};
use semver::Version;

use super::super::failure::{Failure, NOT_FOUND};
use super::super::finding::Finding;
use super::super::words::count;

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
        let alone = |one: &&&ServiceInfo| {
            let told = PluginMetadata::from_map(&one.metadata);
            serves(one) && told.is_some_and(|told| told.instance)
        };
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
mod tests {
    use super::*;

    fn service(name: &str, version: &str, told: &[(&str, &str)]) -> ServiceInfo {
        let metadata = [("gearshift.plugin", "1")].iter().chain(told);
        let metadata = metadata.map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        let major = version.split('.').next().unwrap_or_default();
        ServiceInfo {
            name: name.to_owned(),
            id: format!("{name}-{version}"),
            version: version.to_owned(),
            metadata: metadata.collect(),
            endpoints: vec![EndpointInfo {
                name: "read".to_owned(),
                subject: format!("gearshift.plugin.{name}.v{major}.read"),
                metadata: BTreeMap::new(),
            }],
        }
    }

    fn title(one: &Target<'_>) -> String {
        format!("{} v{}", one.name, one.major.unwrap_or_default())
    }

    fn titles(services: &[ServiceInfo], name: &str) -> Result<Vec<String>, String> {
        let targets = targets(services, &wanted(name).unwrap());
        targets
            .map(|list| list.iter().map(title).collect())
            .map_err(|failure| failure.problem.detail.clone())
    }

    #[test]
    fn a_name_has_versions_and_an_operation_behind_it() {
        let parts = |name: &str| {
            let it = wanted(name).unwrap();
            (it.plugin, it.requirement.unwrap_or_default(), it.operation)
        };
        let expected = |plugin: &str, versions: &str, operation: &str| {
            (plugin.to_owned(), versions.to_owned(), operation.to_owned())
        };
        assert_eq!(parts("docs"), expected("docs", "", ""));
        assert_eq!(parts("docs@^2"), expected("docs", "^2", ""));
        assert_eq!(parts("docs@^1.2"), expected("docs", "^1.2", ""));
        assert_eq!(parts("docs.read"), expected("docs", "", "read"));
        assert_eq!(parts("docs@^1.2.read"), expected("docs", "^1.2", "read"));
        assert!(wanted("no name").is_err() && wanted("a.b.c").is_err());
    }

    #[test]
    fn every_major_version_is_meant_and_every_plugin_behind_an_interface() {
        let interface = [("gearshift.interfaces", r#"["reader"]"#)];
        let all = [
            service("docs", "1.4.0", &[]),
            service("docs", "2.0.0", &interface),
            service("docs", "1.5.0", &[]),
            service("scans", "1.0.0", &interface),
        ];
        let told = |name| titles(&all, name).unwrap();
        assert_eq!(told("docs"), ["docs v1", "docs v2"]);
        assert_eq!(told("docs@^2"), ["docs v2"]);
        assert_eq!(told("reader"), ["docs v2", "scans v1"]);
        assert_eq!(told("reader@^1.read"), ["scans v1"]);
        let newer = "`docs` runs as 1.4.0, 1.5.0, 2.0.0, but `^3` is needed";
        assert_eq!(titles(&all, "docs@^3").unwrap_err(), newer);
        assert_eq!(titles(&all, "docks").unwrap_err(), "no plugin `docks` runs");
        let first = &targets(&all, &wanted("docs").unwrap()).unwrap()[0];
        assert_eq!((first.services.len(), first.endpoints().len()), (2, 1));
        assert_eq!(first.endpoints()[0].0.version, "1.5.0", "the newest tells");
    }

    #[test]
    fn who_shares_a_subject_and_is_not_meant_is_not_asked() {
        let alone = [("gearshift.instance", "true")];
        let subject = |told: &[(&str, &str)], other: &[(&str, &str)]| {
            let all = [service("docs", "1.5.0", told), service("docs", "1.4.0", other)];
            let targets = targets(&all, &wanted("docs@^1.5").unwrap()).unwrap();
            targets[0].subject(targets[0].endpoints()[0].1)
        };
        let own = "gearshift.plugin.docs.v1.read.docs-1_5_0";
        assert!(
            subject(&alone, &[]).unwrap().starts_with("gearshift.plugin.docs.v1.read."),
            "{own}"
        );
        assert!(subject(&[], &alone).unwrap_err().contains("1.4.0 shares its subject"));
        let spoken = subject(&alone, &[("gearshift.plugin", "99")]).unwrap_err();
        assert!(spoken.contains("speaks protocol version `99`"), "{spoken}");
    }

    #[test]
    fn who_takes_no_calls_is_told_with_since_when() {
        let state =
            [("gearshift.state", "initializing"), ("gearshift.since", "2026-01-02T03:04:05Z")];
        let all = [service("docs", "1.0.0", &state)];
        let told = titles(&all, "docs").unwrap_err();
        let said = "plugin `docs` takes no calls: it is initializing since 2026-01-02T03:04:05Z";
        assert_eq!(told, said);
        let all = [service("docs", "1.0.0", &state), service("docs", "2.0.0", &[])];
        let list = targets(&all, &wanted("docs").unwrap()).unwrap();
        assert!(list[0].not_asked().is_some() && list[0].endpoints().is_empty());
        assert!(list[1].not_asked().is_none());
    }
}
