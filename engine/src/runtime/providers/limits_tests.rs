//! Tests of [`super::Limits`].

use super::*;

const SOON: Duration = Duration::from_millis(10);

fn rules(concurrency: Option<u32>, rate: Option<Rate>) -> PluginRules {
    PluginRules { concurrency, rate, ..PluginRules::new("p".into()) }
}

fn key(text: &str) -> Arc<str> {
    text.into()
}

/// Room, or what is waited for when the time is over.
async fn asked(
    limits: &Limits,
    rules: &PluginRules,
    key: Option<&Arc<str>>,
    limit: Duration,
) -> Result<Room, String> {
    let told = Mutex::new(String::new());
    let tell = |place: InLine| *told.lock().unwrap() = place.words();
    let found = tokio::time::timeout(limit, limits.room(rules, (key, false), &tell)).await;
    found.map_err(|_| told.lock().unwrap().clone())
}

#[tokio::test(start_paused = true)]
async fn no_more_than_the_rate_are_sent_in_any_such_time() {
    let limits = Limits::default();
    let rules = rules(None, Some(Rate { count: 3, period_ms: 1_000 }));
    let began = Instant::now();
    let mut sent = Vec::new();
    for _ in 0..7 {
        asked(&limits, &rules, None, Duration::from_secs(60)).await.unwrap();
        sent.push(began.elapsed().as_millis() / 1_000);
    }
    assert_eq!(sent, [0, 0, 0, 1, 1, 1, 2]);
    let refused = asked(&limits, &rules, None, Duration::ZERO).await;
    assert!(refused.is_ok(), "two more have room in this second");
    asked(&limits, &rules, None, Duration::ZERO).await.unwrap();
    let refused = asked(&limits, &rules, None, SOON).await.unwrap_err();
    assert_eq!(refused, "the limit of 3 calls of `p` in 1s is reached, and it is the next");
    // Who gave up has taken no turn away.
    asked(&limits, &rules, None, Duration::from_millis(999)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn no_more_than_so_many_are_under_way_at_once() {
    let limits = Limits::default();
    let rules = rules(Some(2), None);
    let first = asked(&limits, &rules, None, SOON).await.unwrap();
    let _second = asked(&limits, &rules, None, SOON).await.unwrap();
    let refused = asked(&limits, &rules, None, SOON).await.unwrap_err();
    assert_eq!(refused, "the limit of 2 calls of `p` at once is reached, and it is the next");
    drop(first);
    asked(&limits, &rules, None, SOON).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn each_key_has_the_limits_for_itself() {
    let limits = Limits::default();
    let rules = rules(Some(1), Some(Rate { count: 1, period_ms: 1_000 }));
    let (ann, bob) = (key("ann"), key("bob"));
    let anns = asked(&limits, &rules, Some(&ann), SOON).await.unwrap();
    let refused = asked(&limits, &rules, Some(&ann), SOON).await.unwrap_err();
    let said = "the limit of one call of `p` for `ann` at once is reached, and it is the next";
    assert_eq!(refused, said);
    let began = Instant::now();
    let bobs = asked(&limits, &rules, Some(&bob), SOON).await.unwrap();
    assert_eq!(began.elapsed(), Duration::ZERO, "another key is not held up");
    drop((anns, bobs));
    let refused = asked(&limits, &rules, Some(&ann), SOON).await.unwrap_err();
    let said = "the limit of one call of `p` for `ann` in 1s is reached, and it is the next";
    assert_eq!(refused, said);
}

#[tokio::test(start_paused = true)]
async fn keys_wait_in_order_and_what_is_idle_is_not_kept() {
    let limits = Arc::new(Limits::default());
    let one = rules(Some(1), None);
    let first = asked(&limits, &one, Some(&key("a")), SOON).await.unwrap();
    let order = Arc::new(Mutex::new(Vec::new()));
    let mut waiting = tokio::task::JoinSet::new();
    for number in 0..5 {
        let (limits, one, order) = (Arc::clone(&limits), one.clone(), Arc::clone(&order));
        waiting.spawn(async move {
            let room = asked(&limits, &one, Some(&key("a")), Duration::from_secs(60)).await;
            order.lock().unwrap().push(number);
            drop(room.unwrap());
        });
        tokio::task::yield_now().await;
    }
    assert_eq!(limits.concurrency.len(), 1);
    drop(first);
    while waiting.join_next().await.is_some() {}
    assert_eq!(*order.lock().unwrap(), [0, 1, 2, 3, 4]);
    assert_eq!(limits.concurrency.len(), 0);
    let kept = asked(&limits, &one, Some(&key("a")), SOON).await.unwrap();
    asked(&limits, &one, Some(&key("a")), SOON).await.unwrap_err();
    assert_eq!(limits.concurrency.len(), 1, "whoever gave up took nothing away");
    drop(kept);
    assert_eq!(limits.concurrency.len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_hundred_thousand_keys_leave_only_those_whose_time_is_not_over() {
    let limits = Limits::default();
    let rules = rules(Some(1), Some(Rate { count: 1, period_ms: 1_000 }));
    for number in 0..100_000 {
        if number % 1_000 == 0 {
            tokio::time::advance(Duration::from_millis(1_001)).await;
        }
        asked(&limits, &rules, Some(&key(&number.to_string())), SOON).await.unwrap();
    }
    assert_eq!(limits.concurrency.len(), 0);
    assert!(limits.rates.len() <= 4 * LOOK_AT, "{}", limits.rates.len());
}

#[tokio::test(start_paused = true)]
async fn a_promise_keeps_its_place_until_nobody_waits_for_it() {
    let limits = Limits::default();
    let rules = rules(Some(1), None);
    let room = asked(&limits, &rules, None, SOON).await.unwrap();
    let promised = super::super::promised::Promised::taken_over(1_000, None).in_room(room);
    let looked_at = promised.clone();
    drop(promised);
    assert!(asked(&limits, &rules, None, SOON).await.is_err(), "it is under way");
    drop(limits.room_at_once(&rules, None));
    assert!(asked(&limits, &rules, None, SOON).await.is_err(), "there was none to be had");
    drop(looked_at);
    // What is under way already takes the room as well.
    let taken = limits.room_at_once(&rules, None);
    assert!(asked(&limits, &rules, None, SOON).await.is_err());
    drop(taken);
    asked(&limits, &rules, None, SOON).await.unwrap();
}
