//! What plugins tell of themselves, and calls that answer later: the shapes on the wire.

use std::collections::BTreeMap;

use gearshift_protocol::{
    Announcement, AnnouncementKind, Heartbeat, Load, ObjectRef, Pending, PluginMetadata,
    PluginState, PluginStatus, Requirement, long_work, metadata, subjects,
};

fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn metadata_says_only_what_is_not_usual_and_reads_back() {
    let usual = PluginMetadata::default();
    assert_eq!(usual.to_map(), map(&[("gearshift.plugin", "1")]));
    let parser = Requirement {
        plugin: "document-parser".into(),
        version: ">=1.0.0".into(),
        optional: false,
    };
    let full = PluginMetadata {
        requires: vec![parser],
        interfaces: vec!["document-validator".into()],
        priority: -3,
        weight: 4,
        performance: 2,
        reliability: Some(0.999),
        concurrency: Some(16),
        instance: true,
        objects: true,
        state: Some(PluginState::Deactivating),
        since: Some("2026-11-22T10:00:00Z".into()),
    };
    let told = map(&[
        ("gearshift.plugin", "1"),
        (
            "gearshift.requires",
            r#"[{"plugin":"document-parser","version":">=1.0.0","optional":false}]"#,
        ),
        ("gearshift.interfaces", r#"["document-validator"]"#),
        ("gearshift.priority", "-3"),
        ("gearshift.weight", "4"),
        ("gearshift.performance", "2"),
        ("gearshift.reliability", "0.999"),
        ("gearshift.concurrency", "16"),
        ("gearshift.instance", "true"),
        ("gearshift.objects", "true"),
        ("gearshift.state", "deactivating"),
        ("gearshift.since", "2026-11-22T10:00:00Z"),
    ]);
    assert_eq!(full.to_map(), told);
    for one in [usual, full] {
        assert_eq!(PluginMetadata::from_map(&one.to_map()), Some(one));
    }
}

#[test]
fn metadata_of_strangers_is_not_believed() {
    assert_eq!(PluginMetadata::from_map(&map(&[])), None);
    assert_eq!(PluginMetadata::from_map(&map(&[("gearshift.plugin", "2")])), None);
    let many: Vec<_> = (0..metadata::LIST_MAX + 9).map(|n| format!("i{n}")).collect();
    let read = PluginMetadata::from_map(&map(&[
        ("gearshift.plugin", "1"),
        (
            "gearshift.requires",
            r#"[7,{"plugin":"a b"},{"plugin":"p"},{"plugin":"q","version":"?"}]"#,
        ),
        ("gearshift.interfaces", &serde_json::to_string(&many).unwrap()),
        ("gearshift.priority", "high"),
        ("gearshift.weight", "0"),
        ("gearshift.reliability", "NaN"),
        ("gearshift.concurrency", "-1"),
        ("gearshift.instance", "yes"),
    ]));
    let p = Requirement { plugin: "p".into(), version: "*".into(), optional: false };
    let interfaces = many[..metadata::LIST_MAX].to_vec();
    let expected = PluginMetadata { requires: vec![p], interfaces, ..PluginMetadata::default() };
    assert_eq!(read, Some(expected));
}

#[test]
fn requirements_accept_versions() {
    let parser = Requirement { plugin: "parser".into(), version: ">=1.2.0".into(), optional: true };
    assert!(parser.accepts("parser", "1.2.0") && parser.accepts("parser", "3.0.1"));
    assert!(!parser.accepts("parser", "1.1.9") && !parser.accepts("other", "1.2.0"));
    assert!(!parser.accepts("parser", "none"));
    assert_eq!(parser.to_string(), "parser >=1.2.0");
}

#[test]
fn a_load_is_overloaded_above_nine_tenths_and_available_below_three_quarters() {
    let load: Load = "3/16".parse().unwrap();
    assert_eq!((load, load.to_string()), (Load::new(3, 16), "3/16".to_owned()));
    assert!(Load::new(10, 10).is_overloaded() && !Load::new(9, 10).is_overloaded());
    assert!(Load::new(7, 10).is_available() && !Load::new(8, 10).is_available());
    assert!(!Load::new(u32::MAX, u32::MAX).is_available());
    for text in ["", "3", "3/0", "-1/4", "a/b", "3/16/2", "99999999999/1"] {
        assert!(text.parse::<Load>().is_err(), "{text}");
    }
}

#[test]
fn an_announcement_lies_flat() {
    let status = PluginStatus { state: PluginState::Active, load: Load::new(3, 16) };
    let mut told = Announcement {
        event: AnnouncementKind::Registered,
        id: "i1".into(),
        version: "1.2.0".into(),
        status,
        missing: vec![],
    };
    let text = concat!(
        r#"{"event":"registered","id":"i1","version":"1.2.0","#,
        r#""state":"active","in_flight":3,"capacity":16}"#
    );
    assert_eq!(serde_json::to_string(&told).unwrap(), text);
    assert_eq!(Announcement::parse(text.as_bytes()), Some(told.clone()));
    told.missing = vec!["parser >=1.0.0".into()];
    let body = serde_json::to_vec(&told).unwrap();
    assert_eq!(Announcement::parse(&body), Some(told));
    let newer = text.replace("registered", "moved").replace("active", "asleep");
    let newer = Announcement::parse(newer.as_bytes()).unwrap();
    assert_eq!(newer.event, AnnouncementKind::Other);
    assert_eq!(newer.status.state, PluginState::Unknown);
    assert_eq!(Announcement::parse(&vec![b' '; 9_000]), None);
    assert_eq!(subjects::announce("validator"), "gearshift.announce.validator");
}

#[test]
fn one_instance_has_a_subject_of_its_own() {
    let operation = subjects::plugin("validator", 1, "validate");
    let subject = subjects::plugin_instance(&operation, "Xy7");
    assert_eq!(subject, "gearshift.plugin.validator.v1.validate.Xy7");
}

#[test]
fn pending_is_a_header_with_an_interval_or_without() {
    let read = |pairs: &[(&'static str, String)]| {
        Pending::from_headers(|name| {
            let found = pairs.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
            found.map(|(_, value)| value.as_str())
        })
    };
    for heartbeat_ms in [None, Some(10_000), Some(1_500)] {
        let pending = Pending { heartbeat_ms };
        assert_eq!(read(&pending.to_headers()), Some(pending));
    }
    assert_eq!(read(&[]), None);
    assert_eq!(read(&[("Gearshift-Pending", "false".into())]), None);
    let odd = [("Gearshift-Pending", "true".into()), ("Gearshift-Heartbeat", "0s".into())];
    assert_eq!(read(&odd), Some(Pending::default()));
    assert_eq!(long_work::result_id("c-1", 2), "c-1.2");
}

#[test]
fn heartbeats_are_read_whatever_a_plugin_makes_of_them() {
    let beat = Heartbeat::new(2, Some(40), "page 4 of 10");
    let text = r#"{"attempt":2,"percent":40,"note":"page 4 of 10"}"#;
    assert_eq!(String::from_utf8(beat.to_body()).unwrap(), text);
    assert_eq!(Heartbeat::parse(text.as_bytes()), Some(beat));
    assert_eq!(Heartbeat::new(1, Some(200), "").percent, Some(100));
    let read = |text: &str| Heartbeat::parse(text.as_bytes());
    assert_eq!(read(""), Some(Heartbeat::new(1, None, "")));
    assert_eq!(read("{}"), Some(Heartbeat::new(1, None, "")));
    let percent = |text: &str| read(&format!(r#"{{"percent":{text}}}"#)).unwrap().percent;
    assert_eq!(percent("99.6"), Some(100));
    assert_eq!((percent("-3"), percent("1e9"), percent("null")), (Some(0), Some(100), None));
    assert_eq!(percent(r#""half""#), None);
    let long = read(&format!(r#"{{"note":"{}\n"}}"#, "ü".repeat(300))).unwrap();
    assert!(long.note.len() <= long_work::NOTE_BYTES_MAX && long.note.ends_with('…'));
    for wrong in ["7", "x", r#"{"attempt":-1}"#] {
        assert_eq!(read(wrong), None, "{wrong}");
    }
    assert_eq!(read(&" ".repeat(5_000)), None);
}

#[test]
fn only_a_reference_is_an_object() {
    let object = ObjectRef { bucket: "bodies".into(), name: "c-1.in".into() };
    assert_eq!(String::from_utf8(object.to_body()).unwrap(), r#"{"$object":"bodies/c-1.in"}"#);
    assert_eq!(ObjectRef::parse(&object.to_body()), Some(object));
    let long = format!(r#"{{"$object":"a/{}"}}"#, "x".repeat(600));
    for other in [
        "",
        "{}",
        r#"{"$object":7}"#,
        r#"{"$object":"a"}"#,
        r#"{"$object":"a/"}"#,
        r#"{"$object":"a.b/c"}"#,
        r#"{"$object":"a/b/c"}"#,
        r#"{"$object":"a/b","more":1}"#,
        &long,
    ] {
        assert_eq!(ObjectRef::parse(other.as_bytes()), None, "{other}");
    }
}
