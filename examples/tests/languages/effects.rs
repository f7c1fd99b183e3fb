//! Bookkeepers in every language are killed, paused, slowed and upgraded under load, two major
//! versions beside each other, and the engine is killed too: each call's effect is done once.
//!
//! `GEARSHIFT_LONG=1` goes through all faults several times.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_nats::HeaderMap;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::booking::{Bookkeeper, Entry, MAJORS, Office, Order, WRITTEN_IN};
use crate::world::{LOOK_AGAIN, PATIENCE};

/// Who sends at once.
const SENDERS: usize = 4;
/// Pause between two orders of one sender: what matters is that there are always some.
const PAUSE: Duration = Duration::from_millis(40);
/// What was asked of an engine that was killed gets no answer.
const ANSWER_MAX: Duration = Duration::from_secs(1);
/// Lines of the longest order; calls of an order beside those for its lines.
const LINES_MAX: usize = 4;
const OTHER_CALLS: usize = 2;
/// A pause that is longer than the time of an attempt.
const PAUSED: Duration = Duration::from_millis(1_500);
/// A slow bookkeeper works for the first part of the time, and stands still for the second.
const SLOW: (Duration, Duration) = (Duration::from_millis(10), Duration::from_millis(90));
const SLOW_TIMES: u32 = 15;

#[tokio::test]
async fn p1_effects_are_done_once_per_call_id_in_every_language_whatever_fails() {
    let office = Office::open().await;
    // By major version, then by language.
    let mut all = MAJORS.map(|major| [0, 1, 2, 3].map(|language| office.hire(language, major, 0)));
    let count = MAJORS.len() * WRITTEN_IN.len();
    office.until_there_are(count).await;
    let stop = Arc::new(AtomicBool::new(false));
    let mut senders = JoinSet::new();
    for sender in 0..SENDERS {
        let client = office.world.client.clone();
        senders.spawn(send_orders(client, sender, Arc::clone(&stop)));
    }
    let times = if std::env::var_os("GEARSHIFT_LONG").is_some() { 5 } else { 1 };
    for round in 0..WRITTEN_IN.len() * times {
        // In each round each language suffers another fault, and not the same in both majors.
        let [one, two] = &mut all;
        one.rotate_left(1);
        two.rotate_left(if round == 0 { 3 } else { 1 });
        let engine = async {
            if round.is_multiple_of(2) {
                office.world.kill_engine().await;
                office.world.next_engine().await;
            }
        };
        tokio::join!(suffer(&office, one), suffer(&office, two), engine);
        office.until_there_are(count).await;
        for upgraded in [&mut one[0], &mut two[0]] {
            upgraded.upgrade(&office, count + 1).await;
            office.until_there_are(count).await;
        }
    }
    stop.store(true, Ordering::Relaxed);
    let mut sent = 0;
    while let Some(count) = senders.join_next().await {
        sent += count.unwrap();
    }
    let orders = office.orders(sent).await;
    judge(&orders, &office.entries());
}

/// One is killed, one paused, one slowed, and one is all right, all at once.
async fn suffer(office: &Office, [_, killed, paused, slowed]: &mut [Bookkeeper; 4]) {
    tokio::join!(
        killed.kill(office),
        async {
            paused.signal("STOP").await;
            sleep(PAUSED).await;
            paused.signal("CONT").await;
        },
        async {
            for _ in 0..SLOW_TIMES {
                slowed.signal("STOP").await;
                sleep(SLOW.1).await;
                slowed.signal("CONT").await;
                sleep(SLOW.0).await;
            }
        },
    );
}

/// Sends one order after the other until told to stop; how many the engine took.
async fn send_orders(client: async_nats::Client, sender: usize, stop: Arc<AtomicBool>) -> usize {
    let mut count = 0;
    while !stop.load(Ordering::Relaxed) {
        let major = MAJORS[count % MAJORS.len()];
        let lines: Vec<usize> = (1..=count % (LINES_MAX + 1)).collect();
        let data = json!({ "order": format!("{sender}-{count}"), "lines": lines });
        let mut headers = HeaderMap::new();
        headers.insert("Nats-Msg-Id", format!("order-{sender}-{count}"));
        let end = Instant::now() + PATIENCE;
        // While no engine answers it is sent again, under the same id.
        while !is_taken(&client, major, &headers, &data).await {
            assert!(Instant::now() < end, "order {data} is not taken");
            sleep(LOOK_AGAIN).await;
        }
        count += 1;
        sleep(PAUSE).await;
    }
    count
}

async fn is_taken(
    client: &async_nats::Client,
    major: u32,
    headers: &HeaderMap,
    data: &Value,
) -> bool {
    let subject = format!("gearshift.event.order.booked_{major}");
    let body = data.to_string().into();
    let asked = client.request_with_headers(subject, headers.clone(), body);
    let Ok(Ok(reply)) = tokio::time::timeout(ANSWER_MAX, asked).await else { return false };
    let reply: Value = serde_json::from_slice(&reply.payload).unwrap();
    matches!(reply["verdicts"][0]["verdict"].as_str(), Some("started" | "duplicate"))
}

/// Every order has the entries that it asked for, each of them stands in the books, and nothing
/// else does.
fn judge(orders: &[Order], books: &BTreeMap<String, Entry>) {
    let mut booked = BTreeSet::new();
    for order in orders {
        let lines = order.input["lines"].as_array().unwrap();
        let wanted = lines.len() + OTHER_CALLS;
        assert!(order.attempts >= wanted, "{} of {wanted} calls in {}", order.attempts, order.told);
        let line = |line: &Value| (format!("line {line}"), line.as_u64().unwrap());
        let wanted = [("open".to_owned(), 1)].into_iter().chain(lines.iter().map(line));
        let wanted: Vec<_> = wanted.chain([("close".to_owned(), 1)]).collect();
        let got = order.entries.iter().map(|entry| (entry.account.clone(), entry.amount));
        assert_eq!(got.collect::<Vec<_>>(), wanted, "entries of {}", order.id);
        for entry in &order.entries {
            assert!(booked.insert(entry.call.as_str()), "{entry:?} is there twice");
            assert_eq!(books.get(&entry.call), Some(entry), "of {}", order.id);
            let major = entry.version.split('.').next();
            assert_eq!(major, Some(order.major.as_str()), "{}: {entry:?}", order.id);
        }
    }
    let unasked = books.values().filter(|entry| !booked.contains(entry.call.as_str()));
    assert_eq!(unasked.collect::<Vec<_>>(), Vec::<&Entry>::new(), "nobody asked for these");
    let calls: usize = orders.iter().map(|order| order.entries.len()).sum();
    assert_eq!(books.len(), calls);
    // What proves nothing: nothing failed, or some of them did nothing.
    let faults: usize = orders.iter().map(|order| order.faults).sum();
    assert!(faults > 0, "no fault met any of {calls} calls");
    for major in MAJORS {
        for (language, _) in WRITTEN_IN {
            for minor in 0..2 {
                let version = format!("{major}.{minor}.0");
                let is_its = |entry: &&Entry| {
                    let by = entry.by.rsplit_once('-').map(|(language, _)| language);
                    by == Some(language) && entry.version == version
                };
                let count = books.values().filter(is_its).count();
                assert!(count > 0, "{language} {version} booked nothing");
            }
        }
    }
    println!("{} orders, {calls} entries, {faults} faults met", orders.len());
}
