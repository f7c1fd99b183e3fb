//! Placement: who takes which partition, as a pure function of what everybody sees.
//!
//! Every engine plays the same game in its head and does only its own moves. Different sights of
//! the cluster may make two engines want the same partition; the lease is then taken by
//! comparison, and one of them sees that it lost.

use std::collections::{BTreeMap, BTreeSet};

/// One move of one engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    /// Take a partition that nobody has.
    Claim(u16),
    /// Give one up, since somebody has too few.
    Release(u16),
}

/// What the moves depend on.
#[derive(Clone, Debug, Default)]
pub(super) struct Board<'a> {
    /// The engines that live and stay.
    pub(super) live: BTreeSet<&'a str>,
    /// Who has each partition, whether it stays or not.
    pub(super) holders: Vec<Option<&'a str>>,
    /// Free partitions that their proper taker has left lying; anybody may take them.
    pub(super) neglected: BTreeSet<u16>,
}

/// The moves of `me`.
pub(super) fn placement(board: &Board<'_>, me: &str) -> Vec<Step> {
    if !board.live.contains(me) {
        return Vec::new();
    }
    let engines = board.live.len();
    let (floor, ceil) = (board.holders.len() / engines, board.holders.len().div_ceil(engines));
    let mut counts = board.live.iter().map(|node| (*node, 0)).collect::<BTreeMap<_, usize>>();
    for holder in board.holders.iter().flatten() {
        counts.entry(holder).and_modify(|count| *count += 1);
    }
    let mine = counts.get(me).copied().unwrap_or(0);
    let (mut claims, mut neglected) = (Vec::new(), Vec::new());
    let free = (0_u16..).zip(&board.holders).filter(|(_, holder)| holder.is_none());
    let free = free.map(|(partition, _)| partition).collect::<Vec<_>>();
    for partition in &free {
        // Whoever has least takes next; the same for everybody who sees the same.
        let least = counts.iter_mut().min_by_key(|(node, count)| (**count, **node));
        let Some((taker, count)) = least else { continue };
        *count += 1;
        if *taker == me {
            claims.push(Step::Claim(*partition));
        } else if board.neglected.contains(partition) {
            neglected.push(Step::Claim(*partition));
        }
    }
    if free.is_empty() {
        return releases(board, counts, floor, ceil, me);
    }
    let room = ceil.saturating_sub(mine + claims.len());
    claims.extend(neglected.into_iter().take(room));
    claims
}

/// What `me` gives up: one partition of whoever has most goes to whoever has least, in everybody's
/// head, until nobody is below the floor and nobody above the ceiling.
fn releases(
    board: &Board<'_>,
    mut counts: BTreeMap<&str, usize>,
    floor: usize,
    ceil: usize,
    me: &str,
) -> Vec<Step> {
    let mut given = 0;
    loop {
        let least = counts.iter().min_by_key(|(node, count)| (**count, **node));
        let most = counts.iter().max_by_key(|(node, count)| (**count, std::cmp::Reverse(**node)));
        let (Some((&least, &low)), Some((&most, &high))) = (least, most) else { break };
        let uneven = (low < floor && high > floor) || (high > ceil && low < ceil);
        // What still is with an engine that leaves comes by itself.
        if !uneven {
            break;
        }
        counts.entry(most).and_modify(|count| *count -= 1);
        counts.entry(least).and_modify(|count| *count += 1);
        given += usize::from(most == me);
    }
    // The highest numbers go, so that a cluster that grows keeps what it has at the low end.
    let held = (0_u16..).zip(&board.holders).filter(|(_, holder)| **holder == Some(me));
    let mut held = held.map(|(partition, _)| partition).collect::<Vec<_>>();
    held.reverse();
    held.into_iter().take(given).map(Step::Release).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: [&str; 5] = ["a", "b", "c", "d", "e"];

    /// Everybody moves at once, seeing the same, until nobody moves; what was given up is free in
    /// the next round. Gives the holders and how many partitions changed hands.
    fn settle(
        live: &[&'static str],
        mut holders: Vec<Option<&'static str>>,
    ) -> (Vec<usize>, usize) {
        let mut moves = 0;
        for _ in 0..100 {
            let board = Board {
                live: live.iter().copied().collect(),
                holders: holders.clone(),
                neglected: BTreeSet::new(),
            };
            let mut next = holders.clone();
            for me in live {
                for step in placement(&board, me) {
                    let (partition, holder) = match step {
                        Step::Claim(partition) => (partition, Some(*me)),
                        Step::Release(partition) => (partition, None),
                    };
                    let place = &mut next[usize::from(partition)];
                    let fits = place.is_none() == holder.is_some();
                    assert!(fits, "{me} plays {step:?} on {board:?}");
                    *place = holder;
                    moves += usize::from(holder.is_some());
                }
            }
            if next == holders {
                let count = |me: &&str| holders.iter().filter(|one| **one == Some(*me)).count();
                return (live.iter().map(count).collect(), moves);
            }
            holders = next;
        }
        panic!("{live:?} never settle: {holders:?}");
    }

    #[test]
    fn every_cluster_settles_evenly_from_every_start() {
        for partitions in [1, 2, 3, 4, 7, 16] {
            for live in 1..=NAMES.len() {
                // Who had what before: five engines in every pattern of a small counter.
                for pattern in 0_usize..40 {
                    let had = |partition| match (pattern * 7 + partition * (pattern + 1)) % 6 {
                        5 => None,
                        who => Some(NAMES[who]).filter(|_| who < live),
                    };
                    let (counts, _) = settle(&NAMES[..live], (0..partitions).map(had).collect());
                    let (least, most) =
                        (counts.iter().min().copied(), counts.iter().max().copied());
                    let (floor, ceil) = (partitions / live, partitions.div_ceil(live));
                    assert!(least >= Some(floor) && most <= Some(ceil), "{counts:?}");
                    assert_eq!(counts.iter().sum::<usize>(), partitions);
                }
            }
        }
    }

    #[test]
    fn no_more_partitions_move_than_have_to() {
        let all = |count, holder| vec![Some(holder); count];
        assert_eq!(settle(&["a"], vec![None; 4]), (vec![4], 4));
        assert_eq!(settle(&["a", "b"], all(4, "a")), (vec![2, 2], 2));
        assert_eq!(settle(&["a", "b", "c"], all(4, "a")), (vec![2, 1, 1], 2));
        // A third engine gets one; nobody else moves.
        let two = vec![Some("a"), Some("a"), Some("b"), Some("b")];
        assert_eq!(settle(&["a", "b", "c"], two), (vec![1, 2, 1], 1));
        let uneven = vec![Some("b"), Some("b"), Some("a"), Some("c")];
        assert_eq!(settle(&["a", "b", "c"], uneven), (vec![1, 2, 1], 0), "it is even enough");
        // More engines than partitions: one each, the others wait.
        assert_eq!(settle(&["a", "b", "c"], all(2, "c")), (vec![1, 0, 1], 1));
    }

    #[test]
    fn what_a_leaving_engine_holds_is_left_to_it_until_it_is_free() {
        let holders = vec![Some("gone"), Some("gone"), Some("a"), Some("b")];
        assert_eq!(settle(&["a", "b"], holders), (vec![1, 1], 0));
        let holders = vec![None, None, Some("a"), Some("b")];
        assert_eq!(settle(&["a", "b"], holders), (vec![2, 2], 2));
    }

    #[test]
    fn what_its_taker_leaves_lying_is_taken_by_another() {
        let mut board = Board {
            live: ["a", "b"].into(),
            holders: vec![None, Some("b")],
            neglected: BTreeSet::new(),
        };
        assert_eq!(placement(&board, "a"), [Step::Claim(0)]);
        assert_eq!(placement(&board, "b"), []);
        board.holders = vec![None, None];
        board.neglected = [0, 1].into();
        // Each its own first, and no more than its share.
        assert_eq!(placement(&board, "a"), [Step::Claim(0)]);
        assert_eq!(placement(&board, "b"), [Step::Claim(1)]);
        board.holders = vec![None, Some("a"), Some("b"), None];
        assert_eq!(placement(&board, "b"), [Step::Claim(3)], "`a` takes the other one");
        board.live.insert("c");
        board.holders = vec![None, None, Some("a"), Some("b"), Some("b")];
        board.neglected = [1].into();
        assert_eq!(placement(&board, "a"), [Step::Claim(1)], "`c` should have, long ago");
        assert_eq!(placement(&board, "stranger"), []);
    }
}
