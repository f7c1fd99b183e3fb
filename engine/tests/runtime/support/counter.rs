//! The workflow that the tests drive: it writes down what it was told, in order.

use gearshift_machine::machine::{Instance, Status};
use serde::de::DeserializeOwned;

/// Every event is written down once; some publish, some call, some wait.
pub(crate) const COUNTER: &str = r#"
workflow: counter
version: 1
correlate: data.key
events:
  counter.opened: { start: true }
  counter.hinted: { buffer: 1h }
  counter.added: {}
  counter.noted: {}
  counter.worked: {}
  counter.padded: {}
  counter.armed: {}
vars: { seen: [], worked: 0, failed: 0, fired: 0, pad: "" }
initial: open
states:
  open:
    on:
      counter.added: { do: { set: { seen: "vars.seen + [data.n]" } } }
      counter.hinted: { do: { set: { seen: "vars.seen + [data.n]" } } }
      counter.padded: { do: { set: { pad: data.pad } } }
      counter.noted:
        do:
          - set: { seen: "vars.seen + [data.n]" }
          - { publish: note.taken, with: { key: "${ key }", n: "${ data.n }" } }
      counter.worked:
        do: [{ set: { seen: "vars.seen + [data.n]" } }, work]
        to: open
        failed: { do: { set: { failed: vars.failed + 1 } }, to: open }
      counter.armed: { to: armed }
  armed:
    after: { 30s: { do: { set: { fired: vars.fired + 1 } }, to: open } }
    on:
      counter.added: { do: { set: { seen: "vars.seen + [data.n]" } } }
actions:
  work:
    call: recorded.work
    with: { n: "${ data.n }" }
    timeout: 5s
    retry: { attempts: 3, backoff: 2s }
    set: { worked: vars.worked + 1 }
"#;

/// What an instance of [`COUNTER`] holds.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Counter {
    pub(crate) seen: Vec<u64>,
    pub(crate) worked: u64,
    pub(crate) failed: u64,
    pub(crate) fired: u64,
    /// Nothing is under way or waits.
    pub(crate) quiet: bool,
    pub(crate) instance: Instance,
}

impl Counter {
    pub(crate) fn of(instance: Instance) -> Self {
        let quiet = instance.sequences.is_empty() && instance.deferred.is_empty();
        assert_eq!(instance.status, Status::Running, "{instance:#?}");
        Self {
            seen: var(&instance, 0),
            worked: var(&instance, 1),
            failed: var(&instance, 2),
            fired: var(&instance, 3),
            quiet,
            instance,
        }
    }
}

fn var<T: DeserializeOwned>(instance: &Instance, place: usize) -> T {
    let value = instance.vars.get(place).unwrap();
    serde_json::from_str(&value.to_json()).unwrap()
}
