//! P1–P5, P7, P8: plugins that are not there, too late, twice, too large, or nonsense.

use std::time::Duration;

use gearshift_bus::{Bus, Message, SubjectPattern};
use gearshift_client::protocol::headers;
use gearshift_client::protocol::query::Plugins;
use gearshift_client::protocol::view::InstanceDetail;
use gearshift_tests::world::{Answer, Recorded, World, eventually, eventually_async};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::flows::{CALLER, each};

fn wanted(world: &World) {
    world.send("call.wanted", None, &json!({ "key": "a" }));
}

fn retrying(one: &InstanceDetail) -> Option<(u32, String)> {
    let call = one.calls.first()?;
    Some((call.attempt, call.next_attempt.clone()?))
}

/// Answers every call with the same message, whatever it is.
pub(super) async fn raw(bus: &Bus, group: &str, reply: Message) -> JoinSet<()> {
    raw_each(bus, group, vec![reply]).await
}

/// Answers each call with the message that its key `r<number>` names, else with the first.
async fn raw_each(bus: &Bus, group: &str, replies: Vec<Message>) -> JoinSet<()> {
    let pattern = SubjectPattern::parse("gearshift.plugin.recorded.v1.work").unwrap();
    let mut server = bus.requests().serve(&pattern, group).await.unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        while let Some(request) = server.next().await {
            // What is too large for the bus is never sent: the caller waits until its deadline.
            let input = serde_json::from_slice::<Value>(&request.message.payload).unwrap();
            let number = input["key"].as_str().and_then(|key| key.strip_prefix('r')?.parse().ok());
            let reply = replies[number.unwrap_or(0_usize)].clone();
            drop(request.respond(reply).await);
        }
    });
    tasks
}

pub(super) fn message(body: impl Into<Vec<u8>>) -> Message {
    let subject = gearshift_bus::Subject::parse("reply").unwrap();
    Message::new(subject, body.into())
}

#[test]
fn p1_a_plugin_that_nobody_serves_is_retried_by_the_policy_until_it_comes() {
    each(CALLER, |world| {
        wanted(world);
        let (attempt, _) = world.until("caller/a", "a retry", retrying);
        assert_eq!(attempt, 1);
        let why = world.run(world.client().why("caller/a")).unwrap();
        let told = why.lines.join("\n");
        assert!(told.contains("recorded"), "{told}");
        let plugin = Recorded::new(|_| Answer::Output(json!({ "n": 1 })));
        let _running = world.run(plugin.serve(&world.bus()));
        world.advance(Duration::from_secs(10));
        let done = world.wait_for("caller/a", "finished");
        assert_eq!(done.vars["output"], json!({ "n": 1 }));
        assert_eq!(plugin.seen()[0].attempt, 2);
    });
}

#[test]
fn p1_without_a_plugin_the_attempts_end_with_a_reason() {
    each(CALLER, |world| {
        wanted(world);
        for attempt in [1, 2] {
            world.until("caller/a", "a retry", |one| {
                retrying(one).filter(|(seen, _)| *seen == attempt)
            });
            world.advance(Duration::from_secs(10));
        }
        let broken = world.wait_for("caller/a", "broken");
        assert_eq!(broken.vars["kind"], json!("plugin_not_found"));
    });
}

#[test]
fn p2_no_reply_until_the_deadline_is_retried_under_the_same_id() {
    each(CALLER, |world| {
        let plugin = Recorded::new(|seen| match seen.attempt {
            1 => Answer::Never,
            _ => Answer::Output(json!({ "n": 2 })),
        });
        let _running = world.run(plugin.serve(&world.bus()));
        wanted(world);
        world.run(eventually("the first attempt", || plugin.seen().pop()));
        world.advance(Duration::from_secs(6));
        world.until("caller/a", "a retry", retrying);
        world.advance(Duration::from_secs(10));
        world.wait_for("caller/a", "finished");
        let seen = plugin.seen();
        assert_eq!((seen[0].attempt, seen[1].attempt, seen.len()), (1, 2, 2));
        assert_eq!(seen[0].call_id, seen[1].call_id);
        assert_eq!(seen[0].input, seen[1].input);
    });
}

#[test]
fn p3_of_two_different_replies_the_first_counts() {
    each(CALLER, |world| {
        let bus = world.bus();
        // Two groups: each gets the request, and each answers.
        let (_first, _second) = world.run(async {
            (raw(&bus, "q", message("{\"n\":1}")).await, raw(&bus, "p", message("{\"n\":2}")).await)
        });
        drop(bus);
        wanted(world);
        let done = world.wait_for("caller/a", "finished");
        let output = done.vars["output"].clone();
        assert!(output == json!({ "n": 1 }) || output == json!({ "n": 2 }), "{output}");
        world.restart();
        assert_eq!(world.instance("caller/a").vars["output"], output);
    });
}

#[test]
fn p3_a_second_reply_that_differs_is_counted_at_the_operation_and_an_equal_one_is_not() {
    each(CALLER, |world| {
        let plugin = Recorded::new(|_| Answer::Output(json!({ "n": 1 })));
        let _running = world.run(plugin.serve(&world.bus()));
        let others = vec![message("{\"n\":1}"), message("{\"n\":2}")];
        let _others = world.run(raw_each(&world.bus(), "p", others));
        let client = world.client();
        let conflicts = async || {
            let page = client.plugins(&Plugins::default()).await.ok()?;
            Some(page.items.first()?.operations.first()?.conflicts)
        };
        for (key, expected) in [("r0", 0), ("r1", 1)] {
            world.send("call.wanted", None, &json!({ "key": key }));
            world.wait_for(&format!("caller/{key}"), "finished");
            world.run(eventually_async("the second reply", async || {
                (conflicts().await? == expected).then_some(())
            }));
        }
    });
}

#[test]
fn p7_a_secret_in_an_error_text_is_not_kept() {
    each(CALLER, |world| {
        let secret = "hunter2hunter2";
        let text = format!("at f(): nats://ann:{secret}@bus, password={secret}, token: {secret}");
        let plugin = Recorded::new(move |_| Answer::Permanent(text.clone()));
        let _running = world.run(plugin.serve(&world.bus()));
        wanted(world);
        let broken = world.wait_for("caller/a", "broken");
        let kept = broken.vars["message"].as_str().unwrap();
        assert_eq!(kept, "at f(): nats://***@bus, password=***, token: ***");
        let history = serde_json::to_string(&world.history("caller/a")).unwrap();
        assert!(!history.contains(secret), "{history}");
    });
}

#[test]
fn p4_a_reply_that_is_too_large_is_a_failure() {
    each(CALLER, |world| {
        let bus = world.bus();
        let large = message(format!("\"{}\"", "x".repeat(200 * 1_024)));
        let _raw = world.run(raw(&bus, "q", large));
        drop(bus);
        wanted(world);
        let broken = world.wait_for("caller/a", "broken");
        assert_eq!(broken.vars["code"], json!("reply_too_large"));
        let text = broken.vars["message"].as_str().unwrap();
        assert!(text.contains("204802") && text.contains("65536"), "{text}");
    });
}

#[test]
fn p4_a_reply_that_the_bus_does_not_take_ends_at_the_deadline() {
    each(&CALLER.replace("attempts: 3", "attempts: 1"), |world| {
        let bus = world.bus();
        let huge = message(format!("\"{}\"", "x".repeat(2 * 1_024 * 1_024)));
        let _raw = world.run(raw(&bus, "q", huge));
        drop(bus);
        wanted(world);
        world.until("caller/a", "the call", |one| one.calls.first()?.deadline.clone());
        world.advance(Duration::from_secs(6));
        let broken = world.wait_for("caller/a", "broken");
        assert_eq!(broken.vars["kind"], json!("timeout"));
    });
}

#[test]
fn p5_replies_that_are_none_fail_for_good() {
    let deep = [vec![0x91; 100_000], vec![0xc0]].concat();
    // A string of 4 GiB that is not there, and nesting without end.
    let packed = [vec![0xdb, 0xff, 0xff, 0xff, 0xff, b'x'], deep];
    let plain = ["{".to_owned(), "[1,2".to_owned(), "\u{0}".to_owned(), "[".repeat(100_000)];
    let replies = plain
        .iter()
        .map(|text| message(text.as_bytes()))
        .chain(packed.into_iter().map(|bytes| {
            message(bytes).with_header(headers::CONTENT_TYPE, headers::MESSAGE_PACK).unwrap()
        }))
        .collect::<Vec<_>>();
    each(CALLER, |world| {
        let bus = world.bus();
        let _raw = world.run(raw_each(&bus, "q", replies.clone()));
        drop(bus);
        for number in 0..replies.len() {
            let key = format!("r{number}");
            // Five of them in a row open the breaker: each one behind is its trial.
            world.advance(Duration::from_secs(60));
            world.send("call.wanted", None, &json!({ "key": key }));
            let broken = world.wait_for(&format!("caller/{key}"), "broken");
            assert_eq!(broken.vars["kind"], json!("invalid_reply"), "reply {number}");
        }
    });
}

#[test]
fn p7_a_long_error_text_is_cut() {
    each(CALLER, |world| {
        let text = format!("{} at line 7", "é".repeat(400_000));
        let plugin = Recorded::new(move |_| Answer::Permanent(text.clone()));
        let _running = world.run(plugin.serve(&world.bus()));
        wanted(world);
        let broken = world.wait_for("caller/a", "broken");
        let kept = broken.vars["message"].as_str().unwrap();
        assert!(!kept.is_empty() && kept.len() <= 4_096, "{} bytes", kept.len());
        for entry in world.history("caller/a") {
            let size = serde_json::to_string(&entry).unwrap().len();
            assert!(size < 16 * 1_024, "a history entry of {size} bytes");
        }
    });
}

#[test]
fn p8_a_wish_for_the_next_attempt_is_held_within_the_policy() {
    // So many failures in each world that its breaker stays closed.
    held_within_the_policy(&["315360000", "10000w", "-5"]);
    held_within_the_policy(&["NaN", "1e999", ""]);
}

fn held_within_the_policy(wishes: &[&str]) {
    let replies = wishes
        .iter()
        .map(|wish| {
            message("")
                .with_header(headers::SERVICE_ERROR_CODE, "503")
                .and_then(|one| one.with_header(headers::SERVICE_ERROR, "busy"))
                .and_then(|one| one.with_header(headers::RETRY_AFTER, wish))
                .unwrap()
        })
        .collect::<Vec<_>>();
    each(CALLER, |world| {
        let bus = world.bus();
        let _raw = world.run(raw_each(&bus, "q", replies.clone()));
        drop(bus);
        for (number, wish) in wishes.iter().enumerate() {
            let key = format!("r{number}");
            let before = world.send("call.wanted", None, &json!({ "key": key }));
            assert!(before.status.is_some(), "{before:?}");
            let id = format!("caller/{key}");
            let (_, next) = world.until(&id, "a retry", retrying);
            let next = next.parse::<jiff::Timestamp>().unwrap();
            let since = world.instance(&id).summary.started_at.parse::<jiff::Timestamp>().unwrap();
            let wait = next.duration_since(since).as_secs();
            // Fixed backoff of 10 s; a wish may lengthen it to an hour at most.
            assert!((0..=3_600).contains(&wait), "wish `{wish}`: {wait} s");
        }
    });
}
