//! [`Fault`]: what goes wrong with one call.

use std::collections::BTreeMap;
use std::time::Duration;

use gearshift_plugins_sdk::Failure;

/// What goes wrong with one call of an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// The request is lost: the plugin hears nothing, and nobody answers.
    Unheard,
    /// The plugin does its work, and its answer is lost.
    NoAnswer,
    /// The answer comes this much virtual time later.
    Late(Duration),
    /// The plugin hears the call twice, under the same call id; the first answer counts.
    Twice,
    /// The answer is `"not what the schema says"`, a text.
    WrongSchema,
    /// The answer has 512 KiB, eight times what travels inline.
    TooLarge,
    /// The plugin hears nothing, and this failure is the answer.
    Fails(Failure),
}

/// Faults that are still to come, by operation and number of the call.
#[derive(Debug, Default)]
pub(super) struct Faults(BTreeMap<(String, u32), Fault>);

impl Faults {
    pub(super) fn plan(&mut self, operation: &str, call: u32, fault: Fault) {
        self.0.insert((operation.to_owned(), call), fault);
    }

    pub(super) fn take(&mut self, operation: &str, call: u32) -> Option<Fault> {
        self.0.remove(&(operation.to_owned(), call))
    }
}
