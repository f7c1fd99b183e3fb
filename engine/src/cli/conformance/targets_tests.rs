//! What is meant by a name, and who is asked.

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
    assert!(subject(&alone, &[]).unwrap().starts_with("gearshift.plugin.docs.v1.read."), "{own}");
    assert!(subject(&[], &alone).unwrap_err().contains("1.4.0 shares its subject"));
    let spoken = subject(&alone, &[("gearshift.plugin", "99")]).unwrap_err();
    assert!(spoken.contains("speaks protocol version `99`"), "{spoken}");
}

#[test]
fn instances_that_tell_different_things_are_judged_each_over_its_own_subject() {
    let alone = [("gearshift.instance", "true")];
    let of = |id: &str, version: &str, told: &[(&str, &str)], schema: &str| {
        let mut one = service("docs", version, told);
        one.id = id.to_owned();
        let schema = (metadata::METADATA_INPUT.to_owned(), schema.to_owned());
        one.endpoints[0].metadata = [schema].into();
        one
    };
    let judged = |all: &[ServiceInfo]| {
        let targets = targets(all, &wanted("docs").unwrap()).unwrap();
        let told = targets[0].judged().into_iter().map(|one| {
            let said = one.finding.map(|finding| finding.message).unwrap_or_default();
            (one.subject, one.instance.unwrap_or_default(), said)
        });
        told.collect::<Vec<_>>()
    };
    let subject = "gearshift.plugin.docs.v1.read";
    let at = |id: &str| (Ok(format!("{subject}.{id}")), id.to_owned());
    let (a, b) = (of("a", "1.0.0", &alone, "{}"), of("b", "1.0.0", &alone, "{ }"));
    let (c, d) = (of("c", "1.0.0", &alone, "true"), of("d", "1.1.0", &alone, "{}"));
    let (x, y) = (of("x", "1.0.0", &[], "{}"), of("y", "1.0.0", &[], "true"));
    assert_eq!(
        judged(&[a.clone(), b.clone()]),
        [(Ok(subject.to_owned()), String::new(), String::new())]
    );
    let told = judged(&[a.clone(), b, c.clone(), d]);
    let places = told.iter().map(|one| (one.0.clone(), one.1.clone()));
    assert_eq!(places.collect::<Vec<_>>(), [at("d"), at("a"), at("c")]);
    assert_eq!(told[1].2, "`b` not asked: told the same of it");
    let told = judged(&[x.clone(), c]);
    assert!(told[0].0.as_ref().unwrap_err().contains("cannot be asked alone"), "{told:?}");
    assert_eq!((told[1].0.clone(), told[1].1.clone()), at("c"));
    let told = judged(&[x, y]);
    assert_eq!((told.len(), told[0].0.clone()), (1, Ok(subject.to_owned())));
    assert!(told[0].2.starts_with("`x`, `y` tell different things of it"), "{told:?}");
}

#[test]
fn who_takes_no_calls_is_told_with_since_when() {
    let state = [("gearshift.state", "initializing"), ("gearshift.since", "2026-01-02T03:04:05Z")];
    let all = [service("docs", "1.0.0", &state)];
    let told = titles(&all, "docs").unwrap_err();
    let said = "plugin `docs` takes no calls: it is initializing since 2026-01-02T03:04:05Z";
    assert_eq!(told, said);
    let all = [service("docs", "1.0.0", &state), service("docs", "2.0.0", &[])];
    let list = targets(&all, &wanted("docs").unwrap()).unwrap();
    assert!(list[0].not_asked().is_some() && list[0].endpoints().is_empty());
    assert!(list[1].not_asked().is_none());
}
