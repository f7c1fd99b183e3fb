//! Rows E1, E3, E9, E18, E19, E22 of the bad-input catalogue, and the three encodings.

use gearshift_bus::Headers;
use gearshift_machine::machine::Timestamp;
use gearshift_machine::value::Value;

use super::{Incoming, IntakeError, decode};

fn headers(list: &[(&str, &str)]) -> Headers {
    let mut headers = Headers::default();
    for (name, value) in list {
        headers.insert(name, value).unwrap_or_else(|error| panic!("header {name}: {error}"));
    }
    headers
}

fn read(list: &[(&str, &str)], body: &[u8]) -> Result<Incoming, IntakeError> {
    decode("user.action", &headers(list), body, None)
}

fn code(list: &[(&str, &str)], body: &[u8]) -> &'static str {
    read(list, body).map_or_else(|error| error.code, |_| "accepted")
}

#[test]
fn json_body_takes_type_from_subject_and_id_from_the_header() {
    let incoming = read(&[("Nats-Msg-Id", "m1")], br#"{"action":"approve"}"#);
    let incoming = incoming.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(&*incoming.event.name, "user.action");
    assert_eq!(incoming.event.id.as_deref(), Some("m1"));
    assert_eq!(
        incoming.event.data.and_then(|data| data.get("action").cloned()),
        Some("approve".into())
    );
}

#[test]
fn messagepack_body_is_equal_in_rights() {
    let body = rmp_serde::to_vec_named(&Value::from_json(br#"{"a":[1,2]}"#).unwrap_or_default());
    let incoming = read(&[("Content-Type", "application/msgpack")], &body.unwrap_or_default());
    let data = incoming.map(|incoming| incoming.event.data);
    assert_eq!(data.map(|data| data.map(|data| data.to_json())), Ok(Some(r#"{"a":[1,2]}"#.into())));
}

#[test]
fn messagepack_with_something_behind_it_is_refused() {
    let body = rmp_serde::to_vec_named(&Value::empty_map()).unwrap_or_default();
    let list = [("Content-Type", "application/msgpack")];
    assert_eq!(code(&list, &body), "accepted");
    assert_eq!(code(&list, &[body.as_slice(), &[0]].concat()), "GS3001");
}

#[test]
fn binary_payloads_of_envelopes_are_refused_by_name() {
    let body = br#"{"specversion":"1.0","type":"order.paid","data_base64":"e30="}"#;
    let refused = read(&[("Content-Type", "application/cloudevents+json")], body);
    let told = refused.map(|_| ()).map_err(|error| error.to_string());
    assert!(told.is_err_and(|told| told.contains("data_base64")));
}

#[test]
fn cloudevents_binary_mode_reads_any_header_case_and_percent_encoding() {
    let list = [
        ("CE-ID", "a%20b"),
        ("ce-Type", "order.paid"),
        ("ce-source", "/shop"),
        ("ce-time", "2026-11-21T10:00:00Z"),
    ];
    let event = read(&list, b"{}").unwrap_or_else(|error| panic!("{error}")).event;
    assert_eq!((&*event.name, event.id.as_deref()), ("order.paid", Some("a b")));
    assert_eq!(event.source.as_deref(), Some("/shop"));
    assert_eq!(event.time, Some(Timestamp(1_795_255_200_000)));
}

#[test]
fn cloudevents_structured_mode_reads_the_envelope() {
    let body =
        br#"{"specversion":"1.0","type":"order.paid","id":"7","source":"/s","data":{"n":1}}"#;
    let event = read(&[("Content-Type", "application/cloudevents+json")], body)
        .unwrap_or_else(|error| panic!("{error}"))
        .event;
    assert_eq!((&*event.name, event.id.as_deref()), ("order.paid", Some("7")));
    assert_eq!(event.data.map(|data| data.to_json()).as_deref(), Some(r#"{"n":1}"#));
}

#[test]
fn the_seeds_field_and_the_header_address_an_instance() {
    let by_field = read(&[], br#"{"workflowInstanceId":"doc-7"}"#).map(|event| event.addressed);
    assert_eq!(by_field, Ok(Some("doc-7".to_owned())));
    let by_header = read(&[("Gearshift-Instance", "w/k")], br#"{"workflowInstanceId":"doc-7"}"#);
    assert_eq!(by_header.map(|event| event.addressed), Ok(Some("w/k".to_owned())));
}

#[test]
fn e1_bodies_that_are_no_object_are_refused() {
    for body in [&b""[..], b"nonsense", b"[1]", b"\"text\"", b"{\"a\":1} trailing"] {
        assert_eq!(code(&[], body), "GS3001", "{}", String::from_utf8_lossy(body));
    }
}

#[test]
fn e2_a_body_over_the_limit_is_refused_with_both_numbers() {
    let body = format!("{{\"a\":\"{}\"}}", "x".repeat(65_536));
    let error = read(&[], body.as_bytes()).map(|_| ()).map_err(|error| error.to_string());
    assert_eq!(
        error,
        Err("event_too_large: event body of 65544 bytes exceeds the limit of 65536 bytes"
            .to_owned())
    );
}

#[test]
fn e3_numbers_that_would_lose_digits_are_refused() {
    assert_eq!(code(&[], b"{\"n\":9007199254740993}"), "accepted");
    assert_eq!(code(&[], b"{\"n\":1234567890123456789012345}"), "GS3002");
    assert_eq!(code(&[], b"{\"n\":1e400}"), "GS3002");
    assert_eq!(code(&[], b"{\"n\":1e30}"), "accepted");
}

#[test]
fn e9_event_ids_are_short_and_printable() {
    assert_eq!(code(&[("ce-id", "")], b"{}"), "GS3004");
    assert_eq!(code(&[("ce-id", &"x".repeat(300))], b"{}"), "GS3004");
    assert_eq!(code(&[("ce-id", "a%0Ab")], b"{}"), "GS3004");
}

#[test]
fn e19_times_have_a_range() {
    assert_eq!(code(&[("ce-time", "2026-06-30T23:59:60Z")], b"{}"), "accepted");
    assert_eq!(code(&[("ce-time", "9999-12-31T23:59:59+01:00")], b"{}"), "accepted");
    assert_eq!(code(&[("ce-time", "9999-12-31T23:59:59-01:00")], b"{}"), "GS3008");
    assert_eq!(code(&[("ce-time", "2026-11-21T10:00:00")], b"{}"), "GS3008");
    let last = read(&[("ce-time", "9999-12-31T23:59:59Z")], b"{}").map(|one| one.event.time);
    assert_eq!(last, Ok(Some(Timestamp(253_402_300_799_000))));
    assert_eq!(code(&[("ce-time", "0001-01-01T00:00:00+14:00")], b"{}"), "GS3008");
    assert_eq!(code(&[("ce-time", "yesterday")], b"{}"), "GS3008");
}

#[test]
fn e22_and_rule_28_names_from_outside() {
    for name in ["done.state.a", "error.x", "gearshift.event.x", "workflow.started", "after.x"] {
        let refused = decode(name, &Headers::default(), b"{}", None).map_err(|error| error.code);
        assert_eq!(refused.map(|_| ()), Err("GS3003"), "{name}");
    }
    assert!(decode("timer.expired", &Headers::default(), b"{}", None).is_ok());
    assert_eq!(code(&[("ce-type", "bad%FFname")], b"{}"), "GS3003");
    assert_eq!(code(&[], b"{\"a\":\"\xff\"}"), "GS3001");
}
