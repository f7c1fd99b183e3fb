//! Random charts: what holds for every definition, whatever happens to its instances.
//!
//! `GEARSHIFT_SEED=N` runs one seed; a failure names its own.

mod chart;
mod through_scxml;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use fastrand::Rng;

use chart::{chart, family};
use world::{Round, World, script};

/// Charts of one run, and of a long one.
const SEEDS: u64 = 60;
const SEEDS_LONG: u64 = 10_000;

/// Runs `body` with every seed, and says which one failed.
fn with_seeds(body: impl Fn(u64)) {
    let only = std::env::var("GEARSHIFT_SEED").ok().and_then(|seed| seed.parse::<u64>().ok());
    let count = if std::env::var_os("GEARSHIFT_LONG").is_some() { SEEDS_LONG } else { SEEDS };
    for seed in only.map_or(0..count, |seed| seed..seed + 1) {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| body(seed))) {
            name_seed(seed);
            resume_unwind(panic);
        }
    }
}

#[expect(clippy::print_stderr, reason = "a failing seed is what the reader needs")]
fn name_seed(seed: u64) {
    eprintln!("it was GEARSHIFT_SEED={seed}");
}

fn played(seed: u64, script: &[Round]) -> World {
    play_through(World::new(&[chart(seed)]), script)
}

fn play_through(mut world: World, script: &[Round]) -> World {
    for round in script {
        world.play(round);
    }
    world
}

#[test]
fn rule_02_random_charts_stay_legal_and_the_same_inputs_give_the_same_frames() {
    let moves = std::cell::Cell::new(0_usize);
    with_seeds(|seed| {
        let script = script(seed);
        let world = played(seed, &script);
        let again = played(seed, &script);
        assert_eq!(world.journal, again.journal);
        let fired = |(_, trace): &(_, Vec<gearshift_machine::machine::TraceEntry>)| {
            trace.iter().map(|entry| entry.fired.len()).sum::<usize>()
        };
        moves.set(moves.get() + world.instances().iter().map(fired).sum::<usize>());
    });
    let moves = moves.get();
    let one = std::env::var_os("GEARSHIFT_SEED").is_some();
    assert!(one || moves > 1_000, "only {moves} transitions: the charts do nothing");
}

#[test]
fn a_snapshot_and_its_tail_of_random_charts_are_the_full_replay() {
    with_seeds(|seed| {
        let script = script(seed);
        let middle = Rng::with_seed(seed).usize(..script.len());
        let (before, behind) = script.split_at(middle);
        let mut world = played(seed, before);
        let snapshot = world.snapshot();
        for round in behind {
            world.play(round);
        }
        let bytes = world.partition.state_bytes();
        assert_eq!(world.restored(None), bytes);
        assert_eq!(world.restored(Some(&snapshot)), bytes);
    });
}

#[test]
fn instances_that_know_nothing_of_each_other_commute() {
    with_seeds(|seed| {
        let script = script(seed);
        let mut random = Rng::with_seed(seed);
        // The events of one instance keep their order; those of several are mixed anew.
        let mixed: Vec<Round> = script
            .iter()
            .map(|round| {
                let mut rank: Vec<usize> = (0..8).collect();
                random.shuffle(&mut rank);
                let mut round = round.clone();
                round.sort_by_key(|(instance, _)| rank.get(*instance).copied());
                round
            })
            .collect();
        let (world, other) = (played(seed, &script), played(seed, &mixed));
        assert_eq!(world.instances(), other.instances());
    });
}

#[test]
fn rule_02_random_families_stay_legal_and_the_same_inputs_give_the_same_frames() {
    let (carried, answered) = (std::cell::Cell::new(0), std::cell::Cell::new(0));
    with_seeds(|seed| {
        let (script, family) = (script(seed), family(seed));
        let world = play_through(World::new(&family), &script);
        let again = play_through(World::new(&family), &script);
        assert_eq!(world.journal, again.journal);
        carried.set(carried.get() + world.carried);
        answered.set(answered.get() + world.answered);
    });
    let (carried, answered) = (carried.get(), answered.get());
    let one = std::env::var_os("GEARSHIFT_SEED").is_some();
    let many = carried > 1_000 && answered > 200;
    assert!(one || many, "only {carried} letters and {answered} answers: the charts say nothing");
}

#[test]
fn a_snapshot_and_its_tail_of_random_families_are_the_full_replay() {
    with_seeds(|seed| {
        let script = script(seed);
        let middle = Rng::with_seed(seed).usize(..script.len());
        let (before, behind) = script.split_at(middle);
        let mut world = play_through(World::new(&family(seed)), before);
        let snapshot = world.snapshot();
        for round in behind {
            world.play(round);
        }
        let bytes = world.partition.state_bytes();
        assert_eq!(world.restored(None), bytes);
        assert_eq!(world.restored(Some(&snapshot)), bytes);
    });
}
