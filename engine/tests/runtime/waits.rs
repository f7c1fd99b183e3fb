//! Requests of the bus that wait: each is answered once, by what meets its wish or ends it.

use std::time::Duration;

use gearshift_bus::{Message, Subject};
use gearshift_engine::api::{BusDoor, serve_on_bus};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::support::{Asking, FLOW, World, eventually_async, flow, is_in, on_each_bus};

/// Far longer than any of these waits takes that is met.
const LONG: Duration = Duration::from_secs(50);
/// For waits that are in vain.
const SHORT: Duration = Duration::from_millis(300);
/// What a wait that ends by something else than its time takes at most.
const SOON: Duration = Duration::from_secs(20);

fn opened(mut world: World) -> (World, BusDoor) {
    world.start();
    world.deploy(FLOW);
    let door = world.run(serve_on_bus(&world.handle())).unwrap();
    (world, door)
}

#[track_caller]
fn assert_told(answer: &Value, verdict: &str, reached: bool, active: &[&str]) {
    assert_eq!(answer["reached"], reached, "{answer}");
    assert_eq!(answer["verdicts"][0]["verdict"], verdict, "{answer}");
    assert_eq!(answer["verdicts"][0]["active"], json!(active), "{answer}");
}

#[test]
fn a_wait_is_met_by_the_events_own_decision() {
    on_each_bus(|world| {
        let (world, _door) = opened(world);
        world.run(async {
            let begun = Asking::new("flow.begun", "a").wait("open", LONG).over(world.bus()).await;
            assert_told(&begun, "started", true, &["open"]);
            let armed = Asking::new("flow.armed", "a").wait("armed", LONG).over(world.bus()).await;
            assert_told(&armed, "transitioned", true, &["armed"]);
            let ended = Asking::new("flow.ended", "a").wait("@end", LONG).over(world.bus()).await;
            assert_told(&ended, "transitioned", true, &["done"]);
        });
    });
}

#[test]
fn a_wait_is_met_by_a_later_event_a_timer_and_the_end() {
    on_each_bus(|world| {
        let (world, _door) = opened(world);
        let (bus, handle) = (world.bus(), world.handle());
        world.run(async {
            let begun = Asking::new("flow.begun", "a").wait("armed", LONG).begin(&bus);
            let timed = Asking::new("flow.begun", "b").wait("armed", LONG).begin(&bus);
            is_in(&handle, "a", "open").await;
            is_in(&handle, "b", "open").await;
            Asking::new("flow.timed", "b").over(bus.clone()).await;
            let to_end = Asking::new("flow.armed", "a").wait("@end", LONG).begin(&bus);
            assert_told(&begun.answer().await, "started", true, &["armed"]);
            world.advance(Duration::from_secs(30));
            let timed = timed.answer().await;
            assert_told(&timed, "started", true, &["armed"]);
            assert_eq!(timed["verdicts"][0]["step"], 3, "as the instance stood then: {timed}");
            Asking::new("flow.ended", "a").over(bus.clone()).await;
            assert_told(&to_end.answer().await, "transitioned", true, &["done"]);
        });
    });
}

#[test]
fn a_wait_in_vain_ends_at_once() {
    on_each_bus(|world| {
        let (world, _door) = opened(world);
        let (bus, handle) = (world.bus(), world.handle());
        world.run(async {
            let began = Instant::now();
            for name in ["a", "b", "c"] {
                Asking::new("flow.begun", name).over(bus.clone()).await;
            }
            let elsewhere = Asking::new("flow.counted", "a").wait("armed", LONG).begin(&bus);
            let sticks = Asking::new("flow.counted", "b").wait("done", LONG).begin(&bus);
            for name in ["a", "b"] {
                counted(&handle, name, 1).await;
            }
            Asking::new("flow.lost", "a").over(bus.clone()).await;
            assert_told(&elsewhere.answer().await, "transitioned", false, &["lost"]);
            Asking::new("flow.divided", "b").over(bus.clone()).await;
            let sticks = sticks.answer().await;
            assert_told(&sticks, "transitioned", false, &["armed"]);
            assert_eq!(sticks["verdicts"][0]["status"], "stuck", "{sticks}");
            // The event itself leads nowhere.
            let own = Asking::new("flow.divided", "c").wait("done", LONG).over(bus.clone()).await;
            assert_told(&own, "stuck", false, &["armed"]);
            assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
        });
    });
}

#[test]
fn an_event_that_is_not_taken_is_not_waited_behind() {
    on_each_bus(|world| {
        let (world, _door) = opened(world);
        let bus = world.bus();
        world.run(async {
            let began = Instant::now();
            Asking::new("flow.begun", "a").over(bus.clone()).await;
            Asking::new("flow.armed", "a").over(bus.clone()).await;
            let ignored = Asking::new("flow.timed", "a").wait("done", LONG).over(bus.clone()).await;
            assert_eq!(ignored["reached"], false, "{ignored}");
            assert_ne!(ignored["verdicts"][0]["verdict"], "transitioned", "{ignored}");
            let nobody = Asking::new("flow.armed", "b").wait("armed", LONG).over(bus.clone()).await;
            assert_eq!(nobody["reached"], false, "{nobody}");
            assert_ne!(nobody["verdicts"][0]["verdict"], "transitioned", "{nobody}");
            // The same id with other content.
            let first = Asking::new("flow.begun", "c").id("1");
            first.over(bus.clone()).await;
            let reused = Asking::new("flow.armed", "c").id("1").wait("armed", LONG);
            let reused = reused.over(bus.clone()).await;
            assert_eq!(reused["reached"], false, "{reused}");
            assert_eq!(reused["verdicts"][0]["verdict"], "id_reuse", "{reused}");
            assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
        });
    });
}

#[test]
fn when_the_time_is_up_the_instance_is_shown_as_it_is_then() {
    on_each_bus(|world| {
        let (world, _door) = opened(world);
        let (bus, handle) = (world.bus(), world.handle());
        world.run(async {
            let asked = Instant::now();
            let begun = Asking::new("flow.begun", "a").wait("done", SHORT).begin(&bus);
            is_in(&handle, "a", "open").await;
            Asking::new("flow.timed", "a").over(bus.clone()).await;
            assert_told(&begun.answer().await, "started", false, &["timed"]);
            assert!((SHORT..SOON).contains(&asked.elapsed()), "{:?}", asked.elapsed());
            let none = Asking::new("flow.begun", "b").wait("done", Duration::ZERO);
            assert_told(&none.over(bus.clone()).await, "started", false, &["open"]);
        });
    });
}

#[test]
fn several_askers_wait_for_one_instance_and_each_hears_its_own() {
    on_each_bus(|world| {
        let (world, _door) = opened(world);
        let (bus, handle) = (world.bus(), world.handle());
        world.run(async {
            Asking::new("flow.begun", "a").over(bus.clone()).await;
            let wishes = [("armed", LONG), ("timed", SHORT), ("@end", LONG), ("lost", LONG)];
            let asked = wishes.map(|(state, limit)| {
                Asking::new("flow.counted", "a").wait(state, limit).begin(&bus)
            });
            let [armed, timed, end, lost] = asked;
            counted(&handle, "a", 4).await;
            assert_told(&timed.answer().await, "transitioned", false, &["open"]);
            assert!(!armed.is_answered() && !end.is_answered() && !lost.is_answered());
            Asking::new("flow.armed", "a").over(bus.clone()).await;
            assert_told(&armed.answer().await, "transitioned", true, &["armed"]);
            assert!(!end.is_answered() && !lost.is_answered());
            Asking::new("flow.ended", "a").over(bus.clone()).await;
            assert_told(&end.answer().await, "transitioned", true, &["done"]);
            assert_told(&lost.answer().await, "transitioned", false, &["done"]);
        });
    });
}

#[test]
fn a_duplicate_waits_like_the_event_itself() {
    on_each_bus(|world| {
        let (world, _door) = opened(world);
        let bus = world.bus();
        world.run(async {
            let event = || Asking::new("flow.begun", "a").id("1");
            event().over(bus.clone()).await;
            let again = event().wait("armed", LONG).begin(&bus);
            let brief = event().wait("armed", SHORT).over(bus.clone()).await;
            assert_told(&brief, "duplicate", false, &["open"]);
            assert!(!again.is_answered());
            Asking::new("flow.armed", "a").over(bus.clone()).await;
            assert_told(&again.answer().await, "duplicate", true, &["armed"]);
            let late = event().wait("armed", LONG).over(bus.clone()).await;
            assert_told(&late, "duplicate", true, &["armed"]);
        });
    });
}

#[test]
fn an_event_that_is_not_taken_is_met_where_the_instance_is_there_already() {
    on_each_bus(|world| {
        let (world, _door) = opened(world);
        let bus = world.bus();
        world.run(async {
            for event in ["flow.begun", "flow.armed"] {
                Asking::new(event, "a").over(bus.clone()).await;
            }
            let there = Asking::new("flow.timed", "a").wait("armed", LONG).over(bus.clone()).await;
            assert_eq!(there["reached"], true, "{there}");
            Asking::new("flow.ended", "a").over(bus.clone()).await;
            for event in ["flow.armed", "flow.begun"] {
                let late = Asking::new(event, "a").wait("@end", LONG).over(bus.clone()).await;
                assert_eq!(late["reached"], true, "{late}");
                assert_eq!(late["verdicts"][0]["status"], "done", "{late}");
                assert_ne!(late["verdicts"][0]["verdict"], "transitioned", "{late}");
            }
            let elsewhere =
                Asking::new("flow.armed", "a").wait("lost", LONG).over(bus.clone()).await;
            assert_eq!(elsewhere["reached"], false, "{elsewhere}");
        });
    });
}

#[test]
fn headers_of_a_wait_that_say_nothing_sensible_are_refused() {
    const WAIT: &str = "Gearshift-Wait-For";
    const TIMEOUT: &str = "Gearshift-Timeout-Ms";
    on_each_bus(|world| {
        let (world, _door) = opened(world);
        world.run(async {
            let ask = async |list: &[(&str, &str)]| -> Value {
                let subject = Subject::parse("gearshift.event.flow.begun").unwrap();
                let mut message = Message::new(subject, r#"{"key":"a","n":0}"#);
                for (name, value) in list {
                    message = message.with_header(name, value).unwrap();
                }
                let reply = world.bus().requests().request(message, LONG).await.unwrap();
                serde_json::from_slice(&reply.payload).unwrap()
            };
            for timeout in ["abc", "-5", "1.5", "18446744073709551616", ""] {
                for list in [&[(TIMEOUT, timeout)][..], &[(WAIT, "open"), (TIMEOUT, timeout)]] {
                    let refused = ask(list).await;
                    assert_eq!(refused["code"], "GS3007", "{refused}");
                    let told = format!("`{TIMEOUT}`: `{timeout}` is not a number of milliseconds");
                    assert!(refused["detail"].as_str().unwrap().contains(&told), "{refused}");
                }
            }
            let refused = ask(&[(WAIT, "@ended")]).await;
            assert_eq!(refused["code"], "GS3007", "{refused}");
            assert!(refused["detail"].as_str().unwrap().contains("`@ended`"), "{refused}");
            assert!(world.handle().instance(&flow("a")).await.unwrap().is_none());
            let begun = ask(&[(WAIT, "open"), (TIMEOUT, "50000")]).await;
            assert_told(&begun, "started", true, &["open"]);
        });
    });
}

/// Waits until the instance has counted so far.
async fn counted(handle: &gearshift_engine::Handle, name: &str, to: u64) {
    eventually_async("all are decided", async || {
        let instance = handle.instance(&flow(name)).await.ok().flatten()?;
        (instance.vars.first()?.to_json() == to.to_string()).then_some(())
    })
    .await;
}

#[test]
fn an_asker_that_was_answered_holds_no_place() {
    /// How many may wait at once, as the door on the bus has it.
    const PLACES: u64 = 16_384;
    /// So many are left for those that come and go.
    const FREE: u64 = 8;
    /// A server holds 1,024 requests that were not taken.
    const AT_ONCE: u64 = 512;
    let (world, _door) = opened(World::memory().with(|config| config.partitions = 1));
    let (bus, handle) = (world.bus(), world.handle());
    world.run(async {
        let mut held = JoinSet::new();
        let mut names = Vec::new();
        while (held.len() as u64) < PLACES - FREE {
            let name = format!("held{}", names.len());
            Asking::new("flow.begun", &name).over(bus.clone()).await;
            let more = AT_ONCE.min(PLACES - FREE - held.len() as u64);
            for _ in 0..more {
                let asking = Asking::new("flow.counted", &name).wait("armed", LONG * 6);
                held.spawn(asking.over(bus.clone()));
            }
            counted(&handle, &name, more).await;
            names.push(name);
        }
        Asking::new("flow.begun", "a").id("1").over(bus.clone()).await;
        for number in 0..FREE * 2 {
            let ask = |event, state, limit| {
                Asking::new(event, "a").id("1").wait(state, limit).over(bus.clone())
            };
            let own = ask("flow.begun", "open", LONG).await;
            assert_told(&own, "duplicate", true, &["open"]);
            let up = ask("flow.begun", "done", Duration::from_millis(1)).await;
            assert_told(&up, "duplicate", false, &["open"]);
            let refused = ask("flow.armed", "armed", LONG).await;
            assert_eq!(refused["verdicts"][0]["verdict"], "id_reuse", "{number}: {refused}");
            let name = format!("k{number}");
            let later = Asking::new("flow.begun", &name).wait("armed", LONG).begin(&bus);
            is_in(&handle, &name, "open").await;
            Asking::new("flow.armed", &name).over(bus.clone()).await;
            assert_told(&later.answer().await, "started", true, &["armed"]);
        }
        // All that are free are taken, and one more is too many.
        let mut last = JoinSet::new();
        for _ in 0..FREE {
            let asking = Asking::new("flow.counted", "a").wait("armed", LONG * 6);
            last.spawn(asking.over(bus.clone()));
        }
        counted(&handle, "a", FREE).await;
        let busy = Asking::new("flow.counted", "a").wait("armed", LONG).over(bus.clone()).await;
        assert_eq!(busy["code"], "GS5001", "{busy}");
        names.push("a".to_owned());
        for name in &names {
            Asking::new("flow.armed", name).over(bus.clone()).await;
        }
        for answer in held.join_all().await.into_iter().chain(last.join_all().await) {
            assert_told(&answer, "transitioned", true, &["armed"]);
        }
        let again = Asking::new("flow.ended", "a").wait("@end", LONG).over(bus.clone()).await;
        assert_told(&again, "transitioned", true, &["done"]);
    });
}
