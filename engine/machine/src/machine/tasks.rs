//! Approvals: who may decide what.

use std::cell::Cell;
use std::sync::Arc;

use super::commands::rejected;
use super::ids::{StateId, Timestamp};
use super::input::{Event, EventKind, Principal};
use super::instance::{Instance, TimerKind, Vote};
use super::macrostep::{Cause, Taken};
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
        steps: instance.progress.as_deref(),
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

/// Why `not: [initiator]` refuses everybody, and how to mend it.
const NO_INITIATOR: &str = "the initiator is unknown, so that anybody might be it; start such \
    instances explicitly or publish their event through a door that knows the user, and cancel \
    this one";

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
    if approval.not_initiator {
        let Some(initiator) = initiator else { return Err(NO_INITIATOR.to_owned()) };
        if user == Some(&**initiator) {
            return Err("the one who started it may not decide".to_owned());
        }
    }
    Ok(())
}

/// Does the approval refuse anybody?
const fn restricts(approval: &Approval) -> bool {
    !approval.roles.is_empty() || approval.not_initiator || approval.need > 1
}

/// What the open approvals say to an event before transitions see it.
#[derive(Debug, Default)]
pub(super) struct Gate {
    /// States whose transitions for the event named beside them may not take it.
    pub(super) barred: Vec<(StateId, Arc<str>)>,
    /// The one approval that the event decides, where it names it.
    pub(super) bound: Option<StateId>,
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
        gate.bound = self.task_of(event);
        let (mut refused, mut allowed) = (Vec::new(), Vec::new());
        let mut at = 0;
        while let Some(&id) = self.instance.active.get(at) {
            at += 1;
            let Some(approval) = &definition.state(id).approval else { continue };
            let longer = match event.name.strip_prefix(&*approval.event) {
                Some("") => false,
                Some(rest) if rest.starts_with('.') => true,
                Some(_) | None => continue,
            };
            if longer {
                // A trigger takes longer names too, but only the event itself is a decision.
                if restricts(approval) {
                    refused.push((id, approval));
                }
            } else if gate.bound.is_some_and(|bound| bound != id) {
                gate.barred.push((id, Arc::clone(&approval.event)));
            } else if self.ask_gate(id, approval, event, &mut gate) {
                allowed.push(id);
            } else {
                refused.push((id, approval));
            }
        }
        for (id, approval) in refused {
            // Transitions around a state decide its approval too, unless they decide another.
            let around = definition.ancestors(id).filter(|up| {
                !allowed.iter().any(|allowed| definition.is_descendant(*allowed, *up))
            });
            let states = std::iter::once(id).chain(around);
            gate.barred.extend(states.map(|state| (state, Arc::clone(&approval.event))));
        }
        gate
    }

    /// The open approval that the event decides as its `data.task` says: a decision is for one.
    fn task_of(&self, event: &Event) -> Option<StateId> {
        let task = event.data.as_ref()?.get("task")?.as_str()?;
        let id = self.definition.state_named(task).filter(|id| self.is_active(*id))?;
        let approval = self.state(id).approval.as_ref()?;
        (approval.event == event.name).then_some(id)
    }

    /// May the event decide the approval of `id`, now?
    fn ask_gate(
        &mut self,
        id: StateId,
        approval: &Approval,
        event: &Event,
        gate: &mut Gate,
    ) -> bool {
        let by = event.by.as_ref();
        if let Err(reason) = may_decide(approval, by, self.instance.initiator.as_ref()) {
            gate.verdict.get_or_insert_with(|| Outcome::Denied { reason: reason.into() });
            return false;
        }
        if approval.need < 2 {
            return true;
        }
        match self.vote(id, approval, event) {
            Ok(vote) => gate.completed = Some(vote),
            Err(outcome) => {
                gate.verdict = Some(outcome);
                return false;
            }
        }
        true
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
                let (from, fired) = (self.leaves(), self.entry.fired.len());
                let (taken, verdict) =
                    self.pass_gate(&event, |work| work.macrostep(Cause::Event(&event)));
                match (taken, verdict) {
                    (Taken::Yes, _) => self.transitioned(from),
                    (Taken::RolledBack, _) => self.rolled_back(),
                    (Taken::Deferred | Taken::Unhandled(_), Some(verdict)) => verdict,
                    // An eventless transition may have fired for it.
                    (Taken::Deferred | Taken::Unhandled(_), None)
                        if self.entry.fired.len() > fired =>
                    {
                        self.transitioned(from)
                    }
                    (Taken::Deferred | Taken::Unhandled(_), None) => {
                        rejected(format!("no transition takes `{choice}` now"))
                    }
                }
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
        let (state, choice) = self.decided_task(choice, by)?;
        let Some(approval) = &self.state(state).approval else {
            return Err(rejected("not waiting for a decision"));
        };
        let mut fields = match data {
            None | Some(Value::Null) => Map::new(),
            Some(Value::Map(map)) => Map::clone(map),
            Some(other) => {
                let found = other.type_name();
                return Err(rejected(format!("the data is a {found}, not a map")));
            }
        };
        fields.insert("action", Value::String(choice));
        fields.insert("task", Value::String(Arc::clone(&self.state(state).id)));
        fields.insert("userId", Value::String(Arc::clone(&by.user)));
        let mut event =
            self.made(Arc::clone(&approval.event), EventKind::External, Some(fields.into()));
        event.by = Some(by.clone());
        Ok(event)
    }

    /// The one open approval that `choice`, or `state:choice`, is for, and the choice itself.
    fn decided_task(
        &self,
        choice: &Arc<str>,
        by: &Principal,
    ) -> Result<(StateId, Arc<str>), Outcome> {
        let open = || open_approvals(&self.instance, self.definition);
        if open().next().is_none() {
            return Err(rejected("not waiting for a decision; it may have been made already"));
        }
        let mut denied = None;
        let mut found = Vec::new();
        for (id, approval) in open() {
            let own = choice.strip_prefix(&*self.state(id).id).and_then(|it| it.strip_prefix(':'));
            let known = |known: &&Arc<str>| **known == *choice || own == Some(&***known);
            let Some(meant) = approval.choices.iter().find(known) else { continue };
            match may_decide(approval, Some(by), self.instance.initiator.as_ref()) {
                Ok(()) => found.push((id, Arc::clone(meant))),
                Err(reason) => denied = Some(reason),
            }
        }
        match (found.pop(), denied) {
            (Some(task), _) if found.is_empty() => Ok(task),
            (Some(last), _) => {
                found.push(last);
                let named = |(id, choice): &(StateId, Arc<str>)| {
                    format!("{}:{choice}", self.state(*id).id).into()
                };
                Err(Outcome::Rejected {
                    reason: format!("several approvals wait for `{choice}`: say which").into(),
                    accepted: found.iter().map(named).collect(),
                })
            }
            (None, Some(reason)) => Err(Outcome::Denied { reason: reason.into() }),
            (None, None) => Err(Outcome::Rejected {
                reason: format!("`{choice}` is none of the choices").into(),
                accepted: open().flat_map(|(_, approval)| approval.choices.clone()).collect(),
            }),
        }
    }
}
