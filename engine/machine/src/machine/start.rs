//! How a life begins (rule 14).

use std::sync::Arc;

use super::decide::{stamped, user};
use super::effect::NoticeKind;
use super::ids::{Generation, InstanceKey, StateId, Timestamp};
use super::input::{Event, Principal};
use super::instance::{Instance, Status};
use super::letter::Parent;
use super::macrostep::{Again, Cause, Taken};
use super::outcome::{Decision, Outcome};
use super::work::{ActionError, Origin, Overrun, Work};
use crate::definition::model::Definition;
use crate::value::Value;

/// What a life begins with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Beginning<'a> {
    pub(super) input: &'a Value,
    pub(super) event: Option<&'a Event>,
    pub(super) by: &'a Principal,
    pub(super) parent: Option<&'a Parent>,
}

/// Rule 14: a life begins.
pub(super) fn start(
    old: Option<&Instance>,
    key: &InstanceKey,
    definition: &Definition,
    Beginning { input, event, by, parent }: Beginning<'_>,
    now: Timestamp,
) -> Decision {
    let generation = Generation(old.map_or(1, |old| old.generation.0.saturating_add(1)));
    let initiator = user(by).or_else(|| event.and_then(|event| user(event.by.as_ref()?)));
    let instance = Instance {
        key: key.clone(),
        generation,
        pin: definition.pin(),
        status: Status::Running,
        stuck: None,
        step: 0,
        active: Vec::new(),
        vars: vec![Value::Null; definition.vars.len()],
        input: input.clone(),
        initiator: initiator.clone(),
        history: Vec::new(),
        next_id: 1,
        timers: Vec::new(),
        sequences: Vec::new(),
        deferred: Vec::new(),
        parked: Vec::new(),
        marks: Vec::new(),
        votes: Vec::new(),
        output: Value::Null,
        started_at: now,
        updated_at: now,
        parent: parent.map(|parent| Box::new(parent.clone())),
        progress: None,
    };
    let mut work = Work::new(definition, instance, None, now, "start".into());
    work.entry.by = initiator;
    let event = event.map(|event| stamped(event, now));
    if let Some(event) = &event {
        work.remember(event);
        work.cause = Some(Arc::clone(&event.name));
    }
    work.notice(NoticeKind::Started, vec![("input", input.clone())]);
    work.enter_initial(event.as_ref());
    let outcome = match &work.instance.stuck {
        Some(stuck) if work.instance.active.is_empty() => {
            Outcome::Stuck { reason: Arc::clone(&stuck.reason) }
        }
        Some(_) | None => Outcome::Started { to: work.leaves() },
    };
    work.finish(outcome)
}

impl Work<'_> {
    /// Enters the initial states, then offers the starting event to them (rule 14).
    pub(super) fn enter_initial(&mut self, event: Option<&Event>) {
        let again = || Again::Event(event.cloned());
        let taken = self.attempt(&again, |work| {
            work.initialise_vars(event)?;
            work.macrostep(Cause::Start(event))
        });
        let Some(event) = event else { return };
        if taken == Taken::RolledBack {
            return;
        }
        if self.goes_on() {
            self.starting = true;
            let (taken, verdict) =
                self.pass_gate(event, |work| work.macrostep(Cause::Event(event)));
            self.starting = false;
            // Nobody taking it is normal; deferring it is too.
            match (taken, verdict) {
                (Taken::Deferred | Taken::Unhandled(_), Some(verdict)) => {
                    self.refused_by_gate(verdict);
                }
                (Taken::Deferred, None) => {
                    self.defer(event);
                }
                (Taken::Unhandled(_) | Taken::Yes | Taken::RolledBack, _) => {}
            }
            self.offer_deferred();
        } else if self.instance.status == Status::Stuck {
            self.instance.parked.push(event.clone());
        }
    }

    /// `vars:` in document order, each sees the earlier ones; a failing one stays null.
    fn initialise_vars(&mut self, event: Option<&Event>) -> Result<(), Overrun> {
        let definition = self.definition;
        for (at, var) in definition.vars.iter().enumerate() {
            let value = var.initial.eval(&self.scope(event));
            match (value, self.instance.vars.get_mut(at)) {
                (Ok(value), Some(slot)) => *slot = value,
                (Ok(_), None) => {}
                (Err(error), _) => {
                    let message = format!("`{}`: {error}", var.name);
                    let origin = Origin { state: Some(StateId::ROOT), ..Origin::default() };
                    self.queue_error(ActionError::new("error.execution.vars", message), origin)?;
                }
            }
        }
        self.vars_changed = true;
        Ok(())
    }
}
