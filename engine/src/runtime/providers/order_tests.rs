//! The order says what a look at everybody would say.

use super::*;

/// The next number below `limit` of a sequence that looks random.
fn next(seed: &mut u64, limit: usize) -> usize {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    usize::try_from(*seed >> 33).unwrap() % limit
}

#[test]
fn the_best_is_that_of_a_look_at_everybody() {
    for members in [1_usize, 2, 3, 5, 63, 64, 65, 200] {
        let mut order = Order::new(members);
        let mut ranks = vec![(Fit::Room, 0, 0_u64); members];
        let mut turns = vec![0_u64; members];
        let mut seed = members as u64;
        for turn in 1..=2_000_u64 {
            for _ in 0..next(&mut seed, 4) {
                let at = next(&mut seed, members);
                let fit = [Fit::Room, Fit::Room, Fit::Full, Fit::Nobody];
                let fit = fit[next(&mut seed, 4)];
                ranks[at] = (fit, next(&mut seed, 2), next(&mut seed, 5) as u64);
                order.stirred().mark(at);
            }
            let due = (0..members).min_by_key(|at| (ranks[*at], turns[*at], *at));
            let due = due.filter(|at| ranks[*at].0 != Fit::Nobody);
            assert_eq!(order.next(|at| ranks[at]), due, "{members} members, pick {turn}");
            if let Some(at) = due {
                turns[at] = turn;
                ranks[at].2 += 1;
            } else {
                // The count of picks stands still where nobody was picked.
                order.turn = turn;
            }
        }
    }
}

#[test]
fn nobody_is_picked_where_there_is_nobody() {
    assert_eq!(Order::new(0).next(|_| (Fit::Room, 0, 0)), None);
    assert_eq!(Order::new(3).next(|_| (Fit::Nobody, 0, 0)), None);
}

#[test]
fn what_did_not_change_is_not_looked_at_again() {
    let mut order = Order::new(200);
    let looked = std::cell::Cell::new(0);
    let rank = |_: usize| {
        looked.set(looked.get() + 1);
        (Fit::Room, 0, 0)
    };
    order.next(rank);
    assert_eq!(looked.take(), 200);
    order.next(rank);
    assert_eq!(looked.take(), 1, "the one that was picked");
    order.stirred().mark(100);
    order.stirred().mark(100);
    order.next(rank);
    assert_eq!(looked.take(), 2);
}
