//! Decision 0032, rows P of 06 §4: promised results that are late, double, forged or none.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use gearshift_bus::{Bus, Message, Subject};
use gearshift_machine::machine::{EffectId, Instance, NoticeKind, StuckKind};
use gearshift_machine::partition::Partition;
use gearshift_protocol::headers;

use crate::cluster::{joined, served, spread};
use crate::longwork::{
    has_ended, history, instance, is_pending, key, ordered, pages, publish, taken, until,
};
use crate::support::{
    Answer, Counter, Order, PRESS, Press, Recorded, World, begun, event, eventually,
    eventually_async, on_each_bus,
};

/// Another message than [`Order::result`] of the same attempt.
fn other(order: &Order, pages: u64, id: &str) -> Message {
    let mut message = order.result(pages);
    message.headers.insert(headers::MESSAGE_ID, id).unwrap();
    message
}

fn count_of(list: &[String], line: &str) -> usize {
    list.iter().filter(|one| *one == line).count()
}

#[test]
fn p2_p3_p6_of_many_results_the_first_of_the_attempt_under_way_counts_and_the_rest_are_noted() {
    on_each_bus(|world| {
        let press = Press::default();
        let world = taken(world, &press);
        let order = ordered(&world, &press, 1).remove(0);
        let bus = world.bus();
        world.run(async {
            // Of an attempt that was never made, and of an instance that is not there.
            let attempt = Order { attempt: 7, ..order.clone() };
            publish(&bus, other(&attempt, 1, "x1")).await;
            let nobody = Order { instance: "press/nobody".to_owned(), ..order.clone() };
            publish(&bus, other(&nobody, 2, "x2")).await;
            publish(&bus, order.result(7)).await;
            // The same message again, then another one.
            publish(&bus, order.result(7)).await;
            publish(&bus, other(&order, 8, "x3")).await;
        });
        world.inbox_is_read();
        let ended = until(&world, "a", "the result is taken", has_ended);
        assert_eq!(pages(&ended), "7 1 \"\"");
        let told = history(&world, "a");
        let late = |told: &[String]| told.iter().filter(|one| one.contains("_reply")).count();
        // The first was for an attempt to come, the last (and a repeat, where the bus keeps one)
        // for a call that is over.
        assert!((2..=3).contains(&late(&told)), "{told:?}");
        assert_eq!(count_of(&told, "pending press.render"), 1);
        let partition = world.run(world.handle().counts(0)).unwrap();
        assert_eq!(partition.dead_letters, 1, "that of nobody, and no other one");
    });
}

#[test]
fn p6_a_result_that_names_no_call_is_a_dead_letter_with_its_code() {
    let press = Press::default();
    let world = taken(World::memory(), &press);
    let order = ordered(&world, &press, 1).remove(0);
    let bare = Message::new(Subject::parse(&order.result_to).unwrap(), "{}");
    let known = order.result(1).headers;
    let other = Message { headers: known, ..bare.clone() };
    let other = Message { subject: Subject::parse("gearshift.result.x").unwrap(), ..other };
    world.run(async {
        publish(&world.bus(), bare).await;
        publish(&world.bus(), other).await;
    });
    world.inbox_is_read();
    let letters = |partition: &Partition| {
        partition.dead_letters().map(|(_, one)| one.reason.to_string()).collect::<Vec<_>>()
    };
    let seen = async || {
        let all = world.handle().look_everywhere(letters).await.ok()?.concat();
        (all.len() == 2).then_some(all)
    };
    let told = world.run(eventually_async("both are dead letters", seen));
    assert!(told.iter().all(|one| one.starts_with("GS5020 result_unaddressed")), "{told:?}");
    assert!(is_pending(&world.run(instance(&world, "a")).unwrap()));
}

#[test]
fn p2_a_state_that_is_left_cancels_the_call_and_its_result_comes_too_late() {
    on_each_bus(|world| {
        let press = Press::default();
        let world = taken(world, &press);
        let order = ordered(&world, &press, 1).remove(0);
        world.ask(event("press.left", &serde_json::json!({ "key": "a" }))).unwrap();
        world.run(eventually("it is cancelled", || {
            press.cancelled().contains(&order.call).then_some(())
        }));
        world.run(publish(&world.bus(), order.result(7)));
        world.run(eventually_async("it is noted", async || {
            let wanted = key("a");
            let look = move |partition: &Partition| partition.trace(&wanted);
            let trace = world.handle().look(&key("a"), look).await.ok()?;
            let note = trace.last()?.note.clone()?;
            note.contains("late_reply").then_some(())
        }));
        let left = world.run(instance(&world, "a")).unwrap();
        assert_eq!(pages(&left), "0 0 \"\"");
    });
}

#[test]
fn p11_heartbeats_for_ever_without_a_result_end_with_the_deadline() {
    let press = Press::default();
    let world = taken(World::memory(), &press);
    let order = ordered(&world, &press, 1).remove(0);
    let failed = async || {
        world.advance(Duration::from_secs(9));
        order.beat(&world.bus(), 99, "nearly").await;
        // What was said is heard before time goes on.
        let now = world.config.clock.now();
        eventually_async("it is heard", async || {
            let list = world.handle().progress(&key("a")).await.ok()?;
            list.iter().all(|one| one.heard >= now || one.attempt == 2).then_some(())
        })
        .await;
        let now = instance(&world, "a").await?;
        let call = now.sequences.first()?.call.clone()?;
        (!call.sent || call.attempt == 2).then_some(call.deadline)
    };
    let began = world.config.clock.now();
    world.run(eventually_async("the attempt fails", failed));
    let took = world.config.clock.now().since_ms(began);
    assert!((3_590_000..3_640_000).contains(&took), "after {took} ms");
    let told = history(&world, "a");
    assert!(told.iter().any(|one| one.contains("timer deadline press.render")), "{told:?}");
    world.run(eventually("it is cancelled", || {
        press.cancelled().contains(&order.call).then_some(())
    }));
}

#[test]
fn decision_32_silence_of_what_may_not_be_repeated_is_left_to_a_person() {
    let press = Press::once();
    let mut world = taken(World::embedded(), &press);
    world.restart();
    press.serve(&world);
    let kept = until(&world, "a", "it is as it was", is_pending);
    assert!(kept.stuck.is_none(), "a promise is no unknown outcome");
    world.advance(Duration::from_millis(10_001));
    let stuck = until(&world, "a", "it is stuck", |one| one.stuck.is_some());
    assert_eq!(stuck.stuck.unwrap().kind, StuckKind::OutcomeUnknown);
    assert_eq!(press.orders().len(), 1);
}

#[test]
fn decision_32_progress_is_told_to_watchers_at_most_once_a_second() {
    let press = Press::default();
    let world = taken(World::memory(), &press);
    let order = ordered(&world, &press, 1).remove(0);
    let mut notices = world.handle().notices();
    let bus = world.bus();
    world.run(async {
        for percent in 1..=5 {
            order.beat(&bus, percent, "page 4 of 10").await;
        }
        let last = async || {
            let list = world.handle().progress(&key("a")).await.ok()?;
            list.iter().any(|one| one.percent == Some(5)).then_some(())
        };
        eventually_async("all are heard", last).await;
        world.advance(Duration::from_secs(1));
        order.beat(&bus, 6, "").await;
        let mut told = Vec::new();
        while told.len() < 2 {
            let notice = notices.recv().await.unwrap();
            if notice.kind == NoticeKind::CallProgress {
                told.push(notice.data.to_json());
            }
        }
        let said = r#""operation":"press.render","percent":1,"step":"printing""#;
        assert!(told[0].contains(said), "{told:?}");
        assert!(told[1].contains(r#""percent":6"#), "{told:?}");
        assert!(told[0].contains(r#""note":"page 4 of 10""#), "{told:?}");
    });
}

#[test]
fn decision_32_another_engine_takes_the_call_over_and_gets_its_result() {
    let bus = Bus::in_memory();
    let mut first = joined(&bus, "a");
    first.deploy(PRESS);
    let second = joined(&bus, "b");
    spread(&[&first, &second], &[2, 2]);
    let press = Press::default();
    // In the engine that stays.
    press.serve(&second);
    let names = (0..8).map(|number| format!("k{number}")).collect::<Vec<_>>();
    for name in &names {
        first.run(first.handle().event(begun(name))).unwrap();
    }
    ordered(&second, &press, names.len());
    let pending = async || {
        for name in &names {
            let one = second.handle().instance(&key(name)).await.ok()??;
            if !is_pending(&one) {
                return None;
            }
        }
        Some(())
    };
    second.run(eventually_async("all are taken", pending));
    first.crash();
    let orders = press.orders();
    let results = orders.iter().map(|order| order.result(3));
    second.run(async {
        for result in results {
            publish(&bus, result).await;
        }
    });
    for name in &names {
        let ended = until(&second, name, "the result is taken", has_ended);
        assert_eq!(pages(&ended), "3 1 \"\"", "{name}");
    }
    assert_eq!(served(&second).len(), 4);
    assert_eq!(press.orders().len(), names.len(), "nobody was asked again");
}

#[test]
fn decision_32_results_that_come_all_at_once_are_each_taken_once() {
    const CALLS: usize = 200;
    let press = Press::default();
    let mut world = World::embedded();
    world.start();
    world.deploy(PRESS);
    press.serve(&world);
    world.run(async {
        for number in 0..CALLS {
            world.handle().event(begun(&format!("k{number}"))).await.unwrap();
        }
    });
    let orders = ordered(&world, &press, CALLS);
    let ids = orders.iter().map(|order| EffectId::parse(&order.call).unwrap());
    assert_eq!(ids.collect::<BTreeSet<_>>().len(), CALLS);
    all_are(&world, CALLS, is_pending);
    world.crash();
    world.between(async |bus| {
        for order in &orders {
            publish(bus, order.result(1)).await;
        }
    });
    world.start();
    all_are(&world, CALLS, has_ended);
    all_are(&world, CALLS, |one| pages(one) == "1 1 \"\"");
}

fn all_are(world: &World, count: usize, look: fn(&Instance) -> bool) {
    let seen = async || {
        for number in 0..count {
            instance(world, &format!("k{number}")).await.filter(&look)?;
        }
        Some(())
    };
    world.run(eventually_async("all are alike", seen));
}

#[test]
fn p13_a_plugin_that_ends_at_each_call_fails_it_after_its_attempts_and_others_go_on() {
    let world = World::memory().started();
    let (bus, deaths) = (world.bus(), Arc::new(AtomicU32::new(0)));
    let counted = Arc::clone(&deaths);
    world.spawn(async move {
        loop {
            // It begins anew, and dies of the same input.
            let mut server = Recorded::listen(&bus).await;
            while let Some(request) = server.next().await {
                if request.message.payload.windows(4).any(|part| part == b":13}") {
                    counted.fetch_add(1, Ordering::AcqRel);
                    break;
                }
                let reply = Message::new(request.message.subject.clone(), "{}");
                request.respond(reply).await.unwrap();
            }
        }
    });
    for name in ["a", "b"] {
        world.send("counter.opened", name, 0);
    }
    world.send("counter.worked", "a", 13);
    let died = || deaths.load(Ordering::Acquire);
    for attempt in 1..=3 {
        world.run(eventually("it has died again", || {
            world.advance(Duration::from_millis(100));
            (died() >= attempt).then_some(())
        }));
        world.send("counter.worked", "b", u64::from(attempt));
        let met = |counter: &Counter| counter.worked == u64::from(attempt);
        world.until("b", "another call ends", met);
        world.advance(Duration::from_secs(5));
    }
    let ended = world.until("a", "its attempts are used up", |counter| counter.failed == 1);
    assert_eq!((ended.worked, died()), (0, 3));
}

#[test]
fn heartbeats_of_a_call_that_promised_nothing_are_progress_and_nothing_else() {
    let world = World::memory().started();
    let (bus, plugin) = (world.bus(), Recorded::new(|_| Answer::Hold));
    let server = world.run(Recorded::listen(&bus));
    world.spawn(plugin.clone().run(server, bus.clone(), world.config.partitions));
    world.send("counter.opened", "a", 0);
    world.send("counter.worked", "a", 1);
    let seen = world.run(eventually("the plugin is called", || plugin.seen().pop()));
    let beat = |instance: &str| {
        let subject = Subject::parse(&format!("gearshift.heartbeat.{}", seen.call)).unwrap();
        let beat = Message::new(subject, "{\"attempt\":1,\"percent\":30}");
        beat.with_header(headers::INSTANCE, instance).unwrap()
    };
    let counter = crate::support::key("a");
    world.run(eventually_async("it is heard", async || {
        bus.publish(beat("counter/b")).await.unwrap();
        bus.publish(beat("counter/a")).await.unwrap();
        let list = world.handle().progress(&counter).await.ok()?;
        list.iter().any(|one| one.percent == Some(30)).then_some(())
    }));
    world.advance(Duration::from_secs(4));
    world.run(plugin.release());
    world.until("a", "the call ends", |counter| counter.worked == 1);
    world.run(eventually_async("it is over", async || {
        world.handle().progress(&counter).await.ok()?.is_empty().then_some(())
    }));
}
