//! The shapes on the wire, as text: a change here is a change of the protocol.
#![expect(clippy::unwrap_used, reason = "tests")]

use gearshift_protocol::command::{DeadLetterResult, Start, StartReply, Verb};
use gearshift_protocol::query::{Instances, What};
use gearshift_protocol::subjects::{self, OperationRef};
use gearshift_protocol::view::{InstanceSummary, Page, Task};
use gearshift_protocol::{
    CallHeaders, CloudEvent, EventHeaders, EventReply, FailureKind, InstanceVerdict, Notice,
    NoticeKind, PluginFailure, Status, Verdict, Wait,
};
use proptest::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// `value` is written as `text`, and both JSON and MessagePack bring it back.
#[track_caller]
fn check<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(value: &T, text: &str) {
    assert_eq!(serde_json::to_string(value).unwrap(), text);
    assert_eq!(&serde_json::from_str::<T>(text).unwrap(), value);
    for encoding in [gearshift_protocol::Encoding::Json, gearshift_protocol::Encoding::MessagePack]
    {
        let bytes = encoding.encode(value).unwrap();
        assert_eq!(&encoding.decode::<T>(&bytes).unwrap(), value);
    }
}

fn names(list: &[&str]) -> Vec<String> {
    list.iter().map(|name| (*name).to_owned()).collect()
}

fn verdict(verdict: Verdict) -> InstanceVerdict {
    InstanceVerdict {
        instance: "order/o-7".into(),
        workflow: "order".into(),
        key: "o-7".into(),
        version: 2,
        generation: 1,
        step: 4,
        status: Some(Status::Running),
        active: names(&["paid"]),
        left_out: Vec::new(),
        definition_unknown: false,
        takes_back: Vec::new(),
        does_again: Vec::new(),
        verdict,
    }
}

#[test]
fn a_verdict_lies_flat_beside_its_instance() {
    let moved =
        Verdict::Transitioned { from: names(&["draft"]), to: names(&["paid"]), waiting: false };
    check(
        &EventReply::new(vec![verdict(moved)]),
        concat!(
            r#"{"verdicts":[{"instance":"order/o-7","workflow":"order","key":"o-7","#,
            r#""version":2,"generation":1,"step":4,"status":"running","active":["paid"],"#,
            r#""verdict":"transitioned","from":["draft"],"to":["paid"],"waiting":false}],"#,
            r#""reached":true}"#
        ),
    );
    let result = DeadLetterResult {
        id: "d1".into(),
        verdict: InstanceVerdict::without_instance(Verdict::Done),
    };
    check(
        &result,
        concat!(
            r#"{"id":"d1","instance":"","workflow":"","key":"","version":0,"generation":0,"#,
            r#""step":0,"active":[],"verdict":"done"}"#
        ),
    );
    let short: EventReply =
        serde_json::from_str(r#"{"verdicts":[{"instance":"","verdict":"busy"}]}"#).unwrap();
    assert!(short.reached);
    assert_eq!(short.verdicts[0].verdict, Verdict::Busy);
}

#[test]
fn every_verdict_has_its_word_and_its_exit_code() {
    let reason = || "r".to_owned();
    for (verdict, word, code) in [
        (Verdict::Transitioned { from: vec![], to: vec![], waiting: true }, "transitioned", 0),
        (Verdict::Started { to: vec![] }, "started", 0),
        (Verdict::Deferred, "deferred", 0),
        (Verdict::Ignored { reason: reason() }, "ignored", 4),
        (Verdict::Duplicate { at: 1 }, "duplicate", 0),
        (Verdict::IdReuse { at: 1 }, "id_reuse", 4),
        (Verdict::NoInstance, "no_instance", 3),
        (Verdict::Rejected { reason: reason(), accepted: vec![] }, "rejected", 4),
        (Verdict::Denied { reason: reason() }, "denied", 5),
        (Verdict::DeadLettered { reason: reason() }, "dead_lettered", 4),
        (Verdict::Stuck { reason: reason() }, "stuck", 1),
        (Verdict::Buffered, "buffered", 0),
        (Verdict::Done, "done", 0),
        (Verdict::Busy, "busy", 6),
    ] {
        assert_eq!((verdict.as_str(), verdict.exit_code()), (word, code));
        assert_eq!(serde_json::to_value(&verdict).unwrap()["verdict"], word);
    }
}

#[test]
fn exit_codes_of_replies() {
    let reply = |verdicts: &[Verdict], reached| EventReply {
        verdicts: verdicts.iter().cloned().map(verdict).collect(),
        reached,
    };
    assert_eq!(reply(&[], true).exit_code(), 3);
    assert_eq!(reply(&[Verdict::Done, Verdict::Deferred], true).exit_code(), 0);
    assert_eq!(reply(&[Verdict::Done], false).exit_code(), 7);
    assert_eq!(reply(&[Verdict::Done, Verdict::NoInstance], true).exit_code(), 8);
    assert_eq!(reply(&[Verdict::NoInstance, Verdict::NoInstance], true).exit_code(), 3);

    let start = |status, reached| StartReply {
        verdict: InstanceVerdict { status: Some(status), ..verdict(Verdict::Done) },
        reached,
        output: None,
    };
    assert_eq!(start(Status::Done, true).exit_code(), 0);
    assert_eq!(start(Status::Failed, true).exit_code(), 1);
    assert_eq!(start(Status::Running, false).exit_code(), 7);
}

#[test]
fn commands_and_queries() {
    check(
        &Start { workflow: "order".into(), wait: Wait::State("paid".into()), ..Start::default() },
        r#"{"workflow":"order","input":null,"wait":{"state":"paid"}}"#,
    );
    assert_eq!(
        serde_json::from_str::<Start>(r#"{"workflow":"order"}"#).unwrap(),
        Start { workflow: "order".into(), ..Start::default() }
    );
    check(
        &Instances { filter: Some("status == 'stuck'".into()), ..Instances::default() },
        r#"{"where":"status == 'stuck'"}"#,
    );
    for verb in Verb::ALL {
        assert_eq!(Verb::parse(verb.as_str()), Some(verb));
    }
    for what in What::ALL {
        assert_eq!(What::parse(what.as_str()), Some(what));
    }
}

#[test]
fn views() {
    let summary = InstanceSummary {
        id: "order/o-7".into(),
        workflow: "order".into(),
        version: 2,
        key: "o-7".into(),
        generation: 1,
        status: Status::Stuck,
        active: names(&["charging"]),
        started_at: "2026-01-01T00:00:00.000Z".into(),
        updated_at: "2026-01-01T00:00:01.000Z".into(),
        age_s: 12,
        step: 3,
        stuck_reason: Some("no card".into()),
        rollback_reason: None,
        end: None,
        parent: None,
        transaction: None,
        left_out: Vec::new(),
        definition_unknown: false,
    };
    check(
        &Page::from(vec![summary]),
        concat!(
            r#"{"items":[{"id":"order/o-7","workflow":"order","version":2,"key":"o-7","#,
            r#""generation":1,"status":"stuck","active":["charging"],"#,
            r#""started_at":"2026-01-01T00:00:00.000Z","updated_at":"2026-01-01T00:00:01.000Z","#,
            r#""age_s":12,"step":3,"stuck_reason":"no card"}]}"#
        ),
    );
    let task: Task =
        serde_json::from_str(r#"{"id":"a/b","workflow":"a@1","choices":["approve"]}"#).unwrap();
    assert_eq!((task.need, task.due), (1, None));
}

#[test]
fn notices() {
    let notice = Notice {
        workflow: "a.b".into(),
        key: "k".into(),
        generation: 1,
        step: 2,
        at: "2026-01-01T00:00:00.000Z".into(),
        kind: NoticeKind::CallFailed,
        data: serde_json::json!({}),
    };
    assert_eq!(notice.subject(), "gearshift.notice.a=2Eb.call_failed");
    assert_eq!(notice.instance(), "a.b/k");
    let newer: NoticeKind = serde_json::from_str(r#""levitated""#).unwrap();
    assert_eq!(newer, NoticeKind::Other);
    check(&notice.kind, r#""call_failed""#);
}

#[test]
fn operations_are_read_with_their_requirement() {
    let plain: OperationRef = "validator.validate_document".parse().unwrap();
    assert_eq!((plain.plugin.as_str(), plain.requirement.as_deref()), ("validator", None));
    assert_eq!((plain.major(), plain.accepts("9.0.0")), (None, true));
    let pinned: OperationRef = "validator@^1.2.validate_document".parse().unwrap();
    assert_eq!(pinned.requirement.as_deref(), Some("^1.2"));
    assert_eq!(pinned.major(), Some(1));
    assert!(pinned.accepts("1.2.0") && pinned.accepts("1.9.3"));
    assert!(!pinned.accepts("1.1.9") && !pinned.accepts("2.0.0") && !pinned.accepts("one"));
    assert_eq!(pinned.subject(1), "gearshift.plugin.validator.v1.validate_document");
    assert_eq!(pinned.to_string(), "validator@^1.2.validate_document");
    let range: OperationRef = "pyp@>=1, <2.work".parse().unwrap();
    assert!(range.accepts("1.9.3") && !range.accepts("2.0.0"));
    assert_eq!((range.major(), range.operation.as_str()), (Some(1), "work"));
    for wrong in [
        "",
        "validator",
        ".op",
        "v.",
        "v@.op",
        "v@oops.op",
        "a b.op",
        "v.o p",
        "v@^1.2",
        "v@^1 .op",
        "a.b.c",
    ] {
        assert!(wrong.parse::<OperationRef>().is_err(), "{wrong}");
    }
}

#[test]
fn command_subjects_name_the_user() {
    assert_eq!(
        subjects::command("ann@example.org", "cancel"),
        "gearshift.command.ann@example=2Eorg.cancel"
    );
    let (user, verb) = subjects::parse_command("gearshift.command.ann=2Ex.cancel").unwrap();
    assert_eq!((user.as_str(), verb), ("ann.x", "cancel"));
    assert_eq!(subjects::parse_command("gearshift.command.=.kill").unwrap().0, "");
    for wrong in [
        "gearshift.command.a=2e.kill",
        "gearshift.command.=41.kill",
        "gearshift.command.a",
        "gearshift.command.a.b.c",
        "gearshift.query.x.y",
        "gearshift.command.=FF.kill",
    ] {
        assert_eq!(subjects::parse_command(wrong), None, "{wrong}");
    }
}

#[test]
fn event_headers_come_back() {
    let full = EventHeaders {
        id: Some("e 1".into()),
        source: Some("/orders/ü".into()),
        event_type: None,
        subject: Some("50%".into()),
        time: Some("2026-01-01T00:00:00Z".into()),
        instance: Some("order/o 7".into()),
        wait_for: Wait::End,
        timeout_ms: Some(1500),
        traceparent: Some("00-a-b-01".into()),
        tracestate: None,
    };
    let sent = full.to_headers();
    let get = |name: &str| {
        sent.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    };
    assert_eq!(get("CE-ID"), Some("e%201"));
    assert_eq!(get("gearshift-wait-for"), Some("@end"));
    assert_eq!(EventHeaders::from_headers(get), full);
    assert_eq!(EventHeaders::from_headers(|_| None), EventHeaders::default());
}

#[test]
fn a_structured_cloud_event() {
    let text = r#"{"specversion":"1.0","id":"1","source":"/s","type":"order.paid","data":{"a":1}}"#;
    let event: CloudEvent = serde_json::from_str(text).unwrap();
    check(&event, text);
}

#[test]
fn failures_travel_in_headers() {
    let failure = PluginFailure {
        kind: FailureKind::Retryable,
        code: "503".into(),
        message: format!("line one\r\nX-Forged: 1\n{}", "ü".repeat(2000)),
        retry_after_ms: Some(1500),
    };
    let sent = failure.to_headers();
    let get = |name: &str| sent.iter().find(|(n, _)| *n == name).map(|(_, value)| value.as_str());
    let back = PluginFailure::from_headers(get).unwrap();
    assert!(back.message.len() <= 1024 && back.message.ends_with('…'), "{}", back.message.len());
    assert!(back.message.starts_with("line one  X-Forged: 1 ü"));
    assert_eq!((back.kind, back.retry_after_ms), (FailureKind::Retryable, Some(1500)));

    for (code, kind, after, expected) in [
        ("422", None, None, (FailureKind::Permanent, None)),
        ("500", None, Some("-3s"), (FailureKind::Retryable, None)),
        ("oops", Some("worse"), Some("NaN"), (FailureKind::Retryable, None)),
        ("422", Some("retryable"), Some("30"), (FailureKind::Retryable, Some(30_000))),
        ("500", Some("permanent"), Some("99999999999999999d"), (FailureKind::Permanent, None)),
    ] {
        let back = PluginFailure::from_headers(|name| match name {
            "Nats-Service-Error-Code" => Some(code),
            "Gearshift-Error-Kind" => kind,
            "Gearshift-Retry-After" => after,
            _ => None,
        });
        assert_eq!(back.map(|back| (back.kind, back.retry_after_ms)), Some(expected), "{code}");
    }
    assert_eq!(PluginFailure::from_headers(|_| None), None);
}

#[test]
fn call_headers_come_back_and_may_be_absent() {
    let call = CallHeaders {
        call_id: "abc".into(),
        attempt: 3,
        deadline: Some("2026-01-01T00:00:00Z".into()),
        workflow: "order@2".into(),
        instance: "order/ü 7".into(),
        step: "charging".into(),
        ..CallHeaders::default()
    };
    let sent = call.to_headers();
    let get = |name: &str| sent.iter().find(|(n, _)| *n == name).map(|(_, value)| value.as_str());
    assert!(get("Gearshift-Instance").unwrap().is_ascii());
    assert_eq!(CallHeaders::from_headers(get), call);
    assert_eq!(CallHeaders::from_headers(|_| None).attempt, 1);
}

proptest! {
    #[test]
    fn any_text_is_one_token_and_comes_back(text in ".{0,40}") {
        let token = subjects::escape(&text);
        let legal = |c: char| c.is_ascii_alphanumeric() || "-_@=".contains(c);
        prop_assert!(!token.is_empty() && token.chars().all(legal));
        prop_assert_eq!(subjects::unescape(&token), Some(text));
    }

    #[test]
    fn no_two_tokens_name_one_user(token in "[A-Za-z0-9=]{0,12}") {
        if let Some(text) = subjects::unescape(&token) {
            prop_assert_eq!(subjects::escape(&text), token);
        }
    }

    #[test]
    fn header_values_come_back(text in ".{0,40}") {
        let value = gearshift_protocol::event::ce_encode(&text);
        prop_assert!(value.bytes().all(|byte| byte.is_ascii_graphic()));
        prop_assert_eq!(gearshift_protocol::event::ce_decode(&value), text);
    }
}
