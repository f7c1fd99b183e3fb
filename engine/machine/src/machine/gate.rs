//! The gate: what open approvals say to an event before anything takes it.

use std::sync::Arc;

use super::ids::StateId;
use super::input::{Event, EventKind, Principal};
use super::instance::Vote;
use super::macrostep::Taken;
use super::outcome::Outcome;
use super::tasks::{Asker, open_steps};
use super::work::Work;
use crate::definition::model::Approval;
use crate::value::Value;

/// Why `not: [initiator]` refuses everybody, and how to mend it.
const NO_INITIATOR: &str = "the initiator is unknown, so that anybody might be it; start such \
    instances explicitly or publish their event through a door that knows the user, and cancel \
    this one";

/// May `by` decide? The error says why not.
pub(super) fn may_decide(
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
    /// Who may take it.
    pub(super) offered: Offered,
    /// The verdict where no other transition takes it.
    pub(super) verdict: Option<Outcome>,
    /// The vote that completed a decision, and is void if nothing takes it.
    completed: Option<(Asker, Vote)>,
}

/// Who may take the event about to be offered.
#[derive(Clone, Debug, Default)]
pub(super) struct Offered {
    /// States whose transitions for the event named beside them may not take it.
    pub(super) barred: Vec<(StateId, Arc<str>)>,
    /// The one approval that the event decides, where it names it: nobody beside it may take it.
    pub(super) bound: Option<Asker>,
    /// Steps whose approval it decides.
    pub(super) decides: Vec<Asker>,
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
        gate.offered.bound = self.task_of(event);
        self.ask_states(event, &mut gate);
        self.ask_steps(event, &mut gate);
        gate
    }

    fn ask_states(&mut self, event: &Event, gate: &mut Gate) {
        let definition = self.definition;
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
            let asker = Asker::State(id);
            if longer {
                // A trigger takes longer names too, but only the event itself is a decision.
                if restricts(approval) {
                    refused.push((id, approval));
                }
            } else if gate.offered.bound.is_some_and(|bound| bound != asker) {
                gate.offered.barred.push((id, Arc::clone(&approval.event)));
            } else if self.ask_gate(asker, approval, event, gate) {
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
            gate.offered.barred.extend(states.map(|state| (state, Arc::clone(&approval.event))));
        }
    }

    /// A step takes nothing but one of its choices, and only under the very name.
    fn ask_steps(&mut self, event: &Event, gate: &mut Gate) {
        for (asker, approval) in open_steps(&self.instance, self.definition) {
            let other = gate.offered.bound.is_some_and(|bound| bound != asker);
            if event.name != approval.event || other {
                continue;
            }
            if let Err(outcome) = chosen(approval, event) {
                gate.verdict.get_or_insert(outcome);
            } else if self.ask_gate(asker, approval, event, gate) {
                gate.offered.decides.push(asker);
            }
        }
    }

    /// The open approval that the event decides as its `data.task` says: a decision is for one.
    fn task_of(&self, event: &Event) -> Option<Asker> {
        let task = event.data.as_ref()?.get("task")?.as_str()?;
        let mut steps = open_steps(&self.instance, self.definition).into_iter();
        let named = steps.find(|(asker, _)| *self.asker_name(*asker) == *task);
        let (asker, approval) = match named {
            Some(found) => found,
            None => {
                let id = self.definition.state_named(task).filter(|id| self.is_active(*id))?;
                (Asker::State(id), self.state(id).approval.as_ref()?)
            }
        };
        (approval.event == event.name).then_some(asker)
    }

    /// May the event decide the approval, now?
    fn ask_gate(
        &mut self,
        asker: Asker,
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
        match self.vote(asker, approval, event) {
            Ok(vote) => gate.completed = Some((asker, vote)),
            Err(outcome) => {
                gate.verdict = Some(outcome);
                return false;
            }
        }
        true
    }

    /// Casts a vote: `Ok` when it completes the decision.
    fn vote(&mut self, asker: Asker, approval: &Approval, event: &Event) -> Result<Vote, Outcome> {
        let choice = chosen(approval, event)?;
        let user = event.by.as_ref().map_or_else(|| "".into(), |by| Arc::clone(&by.user));
        let state = asker.state();
        let Some(votes) = self.votes_of(asker) else { return Err(Outcome::Done) };
        let own = |vote: &&Vote| vote.state == state;
        if votes.iter().filter(own).any(|vote| vote.user == user) {
            let reason = format!("`{user}` has voted already").into();
            return Err(Outcome::Rejected { reason, accepted: Vec::new() });
        }
        let vote = Vote { state, choice: Arc::clone(&choice), user };
        votes.push(vote.clone());
        let same = |vote: &&Vote| vote.state == state && vote.choice == choice;
        let count = votes.iter().filter(same).count();
        if count >= approval.need as usize {
            return Ok(vote);
        }
        self.note(format!("vote {count} of {} for {choice}", approval.need));
        Err(Outcome::Done)
    }

    /// The list that the votes on an approval stand in.
    fn votes_of(&mut self, asker: Asker) -> Option<&mut Vec<Vote>> {
        match asker {
            Asker::State(_) => Some(&mut self.instance.votes),
            Asker::Step { graph, step, .. } => Some(&mut self.step_state_mut(graph, step)?.votes),
        }
    }

    /// After the event was offered: a completed vote counts once, and not at all where nothing
    /// took the decision.
    pub(super) fn settle_votes(&mut self, gate: &Gate, taken: Taken) {
        let Some((asker, completed)) = &gate.completed else { return };
        let Some(votes) = self.votes_of(*asker) else { return };
        match taken {
            Taken::Yes => votes.retain(|vote| vote.state != completed.state),
            Taken::Deferred | Taken::Unhandled(_) | Taken::RolledBack => {
                votes.retain(|vote| vote != completed);
            }
        }
    }
}

/// Which of the choices the event is.
fn chosen(approval: &Approval, event: &Event) -> Result<Arc<str>, Outcome> {
    let choice = event.data.as_ref().and_then(|data| data.get("action")).and_then(Value::as_str);
    let known = approval.choices.iter().find(|known| choice == Some(known));
    known.cloned().ok_or_else(|| Outcome::Rejected {
        reason: "`action` is none of the choices".into(),
        accepted: approval.choices.clone(),
    })
}
