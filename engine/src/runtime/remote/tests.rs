//! What is said between engines comes back as it was said; what cannot be read is refused.

use gearshift_machine::definition::model::Early;
use gearshift_machine::machine::{
    Clocks, Command, Event, Fork, Generation, InstanceKey, Outcome, Pin, Principal, TimerOrder,
};
use gearshift_machine::partition::{Counts, DeadLetter, Definitions, Done, PartitionInput};
use gearshift_machine::value::Value;
use serde::Serialize;

use super::look::{DeadLetterFilter, Look, Seen, Versions};
use super::wire::{Answer, Decided, Question, decode, encode};
use crate::runtime::waiters::Goal;

fn key() -> InstanceKey {
    InstanceKey::new("flow", "7/ä").unwrap()
}

fn event(data: Option<Value>) -> Event {
    Event { name: "order.paid".into(), data, id: Some("x".into()), ..Event::default() }
}

fn there(question: &Question) -> Question {
    decode(&encode(question).unwrap()).unwrap()
}

#[test]
fn inputs_come_back_as_they_were_an_explicit_null_too() {
    let text = r#"{"a":[1,-2,1.0,0.1,18446744073709551615,"ü",null,true],"b":{}}"#;
    let some = Value::from_json(text.as_bytes()).unwrap();
    let by = Principal { user: "ann".into(), roles: vec!["*".into()] };
    let mut inputs = Vec::new();
    for data in [None, Some(Value::Null), Some(some.clone())] {
        for early in [Early::Start, Early::Buffer { ttl_ms: 9 }, Early::DeadLetter] {
            let event = event(data.clone());
            inputs.push(PartitionInput::Deliver { key: key(), event, early, source: None });
        }
        let command = Command::Decide { choice: "approve".into(), data: data.clone() };
        let (by, reason) = (by.clone(), "because".into());
        inputs.push(PartitionInput::Command { key: key(), command, by, reason });
    }
    let (version, input) = (Some(3), some);
    inputs.push(PartitionInput::Start {
        key: key(),
        version,
        input,
        by: by.clone(),
        id: None,
        trace_context: None,
    });
    inputs.push(PartitionInput::Drop { dead_letter: 7, by });
    for input in inputs {
        let question = Question::Input(input);
        assert_eq!(there(&question), question);
    }
}

#[test]
fn control_comes_back_as_it_was() {
    let fork = Fork {
        origin: "flow/6".into(),
        from: "half".into(),
        pin: Pin { version: 3, hash: u64::MAX },
        seed: (0..=255).collect(),
    };
    let commands = [
        Command::Pause { clocks: Clocks::Keep },
        Command::Resume,
        Command::RollBack { from: None },
        Command::RollBack { from: Some("two".into()) },
        Command::Set { values: vec![("a.b".into(), Value::Null), ("c".into(), Value::Int(-1))] },
        Command::Checkpoint { name: "half".into() },
        Command::Timer { timer: 7, order: TimerOrder::Fire },
        Command::Timer { timer: 7, order: TimerOrder::By(-5) },
        Command::Fork(Box::new(fork)),
    ];
    for command in commands {
        let (by, reason) = (Principal::default(), "".into());
        let input = PartitionInput::Command { key: key(), command, by, reason };
        let question = Question::Input(input);
        assert_eq!(there(&question), question);
    }
}

#[test]
fn looks_and_what_they_saw_come_back() {
    let wanted = DeadLetterFilter { cause: Some("why".to_owned()), ..Default::default() };
    let looks = [
        Look::Instance(key()),
        Look::InstancesFrom { after: Some(key()), count: 512 },
        Look::DeadLetters { wanted, after: Some(3), count: 7 },
        Look::Counts,
    ];
    for look in looks {
        let question = Question::Look(look);
        assert_eq!(there(&question), question);
    }
    let question = Question::Wait { key: key(), goal: Goal::End, limit_ms: 5 };
    assert_eq!(there(&question), question);
    let at = gearshift_machine::machine::Timestamp(5);
    let letter = DeadLetter {
        event: event(Some(Value::Null)),
        key: Some(key()),
        reason: "no_instance".into(),
        at,
        source: Some((1, 9)),
    };
    let seen = [
        Seen::Instance(None),
        Seen::Keys(vec![key()]),
        Seen::DeadLetters(vec![(4, letter)]),
        Seen::Versions(Versions {
            living: [(1, 2)].into(),
            ended: [(2, 1)].into(),
            last: Some(key()),
        }),
        Seen::Counts(Counts { instances: 3, ..Counts::default() }),
    ];
    for seen in seen {
        let answer = Answer::Seen(Box::new(seen));
        assert_eq!(decode::<Answer>(&encode(&answer).unwrap()).unwrap(), answer);
    }
}

#[test]
fn a_decision_keeps_what_askers_need() {
    let done = Done {
        key: Some(key()),
        definition: None,
        outcome: Outcome::Rejected { reason: "no".into(), accepted: vec!["a".into()] },
        effects: Vec::new(),
        trace: None,
        generation: Generation(2),
        step: 17,
        status: None,
        active: Vec::new(),
    };
    let answer = Answer::Done(Box::new(Decided::of(done.clone())));
    let Answer::Done(back) = decode(&encode(&answer).unwrap()).unwrap() else {
        panic!("another answer");
    };
    let back = back.into_done(&Definitions::default());
    assert_eq!((back.key, back.outcome), (done.key, done.outcome));
    assert_eq!((back.generation, back.step), (done.generation, done.step));
}

#[test]
fn another_version_is_named_and_damage_is_no_panic() {
    #[derive(Serialize)]
    struct Newer<'a> {
        v: u8,
        body: &'a str,
        more: bool,
    }
    let newer = rmp_serde::to_vec_named(&Newer { v: 9, body: "x", more: true }).unwrap();
    let told = decode::<Question>(&newer).unwrap_err();
    assert_eq!(told, "version 9 of the engines' own protocol is not version 1");
    let whole = encode(Question::Look(Look::Contains(key()))).unwrap();
    for end in 0..whole.len() {
        assert!(decode::<Question>(&whole[..end]).is_err(), "{end}");
    }
    for place in 0..whole.len() {
        let mut damaged = whole.to_vec();
        damaged[place] ^= 0x55;
        drop(decode::<Question>(&damaged));
    }
}
