//! L4: states without a way to a final state, or to one that waits for something.

use std::collections::{BTreeMap, BTreeSet};

use super::graph::{subtree, transitions_of};
use super::lints::Lint;
use crate::definition::codes;
use crate::definition::model::{Action, StateKind, Trigger};
use crate::machine::StateId;

/// States that move together: an atomic state by itself, or all of the outermost parallel state
/// around it, whose regions may wait for one another.
#[derive(Default)]
struct Group {
    /// The atomic states in it.
    atomic: Vec<StateId>,
    /// It has a way out, by what is known so far.
    alive: bool,
    /// `always` leads from here to these groups.
    next: BTreeSet<StateId>,
}

/// Reports atomic states from which nothing leads on; the circles of `looped` are told already.
pub(super) fn lint(lint: &Lint<'_, '_>, looped: &[StateId]) {
    let mut groups = groups(lint);
    let mut before: BTreeMap<StateId, Vec<StateId>> = BTreeMap::new();
    for (id, group) in &groups {
        group.next.iter().for_each(|next| before.entry(*next).or_default().push(*id));
    }
    let alive = groups.iter().filter(|(_, group)| group.alive);
    let mut queue: Vec<StateId> = alive.map(|(id, _)| *id).collect();
    while let Some(id) = queue.pop() {
        for earlier in before.get(&id).into_iter().flatten() {
            if let Some(group) = groups.get_mut(earlier).filter(|group| !group.alive) {
                group.alive = true;
                queue.push(*earlier);
            }
        }
    }
    for group in groups.values().filter(|group| !group.alive) {
        for id in &group.atomic {
            let name = &lint.definition.state(*id).id;
            let why = if group.next.is_empty() {
                "nothing leads out of it"
            } else if looped.contains(id) {
                continue;
            } else {
                "its `always` go round in circles, past no event and no final state"
            };
            let message = format!("state `{name}` is not final, and {why}");
            lint.context.report.add(codes::DEAD_END, lint.state_span(*id), message);
        }
    }
}

fn groups(lint: &Lint<'_, '_>) -> BTreeMap<StateId, Group> {
    let atomic = |id: &StateId| lint.definition.state(*id).kind == StateKind::Atomic;
    let mut groups: BTreeMap<StateId, Group> = BTreeMap::new();
    for id in lint.ids().filter(|id| lint.is_reachable(*id)).filter(atomic) {
        groups.entry(group_of(lint, id)).or_default().atomic.push(id);
    }
    groups.iter_mut().for_each(|(id, group)| look(lint, *id, group));
    groups
}

/// What stands for `id`: the outermost parallel state around it, or itself.
fn group_of(lint: &Lint<'_, '_>, id: StateId) -> StateId {
    let parallel = |up: &StateId| lint.definition.state(*up).kind == StateKind::Parallel;
    lint.definition.ancestors(id).filter(parallel).last().unwrap_or(id)
}

/// Looks at every transition that a group can take.
fn look(lint: &Lint<'_, '_>, id: StateId, group: &mut Group) {
    let definition = lint.definition;
    // Whatever comes in may let a guard of `always` be true, though it leads nowhere itself.
    let mut stirred = false;
    for state in subtree(definition, id).chain(definition.ancestors(id)) {
        stirred |= definition.state(state).entry.iter().any(|block| calls(block));
        for transition in transitions_of(definition, state) {
            let transition = definition.transition(transition);
            if transition.trigger != Trigger::Always {
                stirred = true;
                group.alive |= !transition.targets.is_empty();
                continue;
            }
            for target in &transition.targets {
                match landing(lint, *target) {
                    Some(next) => group.next.extend([next]),
                    None => group.alive = true,
                }
            }
        }
    }
    group.alive |= stirred && !group.next.is_empty();
}

/// Is a reply waited for after these actions?
fn calls(actions: &[Action]) -> bool {
    actions.iter().any(|action| match action {
        Action::Sequence(_) | Action::Graph(_) => true,
        Action::If(branches) => branches.iter().any(|(_, body)| calls(body)),
        Action::Set(_)
        | Action::Each { .. }
        | Action::Send { .. }
        | Action::Raise { .. }
        | Action::Cancel { .. }
        | Action::Publish { .. }
        | Action::Log { .. }
        | Action::Checkpoint { .. }
        | Action::Route(_)
        | Action::Tell(_) => false,
    })
}

/// The group that a transition to `target` leads to; `None` for a final state, and for what a
/// history state has stored, which may be anything.
fn landing(lint: &Lint<'_, '_>, target: StateId) -> Option<StateId> {
    let definition = lint.definition;
    let mut at = target;
    loop {
        let state = definition.state(at);
        match state.kind {
            StateKind::Final | StateKind::History { .. } => return None,
            StateKind::Atomic | StateKind::Parallel => return Some(group_of(lint, at)),
            // Each step leads further down: `initial` is a descendant.
            StateKind::Compound => {
                let initial = state.initial.map(|id| definition.transition(id));
                at = *initial?.targets.first()?;
            }
        }
    }
}
