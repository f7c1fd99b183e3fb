//! Approvals that wait: which go, which ask for something else, and whose votes are void.

use std::sync::Arc;

use super::Moving;
use crate::definition::model::{Approval, Definition};
use crate::machine::ids::StateId;
use crate::machine::instance::{Instance, Vote};

impl Moving<'_> {
    /// The votes that still count, each for the approval in place of its own.
    pub(super) fn votes(&self, active: &[StateId], notes: &mut Vec<String>) -> Vec<Vote> {
        let mut kept = Vec::new();
        let mut asked = Vec::new();
        for id in &self.old.active {
            let Some(before) = &self.from.state(*id).approval else { continue };
            let there = self.state_in(*id, active);
            let after = there.and_then(|there| self.to.state(there).approval.as_ref());
            let votes: Vec<_> = self.old.votes.iter().filter(|vote| vote.state == *id).collect();
            let (Some(state), Some(after)) = (there, after) else {
                let name = &self.from.state(*id).id;
                notes.push(format!("the approval of `{name}` is withdrawn"));
                void(name, &votes, "", notes);
                continue;
            };
            asked.push(state);
            self.changed(state, before, after, notes);
            let (valid, rest): (Vec<_>, Vec<_>) =
                votes.iter().copied().partition(|vote| self.counts(vote, &votes, before, after));
            void(&self.to.state(state).id, &rest, ": decide again", notes);
            kept.extend(valid.into_iter().map(|vote| Vote { state, ..vote.clone() }));
        }
        for id in active.iter().filter(|id| !asked.contains(id)) {
            let state = self.to.state(*id);
            if let Some(approval) = &state.approval {
                let choices = list(&approval.choices);
                notes.push(format!("`{}` asks for a decision now: {choices}", state.id));
            }
        }
        kept
    }

    /// Does a vote still count? Only where it was cast by somebody who may, for a choice that
    /// there is, and where it does not decide by itself now: nothing is run on the way.
    fn counts(&self, vote: &Vote, all: &[&Vote], before: &Approval, after: &Approval) -> bool {
        let is_initiator = self.old.initiator.as_ref() == Some(&vote.user);
        let alike = all.iter().filter(|other| other.choice == vote.choice).count();
        after.choices.contains(&vote.choice)
            && same_set(&before.roles, &after.roles)
            && !(after.not_initiator && is_initiator)
            && alike < after.need as usize
    }

    /// Tells what an approval asks for differently.
    fn changed(
        &self,
        state: StateId,
        before: &Approval,
        after: &Approval,
        notes: &mut Vec<String>,
    ) {
        let mut tell = |what: &str, old: String, new: String| {
            if old != new {
                let state = &self.to.state(state).id;
                notes.push(format!("the approval of `{state}`: {what} {old} → {new}"));
            }
        };
        tell("choices", list(&before.choices), list(&after.choices));
        if !same_set(&before.roles, &after.roles) {
            tell("roles", roles(&before.roles), roles(&after.roles));
        }
        tell("need", before.need.to_string(), after.need.to_string());
        let barred = |approval: &Approval| {
            if approval.not_initiator { "barred" } else { "admitted" }.to_owned()
        };
        tell("the initiator", barred(before), barred(after));
        tell("event", before.event.to_string(), after.event.to_string());
    }
}

/// Votes on approvals of steps are cast again: what is asked there may be something else.
pub(super) fn void_step_votes(
    instance: &mut Instance,
    definition: &Definition,
    notes: &mut Vec<String>,
) {
    let Some(progress) = instance.progress.as_deref_mut() else { return };
    for run in &mut progress.graphs {
        for at in 0..run.steps.len() {
            let Some(state) = run.steps.get(at).filter(|state| !state.votes.is_empty()) else {
                continue;
            };
            let votes: Vec<_> = state.votes.iter().collect();
            let step = u16::try_from(at).ok().and_then(|at| definition.step(run.graph, at));
            void(step.map_or("", |step| &step.id), &votes, ": decide again", notes);
            if let Some(state) = run.steps.get_mut(at) {
                state.votes.clear();
            }
        }
    }
}

/// Tells of votes that do not count any more, whose they were and for what.
fn void(state: &str, votes: &[&Vote], help: &str, notes: &mut Vec<String>) {
    let who: Vec<_> = votes.iter().map(|vote| format!("{} ({})", vote.user, vote.choice)).collect();
    match who.as_slice() {
        [] => {}
        [only] => notes.push(format!("a vote in `{state}` is void{help}: {only}")),
        several => {
            let (number, who) = (several.len(), several.join(", "));
            notes.push(format!("{number} votes in `{state}` are void{help}: {who}"));
        }
    }
}

fn list(choices: &[Arc<str>]) -> String {
    choices.join(" | ")
}

fn roles(roles: &[Arc<str>]) -> String {
    if roles.is_empty() { "everybody".to_owned() } else { roles.join(", ") }
}

fn same_set(one: &[Arc<str>], other: &[Arc<str>]) -> bool {
    one.iter().all(|role| other.contains(role)) && other.iter().all(|role| one.contains(role))
}
