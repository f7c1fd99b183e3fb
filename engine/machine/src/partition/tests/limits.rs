//! Limits answer `busy` and record nothing; nothing acknowledged is dropped.

use super::world::{World, deliver, event, from_inbox, key};
use crate::definition::model::Early;
use crate::machine::{
    CallOutcome, CallRequest, Effect, EffectId, Instance, Outcome, Status, StuckKind, Timestamp,
};
use crate::partition::{Done, PartitionInput, PartitionLimits, Position};
use crate::value::Value;

fn unmatched(name: &str, early: Early, sequence: u64) -> PartitionInput {
    let source = Some(Position { source: 0, sequence });
    PartitionInput::Deliver { key: key(name), event: event("closed", "{}"), early, source }
}

#[test]
fn full_dead_letters_are_busy_and_block_their_source_in_the_batch() {
    let mut world = World::new();
    let limits = PartitionLimits { dead_letters: 1, ..PartitionLimits::default() };
    world.partition = world.partition.with_limits(limits);
    let batch = world.batch(vec![
        unmatched("a", Early::DeadLetter, 1),
        unmatched("b", Early::DeadLetter, 2),
        from_inbox("c", event("opened", "{}"), 3),
        deliver("d", event("opened", "{}")),
    ]);
    let busy: Vec<_> =
        batch.results.iter().map(|done| matches!(done.outcome, Outcome::Busy { .. })).collect();
    assert_eq!(busy, [false, true, true, false]);
    // The same records again, when there is room: none was lost.
    let drop = PartitionInput::Drop { dead_letter: 1, by: super::world::principal("ann") };
    world.tell(drop);
    let batch = world.batch(vec![
        unmatched("b", Early::DeadLetter, 2),
        from_inbox("c", event("opened", "{}"), 3),
    ]);
    assert!(batch.results.iter().all(|done| !matches!(done.outcome, Outcome::Busy { .. })));
    assert_eq!(world.partition.counts().dead_letters, 1);
    assert_eq!(world.partition.counts().instances, 2);
}

#[test]
fn full_buffers_are_busy() {
    let mut world = World::new();
    let limits = PartitionLimits { buffered: 1, ..PartitionLimits::default() };
    world.partition = world.partition.with_limits(limits);
    let buffer = Early::Buffer { ttl_ms: 1_000 };
    assert_eq!(world.tell(unmatched("a", buffer, 1)).outcome, Outcome::Deferred);
    let done = world.tell(unmatched("b", buffer, 2));
    assert_eq!(done.outcome, Outcome::Busy { what: "buffered events".into() });
}

#[test]
fn due_work_that_a_limit_refuses_rests_instead_of_spinning() {
    let mut world = World::new();
    let limits = PartitionLimits { dead_letters: 0, ..PartitionLimits::default() };
    world.tell(unmatched("a", Early::Buffer { ttl_ms: 1_000 }, 1));
    world.partition = world.partition.with_limits(limits);
    world.now += 1_000;
    let due = world.partition.due(Timestamp(world.now), 8);
    let batch = world.batch(due);
    assert!(matches!(batch.results[0].outcome, Outcome::Busy { .. }));
    assert!(world.partition.due(Timestamp(world.now), 8).is_empty());
    assert_eq!(world.partition.next_due(), Some(Timestamp(world.now).plus_ms(limits.hold_ms)));
}

#[test]
fn a_batch_ends_where_its_frame_is_full_and_the_rest_comes_back() {
    let mut world = World::new();
    let limits = PartitionLimits { frame_bytes: 4_096, ..PartitionLimits::default() };
    world.partition = world.partition.with_limits(limits);
    let body = format!("{{\"text\": \"{}\"}}", "x".repeat(500));
    let mut inputs: Vec<_> =
        (0..20).map(|n| deliver(&format!("i{n:02}"), event("opened", &body))).collect();
    let mut taken = 0;
    while !inputs.is_empty() {
        let batch = world.batch(inputs);
        assert!(batch.frame.unwrap().len() <= 4_096);
        assert!(!batch.results.is_empty());
        taken += batch.results.len();
        inputs = batch.left.into_iter().map(|stamped| stamped.input).collect();
    }
    assert_eq!(taken, 20);
    assert_eq!(world.partition.counts().instances, 20);
}

#[test]
fn a_batch_has_a_limit_of_inputs() {
    let mut world = World::new();
    let inputs: Vec<_> =
        (0..300).map(|n| deliver(&format!("i{n:03}"), event("opened", "{}"))).collect();
    let batch = world.batch(inputs);
    assert_eq!((batch.results.len(), batch.left.len()), (256, 44));
}

#[test]
fn a_decision_too_large_for_any_frame_makes_one_instance_stuck() {
    let mut world = World::new();
    world.tell(deliver("a", event("opened", "{}")));
    let limits = PartitionLimits { frame_bytes: 2_048, ..PartitionLimits::default() };
    world.partition = world.partition.with_limits(limits);
    let body = format!("{{\"text\": \"{}\"}}", "x".repeat(1_200));
    let batch =
        world.batch(vec![deliver("a", event("noted", &body)), deliver("b", event("opened", "{}"))]);
    assert!(matches!(batch.results[0].outcome, Outcome::Transitioned { .. }), "it fits");
    // Twice as large fits neither as a variable nor as the event a stuck instance keeps.
    let body = format!("{{\"text\": \"{}\"}}", "x".repeat(4_000));
    let done = world.tell(deliver("a", event("noted", &body)));
    assert!(matches!(done.outcome, Outcome::DeadLettered { .. }), "{:?}", done.outcome);
    let (_, letter) = world.partition.dead_letters().next().unwrap();
    assert_eq!((&*letter.event.name, &letter.event.data), ("noted", &None));
    assert_eq!(world.partition.instance(&key("a")).unwrap().vars[0], Value::Int(1));
}

#[test]
fn a_decision_larger_than_its_event_is_rolled_back_and_keeps_the_event() {
    let text = "
workflow: flow
version: 1
correlate: data.id
events: { opened: { start: true }, doubled: {} }
vars: { a: null, b: null, c: null }
states:
  open: { on: { doubled: { do: [ { set: { a: data, b: data, c: data } } ] } } }
";
    let mut world = World::new();
    world.definitions = crate::partition::Definitions::default();
    world.definitions.insert(super::world::definition(text)).unwrap();
    world.tell(deliver("a", event("opened", "{}")));
    let limits = PartitionLimits { frame_bytes: 2_048, ..PartitionLimits::default() };
    world.partition = world.partition.with_limits(limits);
    let body = format!("{{\"text\": \"{}\"}}", "x".repeat(1_000));
    let done = world.tell(deliver("a", event("doubled", &body)));
    assert!(matches!(done.outcome, Outcome::Stuck { .. }), "{:?}", done.outcome);
    let instance = world.partition.instance(&key("a")).unwrap();
    assert_eq!(instance.status, Status::Stuck);
    let stuck = instance.stuck.unwrap();
    assert_eq!(stuck.kind, StuckKind::StateTooLarge);
    assert_eq!(&*stuck.event.unwrap().name, "doubled");
    assert_eq!(instance.vars, [Value::Null, Value::Null, Value::Null]);
}

#[test]
fn p4_an_answer_that_no_frame_takes_fails_its_call() {
    let text = "
workflow: flow
version: 1
correlate: data.id
events: { opened: { start: true } }
vars: { last: null }
states:
  open: { on: { opened: {} }, entry: [ { call: oracle.ask, set: { last: output } } ] }
";
    let mut world = World::new();
    world.definitions = crate::partition::Definitions::default();
    world.definitions.insert(super::world::definition(text)).unwrap();
    let done = world.tell(deliver("a", event("opened", "{}")));
    let sent = done.effects.iter().find(|effect| matches!(effect, Effect::Call(_)));
    let Some(Effect::Call(request)) = sent else { panic!("{sent:?}") };
    let limits = PartitionLimits { frame_bytes: 2_048, ..PartitionLimits::default() };
    world.partition = world.partition.with_limits(limits);
    let done = world.tell(PartitionInput::CallReply {
        key: key("a"),
        call: request.call,
        attempt: request.attempt,
        outcome: CallOutcome::Success(Value::String("x".repeat(4_000).into())),
    });
    let instance = world.partition.instance(&key("a")).unwrap();
    let Some(stuck) = instance.stuck else { panic!("{:?}: {instance:?}", done.outcome) };
    assert_eq!((stuck.kind, &instance.vars[0]), (StuckKind::CallFailed, &Value::Null));
    assert!(stuck.reason.contains("larger or nested deeper"), "{}", stuck.reason);
}

/// A workflow of steps whose calls were asked for: those of `asked`, in the order of asking.
struct Steps {
    world: World,
    asked: Vec<CallRequest>,
}

impl Steps {
    fn started(text: &str) -> Self {
        let mut world = World::new();
        world.definitions = crate::partition::Definitions::default();
        world.definitions.insert(super::world::definition(text)).unwrap();
        let mut steps = Self { world, asked: Vec::new() };
        let done = steps.world.tell(deliver("a", event("opened", "{}")));
        steps.took(vec![done]);
        steps
    }

    fn took(&mut self, done: Vec<Done>) {
        for effect in done.into_iter().flat_map(|done| done.effects) {
            if let Effect::Call(request) = effect {
                self.asked.push(request);
            }
        }
    }

    /// The call of `operation` gives a text of so many bytes.
    fn gives(&mut self, operation: &str, bytes: usize) {
        let asked = self.asked.iter().find(|it| &*it.operation == operation);
        let CallRequest { call, attempt, .. } = asked.cloned().unwrap();
        let outcome = CallOutcome::Success(Value::String("x".repeat(bytes).into()));
        let reply = PartitionInput::CallReply { key: key("a"), call, attempt, outcome };
        let done = self.world.tell(reply);
        self.took(vec![done]);
        let settled = self.world.settle();
        self.took(settled);
    }

    fn instance(&self) -> Instance {
        self.world.partition.instance(&key("a")).unwrap()
    }

    fn errors(&self) -> Vec<String> {
        let progress = self.instance().progress.unwrap();
        let steps = progress.graphs.iter().flat_map(|run| run.steps.iter());
        let errors = steps.filter_map(|step| step.error.as_deref());
        errors.map(|error| format!("{}: {}", error.code, error.message)).collect()
    }
}

const HANDED_ON: &str = "
workflow: flow
version: 1
correlate: data.id
events: { opened: { start: true } }
steps:
  a: { call: p.a }
  b: { needs: a, call: p.b, with: \"${ steps.a }\" }
  c: { needs: a, call: p.c, with: \"${ steps.a }\" }
  d: { needs: a, call: p.d, with: \"${ steps.a }\" }
";

#[test]
fn an_answer_of_300_kib_is_handed_to_three_calls_that_answer_in_any_order() {
    let mut steps = Steps::started(HANDED_ON);
    steps.gives("p.a", 300 * 1_024);
    assert_eq!(steps.asked.len(), 4, "{:?}", steps.instance().stuck);
    for operation in ["p.c", "p.d", "p.b"] {
        steps.gives(operation, 40);
        assert_eq!(steps.instance().stuck, None, "{operation}");
    }
    assert_eq!((steps.instance().status, steps.errors()), (Status::Done, Vec::new()));
}

#[test]
fn two_large_answers_that_one_call_is_given_fail_its_step_and_nothing_is_stuck() {
    let text = "
workflow: flow
version: 1
correlate: data.id
events: { opened: { start: true } }
steps:
  a: { call: p.a }
  c: { call: p.c }
  d:
    needs: [a, c]
    optional: true
    call: p.d
    with: { a: \"${ steps.a }\", c: \"${ steps.c }\" }
";
    let mut steps = Steps::started(text);
    steps.gives("p.a", 300 * 1_024);
    steps.gives("p.c", 300 * 1_024);
    assert_eq!((steps.instance().status, steps.instance().stuck), (Status::Done, None));
    let [told] = &*steps.errors() else { panic!("{:?}", steps.errors()) };
    assert!(told.starts_with("error.execution.limit: input of 614"), "{told}");
    assert!(told.contains("exceeds the limit of 4915"), "{told}");
}

#[test]
fn an_answer_that_does_not_fit_with_what_is_remembered_of_it_fails_its_call() {
    let step = "steps:\n  a: { optional: true, undo: p.una, call: p.a }\n";
    let text = HANDED_ON.split("steps:").next().unwrap().to_owned() + step;
    let mut steps = Steps::started(&text);
    steps.gives("p.a", 300 * 1_024);
    assert_eq!((steps.instance().status, steps.instance().stuck), (Status::Done, None));
    let [told] = &*steps.errors() else { panic!("{:?}", steps.errors()) };
    assert!(told.starts_with("reply_too_large: the answer, with what is done with it"), "{told}");
}

#[test]
fn a_promised_result_for_no_instance_is_a_dead_letter() {
    let mut world = World::new();
    let result = PartitionInput::CallResult {
        key: key("nobody"),
        call: EffectId([7; 16]),
        attempt: 1,
        outcome: CallOutcome::Success(Value::Int(3)),
        source: Position { source: 0, sequence: 1 },
    };
    let done = world.tell(result.clone());
    assert!(matches!(done.outcome, Outcome::DeadLettered { .. }), "{:?}", done.outcome);
    let (_, letter) = world.partition.dead_letters().next().unwrap();
    assert_eq!((&*letter.reason, &letter.event.data), ("no_instance", &Some(Value::Int(3))));
    assert!(letter.event.name.starts_with("gearshift.result."), "{}", letter.event.name);
    world.tell(result);
    assert_eq!(world.partition.dead_letters().count(), 1, "it is taken once");
}
