//! Instead: what there is where a plugin or an operation that was asked for is not.

use std::collections::BTreeSet;

use gearshift_protocol::{OperationRef, PluginState, Requirement};

use super::catalogue::{Catalogue, Instance};

/// Names that are told at most.
const NAMED_MAX: usize = 8;

impl Catalogue {
    /// Why nobody answers `wanted`, and what is there instead.
    pub(super) fn instead(&self, wanted: &OperationRef) -> String {
        let OperationRef { plugin, operation, .. } = wanted;
        let is_one = |one: &&super::ProviderInstance| one.operations().next().is_some();
        let plugins = || self.instances().iter().filter(is_one);
        let implements = |one: &&super::ProviderInstance| one.metadata.interfaces.contains(plugin);
        let mut running: Vec<_> = plugins().filter(|one| one.info.name == *plugin).collect();
        if running.is_empty() {
            running = plugins().filter(implements).collect();
        }
        if running.is_empty() {
            let names = plugins().map(|one| &*one.info.name);
            return match nearest(plugin, names) {
                None => format!("no plugin `{plugin}` is running, nor is any other"),
                Some(names) => format!("no plugin `{plugin}` is running; there is {names}"),
            };
        }
        running.retain(|one| wanted.accepts(&one.info.version));
        if running.iter().any(|one| one.operation(operation).is_some()) {
            return format!("nobody answers `{operation}` of plugin `{plugin}` any more");
        }
        let versions: BTreeSet<_> = running.iter().map(|one| &*one.info.version).collect();
        let versions = Vec::from_iter(versions).join(", ");
        let names = running.iter().flat_map(|one| one.operations()).map(|(name, _)| name);
        let names = nearest(operation, names).unwrap_or_default();
        format!("plugin `{plugin}` {versions} has no operation `{operation}`; it has {names}")
    }
}

impl Catalogue {
    /// Why `wanted` is not asked although it runs: it takes no calls yet, or no more. What it waits
    /// for, and what helps.
    pub(super) fn not_ready(&self, wanted: &OperationRef) -> Option<String> {
        let is_named = |one: &&Instance| one.info.name == wanted.plugin;
        let implements = |one: &&Instance| one.metadata.interfaces.contains(&wanted.plugin);
        let accepts = |one: &&Instance| wanted.accepts(&one.info.version);
        let mut meant: Vec<_> = self.instances().iter().filter(is_named).collect();
        if meant.is_empty() {
            meant = self.instances().iter().filter(implements).collect();
        }
        meant.retain(accepts);
        if meant.iter().any(|one| one.takes_calls()) {
            return None;
        }
        let one = meant.iter().find(|one| one.metadata.state.is_some())?;
        let (name, why) = (&one.info.name, one.metadata.why_no_calls()?);
        let runs = |needed: &Requirement| {
            let mut others = self.instances().iter().filter(|it| it.takes_calls());
            others.any(|it| needed.accepts(&it.info.name, &it.info.version))
        };
        let needs = one.metadata.requires.iter().filter(|it| !it.optional && !runs(it));
        let needs = needs.map(|it| format!(", it needs {it}, which does not run"));
        let helps = match one.metadata.state.unwrap_or_default() {
            PluginState::Initializing => {
                format!("call it when `gearshift plugin show {name}` says that it is active")
            }
            PluginState::Deactivating
            | PluginState::Stopped
            | PluginState::Active
            | PluginState::Degraded
            | PluginState::Unknown
            | _ => "it ends, so start another instance of it".to_owned(),
        };
        let needs = needs.collect::<String>();
        Some(format!("plugin `{name}` takes no calls: it is {why}{needs}; {helps}"))
    }
}

/// `` `a`, `b` and 3 more ``, those first that are most like `text`; none of none.
fn nearest<'a>(text: &str, names: impl Iterator<Item = &'a str>) -> Option<String> {
    let mut names = Vec::from_iter(names.collect::<BTreeSet<_>>());
    let likeness = |name: &str| strsim::jaro_winkler(text, name);
    // Stable, so that equally unlike ones stay in the order of the alphabet.
    names.sort_by(|left, right| likeness(right).total_cmp(&likeness(left)));
    let more = names.len().saturating_sub(NAMED_MAX);
    names.truncate(NAMED_MAX);
    let told = names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    match (names.is_empty(), more) {
        (true, _) => None,
        (false, 0) => Some(told),
        (false, more) => Some(format!("{told} and {more} more")),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use gearshift_bus::{EndpointInfo, ServiceInfo};

    use super::*;

    fn service(name: &str, operations: &[&str]) -> ServiceInfo {
        let endpoint = |operation: &&str| EndpointInfo {
            name: (*operation).to_owned(),
            subject: format!("gearshift.plugin.{name}.v1.{operation}"),
            metadata: BTreeMap::new(),
        };
        let told = [
            ("gearshift.plugin".to_owned(), "1".to_owned()),
            ("gearshift.interfaces".to_owned(), r#"["checker"]"#.to_owned()),
        ];
        ServiceInfo {
            name: name.to_owned(),
            id: name.to_owned(),
            version: "1.2.0".to_owned(),
            metadata: told.into(),
            endpoints: operations.iter().map(endpoint).collect(),
        }
    }

    #[test]
    fn what_is_there_is_told_the_nearest_first() {
        let now = crate::runtime::clock::monotonic();
        let list = vec![service("validator", &["check", "validate"]), service("bank", &["pay"])];
        let some = Catalogue::new(now, list);
        let said = |wanted: &str| some.instead(&wanted.parse().unwrap());
        assert_eq!(
            said("validator.valdate"),
            "plugin `validator` 1.2.0 has no operation `valdate`; it has `validate`, `check`"
        );
        assert_eq!(
            said("checker.valdate"),
            "plugin `checker` 1.2.0 has no operation `valdate`; it has `validate`, `pay`, `check`"
        );
        assert_eq!(said("bnak.pay"), "no plugin `bnak` is running; there is `bank`, `validator`");
        assert_eq!(said("bank.pay"), "nobody answers `pay` of plugin `bank` any more");
        let none = Catalogue::new(now, Vec::new());
        let wanted: OperationRef = "bank.pay".parse().unwrap();
        assert_eq!(none.instead(&wanted), "no plugin `bank` is running, nor is any other");
        let mut starting = service("bank", &[]);
        let told = [
            ("gearshift.state", "initializing"),
            ("gearshift.since", "2026-01-02T03:04:05Z"),
            ("gearshift.requires", r#"[{"plugin":"vault","version":"^2"}]"#),
        ];
        let told = told.map(|(key, value)| (key.to_owned(), value.to_owned()));
        starting.metadata.extend(told);
        let one = Catalogue::new(now, vec![starting]);
        let said = "plugin `bank` takes no calls: it is initializing since 2026-01-02T03:04:05Z, \
                    it needs vault ^2, which does not run; call it when `gearshift plugin show \
                    bank` says that it is active";
        assert_eq!(one.not_ready(&wanted).as_deref(), Some(said));
        assert_eq!(one.not_ready(&"checker.pay".parse().unwrap()).as_deref(), Some(said));
        assert_eq!(one.not_ready(&"bank@^9.pay".parse().unwrap()), None);
        assert_eq!(some.not_ready(&wanted), None);
        let many = (0..20).map(|number| service(&format!("p{number}"), &["work"])).collect();
        let many = Catalogue::new(now, many).instead(&wanted);
        assert!(many.ends_with(" and 12 more"), "{many}");
    }
}
