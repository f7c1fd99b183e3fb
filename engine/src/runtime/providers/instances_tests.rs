//! Where calls go, counted for each way to choose.

use std::collections::BTreeMap;

use gearshift_protocol::{PluginState, PluginStatus};

use super::*;

/// Instances `a`, `b`, … of these weights, capacities and scores.
fn pool(members: &[(u32, Option<u32>, i64)]) -> (Arc<Pool>, Vec<Arc<Busy>>) {
    let busy: Vec<_> = members.iter().map(|_| Arc::<Busy>::default()).collect();
    let name = |at: usize| match u8::try_from(at) {
        Ok(at @ 0..26) => char::from(b'a' + at).to_string(),
        Ok(_) | Err(_) => at.to_string(),
    };
    let candidate =
        |(at, (weight, capacity, score)): (usize, &(u32, Option<u32>, i64))| Candidate {
            id: name(at),
            subject: format!("gearshift.plugin.p.v1.work.{}", name(at)),
            weight: *weight,
            capacity: *capacity,
            score: *score,
            gives: None,
        };
    let candidates: Vec<_> = members.iter().enumerate().map(candidate).collect();
    let of = |id: &str| Arc::clone(&busy[(0..).find(|at| name(*at) == id).unwrap()]);
    (Pool::new(&candidates, of, &Shapes::default()).unwrap().unwrap(), busy)
}

/// How many of `calls` each instance got; those that are under way stay so until all are picked
/// where `held`.
fn went(pool: &Pool, balance: Balance, calls: usize, held: bool) -> BTreeMap<String, usize> {
    let mut went = BTreeMap::new();
    let mut under_way = Vec::new();
    for _ in 0..calls {
        let picked = pool.pick(balance).unwrap();
        let name = picked.subject.as_str().rsplit('.').next().unwrap().to_owned();
        *went.entry(name).or_insert(0) += 1;
        if held {
            under_way.push(picked);
        }
    }
    went
}

fn counts(list: &[(&str, usize)]) -> BTreeMap<String, usize> {
    list.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect()
}

const ALIKE: [(u32, Option<u32>, i64); 3] = [(1, None, 0); 3];

#[test]
fn round_robin_gives_each_the_same() {
    let (pool, _) = pool(&ALIKE);
    let went = went(&pool, Balance::RoundRobin, 300, false);
    assert_eq!(went, counts(&[("a", 100), ("b", 100), ("c", 100)]));
}

#[test]
fn random_gives_each_about_the_same() {
    let (pool, _) = pool(&ALIKE);
    let went = went(&pool, Balance::Random, 3_000, false);
    assert!(went.values().all(|count| (900..1_100).contains(count)), "{went:?}");
    assert_eq!(went.values().sum::<usize>(), 3_000);
}

#[test]
fn least_in_flight_goes_where_the_fewest_are_under_way() {
    let (pool, busy) = pool(&ALIKE);
    (0..10).for_each(|_| busy[1].enter());
    let went = went(&pool, Balance::LeastInFlight, 20, true);
    assert_eq!(went, counts(&[("a", 10), ("c", 10)]));
    assert_eq!(busy[0].own(), 0, "all have ended");
}

#[test]
fn least_in_flight_knows_what_other_operations_have_under_way() {
    let (one, busy) = pool(&[(1, None, 0); 100]);
    let candidate = |at: usize| Candidate {
        id: at.to_string(),
        subject: format!("gearshift.plugin.p.v1.more.{at}"),
        weight: 1,
        capacity: None,
        score: 0,
        gives: None,
    };
    let candidates: Vec<_> = (0..100).map(candidate).collect();
    let of = |id: &str| Arc::clone(&busy[id.parse::<usize>().unwrap()]);
    let other = Pool::new(&candidates, of, &Shapes::default()).unwrap().unwrap();
    // Each knows of the other's calls at once, and of their end.
    let ours: Vec<_> = (0..60).map(|_| one.pick(Balance::LeastInFlight).unwrap()).collect();
    let theirs: Vec<_> = (0..40).map(|_| other.pick(Balance::LeastInFlight).unwrap()).collect();
    assert!(busy.iter().all(|one| one.own() == 1), "{busy:?}");
    drop(ours);
    let more: Vec<_> = (0..60).map(|_| other.pick(Balance::LeastInFlight).unwrap()).collect();
    assert!(busy.iter().all(|one| one.own() == 1), "{busy:?}");
    drop((theirs, more));
    assert!(busy.iter().all(|one| one.own() == 0), "{busy:?}");
}

#[test]
fn least_in_flight_counts_what_a_plugin_took_and_answers_later() {
    let (pool, busy) = pool(&ALIKE);
    let sent = pool.pick(Balance::LeastInFlight).unwrap();
    // The answer to the request is there, the result is not.
    let promised = sent.clone();
    drop(sent);
    assert_eq!(busy.iter().map(|one| one.own()).collect::<Vec<_>>(), [1, 0, 0]);
    assert_eq!(went(&pool, Balance::LeastInFlight, 2, true), counts(&[("b", 1), ("c", 1)]));
    drop(promised);
    assert_eq!(went(&pool, Balance::LeastInFlight, 3, true).len(), 3);
}

#[test]
fn an_order_that_nobody_has_any_more_is_forgotten() {
    let (_, busy) = pool(&ALIKE);
    for _ in 0..10 {
        let candidate = Candidate {
            id: "a".to_owned(),
            subject: "gearshift.plugin.p.v1.work.a".to_owned(),
            weight: 1,
            capacity: None,
            score: 0,
            gives: None,
        };
        let of = |_: &str| Arc::clone(&busy[0]);
        let pool = Pool::new(&[candidate], of, &Shapes::default()).unwrap().unwrap();
        drop(pool.pick(Balance::Resource));
    }
    assert_eq!(busy[0].orders.lock().unwrap().len(), 1);
}

#[test]
fn weighted_gives_each_its_share() {
    let (pool, _) = pool(&[(1, None, 0), (2, None, 0), (5, None, 0)]);
    let went = went(&pool, Balance::Weighted, 8_000, false);
    for (name, due) in [("a", 1_000_usize), ("b", 2_000), ("c", 5_000)] {
        assert!(went[name].abs_diff(due) <= 10, "{went:?}");
    }
}

#[test]
fn weighted_gives_each_its_share_while_a_heavy_one_is_gone_or_full() {
    let (pool, busy) = pool(&[(1, None, 0), (3, None, 0), (1, None, 0), (50, None, 0)]);
    busy[3].set_gone(true);
    let sent = went(&pool, Balance::Weighted, 1_000, false);
    for (name, due) in [("a", 200_usize), ("b", 600), ("c", 200)] {
        assert!(sent[name].abs_diff(due) <= 10, "{sent:?}");
    }
    busy[3].set_gone(false);
    busy[3].tell_load(Load::new(100, 100));
    let sent = went(&pool, Balance::Weighted, 1_000, false);
    assert!(sent["b"].abs_diff(600) <= 10 && sent.len() == 3, "{sent:?}");
}

#[test]
fn random_gives_the_rest_about_the_same_while_most_are_gone() {
    let (pool, busy) = pool(&[(1, None, 0); 10]);
    busy.iter().take(8).for_each(|one| one.set_gone(true));
    let sent = went(&pool, Balance::Random, 2_000, false);
    assert!(sent["i"].abs_diff(1_000) <= 100 && sent.len() == 2, "{sent:?}");
}

#[test]
fn resource_goes_where_the_most_room_is() {
    let (pool, busy) = pool(&[(1, Some(10), 0), (1, Some(100), 0)]);
    let sent = went(&pool, Balance::Resource, 88, true);
    assert_eq!(sent, counts(&[("a", 8), ("b", 80)]));
    busy[1].tell_load(Load::new(80, 100));
    let sent = went(&pool, Balance::Resource, 8, true);
    assert_eq!(sent, counts(&[("a", 8)]), "the load that was told counts");
}

#[test]
fn overloaded_instances_are_left_out_while_others_have_room() {
    let (pool, busy) = pool(&ALIKE);
    busy[0].tell_load(Load::new(91, 100));
    let went_to = went(&pool, Balance::RoundRobin, 100, false);
    assert_eq!(went_to, counts(&[("b", 50), ("c", 50)]));
    for one in &busy {
        one.tell_load(Load::new(100, 100));
    }
    let went_to = went(&pool, Balance::RoundRobin, 300, false);
    assert_eq!(went_to.len(), 3, "where all are full, all are asked");
}

#[test]
fn the_best_is_asked_while_it_has_room_then_the_next() {
    let (pool, busy) = pool(&[(1, Some(10), 0), (1, Some(10), 20), (1, Some(10), 20)]);
    let sent = went(&pool, Balance::RoundRobin, 10, false);
    assert_eq!(sent, counts(&[("b", 5), ("c", 5)]));
    busy[1].tell_load(Load::new(10, 10));
    busy[2].tell_load(Load::new(10, 10));
    assert_eq!(went(&pool, Balance::RoundRobin, 10, false), counts(&[("a", 10)]));
}

#[test]
fn who_is_gone_or_stops_gets_nothing() {
    let (pool, busy) = pool(&ALIKE);
    busy[0].set_gone(true);
    let stopping = PluginStatus { state: PluginState::Deactivating, load: Load::new(0, 10) };
    busy[1].tell(stopping);
    assert_eq!(went(&pool, Balance::Random, 10, false), counts(&[("c", 10)]));
    busy[2].set_gone(true);
    assert!(pool.pick(Balance::Random).is_none());
}

#[test]
fn preferences_add_to_the_priority() {
    let rules = gearshift_machine::definition::model::PluginRules::new("p".into());
    let quick = gearshift_machine::definition::model::PluginRules {
        prefers_performance: true,
        prefers_reliability: true,
        ..rules.clone()
    };
    let metadata = gearshift_protocol::PluginMetadata {
        priority: 3,
        performance: 2,
        reliability: Some(0.99),
        ..gearshift_protocol::PluginMetadata::default()
    };
    use super::super::prefer::Prefer;
    assert_eq!(Prefer::of(Some(&rules)).score(&metadata), 3);
    assert_eq!(Prefer::of(Some(&quick)).score(&metadata), 3 + 20 + 99);
}

#[test]
fn a_choice_among_two_hundred_is_quick() {
    let (pool, _) = pool(&[(1, Some(16), 0); 200]);
    for (_, balance) in Balance::WORDS {
        let began = crate::runtime::monotonic();
        for _ in 0..1_000 {
            drop(pool.pick(balance));
        }
        let each = began.elapsed() / 1_000;
        // Without optimization, on a machine that does other things too.
        assert!(each < std::time::Duration::from_micros(100), "{balance:?} {each:?}");
    }
}
