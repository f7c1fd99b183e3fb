//! Round trips of instances, deltas and histories; damaged bytes.

use proptest::prelude::*;

use super::random::Random;
use super::{Codec, DecodeError, Out, Reader, TraceLog, is_newer_log};
use crate::machine::{
    Delta, EffectId, Instance, Letter, Phase, Progress, Role, RunningCall, RunningGraph,
    RunningSequence, StateId, StepState, StepStatus, Timer, TimerKind, Timestamp, TraceEntry,
};
use crate::value::Value;

proptest! {
    #[test]
    fn decode_gives_back_what_encode_got(seed: u64) {
        let instance = Random(seed).instance();
        let bytes = instance.encode();
        let back = Instance::decode(&instance.key, &bytes);
        prop_assert_eq!(back.as_ref(), Ok(&instance));
        prop_assert_eq!(back.map(|back| back.encode()), Ok(bytes));
    }

    #[test]
    fn a_letter_comes_back_as_it_was(seed: u64) {
        let letter = Random(seed).letter();
        let mut out = Out::default();
        letter.write(&mut out);
        let mut from = Reader::new(&out.bytes);
        prop_assert_eq!(Letter::read(&mut from), Ok(letter));
        prop_assert_eq!(from.end(), Ok(()));
    }

    #[test]
    fn apply_makes_the_new_instance_of_the_old_one(seed: u64) {
        let mut random = Random(seed);
        let old = random.instance();
        let new = random.changed(&old);
        for base in [Some(&old), None] {
            let delta = Delta::between(base, &new);
            let back = Delta::decode(delta.encode()).apply(&new.key, base.cloned());
            prop_assert_eq!(back, Ok(new.clone()));
        }
        let nothing = Delta::between(Some(&old), &old);
        prop_assert!(nothing.encode().len() <= 2, "{:?}", nothing);
    }

    #[test]
    fn damaged_bytes_are_refused_without_a_panic(
        seed: u64,
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        noise in prop::collection::vec(any::<u8>(), 0..64),
    ) {
        let mut random = Random(seed);
        let old = random.instance();
        let new = random.changed(&old);
        let mut bytes = old.encode();
        let mut delta = Delta::between(Some(&old), &new).encode().to_vec();
        for (at, byte) in &flips {
            let place = at.index(bytes.len());
            bytes[place] ^= byte;
            let place = at.index(delta.len());
            delta[place] ^= byte;
        }
        // Whatever they give, they neither panic nor need more memory than a few times the bytes.
        drop(Instance::decode(&old.key, &bytes));
        drop(Delta::decode(&delta).apply(&old.key, Some(old.clone())));
        drop(Instance::decode(&old.key, &noise));
        drop(Delta::decode(&noise).apply(&new.key, Some(old)));
        drop(TraceLog::from_bytes(&noise).entries());
        drop(TraceLog::from_bytes(&bytes).push(&random.trace(1), 3));
    }

    #[test]
    fn cut_bytes_are_refused(seed: u64, at: prop::sample::Index) {
        let instance = Random(seed).instance();
        let bytes = instance.encode();
        let cut = &bytes[..at.index(bytes.len())];
        prop_assert!(Instance::decode(&instance.key, cut).is_err());
        let mut longer = bytes.clone();
        longer.push(0);
        prop_assert_eq!(
            Instance::decode(&instance.key, &longer),
            Err(DecodeError::Trailing(1))
        );
    }

    #[test]
    fn a_history_keeps_its_last_entries(seed: u64, count in 0_usize..20, keep in 1_usize..12) {
        let mut random = Random(seed);
        let entries: Vec<TraceEntry> = (0..count).map(|at| random.trace(at as u64 + 1)).collect();
        let mut log = TraceLog::new();
        for entry in &entries {
            prop_assert_eq!(log.push(entry, keep), Ok(()));
            log = TraceLog::from_bytes(log.as_bytes());
        }
        let kept = entries[count.saturating_sub(keep)..].to_vec();
        prop_assert_eq!(log.entries(), Ok(kept));
    }
}

#[test]
fn the_first_byte_is_the_version() {
    let orphan = Instance {
        parent: None,
        progress: None,
        transaction: None,
        trace_context: None,
        timers: Vec::new(),
        sequences: Vec::new(),
        stuck: None,
        ..Random(7).instance()
    };
    assert_eq!(orphan.encode()[0], 1, "what has no parent is written as ever");
    let parent = (0..).find_map(|seed| Random(seed).instance().parent);
    let instance = Instance { parent, ..orphan };
    let mut bytes = instance.encode();
    assert_eq!(bytes[0], 2);
    let progress = (0..).find_map(|seed| Random(seed).instance().progress);
    assert!([3, 7].contains(&Instance { progress, ..instance.clone() }.encode()[0]));
    let transaction = (0..).find_map(|seed| Random(seed).instance().transaction);
    assert!([4, 8].contains(&Instance { transaction, ..instance.clone() }.encode()[0]));
    let trace_context = (0..).find_map(|seed| Random(seed).instance().trace_context);
    let traced = Instance { trace_context, ..instance.clone() };
    assert_eq!(traced.encode()[0], 2 + 8);
    assert_eq!(Instance::decode(&traced.key, &traced.encode()), Ok(traced));
    bytes[0] = 13;
    assert_eq!(
        Instance::decode(&instance.key, &bytes),
        Err(DecodeError::NewerVersion { found: 13, known: 12 })
    );
}

#[test]
fn e15_what_older_programs_do_not_know_raises_the_version_where_it_is_written() {
    let mut random = Random(7);
    let plain = Instance {
        parent: None,
        progress: None,
        transaction: None,
        trace_context: None,
        timers: Vec::new(),
        sequences: Vec::new(),
        stuck: None,
        ..random.instance()
    };
    let long_call = long_call();
    let short_call = RunningCall { heartbeat_ms: None, ..long_call.clone() };
    let with = |call: &RunningCall| {
        let sequence = RunningSequence {
            id: 1,
            state: StateId(0),
            sequence: 0,
            position: 0,
            event: None,
            call: Some(call.clone()),
            reply: None,
            role: Role::State,
        };
        Instance { sequences: vec![sequence], ..plain.clone() }
    };
    let version = |instance: &Instance| {
        let bytes = instance.encode();
        assert_eq!(Instance::decode(&instance.key, &bytes).as_ref(), Ok(instance));
        assert_eq!(Instance::is_newer(&bytes), bytes[0] > 4);
        bytes[0]
    };
    assert_eq!(version(&with(&short_call)), 1);
    assert_eq!(version(&with(&long_call)), 5);
    let cached = RunningCall { cache: Some(random.cache_key()), ..short_call.clone() };
    assert_eq!(version(&with(&cached)), 5);
    let held = RunningCall { sent: false, held: true, ..short_call.clone() };
    assert_eq!(version(&with(&held)), 5);
    assert_eq!(version(&with(&RunningCall { held: false, ..held })), 1);
    let unsure = RunningCall { unsure: true, ..short_call.clone() };
    assert_eq!(version(&with(&unsure)), 5);
    let limited = RunningCall { per: Some("ann".into()), ..short_call };
    assert_eq!(version(&with(&limited)), 5);
    let timer = Timer { id: 1, due: Timestamp(9), kind: TimerKind::MoreSteps { graph: 0 } };
    assert_eq!(version(&Instance { timers: vec![timer], ..plain.clone() }), 5);
    let progress =
        |progress: Progress| Instance { progress: Some(Box::new(progress)), ..plain.clone() };
    assert_eq!(version(&progress(Progress::default())), 3);
    let with_saves = Progress { saves: vec!["a".into()], ..Progress::default() };
    assert_eq!(version(&progress(with_saves)), 7);
    let left_out = Progress { left_out: vec!["a".into()], ..Progress::default() };
    assert_eq!(version(&progress(left_out)), 7);
    assert_eq!(version(&progress(steps_of(None))), 3);
    assert_eq!(version(&progress(steps_of(Some(Timestamp(9))))), 7);
    let mut log = TraceLog::new();
    let line = TraceEntry { before: None, ..random.trace(1) };
    assert_eq!(log.push(&line, 9), Ok(()));
    assert_eq!(is_newer_log(log.as_bytes()), Ok(false));
    assert_eq!(log.push(&TraceEntry { before: Some(1), ..line }, 9), Ok(()));
    assert_eq!(is_newer_log(log.as_bytes()), Ok(true));
}

fn long_call() -> RunningCall {
    RunningCall {
        id: EffectId([7; 16]),
        before: 0,
        attempt: 1,
        sent: true,
        held: false,
        unsure: false,
        once: false,
        input: Value::Null,
        deadline: Timestamp(9),
        child: None,
        heartbeat_ms: Some(10_000),
        per: None,
        cache: None,
    }
}

/// One step that failed, and stopped then.
fn steps_of(stopped_at: Option<Timestamp>) -> Progress {
    let step = StepState { status: StepStatus::Failed, stopped_at, ..StepState::default() };
    let graph = RunningGraph {
        id: 1,
        graph: 0,
        phase: Phase::Running,
        event: None,
        steps: std::iter::once(step).collect(),
        open: 1,
        started_at: Timestamp(1),
        ended_at: None,
    };
    Progress { graphs: vec![graph], ..Progress::default() }
}

#[test]
fn a_long_history_with_long_lines_keeps_its_last_entries() {
    let mut random = Random(11);
    let noted = |step: u64, line: TraceEntry| {
        let note = "n".repeat(usize::try_from(step * 7 % 400).unwrap_or(0));
        TraceEntry { note: Some(note.into()), ..line }
    };
    let entries: Vec<_> = (1..=400).map(|step| noted(step, random.trace(step))).collect();
    for keep in [100, 127, 128, 300] {
        let mut log = TraceLog::new();
        for (told, entry) in entries.iter().enumerate() {
            assert_eq!(log.push(entry, keep), Ok(()));
            let kept = &entries[(told + 1).saturating_sub(keep)..=told];
            assert_eq!(log.entries().as_deref(), Ok(kept), "{told} of {keep}");
        }
    }
}

#[test]
fn a_list_longer_than_the_bytes_is_refused_before_memory_is_taken() {
    let mut bytes = vec![0x07];
    bytes.extend([0xff; 9]);
    bytes.push(1);
    assert_eq!(Value::read(&mut Reader::new(&bytes)), Err(DecodeError::Short("a list")));
}

#[test]
fn nesting_is_limited_on_reading_and_noticed_on_writing() {
    let nested = |levels: usize| (0..levels).fold(Value::Null, |inner, _| Value::list(vec![inner]));
    for (levels, fits) in [(Value::DEPTH_MAX, true), (Value::DEPTH_MAX + 1, false)] {
        let mut out = Out::default();
        nested(levels).write(&mut out);
        assert_eq!(out.deepest, levels);
        assert_eq!(Value::read(&mut Reader::new(&out.bytes)).is_ok(), fits, "{levels}");
    }
}

#[test]
fn minus_zero_is_a_change() {
    let mut old = Random(3).instance();
    old.output = Value::Double(0.0);
    let new = Instance { output: Value::Double(-0.0), ..old.clone() };
    let delta = Delta::between(Some(&old), &new);
    let back = delta.apply(&old.key, Some(old.clone())).map(|back| back.encode());
    assert_eq!(back, Ok(new.encode()));
}
