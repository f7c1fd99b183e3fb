//! Instead: what there is where a plugin or an operation that was asked for is not.

use std::collections::BTreeSet;

use gearshift_protocol::OperationRef;

use super::catalogue::Catalogue;

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
        let wanted = "bank.pay".parse().unwrap();
        assert_eq!(none.instead(&wanted), "no plugin `bank` is running, nor is any other");
        let many = (0..20).map(|number| service(&format!("p{number}"), &["work"])).collect();
        let many = Catalogue::new(now, many).instead(&wanted);
        assert!(many.ends_with(" and 12 more"), "{many}");
    }
}
