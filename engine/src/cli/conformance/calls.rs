//! What an operation answers: to nonsense always, to a sample where there is one.

use futures_util::future::join_all;
use gearshift_bus::EndpointInfo;
use gearshift_protocol::{Encoding, FailureKind, PluginFailure, headers, metadata, plugin};
use serde_json::Value;

use super::super::finding::Finding;
use super::desk::{Desk, Told};
use super::long;

/// Calls of a sample that are made at once.
const AT_ONCE: usize = 8;

/// What is no value in any encoding: JSON that ends too early, a byte that MessagePack never has.
const NONSENSE: [(&str, Encoding, &[u8]); 2] = [
    ("malformed", Encoding::Json, b"{\"never\": "),
    ("msgpack", Encoding::MessagePack, &[0xc1, 0xc1]),
];

/// Tries an operation.
pub(super) async fn operation(
    desk: &Desk<'_>,
    endpoint: &EndpointInfo,
    sample: Option<&Value>,
) -> Vec<Finding> {
    let mut list = Vec::new();
    for (check, encoding, body) in NONSENSE {
        let told = desk.send(&desk.fresh(), encoding.content_type(), body.to_vec()).await;
        list.push(refused(check, encoding.content_type(), &told));
    }
    let told = desk.send(&desk.fresh(), "text/plain", b"hello".to_vec()).await;
    list.push(strange(&told));
    match sample {
        None => list.push(Finding::skipped(
            "call",
            "not called: give an input by `-d`, `--data` or `--samples FILE`",
        )),
        Some(sample) => with_sample(desk, endpoint, sample, &mut list).await,
    }
    list
}

/// Nonsense must be refused for good.
fn refused(check: &'static str, content: &str, told: &Told) -> Finding {
    const HELP: &str = "answer it with the service error 400: an engine does not ask again then";
    match told {
        Told::Failure(failure) => match failure.kind {
            FailureKind::Permanent => {
                Finding::ok(check, format!("nonsense is refused: {}", words(failure)))
            }
            FailureKind::Retryable => Finding::warning(
                check,
                format!("nonsense as {content} is refused as retryable: {}", words(failure)),
                HELP,
            ),
        },
        Told::Output(output) => Finding::problem(
            check,
            format!("nonsense as {content} was answered with `{}`", short(output)),
            HELP,
        ),
        Told::Pending(_) => {
            Finding::problem(check, format!("nonsense as {content} was taken as long work"), HELP)
        }
        Told::Wrong(why) => Finding::problem(check, format!("nonsense as {content}: {why}"), HELP),
    }
}

fn strange(told: &Told) -> Finding {
    match told {
        Told::Failure(failure) => {
            Finding::ok("encoding", format!("text/plain is refused: {}", words(failure)))
        }
        Told::Output(_) | Told::Pending(_) => Finding::warning(
            "encoding",
            "a body of text/plain was taken",
            "refuse other types than application/json and application/msgpack with 415",
        ),
        Told::Wrong(why) => Finding::problem(
            "encoding",
            format!("text/plain: {why}"),
            "refuse it with the service error 415",
        ),
    }
}

async fn with_sample(
    desk: &Desk<'_>,
    endpoint: &EndpointInfo,
    sample: &Value,
    list: &mut Vec<Finding>,
) {
    list.extend(fits("sample", endpoint, metadata::METADATA_INPUT, sample));
    let call = desk.fresh();
    let output = match desk.call(&call, Encoding::Json, sample).await {
        Told::Output(output) => output,
        Told::Pending(_) => {
            list.push(Finding::problem(
                "call",
                format!("it answers `{}` without knowing where the result goes", headers::PENDING),
                format!("answer directly where a call has no `{}`", headers::RESULT_TO),
            ));
            // What becomes of a result without a place says nothing of one that has a place.
            let message = "not tried: it would promise a result to anybody";
            return list.push(Finding::skipped("long work", message));
        }
        told @ (Told::Failure(_) | Told::Wrong(_)) => {
            let help = "give a sample that succeeds, or mend the operation";
            return list.push(Finding::problem(
                "call",
                format!("the sample {}", lost(&told)),
                help,
            ));
        }
    };
    list.push(Finding::ok("call", format!("the sample gives `{}`", short(&output))));
    list.extend(fits("output", endpoint, metadata::METADATA_OUTPUT, &output));
    list.push(sized(&output));
    if endpoint
        .metadata
        .get(metadata::METADATA_IDEMPOTENT)
        .is_some_and(|told| told.trim() == "false")
    {
        let message = "not called again: it says that it is not idempotent";
        return list.push(Finding::skipped("repeat", message));
    }
    let again = gearshift_protocol::CallHeaders { attempt: 2, ..call };
    list.push(repeated(&output, &desk.call(&again, Encoding::Json, sample).await));
    list.push(packed(&desk.call(&desk.fresh(), Encoding::MessagePack, sample).await));
    list.push(at_once(desk, sample).await);
    if endpoint.metadata.contains_key(metadata::METADATA_HEARTBEAT) {
        list.extend(long::work(desk, endpoint, sample).await);
    }
}

/// Does a value fit the schema that the endpoint publishes? Nothing is said where it has none.
pub(super) fn fits(
    check: &'static str,
    endpoint: &EndpointInfo,
    key: &str,
    value: &Value,
) -> Option<Finding> {
    let schema: Value = serde_json::from_str(endpoint.metadata.get(key)?).ok()?;
    let validator = jsonschema::validator_for(&schema).ok()?;
    let wrong: Vec<String> = validator
        .iter_errors(value)
        .take(3)
        .map(|error| match error.instance_path().as_str() {
            "" => error.to_string(),
            path => format!("{path}: {error}"),
        })
        .collect();
    if wrong.is_empty() {
        return Some(Finding::ok(check, format!("it fits `{key}`")));
    }
    let help = match key == metadata::METADATA_OUTPUT {
        true => {
            "mend the schema or the answer: an engine refuses such an answer as `invalid_reply`, \
             code `reply_schema`"
        }
        false => "mend the schema or what it describes: definitions are checked against it",
    };
    Some(Finding::problem(check, format!("it does not fit `{key}`: {}", wrong.join("; ")), help))
}

fn sized(output: &Value) -> Finding {
    let size = output.to_string().len();
    let limit = plugin::BODY_BYTES_MAX;
    // What is larger inline is no answer at all.
    Finding::ok(
        "size",
        match size <= limit {
            true => format!("{size} bytes of at most {limit}"),
            false => format!("{size} bytes, in the object store"),
        },
    )
}

fn repeated(first: &Value, told: &Told) -> Finding {
    match told {
        Told::Output(second) if second == first => {
            Finding::ok("repeat", "the same call id is answered alike")
        }
        Told::Output(second) => Finding::problem(
            "repeat",
            format!(
                "the same call id is answered differently: first `{}`, then `{}`",
                short(first),
                short(second)
            ),
            format!(
                "calls are repeated after a lost answer: let the effect happen once per call id \
                 and answer a repeat as the first time, or say `{}: false`",
                metadata::METADATA_IDEMPOTENT
            ),
        ),
        Told::Failure(_) | Told::Pending(_) | Told::Wrong(_) => Finding::problem(
            "repeat",
            format!("the same call again {}", lost(told)),
            "answer a repeat of a call as the first time",
        ),
    }
}

fn packed(told: &Told) -> Finding {
    match told {
        Told::Output(_) => Finding::ok("msgpack", "an input in MessagePack is understood"),
        Told::Failure(_) | Told::Pending(_) | Told::Wrong(_) => Finding::problem(
            "msgpack",
            format!("the sample in MessagePack {}", lost(told)),
            "read the body by its Content-Type",
        ),
    }
}

async fn at_once(desk: &Desk<'_>, sample: &Value) -> Finding {
    let calls: Vec<_> = (0..AT_ONCE).map(|_| desk.fresh()).collect();
    let calls = calls.iter().map(|call| desk.call(call, Encoding::Json, sample));
    let told = join_all(calls).await;
    let missing: Vec<&Told> = told.iter().filter(|told| !matches!(told, Told::Output(_))).collect();
    match missing.first() {
        None => Finding::ok("at once", format!("{AT_ONCE} calls at once are answered")),
        Some(one) => Finding::problem(
            "at once",
            format!("{} of {AT_ONCE} calls at once failed; one {}", missing.len(), lost(one)),
            "answer calls beside each other, or let them wait in the queue of the bus",
        ),
    }
}

/// `failed: …` and the like.
pub(super) fn lost(told: &Told) -> String {
    match told {
        Told::Output(output) => format!("gave `{}`", short(output)),
        Told::Pending(_) => "is said to be long work".to_owned(),
        Told::Failure(failure) => format!("failed: {}", words(failure)),
        Told::Wrong(why) => format!("failed: {why}"),
    }
}

fn words(failure: &PluginFailure) -> String {
    match &*failure.message {
        "" => format!("{} ({})", failure.code, failure.kind.as_str()),
        message => format!("{message} ({}, {})", failure.code, failure.kind.as_str()),
    }
}

pub(super) fn short(value: &Value) -> String {
    const CHARACTERS: usize = 120;

    let text = value.to_string();
    if text.chars().count() <= CHARACTERS {
        return text;
    }
    text.chars().take(CHARACTERS).chain(['…']).collect()
}
