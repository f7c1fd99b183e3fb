//! Very many calls are taken back at the cost of one each (decision 0028).

use super::world::{definition, principal, restore};
use crate::machine::{
    CallOutcome, CallRequest, Effect, ErrorKind, InstanceKey, Progress, Status, Timestamp,
};
use crate::partition::{Batch, Definitions, Partition, PartitionInput, Stamped};
use crate::value::Value;

const MANY: &str = "
workflow: many
on_failure: rollback
on_error: fail
steps:
  each:
    foreach: { in: input, as: item, max_parallel: 256 }
    call: p.do
    with: { item: \"${ item }\" }
    undo: p.undo
  last: { call: p.last, needs: [each] }
";

/// When all of it happens.
const AT: Timestamp = Timestamp(1_750_000_000_000);

/// A partition with one instance, and what it asked for.
struct Many {
    partition: Partition,
    definitions: Definitions,
    journal: Vec<Vec<u8>>,
    calls: Vec<CallRequest>,
}

impl Many {
    fn new() -> Self {
        let mut definitions = Definitions::default();
        definitions.insert(definition(MANY)).unwrap();
        let mut partition = Partition::new(3);
        let journal = vec![partition.epoch_frame(1, "test")];
        Self { partition, definitions, journal, calls: Vec::new() }
    }

    fn batch(&mut self, inputs: Vec<PartitionInput>) -> Batch {
        let mut left: Vec<_> = inputs.into_iter().map(|input| Stamped { input, at: AT }).collect();
        loop {
            let batch = self.partition.decide(&self.definitions, left);
            self.journal.extend(batch.frame.clone());
            let effects = batch.results.iter().flat_map(|done| &done.effects);
            self.calls.extend(effects.filter_map(|effect| match effect {
                Effect::Call(call) => Some(call.clone()),
                Effect::CancelCall { .. }
                | Effect::WithdrawCall { .. }
                | Effect::Publish { .. }
                | Effect::SendSelf { .. }
                | Effect::DeadLetter { .. }
                | Effect::Letter(_)
                | Effect::Keep { .. }
                | Effect::Log { .. }
                | Effect::Notice(_) => None,
            }));
            if batch.left.is_empty() {
                return batch;
            }
            left = batch.left;
        }
    }

    /// Answers all calls under way at once; how many there were.
    fn answer(&mut self, key: &InstanceKey) -> usize {
        let calls = std::mem::take(&mut self.calls);
        let count = calls.len();
        let inputs = calls.into_iter().map(|call| {
            let outcome = match &*call.operation {
                "p.last" => CallOutcome::Failure {
                    kind: ErrorKind::Permanent,
                    code: "".into(),
                    message: "no".into(),
                    retry_after_ms: None,
                },
                _ => CallOutcome::Success(Value::from("a reply of some bytes, as they come")),
            };
            let (key, call, attempt) = (key.clone(), call.call, call.attempt);
            PartitionInput::CallReply { key, call, attempt, outcome }
        });
        let inputs = inputs.collect();
        self.batch(inputs);
        // What is left to a decision of its own (decision 0063) begins with a timer.
        let due = self.partition.due(AT, 16);
        self.batch(due);
        count
    }
}

#[test]
fn taking_back_ten_thousand_calls_costs_one_each() {
    let count = 10_000;
    let mut many = Many::new();
    let key = InstanceKey::new("many", "m").unwrap();
    let input = Value::list((0..count).map(Value::Int).collect());
    let by = principal("ann");
    many.batch(vec![PartitionInput::Start {
        key: key.clone(),
        version: None,
        input,
        by,
        id: None,
        trace_context: None,
    }]);
    let instance = |many: &Many| many.partition.instance(&key).unwrap();
    while instance(&many).status == Status::Running {
        many.answer(&key);
    }
    let mut undone = 0;
    let mut now = instance(&many);
    while now.status == Status::Compensating {
        let bytes = many.journal.len();
        undone += many.answer(&key);
        let frames = many.journal.get(bytes..).unwrap_or_default();
        let written: usize = frames.iter().map(Vec::len).sum();
        let next = instance(&many);
        if next.status == Status::Compensating {
            assert!(written < 1_000, "{written} bytes for undo number {undone}");
            // Nothing but what changed was copied: neither decoded nor encoded as a whole.
            let (old, new) = (now.progress.unwrap(), next.progress.as_deref().unwrap());
            assert!(new.undo.copied(&old.undo) <= 1);
            let items = |progress: &Progress| progress.graphs[0].steps.get(0).cloned().unwrap();
            let (old, new) = (items(&old).fan.unwrap(), items(new).fan.unwrap());
            assert!(new.items.copied(&old.items) <= 1);
        }
        now = next;
    }
    assert_eq!((undone, now.status), (10_000, Status::Failed));
    assert_eq!(restore(&many.journal).state_bytes(), many.partition.state_bytes());
}

#[test]
fn large_instances_that_others_displaced_rest_as_bytes_and_go_on() {
    let mut many = Many::new();
    let keys: Vec<_> =
        (0..7).map(|at| InstanceKey::new("many", &format!("m{at}")).unwrap()).collect();
    let input = Value::list((0..1_000).map(Value::Int).collect());
    for key in &keys {
        let (key, input, by) = (key.clone(), input.clone(), principal("ann"));
        many.batch(vec![PartitionInput::Start {
            key,
            version: None,
            input,
            by,
            id: None,
            trace_context: None,
        }]);
        many.calls.clear();
    }
    // Each one's turn comes again when the others have displaced it.
    for _ in 0..3 {
        for key in &keys {
            let now = many.partition.instance(key).unwrap();
            let call = now.sequences.first().unwrap().call.clone().unwrap();
            let outcome = CallOutcome::Success(Value::from("done"));
            let (key, call, attempt) = (key.clone(), call.id, call.attempt);
            many.batch(vec![PartitionInput::CallReply { key, call, attempt, outcome }]);
        }
    }
    let restored = restore(&many.journal);
    assert_eq!(restored.state_bytes(), many.partition.state_bytes());
    let undo = |key| many.partition.instance(key).unwrap().progress.unwrap().undo.len();
    assert!(keys.iter().all(|key| undo(key) == 3));
}
