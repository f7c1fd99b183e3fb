//! Approvals: who may decide what.

use std::cell::Cell;
use std::sync::Arc;

use super::ids::{StateId, Timestamp};
use super::input::{Event, EventKind, Principal};
use super::instance::{Instance, TimerKind, Vote};
use super::macrostep::Taken;
use super::outcome::Outcome;
use super::work::{FUEL, Work};
use crate::definition::expr::Scope;
use crate::definition::model::{Approval, Definition};
use crate::value::{Map, Value};

/// One open approval: what a task list shows.
#[derive(Clone, Debug, PartialEq)]
pub struct Task {
    /// The state that waits for the decision.
    pub state: StateId,
    /// What is to be decided; the state's id where the author's title cannot be evaluated.
    pub title: Arc<str>,
    /// The one person asked, where the author names one.
    pub assign: Option<Arc<str>>,
    /// The choices, in document order.
    pub choices: Vec<Arc<str>>,
    /// Who may decide; empty is everybody.
    pub roles: Vec<Arc<str>>,
    /// When the state's first `after:` timer is due.
    pub due: Option<Timestamp>,
    /// How many persons must make the same choice.
    pub need: u32,
    /// Votes cast so far.
    pub votes: Vec<Vote>,
}

/// The approvals that wait for a decision, in document order; none of an ended instance.
#[must_use]
pub fn open_tasks(instance: &Instance, definition: &Definition, now: Timestamp) -> Vec<Task> {
    if instance.status.is_ended() {
        return Vec::new();
    }
    let fuel = Cell::new(FUEL);
    let scope = Scope {
        definition,
        key: Some(&instance.key),
        vars: &instance.vars,
        active: &instance.active,
        event: None,
        input: &instance.input,
        output: None,
        error: None,
        now,
        locals: &[],
        fuel: &fuel,
    };
    open_approvals(instance, definition)
        .map(|(state, approval)| Task {
            state,
            title: approval
                .title
                .eval_text(&scope)
                .unwrap_or_else(|_| Arc::clone(&definition.state(state).id)),
            assign: approval
                .assign
                .as_ref()
                .and_then(|assign| assign.eval(&scope).ok())
                .and_then(|assign| assign.as_str().map(Into::into)),
            choices: approval.choices.clone(),
            roles: approval.roles.clone(),
            due: due(instance, state),
            need: approval.need,
            votes: instance.votes.iter().filter(|vote| vote.state == state).cloned().collect(),
        })
        .collect()
}

fn due(instance: &Instance, id: StateId) -> Option<Timestamp> {
    let own = |kind: &TimerKind| matches!(kind, TimerKind::After { state, .. } if *state == id);
    instance.timers.iter().filter(|timer| own(&timer.kind)).map(|timer| timer.due).min()
}

fn open_approvals<'a>(
    instance: &'a Instance,
    definition: &'a Definition,
) -> impl Iterator<Item = (StateId, &'a Approval)> {
    let approval = |id: &StateId| Some((*id, definition.state(*id).approval.as_ref()?));
    instance.active.iter().filter_map(approval)
}

/// May `by` decide? The error says why not.
fn may_decide(
    approval: &Approval,
    by: Option<&Principal>,
    initiator: Option<&Arc<str>>,
) -> Result<(), String> {
    let user = by.map(|by| &*by.user).filter(|user| !user.is_empty());
    if !approval.roles.is_empty() {
        let roles = by.map(|by| by.roles.as_slice()).unwrap_or_default();
        let fits = |role: &Arc<str>| **role == *"*" || approval.roles.contains(role);
        if !roles.iter().any(fits) {
            let needed = approval.roles.join("`, `");
            return Err(format!("the decision needs one of the roles `{needed}`"));
        }
    }
    if (approval.not_initiator || approval.need > 1) && user.is_none() {
        return Err("the decision needs a known user".to_owned());
    }
    let started = initiator.is_some_and(|initiator| user == Some(&**initiator));
    if approval.not_initiator && started {
        return Err("the one who started it may not decide".to_owned());
    }
    Ok(())
}

/// What the open approvals say to an event before transitions see it.
#[derive(Debug, Default)]
pub(super) struct Gate {
    /// States whose transitions may not take the event.
    pub(super) barred: Vec<StateId>,
    /// The verdict where no other transition takes it.
    pub(super) verdict: Option<Outcome>,
    /// The vote that completed a decision, and is void if nothing takes it.
    completed: Option<Vote>,
}

impl Work<'_> {
    /// Asks the open approvals that `event` decides; votes are counted here.
    ///
    /// Only approvals with `roles:`, `not:` or `need:` restrict anybody.
    pub(super) fn gate(&mut self, event: &Event) -> Gate {
        let mut gate = Gate::default();
        if event.kind != EventKind::External || event.invoke_id.is_some() {
            return gate;
        }
        let definition = self.definition;
        let mut at = 0;
        while let Some(&id) = self.instance.active.get(at) {
            at += 1;
            let Some(approval) = &definition.state(id).approval else { continue };
            if approval.event == event.name {
                self.ask_gate(id, approval, event, &mut gate);
            }
        }
        gate
    }

    fn ask_gate(&mut self, id: StateId, approval: &Approval, event: &Event, gate: &mut Gate) {
        let by = event.by.as_ref();
        if let Err(reason) = may_decide(approval, by, self.instance.initiator.as_ref()) {
            gate.barred.push(id);
            gate.verdict.get_or_insert_with(|| Outcome::Denied { reason: reason.into() });
            return;
        }
        if approval.need < 2 {
            return;
        }
        match self.vote(id, approval, event) {
            Ok(vote) => gate.completed = Some(vote),
            Err(outcome) => {
                gate.barred.push(id);
                gate.verdict = Some(outcome);
            }
        }
    }

    /// Casts a vote: `Ok` when it completes the decision.
    fn vote(
        &mut self,
        state: StateId,
        approval: &Approval,
        event: &Event,
    ) -> Result<Vote, Outcome> {
        let choice =
            event.data.as_ref().and_then(|data| data.get("action")).and_then(Value::as_str);
        let choice =
            approval.choices.iter().find(|known| choice == Some(known)).ok_or_else(|| {
                Outcome::Rejected {
                    reason: "`action` is none of the choices".into(),
                    accepted: approval.choices.clone(),
                }
            })?;
        let user = event.by.as_ref().map_or_else(|| "".into(), |by| Arc::clone(&by.user));
        let own = |vote: &&Vote| vote.state == state;
        if self.instance.votes.iter().filter(own).any(|vote| vote.user == user) {
            let reason = format!("`{user}` has voted already").into();
            return Err(Outcome::Rejected { reason, accepted: Vec::new() });
        }
        let vote = Vote { state, choice: Arc::clone(choice), user };
        self.instance.votes.push(vote.clone());
        let same = |vote: &&Vote| vote.state == state && vote.choice == *choice;
        let count = self.instance.votes.iter().filter(same).count();
        if count >= approval.need as usize {
            return Ok(vote);
        }
        self.note(format!("vote {count} of {} for {choice}", approval.need));
        Err(Outcome::Done)
    }

    /// After the event was offered: a completed vote counts once, and not at all where nothing
    /// took the decision.
    pub(super) fn settle_votes(&mut self, gate: &Gate, taken: Taken) {
        let Some(completed) = &gate.completed else { return };
        match taken {
            Taken::Yes => self.instance.votes.retain(|vote| vote.state != completed.state),
            Taken::Deferred | Taken::Unhandled(_) | Taken::RolledBack => {
                self.instance.votes.retain(|vote| vote != completed);
            }
        }
    }

    /// A person decides an open approval.
    pub(super) fn decide_approval(
        &mut self,
        choice: &Arc<str>,
        data: Option<&Value>,
        by: &Principal,
    ) -> Outcome {
        match self.decision_event(choice, data, by) {
            Err(outcome) => outcome,
            Ok(event) => {
                let outcome = self.offer(&event);
                let untaken = matches!(
                    outcome,
                    Outcome::Ignored { .. } | Outcome::Deferred | Outcome::DeadLettered { .. }
                );
                if !untaken {
                    return outcome;
                }
                let reason = format!("no transition takes `{choice}` now").into();
                Outcome::Rejected { reason, accepted: Vec::new() }
            }
        }
    }

    /// The event that a decision becomes.
    fn decision_event(
        &self,
        choice: &Arc<str>,
        data: Option<&Value>,
        by: &Principal,
    ) -> Result<Event, Outcome> {
        let rejected =
            |reason: String, accepted| Outcome::Rejected { reason: reason.into(), accepted };
        let open = || open_approvals(&self.instance, self.definition);
        if open().next().is_none() {
            let reason = "not waiting for a decision; it may have been made already".to_owned();
            return Err(rejected(reason, Vec::new()));
        }
        let mut denied = None;
        let mut found = None;
        for (_, approval) in open().filter(|(_, approval)| approval.choices.contains(choice)) {
            match may_decide(approval, Some(by), self.instance.initiator.as_ref()) {
                Ok(()) => {
                    found = Some(approval);
                    break;
                }
                Err(reason) => denied = Some(reason),
            }
        }
        let Some(approval) = found else {
            return Err(match denied {
                Some(reason) => Outcome::Denied { reason: reason.into() },
                None => {
                    let choices = open().flat_map(|(_, approval)| approval.choices.clone());
                    rejected(format!("`{choice}` is none of the choices"), choices.collect())
                }
            });
        };
        let mut fields = match data {
            None | Some(Value::Null) => Map::new(),
            Some(Value::Map(map)) => Map::clone(map),
            Some(other) => {
                let found = other.type_name();
                return Err(rejected(format!("the data is a {found}, not a map"), Vec::new()));
            }
        };
        fields.insert("action", Value::String(Arc::clone(choice)));
        fields.insert("userId", Value::String(Arc::clone(&by.user)));
        let mut event =
            self.made(Arc::clone(&approval.event), EventKind::External, Some(fields.into()));
        event.by = Some(by.clone());
        Ok(event)
    }
}
