//! Decision 0046: instances that are gone without a word. What they were handed fails at once, and
//! silence about a time before others answered is no sign of the operation.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use gearshift_bus::{
    Bus, EndpointInfo, ErrorKind, Headers, Message, Offer, Registration, ServiceInfo, Subject,
};
use gearshift_engine::api::{self, Request};
use gearshift_machine::machine::{InstanceKey, Status};
use gearshift_machine::partition::Partition;
use serde_json::json;
use tokio::task::JoinSet;

use crate::support::{World, event, eventually_async, on_nats};

const WORK: &str = "gearshift.plugin.p.v1.work";
/// How an attempt fails whose instance is gone.
pub(crate) const GONE: &str = "plugin_gone";

/// An instance of the plugin `p` with the operation `work`; dropped, it is gone without a word.
pub(crate) struct Worker {
    id: String,
    /// Does it leave calls without an answer?
    holds: Arc<AtomicBool>,
    held: Arc<AtomicUsize>,
    answered: Arc<AtomicUsize>,
    /// Call id and attempt of what it was asked.
    seen: Arc<Mutex<Vec<(String, String)>>>,
    _serving: JoinSet<()>,
    _offered: Registration,
}

impl Worker {
    pub(crate) async fn start(bus: &Bus, holds: bool) -> Self {
        let metadata = [("gearshift.plugin", "1"), ("gearshift.instance", "true")];
        let metadata = metadata.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let endpoint = EndpointInfo {
            name: "work".to_owned(),
            subject: WORK.to_owned(),
            metadata: BTreeMap::new(),
        };
        let info = ServiceInfo {
            name: "p".to_owned(),
            id: String::new(),
            version: "1.0.0".to_owned(),
            metadata: metadata.into(),
            endpoints: vec![endpoint],
        };
        let offer = Offer::new("q").alone();
        let (offered, servers) = bus.requests().offer_as(info, offer).await.unwrap();
        let holds = Arc::new(AtomicBool::new(holds));
        let (held, answered) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
        let seen = Arc::<Mutex<Vec<_>>>::default();
        let mut serving = JoinSet::new();
        for mut server in servers {
            let (holds, held, answered) = (holds.clone(), held.clone(), answered.clone());
            let seen = Arc::clone(&seen);
            serving.spawn(async move {
                while let Some(request) = server.next().await {
                    let told = |name| request.message.headers.get(name).unwrap_or("").to_owned();
                    let call = (told("Gearshift-Call-Id"), told("Gearshift-Attempt"));
                    // What is no call asks whether it is there.
                    seen.lock().unwrap().extend(Some(call).filter(|call| !call.0.is_empty()));
                    if holds.load(Ordering::SeqCst) {
                        held.fetch_add(1, Ordering::SeqCst);
                        continue;
                    }
                    let reply = Message::new(request.message.subject.clone(), "{}");
                    request.respond(reply).await.unwrap();
                    answered.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        let id = offered.id().to_owned();
        Self { id, holds, held, answered, seen, _serving: serving, _offered: offered }
    }

    /// Call id and attempt of what it was asked so far.
    pub(crate) fn seen(&self) -> Vec<(String, String)> {
        self.seen.lock().unwrap().clone()
    }

    pub(crate) fn held(&self) -> usize {
        self.held.load(Ordering::SeqCst)
    }

    /// Is killed; returns when the bus knows.
    pub(crate) async fn dies(self, bus: &Bus) {
        let subject = Subject::parse(&format!("{WORK}.{}", self.id)).unwrap();
        drop(self);
        let seen = async || {
            let asked = Message::new(subject.clone(), "");
            let asked = bus.requests().request(asked, Duration::from_secs(1)).await;
            matches!(asked.err()?.kind(), ErrorKind::NoResponders { .. }).then_some(())
        };
        eventually_async("the instance is gone", seen).await;
    }
}

fn jobs(rules: &str, timeout: &str) -> String {
    format!(
        "workflow: job\ncorrelate: data.key\nevents: {{ job.wanted: {{ start: true }} }}\n\
         plugins: {{ p: {rules} }}\nstates:\n  working:\n    entry:\n      - call: p.work\n        \
         timeout: {timeout}\n        retry: {{ attempts: 9, backoff: 1s, on: [retryable, timeout, \
         plugin_not_found] }}\n    done: ended\n    failed: lost\n  ended: {{ final: true }}\n  \
         lost: {{ final: true }}\n"
    )
}

async fn want(world: &World, name: &str) {
    world.handle().event(event("job.wanted", &json!({ "key": name }))).await.unwrap();
}

async fn is_done(world: &World, name: &str) -> bool {
    let key = InstanceKey::new("job", name).unwrap();
    let seen = world.handle().instance(&key).await;
    seen.ok().flatten().is_some_and(|one| one.status == Status::Done)
}

async fn ends(world: &World, name: &str) {
    eventually_async(&format!("{name} ends"), async || is_done(world, name).await.then_some(()))
        .await;
}

/// What its history says of how attempts failed.
pub(crate) async fn says(world: &World, name: &str, word: &str) -> bool {
    let key = InstanceKey::new("job", name).unwrap();
    let wanted = key.clone();
    let trace = world.handle().look(&key, move |all: &Partition| all.trace(&wanted)).await;
    trace.unwrap().iter().any(|one| one.note.as_deref().unwrap_or_default().contains(word))
}

#[test]
fn decision_46_what_a_killed_instance_had_is_asked_again_long_before_its_deadline() {
    on_nats(|mut world| {
        world.start();
        world.deploy(&jobs("{ balance: round_robin, breaker: { threshold: 2 } }", "1h"));
        let bus = world.bus();
        world.run(async {
            let dies = Worker::start(&bus, false).await;
            let stays = Worker::start(&bus, false).await;
            for number in 0..4 {
                want(&world, &format!("warm{number}")).await;
                ends(&world, &format!("warm{number}")).await;
            }
            dies.holds.store(true, Ordering::SeqCst);
            let before = stays.answered.load(Ordering::SeqCst);
            for number in 0..8 {
                want(&world, &format!("a{number}")).await;
            }
            let all = async || {
                let seen = dies.held() + stays.answered.load(Ordering::SeqCst) - before;
                (seen >= 8).then_some(())
            };
            eventually_async("all are sent", all).await;
            let mut held = Vec::new();
            for name in (0..8).map(|number| format!("a{number}")) {
                if !is_done(&world, &name).await {
                    held.push(name);
                }
            }
            assert!(dies.held() >= 2, "{held:?}");
            dies.dies(&bus).await;
            // Time stands still: no deadline comes, and nothing is tried again.
            for name in ["b0", "b1"] {
                want(&world, name).await;
                ends(&world, name).await;
            }
            for name in &held {
                let over = async || {
                    let is_over = is_done(&world, name).await || says(&world, name, GONE).await;
                    is_over.then_some(())
                };
                eventually_async(&format!("{name} fails or ends"), over).await;
            }
            assert_eq!(world.handle().breakers(), [], "the operation is well");
            world.advance(Duration::from_secs(60));
            for name in &held {
                ends(&world, name).await;
            }
        });
    });
}

/// One of three is killed with many calls in flight: each call ends, asked once, or once more
/// under the same id where the killed one had it.
#[test]
fn decision_46_of_many_calls_in_flight_those_of_the_killed_instance_are_asked_again() {
    const CALLS: usize = 60;

    on_nats(|mut world| {
        world.start();
        world.deploy(&jobs("{ balance: round_robin }", "1h"));
        let bus = world.bus();
        world.run(async {
            let dies = Worker::start(&bus, true).await;
            let stay = [Worker::start(&bus, true).await, Worker::start(&bus, true).await];
            for number in 0..CALLS {
                want(&world, &format!("a{number}")).await;
            }
            let held = |list: &[Worker]| list.iter().map(Worker::held).sum::<usize>();
            let all = async || (dies.held() + held(&stay) == CALLS).then_some(());
            eventually_async("all are in flight", all).await;
            let lost = dies.seen.lock().unwrap().clone();
            assert!(lost.len() >= CALLS / 6, "it has its share: {}", lost.len());
            stay.iter().for_each(|one| one.holds.store(false, Ordering::SeqCst));
            dies.dies(&bus).await;
            let failed = async || {
                let mut gone = 0;
                for number in 0..CALLS {
                    gone += usize::from(says(&world, &format!("a{number}"), GONE).await);
                }
                (gone == lost.len()).then_some(())
            };
            eventually_async("what the killed one had fails", failed).await;
            world.advance(Duration::from_secs(60));
            let again = async || {
                let asked = stay.iter().map(|one| one.seen.lock().unwrap().len()).sum::<usize>();
                (asked >= CALLS).then_some(())
            };
            eventually_async("it is asked again", again).await;
            let mut seen: BTreeMap<String, Vec<String>> = BTreeMap::new();
            let kept = stay.iter().flat_map(|one| one.seen.lock().unwrap().clone());
            for (call, attempt) in lost.iter().cloned().chain(kept) {
                seen.entry(call).or_default().push(attempt);
            }
            assert_eq!(seen.len(), CALLS, "no call has another id when it is asked again");
            for (call, attempts) in &seen {
                let was_lost = lost.iter().any(|(id, _)| id == call);
                let expected: &[&str] = if was_lost { &["1", "2"] } else { &["1"] };
                assert_eq!(attempts, expected, "{call}");
            }
            for number in 0..CALLS {
                let name = format!("a{number}");
                if says(&world, &name, GONE).await {
                    ends(&world, &name).await;
                }
            }
        });
    });
}

#[test]
fn decision_46_an_instance_that_is_gone_is_missed_also_where_nothing_else_is_called() {
    on_nats(|mut world| {
        world.start();
        world.deploy(&jobs("{ balance: round_robin }", "1h"));
        let bus = world.bus();
        world.run(async {
            let dies = Worker::start(&bus, true).await;
            want(&world, "a").await;
            eventually_async("it is handed over", async || (dies.held() == 1).then_some(())).await;
            dies.dies(&bus).await;
            let gone = async || says(&world, "a", GONE).await.then_some(());
            eventually_async("the attempt fails", gone).await;
            let _stays = Worker::start(&bus, false).await;
            world.advance(Duration::from_secs(60));
            ends(&world, "a").await;
        });
    });
}

/// Attempts that failed, as `plugin ls -o json` tells.
async fn errors(world: &World) -> u64 {
    let request = Request {
        subject: "gearshift.query.plugins".to_owned(),
        headers: Headers::new(),
        body: "{}".into(),
    };
    let reply = api::answer(&world.handle(), request).await.unwrap();
    let page: serde_json::Value = serde_json::from_slice(&reply).unwrap();
    page["items"][0]["operations"][0]["errors"].as_u64().unwrap_or_default()
}

#[test]
fn decision_46_calls_of_the_group_that_a_killed_instance_had_open_no_breaker() {
    on_nats(|mut world| {
        world.start();
        world.deploy(&jobs("{ breaker: { threshold: 3, reset: 1h } }", "1s"));
        let bus = world.bus();
        world.run(async {
            let dies = Worker::start(&bus, true).await;
            let stays = Worker::start(&bus, false).await;
            let mut number = 0;
            while dies.held() < 4 {
                want(&world, &format!("a{number}")).await;
                number += 1;
                let sent = async || {
                    let all = dies.held() + stays.answered.load(Ordering::SeqCst);
                    (all >= number).then_some(())
                };
                eventually_async("it is sent", sent).await;
            }
            let held = u64::try_from(dies.held()).unwrap();
            dies.dies(&bus).await;
            for name in ["b0", "b1", "b2"] {
                want(&world, name).await;
                ends(&world, name).await;
            }
            let silent = async || (errors(&world).await >= held).then_some(());
            eventually_async("nobody answers them in time", silent).await;
            assert_eq!(world.handle().breakers(), [], "the other instance answers");
            world.advance(Duration::from_secs(1));
            for name in (0..number).map(|number| format!("a{number}")) {
                eventually_async(&format!("{name} ends"), async || {
                    world.advance(Duration::from_millis(50));
                    is_done(&world, &name).await.then_some(())
                })
                .await;
            }
        });
    });
}
