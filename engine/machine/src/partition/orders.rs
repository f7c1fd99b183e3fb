//! Operators' orders: most are the machine's, some take more than the instance.

use std::sync::Arc;

use crate::machine::{Command, Input, InstanceKey, Principal, Timestamp};

use super::draft::Draft;
use super::migrate::Onward;
use super::plan::Run;

impl Run<'_> {
    /// What becomes of an order.
    pub(super) fn ordered(
        &mut self,
        key: &InstanceKey,
        command: &Command,
        (by, reason): (&Principal, &Arc<str>),
        at: Timestamp,
    ) -> Draft {
        if let Some(onward) = Onward::of(command) {
            return self.migrate(key, onward, command.words(), (by, reason), at);
        }
        if let Command::Fork(fork) = command {
            return self.fork(key, fork, (by, reason), at);
        }
        if let Command::StartIn { version, input, transaction, id, trace_context } = command {
            let (input, id, trace_context) = (input.clone(), id.clone(), trace_context.clone());
            let start = Input::Start { input, event: None, by: by.clone(), id, trace_context };
            return self.start_within(key, *version, (start, transaction), at);
        }
        let begins = matches!(command, Command::Begin { .. });
        let (command, by, reason) = (command.clone(), by.clone(), Arc::clone(reason));
        let order = Input::Command { command, by, reason };
        if begins {
            self.begin_transaction(key, &order, at)
        } else {
            self.existing(key, &order, at)
        }
    }
}
