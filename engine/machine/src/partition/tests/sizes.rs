//! What an instance that waits for approval costs (01 §11, W4).

use super::world::definition;
use crate::definition::model::Early;
use crate::machine::{
    CallOutcome, CallRequest, Effect, Event, Instance, InstanceKey, Timestamp, TraceLog,
};
use crate::partition::{Definitions, Done, Partition, PartitionInput, Stamped};
use crate::value::{Map, Value};

const APPROVAL: &str =
    include_str!("../../../../../examples/document-approval/document_approval.workflow.yaml");

struct Waiting {
    partition: Partition,
    definitions: Definitions,
    journal_bytes: usize,
}

impl Waiting {
    fn tell(&mut self, input: PartitionInput) -> Done {
        let at = Timestamp(1_750_000_000_000);
        let mut batch = self.partition.decide(&self.definitions, vec![Stamped { input, at }]);
        self.journal_bytes += batch.frame.map_or(0, |frame| frame.len());
        batch.results.pop().unwrap()
    }

    /// Submits a document, answers both calls: it waits for a person now.
    fn submit(&mut self, key: &InstanceKey) {
        let text = "{\"submitter\": \"sue@example.com\", \"title\": \"Contract with ACME\"}";
        let data = Value::from_json(text.as_bytes()).unwrap();
        let event =
            Event { name: "document.submitted".into(), data: Some(data), ..Event::default() };
        let start =
            PartitionInput::Deliver { key: key.clone(), event, early: Early::Start, source: None };
        let mut done = self.tell(start);
        while let Some(call) = call_of(&done) {
            let output: Map = [("userId", Value::from("ann@example.com"))].into_iter().collect();
            done = self.tell(PartitionInput::CallReply {
                key: key.clone(),
                call: call.call,
                attempt: call.attempt,
                outcome: CallOutcome::Success(output.into()),
            });
        }
    }
}

fn call_of(done: &Done) -> Option<CallRequest> {
    done.effects
        .iter()
        .find_map(|effect| if let Effect::Call(call) = effect { Some(call.clone()) } else { None })
}

fn waiting(count: usize) -> Waiting {
    let mut definitions = Definitions::default();
    definitions.insert(definition(APPROVAL)).unwrap();
    let mut world = Waiting { partition: Partition::new(0), definitions, journal_bytes: 0 };
    for number in 0..count {
        let key = InstanceKey::new("document_approval", &format!("doc-{number:06}")).unwrap();
        world.submit(&key);
    }
    world
}

#[test]
fn an_instance_that_waits_for_approval_is_at_most_350_bytes_with_its_history() {
    let world = waiting(1);
    let instance: Instance = world.partition.instances_from(None, 1).pop().unwrap();
    let mut trace = TraceLog::new();
    for entry in world.partition.trace(&instance.key) {
        trace.push(&entry, 100).unwrap();
    }
    assert_eq!(trace.entries().unwrap().len(), 3, "submitted, validated, assigned");
    let (own, history) = (instance.encode().len(), trace.as_bytes().len());
    assert!(own + history <= 350, "{own} bytes and {history} bytes of history: {instance:#?}");
}

#[test]
fn a_waiting_instance_takes_at_most_500_bytes_of_memory() {
    let count = 200;
    let each = waiting(count).partition.memory_bytes() / count;
    assert!(each <= 500, "{each} bytes each");
}
