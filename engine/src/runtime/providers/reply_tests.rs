//! Replies of plugins, good and bad (rows P4-P9 of 06 §4).

use gearshift_bus::Subject;

use super::*;

const CALL: &str = "c1";

fn reply(body: impl Into<Vec<u8>>, list: &[(&str, &str)]) -> Message {
    let mut message = Message::new(Subject::parse("reply").unwrap(), body.into());
    for (name, value) in list {
        message.headers.insert(name, value).unwrap();
    }
    message
}

/// Kind, code and message of a failure.
fn failed(body: impl Into<Vec<u8>>, list: &[(&str, &str)]) -> (ErrorKind, String, String) {
    match read_reply(&reply(body, list), CALL) {
        CallOutcome::Failure { kind, code, message, .. } => {
            (kind, code.to_string(), message.to_string())
        }
        CallOutcome::Success(output) | CallOutcome::Cached(output) => panic!("{output:?}"),
    }
}

fn wish(text: &str) -> Option<u64> {
    let list = [(headers::SERVICE_ERROR_CODE, "503"), (headers::RETRY_AFTER, text)];
    match read_reply(&reply("", &list), CALL) {
        CallOutcome::Failure { retry_after_ms, .. } => retry_after_ms,
        CallOutcome::Success(output) | CallOutcome::Cached(output) => panic!("{output:?}"),
    }
}

#[test]
fn outputs_are_json_or_message_pack_or_nothing() {
    let read = |body: &[u8], list: &[_]| read_reply(&reply(body, list), CALL);
    assert_eq!(read(b"7", &[]), CallOutcome::Success(Value::Int(7)));
    assert_eq!(read(b"", &[]), CallOutcome::Success(Value::Null));
    let packed = [(headers::CONTENT_TYPE, headers::MESSAGE_PACK)];
    assert_eq!(read(&[7], &packed), CallOutcome::Success(Value::Int(7)));
    assert_eq!(read(b"7", &[(headers::CALL_ID, CALL)]), CallOutcome::Success(Value::Int(7)));
}

#[test]
fn a_handler_that_stopped_because_nobody_waits_counts_as_a_timeout_for_who_does() {
    let permanent = [(headers::SERVICE_ERROR_CODE, "499"), (headers::ERROR_KIND, "permanent")];
    for list in [&permanent[..], &permanent[..1]] {
        let (kind, code, _) = failed("", list);
        assert_eq!((kind, &*code), (ErrorKind::Timeout, "499"));
    }
}

#[test]
fn p4_a_reply_that_is_too_large_names_size_and_limit() {
    let (kind, code, text) = failed(vec![b' '; 65_537], &[]);
    assert_eq!((kind, &*code), (ErrorKind::InvalidReply, "reply_too_large"));
    assert!(text.contains("65537") && text.contains("65536"), "{text}");
}

#[test]
fn p5_a_reply_that_is_none_fails_for_good() {
    for body in ["{", "[1,2", "nul", "\u{0}"] {
        let (kind, code, _) = failed(body, &[]);
        assert_eq!((kind, &*code), (ErrorKind::InvalidReply, "reply_invalid"), "{body}");
    }
    let packed = [(headers::CONTENT_TYPE, headers::MESSAGE_PACK)];
    assert_eq!(failed([0xdb, 0xff, 0xff, 0xff, 0xff], &packed).0, ErrorKind::InvalidReply);
}

#[test]
fn p6_a_reply_to_another_call_is_refused_whatever_it_says() {
    for body in ["7", "{\"ok\":true}"] {
        let (kind, code, _) = failed(body, &[(headers::CALL_ID, "c2")]);
        assert_eq!((kind, &*code), (ErrorKind::InvalidReply, "reply_of_another_call"));
    }
    let list = [(headers::CALL_ID, "c2"), (headers::SERVICE_ERROR_CODE, "503")];
    assert_eq!(failed("", &list).1, "reply_of_another_call");
}

#[test]
fn p7_error_texts_and_codes_are_cut() {
    let mut message = reply("", &[]);
    // A header of the bus is shorter; other backends may take more.
    message.headers.insert(headers::SERVICE_ERROR, &"é".repeat(2_000)).unwrap();
    let CallOutcome::Failure { message: text, .. } = read_reply(&message, CALL) else { panic!() };
    assert!(text.len() <= ERROR_TEXT_MAX && text.len() > 3_900);
    let (_, code, _) = failed("", &[(headers::SERVICE_ERROR_CODE, &"4".repeat(3_000))]);
    assert_eq!(code.len(), CODE_MAX);
    assert_eq!(shortened(&"é".repeat(600_000), ERROR_TEXT_MAX).len(), ERROR_TEXT_MAX);
    assert_eq!(shortened(&format!("x{}", "é".repeat(4_000)), 4).len(), 3, "between characters");
}

#[test]
fn p7_a_long_text_with_a_secret_anywhere_stays_within_its_limit_and_without_it() {
    const SECRET: &str = "hunter2hunter2";
    for (before, after) in [("password=", ""), ("nats://ann:", "@bus:4222"), ("bearer ", "")] {
        // Around the cut, and so often that what takes its place is longer than it.
        for place in (ERROR_TEXT_MAX - 60..ERROR_TEXT_MAX + 4).chain([0, 7]) {
            let text = format!(
                "{} {before}{SECRET}{after} {}",
                "é".repeat(place / 2),
                "x y".repeat(350_000)
            );
            let kept = told(&text, ERROR_TEXT_MAX);
            assert!(kept.len() <= ERROR_TEXT_MAX && kept.len() > 3_900, "{}", kept.len());
            let shown = kept.find("hunt").map(|at| kept[at..].to_owned());
            assert_eq!(shown, None, "{before} at {place}");
        }
    }
    let many = "pwd=a ".repeat(200_000);
    assert_eq!(told(&many, ERROR_TEXT_MAX).len(), ERROR_TEXT_MAX);
    let (_, code, text) = failed(
        "",
        &[
            (headers::SERVICE_ERROR_CODE, "token=0123456789"),
            (headers::SERVICE_ERROR, "at f(): Authorization: Bearer 0123456789"),
        ],
    );
    assert_eq!((&*code, &*text), ("token=***", "at f(): Authorization: Bearer ***"));
}

#[test]
fn p8_only_durations_are_wishes() {
    assert_eq!(wish("30s"), Some(30_000));
    assert_eq!(wish("2"), Some(2_000));
    for text in ["-5", "NaN", "1e999", "", "soon", "99999999999999999999"] {
        assert_eq!(wish(text), None, "{text}");
    }
    assert_eq!(wish("18446744073709551615"), Some(u64::MAX), "the policy's cap holds it");
}

#[test]
fn p9_an_unknown_kind_of_error_is_left_to_a_person() {
    let of = |list: &[(&str, &str)]| failed("", list).0;
    let code = |code| (headers::SERVICE_ERROR_CODE, code);
    assert_eq!(of(&[code("500"), (headers::ERROR_KIND, "magic")]), ErrorKind::InvalidReply);
    assert_eq!(of(&[code("500"), (headers::ERROR_KIND, "permanent")]), ErrorKind::Permanent);
    assert_eq!(of(&[code("422"), (headers::ERROR_KIND, "retryable")]), ErrorKind::Retryable);
    assert_eq!(of(&[code("422")]), ErrorKind::Permanent);
    assert_eq!(of(&[code("503")]), ErrorKind::Retryable);
    assert_eq!(of(&[(headers::SERVICE_ERROR, "no code")]), ErrorKind::Retryable);
}

#[test]
fn a_result_announced_for_later_is_no_result() {
    assert_eq!(failed("{}", &[(headers::PENDING, "true")]).1, "pending_again");
}
