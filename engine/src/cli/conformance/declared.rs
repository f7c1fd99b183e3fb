//! What a plugin says of itself: name, version, subjects, schemas, and its other words.

use std::collections::{BTreeMap, BTreeSet};

use gearshift_bus::{EndpointInfo, ServiceInfo};
use gearshift_protocol::{metadata, plugin, subjects};
use semver::Version;

use super::super::finding::Finding;
use super::super::words::quoted;
use crate::runtime::SCHEMA_BYTES_MAX;

/// The whole service.
pub(super) fn service(services: &[&ServiceInfo]) -> Vec<Finding> {
    let mut list = Vec::new();
    let count = super::super::words::count(services.len(), "instance");
    let versions: BTreeSet<&str> = services.iter().map(|one| one.version.as_str()).collect();
    let versions: Vec<&str> = versions.into_iter().collect();
    list.push(Finding::ok("found", format!("{count}, version {}", versions.join(", "))));
    for one in services {
        if Version::parse(&one.version).is_err() {
            list.push(Finding::problem(
                "version",
                format!("`{}` of instance `{}` is not a semantic version", one.version, one.id),
                "give the service a version such as `1.2.0`: callers ask for `@^1.2`",
            ));
        }
        let (key, wanted) = metadata::METADATA_PROTOCOL;
        match one.metadata.get(key).map(String::as_str) {
            Some(told) if told == wanted => {}
            Some(told) => list.push(Finding::problem(
                "protocol",
                format!(
                    "instance `{}` speaks protocol `{told}`; this engine speaks {wanted}",
                    one.id
                ),
                "run a plugin and an engine of the same protocol",
            )),
            None => list.push(Finding::problem(
                "protocol",
                format!("instance `{}` does not say that it is a plugin", one.id),
                format!("add `{key}: \"{wanted}\"` to the service's metadata"),
            )),
        }
        if subjects::escape(&one.id) != one.id {
            list.push(Finding::problem(
                "id",
                format!("instance id `{}` is not one plain subject token", one.id),
                "use letters, digits, `-` and `_` only",
            ));
        }
        if one.endpoints.is_empty() {
            list.push(Finding::problem(
                "operations",
                format!("instance `{}` offers none", one.id),
                "add an endpoint per operation",
            ));
        }
    }
    list
}

/// Do all instances of each version publish the same schemas?
pub(super) fn agreement(services: &[&ServiceInfo]) -> Vec<Finding> {
    let (mut list, mut known) = (Vec::new(), BTreeSet::new());
    for one in services {
        if !known.insert(&one.version) {
            continue;
        }
        for endpoint in &one.endpoints {
            let all = services.iter().filter(|it| it.version == one.version);
            let all = all.flat_map(|it| it.endpoints.iter().map(move |its| (it, its)));
            let all: Vec<_> = all.filter(|(_, its)| its.subject == endpoint.subject).collect();
            // Whoever tells most is the measure; one that publishes none contradicts nobody.
            let told =
                |(_, its): &(&&ServiceInfo, &EndpointInfo)| schemas(its).iter().flatten().count();
            let most = all.iter().map(told).max();
            let Some((one, endpoint)) = all.iter().find(|it| Some(told(it)) == most) else {
                continue;
            };
            let others = all.iter().filter(|(_, its)| contradicts(its, endpoint));
            let ids: Vec<_> = others.map(|(it, _)| it.id.clone()).collect();
            if !ids.is_empty() {
                let (name, version, told) = (&endpoint.name, &one.version, quoted(&ids));
                list.push(Finding::warning(
                    "schemas",
                    format!(
                        "`{name}` of version {version} has another schema at {told} than at `{}`",
                        one.id
                    ),
                    "run one build of a version, or give what changed a version of its own",
                ));
            }
        }
    }
    list
}

/// Which operations have answers that engines compare with nothing, as instances that serve them
/// publish different schemas (decision 0060)?
pub(super) fn compared(services: &[&ServiceInfo]) -> Vec<Finding> {
    let mut subjects: BTreeMap<&str, BTreeMap<Option<&str>, Vec<String>>> = BTreeMap::new();
    for one in services {
        for endpoint in &one.endpoints {
            let text = endpoint.metadata.get(metadata::METADATA_OUTPUT).map(String::as_str);
            let whose = subjects.entry(&endpoint.subject).or_default().entry(text).or_default();
            whose.push(one.id.clone());
        }
    }
    let differ = subjects.into_iter().filter(|(_, texts)| texts.len() > 1);
    let told = differ.map(|(subject, texts)| {
        let whose = texts.values().map(|ids| quoted(ids)).collect::<Vec<_>>().join(" and ");
        Finding::warning(
            "output",
            format!("answers on `{subject}` are compared with no schema: {whose} differ in theirs"),
            "it passes once all instances that serve it publish the same",
        )
    });
    told.collect()
}

/// Do both publish a schema of the same, and another one?
fn contradicts(one: &EndpointInfo, other: &EndpointInfo) -> bool {
    let pairs = schemas(one).into_iter().zip(schemas(other));
    pairs.into_iter().any(|(one, other)| one.zip(other).is_some_and(|(one, other)| one != other))
}

/// What an endpoint takes and gives, as values: spaces are no difference.
pub(super) fn schemas(endpoint: &EndpointInfo) -> [Option<serde_json::Value>; 2] {
    [metadata::METADATA_INPUT, metadata::METADATA_OUTPUT]
        .map(|key| serde_json::from_str(endpoint.metadata.get(key)?).ok())
}

/// One endpoint of one instance.
pub(super) fn endpoint(service: &ServiceInfo, endpoint: &EndpointInfo) -> Vec<Finding> {
    let mut list = vec![subject(service, endpoint)];
    for key in [metadata::METADATA_INPUT, metadata::METADATA_OUTPUT] {
        list.push(schema(endpoint, key));
    }
    if let Some(told) = endpoint.metadata.get(metadata::METADATA_IDEMPOTENT)
        && !matches!(told.trim(), "true" | "false")
    {
        list.push(Finding::problem(
            "idempotent",
            format!("`{}: {told}` is neither `true` nor `false`", metadata::METADATA_IDEMPOTENT),
            "say `false` where a repeat with the same call id does harm",
        ));
    }
    for key in [metadata::METADATA_TIMEOUT, metadata::METADATA_HEARTBEAT] {
        if let Some(told) = endpoint.metadata.get(key)
            && plugin::parse_duration(told).is_none_or(|millis| millis == 0)
        {
            list.push(Finding::problem(
                "time",
                format!("`{key}: {told}` is no time"),
                "write `1500ms`, `30s`, `5m` or `2h`",
            ));
        }
    }
    list
}

fn subject(service: &ServiceInfo, endpoint: &EndpointInfo) -> Finding {
    let told = &endpoint.subject;
    let Ok(version) = Version::parse(&service.version) else {
        return Finding::skipped("subject", format!("`{told}`: without a version none is right"));
    };
    let wanted = subjects::plugin(&service.name, version.major, &endpoint.name);
    if *told == wanted {
        return Finding::ok("subject", format!("`{told}`"));
    }
    // Some libraries cannot name an endpoint as they like; the subject is what counts.
    let prefix = subjects::plugin(&service.name, version.major, "");
    match told.strip_prefix(&prefix) {
        Some(operation) if subjects::is_service_name(operation) => Finding::warning(
            "subject",
            format!("`{told}` is operation `{operation}`, but the endpoint is `{}`", endpoint.name),
            "give the endpoint the operation's name: people look for it",
        ),
        Some(_) | None => Finding::problem(
            "subject",
            format!("`{told}` is not where engines ask: `{wanted}`"),
            format!("add the endpoint in the group `{}`", prefix.trim_end_matches('.')),
        ),
    }
}

fn schema(endpoint: &EndpointInfo, key: &'static str) -> Finding {
    let check = if key == metadata::METADATA_INPUT { "input" } else { "output" };
    let Some(text) = endpoint.metadata.get(key) else {
        return Finding::warning(
            check,
            "no schema is published",
            format!("put its JSON Schema into `{key}`: definitions are then checked against it"),
        );
    };
    let problem = match serde_json::from_str(text) {
        Ok(_) if check == "output" && text.len() > SCHEMA_BYTES_MAX => {
            Some(format!("it has {} bytes, of at most {SCHEMA_BYTES_MAX}", text.len()))
        }
        Ok(schema) => jsonschema::validator_for(&schema).err().map(|error| error.to_string()),
        Err(error) => Some(format!("it is not JSON: {error}")),
    };
    match problem {
        None => Finding::ok(check, "its schema can be read"),
        Some(problem) => Finding::problem(
            check,
            match check {
                "output" => format!(
                    "its schema cannot be used, so answers are not compared with it (GS5010): \
                     {problem}"
                ),
                _ => format!("its schema cannot be used: {problem}"),
            },
            format!("put a JSON Schema (2020-12) into `{key}`"),
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::super::finding::Level;
    use super::*;

    fn instance(version: &str, subject: &str, metadata: &[(&str, &str)]) -> ServiceInfo {
        let metadata: BTreeMap<String, String> =
            metadata.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let endpoint = EndpointInfo {
            name: "validate".to_owned(),
            subject: subject.to_owned(),
            metadata: metadata.clone(),
        };
        ServiceInfo {
            name: "validator".to_owned(),
            id: "a-1".to_owned(),
            version: version.to_owned(),
            metadata,
            endpoints: vec![endpoint],
        }
    }

    fn levels(one: &ServiceInfo) -> Vec<(&'static str, Level)> {
        endpoint(one, &one.endpoints[0]).iter().map(|one| (one.check, one.level)).collect()
    }

    #[test]
    fn g13_what_is_declared_well_is_fine() {
        let schema = r#"{"type": "object"}"#;
        let one = instance(
            "1.2.0",
            "gearshift.plugin.validator.v1.validate",
            &[
                ("gearshift.plugin", "1"),
                ("gearshift.input", schema),
                ("gearshift.output", "true"),
                ("gearshift.idempotent", "false"),
                ("gearshift.timeout", "30s"),
            ],
        );
        assert!(levels(&one).iter().all(|(_, level)| *level == Level::Ok), "{:?}", levels(&one));
        assert!(service(&[&one]).iter().all(|found| found.level == Level::Ok));
    }

    #[test]
    fn p5_it_is_told_where_no_answer_is_compared() {
        let subject = "gearshift.plugin.validator.v1.validate";
        let gives = |version, schema| instance(version, subject, &[("gearshift.output", schema)]);
        let (one, two) = (gives("1.2.0", "true"), gives("1.3.0", "false"));
        assert!(compared(&[&one, &one]).is_empty());
        let told = compared(&[&one, &two]);
        assert_eq!((told.len(), told[0].level), (1, Level::Warning));
        assert!(told[0].message.contains("are compared with no schema"), "{}", told[0].message);
        assert_eq!(compared(&[&one, &instance("1.3.0", subject, &[])]).len(), 1, "one has none");
        let long = format!("[{}1]", "1,".repeat(SCHEMA_BYTES_MAX / 2));
        let found = schema(&gives("1.2.0", &long).endpoints[0], "gearshift.output");
        assert_eq!(found.level, Level::Problem);
        assert!(found.message.contains("GS5010"), "{}", found.message);
    }

    #[test]
    fn p10_what_is_declared_badly_is_told() {
        let one = instance(
            "1.2",
            "gearshift.plugin.validator.v2.validate",
            &[
                ("gearshift.plugin", "99"),
                ("gearshift.input", "{"),
                ("gearshift.output", r#"{"type": 7}"#),
                ("gearshift.idempotent", "maybe"),
                ("gearshift.timeout", "soon"),
            ],
        );
        let told = levels(&one);
        for check in ["input", "output", "idempotent", "time"] {
            assert!(told.contains(&(check, Level::Problem)), "{check}: {told:?}");
        }
        let problems: Vec<_> = service(&[&one]).into_iter().map(|one| one.check).collect();
        assert_eq!(problems, ["found", "version", "protocol"]);
        let elsewhere = instance("1.2.0", "gearshift.plugin.validator.v2.validate", &[]);
        assert_eq!(levels(&elsewhere)[0], ("subject", Level::Problem));
        let named = instance("1.2.0", "gearshift.plugin.validator.v1.validate_it", &[]);
        assert_eq!(levels(&named)[0], ("subject", Level::Warning));
    }
    #[test]
    fn instances_of_one_version_that_publish_other_schemas_are_named() {
        let of = |id: &str, version: &str, schema: &str| ServiceInfo {
            id: id.to_owned(),
            ..instance(version, "s", &[("gearshift.input", schema)])
        };
        let told = |list: &[&ServiceInfo]| {
            agreement(list).into_iter().map(|found| found.message).collect::<Vec<_>>()
        };
        let (one, same) = (of("a", "1.2.0", "{\"a\":1}"), of("b", "1.2.0", "{ \"a\": 1 }"));
        let (other, newer) = (of("c", "1.2.0", "{}"), of("d", "1.3.0", "{}"));
        assert!(told(&[&one, &same, &newer]).is_empty(), "spaces are no difference");
        let said = "`validate` of version 1.2.0 has another schema at `c` than at `a`";
        assert_eq!(told(&[&one, &same, &other, &newer]), [said]);
        let none = ServiceInfo { id: "e".to_owned(), ..instance("1.2.0", "s", &[]) };
        assert!(told(&[&none, &one]).is_empty(), "one that publishes none contradicts nobody");
        assert_eq!(told(&[&none, &one, &other]), [said]);
    }
}
